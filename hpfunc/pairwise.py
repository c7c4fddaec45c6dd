"""The labelled layer: the statistic of every pair of classes at every layer, by name."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from hpfunc._arrays import as_labels, as_points, check_directions, check_finite, namespace
from hpfunc._labels.pairs import label_pairs
from hpfunc._labels.schema import bad_name
from hpfunc._support.progress import ProgressBar
from hpfunc._tree import count_pairs
from hpfunc.statistic import check_graph, check_neighbours, describe, explain, statistics

__all__ = ["Classes", "Layer", "group_by_class", "layers_of", "pairwise_hp"]

_log = logging.getLogger("hpfunc")


class Layer(NamedTuple):
    """The points of one layer, not yet checked, and what to call them."""

    name: str | None  # None for a single array
    points: Any
    labels: Any


class Classes(NamedTuple):
    """Samples in the order of their classes."""

    names: npt.NDArray[Any]  # (K,) sorted
    order: npt.NDArray[np.intp]  # (N,) rows, class by class
    starts: npt.NDArray[np.intp]  # (K + 1,)


def pairwise_hp(
    activations: Any,
    labels: Any = None,
    /,
    *,
    pairs: Iterable[tuple[Any, Any]] | None = None,
    metric: str = "euclidean",
    graph: str = "mst",
    k: int = 1,
    exact: bool = True,
    max_memory: int | None = None,
    progress: bool = False,
) -> xr.Dataset:
    """The Henze-Penrose statistic of every pair of classes, at every layer.

    Parameters
    ----------
    activations : xarray.Dataset, mapping or array-like
        What `collect_activations` returned; or a mapping of layer name -> array ``(n, ...)``; or one array, which
        gives a result without the dim ``layer``. All axes but the first are flattened.
    labels : array-like, optional
        The class of each sample, ``(n,)`` integers or strings. Not needed where the activations carry the coord
        ``label``.
    pairs : iterable of (class, class), optional
        Only these pairs, in this order. By default all, in the order of the classes.
    metric, graph, k, exact, max_memory
        As in `hp_statistic`.
    progress : bool
        Show a bar over the pairs of all layers.

    Returns
    -------
    xarray.Dataset
        The variables of `hp_statistic` with dims ``(layer, pair)``. Coords: ``layer`` in the order given,
        ``class_a`` and ``class_b`` on ``pair``, ``n_features`` on ``layer``. ``sel(class_a=3, class_b=8)`` and
        ``sel(class_a=8, class_b=3)`` are the same entry.

    Raises
    ------
    TypeError
        For data that are not real numbers, or labels that are neither integers nor strings.
    ValueError
        For labels of the wrong length or missing, fewer than two classes, an unknown pair, NaN or infinity (layer,
        class and count are named), unknown options, or too little memory.

    Warns
    -----
    UserWarning
        Where ties leave values undefined; it names layer and pair.

    Notes
    -----
    Layers on a CUDA device are measured there with the same counts, ``max_memory`` being of the device; pairs with
    tied distances are counted from a host copy of their classes, which the log ``hpfunc`` says.

    Examples
    --------
    >>> import numpy as np
    >>> import hpfunc as hp
    >>> points = np.random.default_rng(0).normal(size=(90, 5)) + np.repeat([0, 0, 9], 30)[:, None]
    >>> result = hp.pairwise_hp({"input": points}, np.repeat(["cat", "dog", "fox"], 30))
    >>> bool(result.hp.sel(layer="input", class_a="fox", class_b="cat") > 0.9)
    True
    """
    check_graph(metric, graph, k)
    layers = list(layers_of(activations, labels))
    chosen = None if pairs is None else list(pairs)
    results = []
    with ProgressBar(progress, "pairs of classes") as bar:
        for layer in layers:
            points, classes = group_by_class(layer, metric)
            numbers = _pair_numbers(chosen, classes.names)
            bar.expect(len(layers) * len(numbers))
            sizes = np.diff(classes.starts)
            m, n = sizes[numbers].T
            where = _where(layer.name)
            check_neighbours(graph, k, int((m + n).min()), f"a pair of {where}")
            counts = count_pairs(
                points, classes.starts, numbers, metric=metric, graph=graph, k=k, exact=exact,
                max_memory=max_memory, name=where, advance=bar.update,
            )  # fmt: skip
            first, second = classes.names[numbers].T
            explain(counts, k, exact, lambda p, a=first, b=second, w=where: f"{w}, classes {a[p]} and {b[p]}")
            if counts.again.any():
                _log.info("%s: %d of %d pairs measured again in float64", where, counts.again.sum(), len(numbers))
            results.append((layer.name, points.shape[1], (first, second), statistics(counts, m, n)))
    return _assemble(results, metric, graph, k)


def layers_of(activations: Any, labels: Any) -> Iterator[Layer]:
    """The layers of whatever `pairwise_hp` accepts, with their labels."""
    if isinstance(activations, xr.Dataset):
        label = _labels_or_coord(activations, labels)
        names = [name for name in activations.data_vars if activations[name].dims[:1] == ("sample",)]
        if not names:
            raise ValueError(
                f"activations holds no variable whose first dim is 'sample'; it holds {dict(activations.sizes)}"
            )
        yield from (Layer(_layer_name(name), activations[name].data, label) for name in names)
    elif isinstance(activations, Mapping):
        if not activations:
            raise ValueError("activations is an empty mapping; pass at least one layer name -> array")
        for name, points in activations.items():
            yield Layer(_layer_name(name), points, _labels_or_coord(points, labels))
    else:
        yield Layer(None, activations, _labels_or_coord(activations, labels))


def _layer_name(name: object) -> str:
    """A name that results can be written and read again with."""
    if not isinstance(name, str):
        raise TypeError(f"activations has the key {name!r}; layer names are strings")
    why = bad_name(name, "layer")
    if why:
        raise ValueError(f"activations: {why}; rename it")
    return name


def _labels_or_coord(values: Any, labels: Any) -> Any:
    """The labels given, or the coord ``label`` of an xarray object."""
    if labels is not None:
        return labels
    if isinstance(values, (xr.Dataset, xr.DataArray)) and "label" in values.coords:
        return values.coords["label"].values
    raise ValueError("labels is missing, and the activations carry no coord 'label'; pass the class of each sample")


def group_by_class(layer: Layer, metric: str) -> tuple[Any, Classes]:
    """Checked points ``(N, d)`` in the order of their classes, and where each class starts."""
    where = _where(layer.name)
    points = as_points(layer.points, where)
    label = as_labels(layer.labels, len(points))
    check_finite(points, where, label)
    if metric == "cosine":
        check_directions(points, where)
    names, number = np.unique(label, return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"labels holds one class only, {names[0].item()!r}; a pair needs two")
    starts = np.concatenate([[0], np.cumsum(np.bincount(number))])
    if (number[1:] >= number[:-1]).all():
        return points, Classes(names, np.arange(len(points)), starts)
    order = np.argsort(number, kind="stable")
    rows = order if namespace(points) is np else namespace(points).asarray(order)
    return points[rows], Classes(names, order, starts)


def _where(name: str | None) -> str:
    return "activations" if name is None else f"layer {name!r}"


def _pair_numbers(pairs: list[tuple[Any, Any]] | None, names: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """Pairs of class numbers, the lower first."""
    if pairs is None:
        return np.stack(np.triu_indices(len(names), 1), axis=1)
    if not pairs:
        raise ValueError("pairs is empty; pass at least one pair of classes, or None for all")
    known = {name: number for number, name in enumerate(names.tolist())}
    numbers = []
    for pair in pairs:
        if not isinstance(pair, (tuple, list, np.ndarray)) or len(pair) != 2:
            raise TypeError(f"pairs holds {pair!r}, which is not a pair of classes such as (3, 8)")
        unknown = [c for c in pair if c not in known]
        if unknown:
            raise ValueError(f"pairs names the class {unknown[0]!r}, which is not in labels; there are {list(known)}")
        low, high = sorted(known[c] for c in pair)
        if low == high:
            raise ValueError(f"pairs holds {tuple(pair)!r}, a class with itself; name two different classes")
        if (low, high) in numbers:
            raise ValueError(f"pairs holds {tuple(pair)!r} twice (in either order); name each pair once")
        numbers.append((low, high))
    return np.array(numbers, np.intp)


def _assemble(results: list[Any], metric: str, graph: str, k: int) -> xr.Dataset:
    """One Dataset of all layers."""
    names, widths, classes, values = zip(*results, strict=True)
    first, second = classes[0]
    coords = {"class_a": ("pair", first), "class_b": ("pair", second)}
    if names == (None,):
        data = {name: ("pair", value) for name, value in values[0].items()}
        dataset = xr.Dataset(data, {**coords, "n_features": widths[0]})
    else:
        for name, other in zip(names, classes, strict=True):
            if not all(np.array_equal(one, two) for one, two in zip(classes[0], other, strict=True)):
                raise ValueError(
                    f"layers {names[0]!r} and {name!r} hold different classes; give all layers the same labels"
                )
        stacked = {name: np.stack([v[name] for v in values]) for name in values[0]}
        dataset = xr.Dataset(
            {name: (("layer", "pair"), value) for name, value in stacked.items()},
            {"layer": list(names), "n_features": ("layer", list(widths)), **coords},
        )
        dataset.coords["layer"].attrs["long_name"] = "Layer"
    dataset.coords["n_features"].attrs.update(long_name="Features", units="1")
    return label_pairs(describe(dataset, metric, graph, k))
