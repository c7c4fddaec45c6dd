"""The Henze-Penrose statistic of two samples, other estimates from the same counts, and what they bound."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from hpfunc._arrays import align_features, as_points, check_directions, check_finite, namespace, on_device
from hpfunc._labels.counts import read_counts
from hpfunc._measure.describe import describe
from hpfunc._measure.pairs import GraphOptions, measure_pairs
from hpfunc._stats.estimate import ESTIMATORS, bayes_bounds
from hpfunc._support.checks import check_option
from hpfunc._support.surroundings import unaffected
from hpfunc._tree import check_pairs_copy

__all__ = ["bayes_error_bounds", "hp_estimate", "hp_statistic"]


@unaffected
def hp_statistic(
    x: Any,
    y: Any,
    /,
    *,
    metric: str = "euclidean",
    graph: str = "mst",
    k: int = 1,
    exact: bool = True,
    max_memory: int | None = None,
) -> xr.Dataset:
    """Measure how well two samples are separated: the Henze-Penrose statistic from their minimum spanning tree.

    Parameters
    ----------
    x, y : array-like
        Points ``(m, ...)`` and ``(n, ...)`` of the two classes, as NumPy, torch or any other DLPack arrays; all axes
        but the first are flattened. They need the same features: where both label them (coords, columns), equal labels
        in another order are aligned, and different labels are an error. In a DataArray the samples lie along the dim of
        the coord ``label``, else along ``sample``, else along the first dim.
    metric : {"euclidean", "cosine"}
        Distance between points.
    graph : {"mst", "knn"}
        The graph whose edges are counted: ``k`` orthogonal minimum spanning trees (each without the edges of those
        before it), or every point's ``k`` nearest neighbours.
    k : int
        Number of trees or neighbours.
    exact : bool
        True: the counts are those of float64 distances by direct differences, ties included, for certain. False: the
        tree that the working precision finds; the extremes are then NaN. The option affects the single tree only; other
        graphs are always exact.
    max_memory : int, optional
        Limit on working memory in bytes, beyond the data; by default half of the free memory. A call that needs more
        raises ValueError and names a sufficient limit: at the start, or, where too many distances tie or nearly tie, as
        soon as this is known. Estimates are accurate to a quarter; libraries, their threads and a few ties take up to
        64 MB more.

    Returns
    -------
    xarray.Dataset
        Scalars. ``cross_edges``: edges that join the two classes, the mean over all minimum spanning trees (there are
        several where distances tie). ``cross_edges_min`` and ``cross_edges_max``: the extremes over these trees. All
        three are per tree or neighbour. ``hp``: 1 - R N / (2 m n), clipped to [0, 1]. ``z`` and ``pvalue``: the count
        against random labels on the same graph, lower tail; NaN for fewer than 4 samples. ``n_a``, ``n_b``: m and n.

    Raises
    ------
    TypeError
        For data that are not real numbers.
    ValueError
        For empty samples, different feature counts, NaN or infinity, unknown options, or too little memory.

    Warns
    -----
    UserWarning
        Where ties leave the mean (NaN) or, for orthogonal trees, the extremes (NaN) undefined.

    Notes
    -----
    Friedman & Rafsky 1979, doi:10.1214/aos/1176344722; Henze & Penrose 1999, doi:10.1214/aos/1018031112. At fixed
    sample size the estimate falls as the dimension rises: compare layers of different width with care.

    Examples
    --------
    >>> import hpfunc as hp
    >>> result = hp.hp_statistic([[1, 2], [2, 2], [3, 1]], [[1, 1], [2, 4], [3, 2], [4, 2]])
    >>> float(result.cross_edges), round(float(result.z), 6)
    (4.0, 0.530745)
    """
    options = GraphOptions(metric, graph, k, exact, max_memory)
    options.check()
    x, y = align_features(x, y, ("x", "y"))
    class_a, class_b = as_points(x, "x"), as_points(y, "y")
    if class_a.shape[1] != class_b.shape[1]:
        raise ValueError(
            f"x has {class_a.shape[1]} features (shape {class_a.shape}) and y has {class_b.shape[1]} (shape "
            f"{class_b.shape}); pass points of the same space"
        )
    for points, name, source in ((class_a, "x", x), (class_b, "y", y)):
        check_finite(points, name, source=source)
        if metric == "cosine":
            check_directions(points, name)
    if class_a.device != class_b.device:
        raise TypeError("x and y are not on the same device; move one of them first")
    starts, pair = np.cumsum([0, len(class_a), len(class_b)]), np.array([[0, 1]])
    options = options._replace(held=int(class_a.nbytes + class_b.nbytes))
    for points in (class_a, class_b):
        check_pairs_copy(points, starts, options.held, "x and y", options=options)
    with on_device(class_a):
        points = namespace(class_a).concatenate([class_a, class_b])
    values = measure_pairs(points, starts, pair, options, where="x and y", name=lambda p: "x and y")
    return describe(xr.Dataset({name: ((), value[0]) for name, value in values.items()}), options)


@unaffected
def hp_estimate(results: xr.Dataset, /, *, estimator: str = "friedman-rafsky", clip: bool = True) -> xr.DataArray:
    """Compute another estimate from stored counts of cross edges; nothing is measured again.

    Parameters
    ----------
    results : xarray.Dataset
        What `hp_statistic`, `pairwise_hp` or `sweep` returned: ``cross_edges``, ``n_a``, ``n_b``.
    estimator : {"friedman-rafsky", "u", "minus-one", "bias-corrected"}
        With R cross edges, class sizes m, n, N = m + n, p = m / N, q = n / N:

        - ``"friedman-rafsky"``: 1 - R N / (2 m n) (Friedman & Rafsky 1979; Henze & Penrose 1999).
        - ``"u"``: 1 - 2 min(N / 2, R) / N, which estimates 4 p q D + (p - q)^2; it equals the first at m = n
          only (Berisha et al. 2016).
        - ``"minus-one"``: the first with R - 1 (DataEval).
        - ``"bias-corrected"``: with C = R - 1, c = min(p, q) and g = N (2 c - 3/4 + sqrt(9 - 16 c) / 4):
          1 - 2 min(g, C) / N (van den Burg & Hero 2017, arXiv:1711.03512, who take the mean R of three orthogonal
          trees).
    clip : bool
        Whether to clip to [0, 1].

    Returns
    -------
    xarray.DataArray
        The estimate, with the dims and coords of the counts.

    Raises
    ------
    TypeError
        If ``results`` is not a Dataset.
    ValueError
        For an unknown estimator, or results without counts.

    Examples
    --------
    >>> import hpfunc as hp
    >>> result = hp.hp_statistic([5, 4, 2, 3, 1], [2.5, -1, -2, 6])
    >>> round(float(hp.hp_estimate(result, estimator="u")), 4)
    0.1111
    """
    check_option("estimator", estimator, tuple(ESTIMATORS))
    counts = read_counts(results)
    estimate: xr.DataArray = ESTIMATORS[estimator](*counts)
    if clip:
        estimate = estimate.clip(0, 1)
    own = {"long_name": "Henze-Penrose statistic", "units": "1", "estimator": estimator, "hp_clipped": int(clip)}
    return estimate.rename("hp").assign_attrs(results.attrs | own)


@unaffected
def bayes_error_bounds(results: xr.Dataset, /) -> xr.Dataset:
    """Compute bounds on the Bayes error between two classes, from stored counts.

    Parameters
    ----------
    results : xarray.Dataset
        What `hp_statistic`, `pairwise_hp` or `sweep` returned: ``cross_edges``, ``n_a``, ``n_b``.

    Returns
    -------
    xarray.Dataset
        ``lower`` and ``upper``, with the dims of the counts: 1/2 - sqrt(u)/2 <= error <= 1/2 - u/2, where u is
        the estimate ``"u"`` of `hp_estimate`, for equal costs and the priors of the samples.

    Raises
    ------
    TypeError
        If ``results`` is not a Dataset.
    ValueError
        For results without counts.

    Notes
    -----
    Berisha, Wisler, Hero & Spanias 2016, doi:10.1109/TSP.2015.2477805. They are bounds for the distributions; an
    estimate from few samples of many features can lie on either side.

    No tree has fewer than one cross edge, so the lower bound never reaches 0: for two well separated classes of n
    samples each it is 1/2 - sqrt(1 - 1/n)/2, about 1/(4 n) (.005 for setosa and versicolor, n = 50). And points that
    were fitted to the same rows (scores of a linear discriminant analysis, a layer on its training images) look better
    separated than new ones. On pure noise, 50 samples a class of 90 features, whose error is 1/2, the points give the
    bounds .42 and .48, and their discriminant scores .005 and .01: fit on some rows and measure others.

    Examples
    --------
    >>> import hpfunc as hp
    >>> bounds = hp.bayes_error_bounds(hp.hp_statistic([0, 1], [10, 11]))
    >>> round(float(bounds.lower), 4), float(bounds.upper)
    (0.1464, 0.25)
    """
    lower, upper = bayes_bounds(ESTIMATORS["u"](*read_counts(results)))
    names = {"lower": "Lower bound on the Bayes error", "upper": "Upper bound on the Bayes error"}
    return xr.Dataset(
        {
            name: bound.assign_attrs(long_name=names[name], units="1")
            for name, bound in (("lower", lower), ("upper", upper))
        },
        attrs=results.attrs,
    )
