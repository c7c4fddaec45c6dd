"""The labelled layer: the statistic of every pair of classes at every layer, by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import xarray as xr

from hpfunc._measure.folds import SampleOptions
from hpfunc._measure.pairs import GraphOptions
from hpfunc._measure.results import measure_layers
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
    samples_per_class: int | None = None,
    folds: int | None = None,
    repeats: int = 1,
    key: int | tuple[int, ...] | None = None,
    groups: Any = None,
) -> xr.Dataset:
    """Measure the Henze-Penrose statistic of every pair of classes, at every layer.

    Parameters
    ----------
    activations : xarray.Dataset, mapping or array-like
        What `collect_activations` returned; or a mapping of layer name -> array ``(n, ...)``; or one array, which gives
        a result without the dim ``layer``. All axes but the first are flattened. In an xarray object the samples lie
        along the dim of the coord ``label`` (or of ``labels``), else along ``sample``, else along the first dim.
    labels : array-like, optional
        The class of each sample, ``(n,)`` integers or strings (booleans and whole floats count as integers). Not needed
        where the activations carry the coord ``label``. Where both label their samples, by coords or by an index of
        pandas, the labels are put in the order of the samples.
    pairs : iterable of (class, class), optional
        Only these pairs, in this order. By default all, in the order of the classes.
    metric : {"euclidean", "cosine"}
        Distance between points.
    graph : {"mst", "knn"}
        The graph whose edges are counted: ``k`` orthogonal minimum spanning trees (each without the edges of those
        before it), or every point's ``k`` nearest neighbours.
    k : int
        Number of trees or neighbours.
    exact : bool
        True: the counts are those of float64 distances by direct differences, ties included, for certain. False:
        the tree that the working precision finds; the extremes are then NaN.
    max_memory : int, optional
        Limit on working memory in bytes, beyond the data; by default half of the free memory. A call that needs more
        raises ValueError and names a sufficient limit: at the start, or, where too many distances tie or nearly tie,
        when the classes or pairs with these ties are reached, which can be late. The limit that this second error names
        is enough for any ties; the first one names it too ("up to ..."). Estimates are accurate to a quarter;
        libraries, their threads, a small copy and a few ties take up to 64 MB more.
    progress : bool
        Show a bar over the pairs of all layers.
    samples_per_class : int, optional
        Draw this many samples of each class at random, so that classes of different sizes are comparable: HP of 200 and
        20 samples differs from HP of 110 and 110 of the same two distributions.
    folds : int, optional
        Divide the samples of each class at random into this many disjoint folds, 2 or more, and measure each fold
        separately. `fold_interval` turns the results into an interval that holds for new samples.
    repeats : int
        How many times to divide the samples anew.
    key : int or tuple of int, optional
        What the random draws depend on; required with ``folds`` and ``samples_per_class``. How the samples of a class
        are divided depends on the key, the class and their positions in the data set (the coord ``index`` of the
        activations, or else their rows), and on nothing else: it is the same for all layers, checkpoints and machines,
        and for any order of the samples. Other samples of the class are divided anew.
    groups : str or array-like, optional
        Which samples belong together, such as frames of a film or augmentations of an image: integers or strings
        ``(n,)``, or the name of a coord of the activations. Samples of one group fall in one fold, and how they are
        divided depends on the key and on the groups of all samples. Folds are as equal as the groups allow.

    Returns
    -------
    xarray.Dataset
        The variables of `hp_statistic` with dims ``(layer, pair)``. Coords: ``layer`` in the order given,
        ``class_a`` and ``class_b`` on ``pair``, ``n_features`` on ``layer``. ``sel(class_a=3, class_b=8)`` and
        ``sel(class_a=8, class_b=3)`` are the same entry. With folds the dims are ``(repeat, fold, layer, pair)``, and
        ``hp`` is not clipped (the attr ``hp_clipped`` is 0): clipped values would be too large on average where classes
        overlap.

    Raises
    ------
    TypeError
        For data that are not real numbers, or labels that are neither integers nor strings.
    ValueError
        For labels that are missing, have the wrong length or belong to other samples; for masked entries; for fewer
        than two classes, an unknown pair, NaN or infinity (layer, class and count are named), unknown options, or too
        little memory; for folds that leave fewer than 2 samples of a class, and for fewer samples in a class than
        ``samples_per_class``.

    Warns
    -----
    UserWarning
        Where ties leave values undefined; it names layer and pair. Where folds leave fewer than 5 samples of a class,
        or where groups make one fold more than twice as large as another.

    Notes
    -----
    Layers on a CUDA device are measured there with the same counts, where ``max_memory`` is memory of the device; pairs
    with tied distances are counted from a host copy of their classes, and the log ``hpfunc`` says so.

    Examples
    --------
    >>> import numpy as np
    >>> import hpfunc as hp
    >>> points = np.random.default_rng(0).normal(size=(90, 5)) + np.repeat([0, 0, 9], 30)[:, None]
    >>> result = hp.pairwise_hp({"input": points}, np.repeat(["cat", "dog", "fox"], 30))
    >>> bool(result.hp.sel(layer="input", class_a="fox", class_b="cat") > 0.9)
    True
    """
    return measure_layers(
        activations,
        labels,
        GraphOptions(metric, graph, k, exact, max_memory),
        SampleOptions(samples_per_class, folds, repeats, key, groups is not None),
        pairs=pairs,
        groups=groups,
        progress=progress,
    )
