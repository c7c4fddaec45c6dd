"""Measure named layers: from what a user gives, over the numbers of each pair, to one labelled result."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from hpfunc._arrays import is_tensor, on_device, to_host
from hpfunc._labels.pairs import label_pairs
from hpfunc._labels.provenance import kept_attrs
from hpfunc._measure.describe import describe
from hpfunc._measure.folds import SampleOptions, draw_and_part
from hpfunc._measure.layers import group_by_class, read_layers
from hpfunc._measure.pairs import GraphOptions, measure_folds, measure_pairs
from hpfunc._support.progress import ProgressBar
from hpfunc._support.surroundings import unaffected
from hpfunc._tree import check_pairs_copy
from hpfunc._tree.threads import single_blas

__all__ = ["measure_layers", "pair_numbers"]


class LayerResult(NamedTuple):
    """Hold the variables of one layer, one value for each pair, and its labels."""

    name: str | None  # None for a single array
    n_features: int
    class_a: npt.NDArray[Any]  # (P,)
    class_b: npt.NDArray[Any]  # (P,)
    values: dict[str, npt.NDArray[Any]]  # variable -> (P,), or (R, F, P) in folds


@unaffected
def measure_layers(
    activations: Any,
    labels: Any,
    graph_options: GraphOptions,
    sample_options: SampleOptions,
    *,
    pairs: Iterable[tuple[Any, Any]] | None = None,
    groups: Any = None,
    progress: bool = False,
) -> xr.Dataset:
    """Measure every pair of classes at every layer as `pairwise_hp` does; the clock in the options records the time."""
    graph_options.check()
    sample_options.check()
    layers = list(read_layers(activations, labels, groups))
    chosen = None if pairs is None else list(pairs)
    results, check = [], partial(check_pairs_copy, options=graph_options)
    # Limit BLAS once for all layers, since setting the limit takes longer than the pairs of a small layer.
    with ProgressBar(progress, "pairs of classes") as bar, single_blas():
        for layer in layers:
            grouped = group_by_class(layer, graph_options.metric, check)
            classes, fold = grouped, None
            if sample_options.key is not None:
                with on_device(grouped.points):
                    classes, fold = draw_and_part(layer, grouped, sample_options, sample_options.key, check)
            numbers = pair_numbers(chosen, classes.names)
            graph_options = graph_options._replace(held=classes.held)
            bar.expect(len(layers) * len(numbers) * sample_options.repeats)
            class_a, class_b = classes.names[numbers].T
            name = partial(_name_pair, layer.where, class_a, class_b)
            options: Any = {"where": layer.where, "name": name, "advance": bar.update}
            with on_device(classes.points):
                if fold is None:
                    values = measure_pairs(classes.points, classes.starts, numbers, graph_options, **options)
                else:
                    values = measure_folds(classes.points, classes.starts, numbers, fold, graph_options, **options)
            results.append(LayerResult(layer.name, classes.points.shape[1], class_a, class_b, values))
    collected = kept_attrs(activations.attrs) if isinstance(activations, xr.Dataset) else {}
    return _assemble(results, graph_options).assign_attrs(collected | sample_options.attrs())


def _name_pair(where: str, class_a: Any, class_b: Any, p: int) -> str:
    """Name pair p of a layer as errors and warnings do."""
    return f"{where}, classes {class_a[p]} and {class_b[p]}"


def pair_numbers(pairs: list[tuple[Any, Any]] | None, names: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """Turn pairs of classes, by default all, into ``(P, 2)`` class numbers, the lower first."""
    if pairs is None:
        return np.stack(np.triu_indices(len(names), 1), axis=1)
    if not pairs:
        raise ValueError("pairs is empty; pass at least one pair of classes, or None for all")
    known = {name: number for number, name in enumerate(names.tolist())}
    numbers = []
    for given in pairs:
        # An array or a tensor of pairs has rows.
        pair: Any = to_host(given).tolist() if isinstance(given, np.ndarray) or is_tensor(given) else given
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
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


def _assemble(results: list[LayerResult], options: GraphOptions) -> xr.Dataset:
    """Put the results of all layers into one Dataset, whose pairs can be selected in either order."""
    first = results[0]
    shape = first.values["hp"].shape
    over = ("repeat", "fold") if len(shape) > 1 else ()
    coords: dict[str, Any] = {dim: np.arange(size) for dim, size in zip(over, shape, strict=False)}
    coords |= {"class_a": ("pair", first.class_a), "class_b": ("pair", first.class_b)}
    if first.name is None:
        data = {name: ((*over, "pair"), value) for name, value in first.values.items()}
        dataset = xr.Dataset(data, {**coords, "n_features": first.n_features})
    else:
        for result in results:
            if not _same_pairs(first, result):
                raise ValueError(
                    f"layers {first.name!r} and {result.name!r} hold different classes; give all layers the same labels"
                )
        stacked = {name: np.stack([result.values[name] for result in results], axis=-2) for name in first.values}
        dataset = xr.Dataset(
            {name: ((*over, "layer", "pair"), value) for name, value in stacked.items()},
            {
                "layer": [result.name for result in results],
                "n_features": ("layer", [result.n_features for result in results]),
                **coords,
            },
        )
        dataset.coords["layer"].attrs["long_name"] = "Layer"
    dataset.coords["n_features"].attrs.update(long_name="Features", units="1")
    dataset = describe(dataset, options)
    if over:
        dataset["hp"].attrs["long_name"] = "Henze-Penrose statistic in a fold, not clipped"
    return label_pairs(dataset)


def _same_pairs(source: LayerResult, target: LayerResult) -> bool:
    return np.array_equal(source.class_a, target.class_a) and np.array_equal(source.class_b, target.class_b)
