"""The labelled layer: the statistic of every pair of classes at every layer, by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr

from hpfunc._labels.layer_results import LayerResult, assemble, pair_numbers
from hpfunc._labels.layers import group_by_class, read_layers
from hpfunc._labels.measure import GraphOptions, measure_pairs
from hpfunc._support.progress import ProgressBar
from hpfunc._support.surroundings import unaffected

__all__ = ["pairwise_hp"]


@unaffected
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
    """Measure the Henze-Penrose statistic of every pair of classes, at every layer.

    Parameters
    ----------
    activations : xarray.Dataset, mapping or array-like
        What `collect_activations` returned; or a mapping of layer name -> array ``(n, ...)``; or one array, which
        gives a result without the dim ``layer``. All axes but the first are flattened. In an xarray object the samples
        stand along the dim of the coord ``label`` (or of ``labels``), else along ``sample``, else along the first dim.
    labels : array-like, optional
        The class of each sample, ``(n,)`` integers or strings (booleans and whole floats count as integers). Not needed
        where the activations carry the coord ``label``. Where both label their samples, by coords or by an index of
        pandas, the labels are put in the order of the samples.
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
        For labels of the wrong length, missing, or of other samples; for masked entries; for fewer than two classes, an
        unknown pair, NaN or infinity (layer, class and count are named), unknown options, or too little memory.

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
    options = GraphOptions(metric, graph, k, exact, max_memory)
    options.check()
    layers = list(read_layers(activations, labels))
    chosen = None if pairs is None else list(pairs)
    results = []
    with ProgressBar(progress, "pairs of classes") as bar:
        for layer in layers:
            points, names, _, starts = group_by_class(layer, metric)
            numbers = pair_numbers(chosen, names)
            bar.expect(len(layers) * len(numbers))
            options.check_neighbours(int(np.diff(starts)[numbers].sum(axis=1).min()), f"a pair of {layer.where}")
            class_a, class_b = names[numbers].T
            called = [f"{layer.where}, classes {a} and {b}" for a, b in zip(class_a, class_b, strict=True)]
            values = measure_pairs(
                points, starts, numbers, options, where=layer.where, name=called.__getitem__, advance=bar.update
            )
            results.append(LayerResult(layer.name, points.shape[1], class_a, class_b, values))
    return assemble(results, options)
