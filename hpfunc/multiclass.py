"""All classes at once, by one minimum spanning tree over every sample; and that tree itself."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from hpfunc._arrays import as_points, check_directions, check_finite
from hpfunc._labels.provenance import kept_attrs
from hpfunc._measure.layers import group_by_class, read_layers
from hpfunc._stats.estimate import ESTIMATORS, multiclass_bounds
from hpfunc._support.checks import check_option
from hpfunc._support.surroundings import unaffected
from hpfunc._support.warn import warn
from hpfunc._tree import check_tree_copy, class_counts, span
from hpfunc._version import __version__

__all__ = ["euclidean_mst", "multiclass_hp"]


@unaffected
def multiclass_hp(
    activations: Any,
    labels: Any = None,
    /,
    *,
    metric: str = "euclidean",
    max_memory: int | None = None,
) -> xr.Dataset:
    """Measure the separation of all classes at once, at every layer, from one minimum spanning tree over all samples.

    Parameters
    ----------
    activations : xarray.Dataset, mapping or array-like
        What `collect_activations` returned; or a mapping of layer name -> array ``(n, ...)``; or one array, which
        gives a result without the dim ``layer``. All axes but the first are flattened.
    labels : array-like, optional
        The class of each sample, ``(n,)`` integers or strings, with the same rules as in `pairwise_hp`. Not needed
        where the activations carry the coord ``label``.
    metric : {"euclidean", "cosine"}
        Distance between points.
    max_memory : int, optional
        Limit on working memory in bytes, beyond the data; by default half of the free memory. A call that needs more
        raises ValueError and names a sufficient limit: at the start, or, where too many distances tie or nearly tie, as
        soon as this is known. Estimates are accurate to a quarter; libraries, their threads and a few ties take up to
        64 MB more.

    Returns
    -------
    xarray.Dataset
        ``cross_edges (layer, class_a, class_b)``: edges between two classes, the mean over all minimum spanning
        trees, symmetric, 0 on the diagonal. ``hp (layer, class)``: each class against the rest, 1 - R N / (2 m n)
        clipped to [0, 1], with R its edges to other classes. ``lower``, ``upper`` ``(layer,)``: bounds on the
        Bayes error of all K classes. ``n (class,)``: samples. One array gives no dim ``layer``.

    Raises
    ------
    TypeError, ValueError
        As in `pairwise_hp`.

    Warns
    -----
    UserWarning
        Where too many distances tie for the mean over trees, so that values are NaN.

    Notes
    -----
    With S the share of cross edges, their number divided by 2 N: upper 2 S, lower
    (K - 1)/K (1 - sqrt(max(0, 1 - 2 K S/(K - 1)))). Sekeh, Oselio & Hero 2020, arXiv:1811.06419,
    doi:10.1109/TSP.2020.2994807.

    Examples
    --------
    >>> import hpfunc as hp
    >>> result = hp.multiclass_hp([0, 1, 10, 11, 20, 21], [0, 0, 1, 1, 2, 2])
    >>> round(float(result.lower), 5), round(float(result.upper), 5)
    (0.19526, 0.33333)
    """
    check_option("metric", metric, ("euclidean", "cosine"))
    results, sizes, names = [], None, None
    check = partial(check_tree_copy, metric=metric, max_memory=max_memory)
    for layer in read_layers(activations, labels):
        points, classes, _, starts, held = group_by_class(layer, metric, check)
        count = class_counts(points, starts, metric=metric, max_memory=max_memory, held=held, name=layer.where)
        if names is not None and not np.array_equal(names, classes):
            raise ValueError(f"{layer.where} holds other classes than the first layer; give all layers the same labels")
        if np.isnan(count).any():
            warn(
                f"{layer.where}: more distances are tied than can be averaged over (a component of over 3,000 points "
                "of equal distance), so cross_edges of some classes, their hp, lower and upper are NaN"
            )
        names, sizes = classes, np.diff(starts)
        results.append((layer.name, points.shape[1], count))
    collected = kept_attrs(activations.attrs) if isinstance(activations, (xr.Dataset, xr.DataArray)) else {}
    return _assemble(results, names, sizes, metric).assign_attrs(collected)


def _assemble(results: list[Any], classes: Any, sizes: Any, metric: str) -> xr.Dataset:
    """Put the counts of all layers into one Dataset."""
    layers, widths, counts = zip(*results, strict=True)
    cross = np.stack(counts)
    total = sizes.sum()
    hp = np.clip(ESTIMATORS["friedman-rafsky"](cross.sum(axis=2), sizes, total - sizes), 0, 1)
    lower, upper = multiclass_bounds(np.triu(cross).sum(axis=(1, 2)) / (2 * total), len(sizes))
    dataset = xr.Dataset(
        {
            "cross_edges": (("layer", "class_a", "class_b"), cross, {"long_name": "Cross edges", "units": "1"}),
            "hp": (("layer", "class"), hp, {"long_name": "Henze-Penrose statistic against the rest", "units": "1"}),
            "lower": ("layer", lower, {"long_name": "Lower bound on the Bayes error", "units": "1"}),
            "upper": ("layer", upper, {"long_name": "Upper bound on the Bayes error", "units": "1"}),
            "n": ("class", sizes, {"long_name": "Samples", "units": "1"}),
        },
        {
            "layer": list(layers), "n_features": ("layer", list(widths)),
            "class_a": classes, "class_b": classes, "class": classes,
        },
        {"metric": metric, "hpfunc_version": __version__},
    )  # fmt: skip
    return dataset.isel(layer=0).drop_vars("layer") if layers == (None,) else dataset


@unaffected
def euclidean_mst(
    points: Any, /, *, metric: str = "euclidean", exact: bool = True, max_memory: int | None = None
) -> xr.Dataset:
    """Compute the minimum spanning tree of points, as edges that tell which samples bridge two classes.

    Parameters
    ----------
    points : array-like
        Points ``(n, ...)``; all axes but the first are flattened.
    metric : {"euclidean", "cosine"}
        Distance between points; cosine distance is 1 - cos.
    exact : bool
        True: the tree of float64 distances by direct differences, for certain. False: the tree that float64 matrix
        products find.
    max_memory : int, optional
        Limit on working memory in bytes, beyond the data; by default half of the free memory. A call that needs more
        raises ValueError and names a sufficient limit: at the start, or, where too many distances tie or nearly tie, as
        soon as this is known. Estimates are accurate to a quarter; libraries, their threads and a few ties take up to
        64 MB more.

    Returns
    -------
    xarray.Dataset
        ``source``, ``target`` (rows of ``points``, the lower one first) and ``weight`` (the distance), each with the
        dim ``edge`` of n - 1 entries in rising order of weight. Where distances tie, edges between lower rows are
        taken first.

    Raises
    ------
    TypeError
        For data that are not real numbers.
    ValueError
        For empty data, NaN or infinity, an unknown metric, or too little memory.

    Examples
    --------
    Count the edges from each sample to the other class:

    >>> import numpy as np
    >>> import hpfunc as hp
    >>> label = np.array([0, 0, 0, 1, 1])
    >>> tree = hp.euclidean_mst([[0.0], [1.0], [3.0], [4.5], [7.0]])
    >>> ends = np.stack([tree.source, tree.target])
    >>> cross = label[ends[0]] != label[ends[1]]
    >>> np.bincount(ends[:, cross].ravel(), minlength=len(label))
    array([0, 0, 1, 1, 0])
    """
    check_option("metric", metric, ("euclidean", "cosine"))
    x = as_points(points)
    check_finite(x, "points", source=points)
    if metric == "cosine":
        check_directions(x, "points")
    edges, lengths = span(x, metric=metric, exact=exact, max_memory=max_memory, name="points")
    return xr.Dataset(
        {
            "source": ("edge", edges[:, 0], {"long_name": "Lower row"}),
            "target": ("edge", edges[:, 1], {"long_name": "Higher row"}),
            "weight": ("edge", lengths, {"long_name": f"{metric.capitalize()} distance"}),
        },
        attrs={"metric": metric, "hpfunc_version": __version__},
    )
