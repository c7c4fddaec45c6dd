"""The Henze-Penrose statistic of two samples, other estimates from the same counts, and what they bound."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from hpfunc._arrays import as_points, check_directions, check_finite, namespace
from hpfunc._stats.estimate import ESTIMATORS, bayes_bounds, null_moments, significance
from hpfunc._support.checks import check_count, check_option
from hpfunc._support.warn import warn
from hpfunc._tree import PairCounts, count_pairs
from hpfunc._version import __version__

__all__ = ["bayes_error_bounds", "check_graph", "hp_estimate", "hp_statistic", "statistics"]

_LONG_NAMES = {
    "cross_edges": "Cross edges",
    "cross_edges_min": "Cross edges, least over all trees",
    "cross_edges_max": "Cross edges, most over all trees",
    "hp": "Henze-Penrose statistic",
    "z": "z score of the cross edges",
    "pvalue": "p-value (few cross edges)",
    "n_a": "Samples of class a",
    "n_b": "Samples of class b",
}


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
    """How well two samples are separated: the Henze-Penrose statistic from their minimum spanning tree.

    Parameters
    ----------
    x, y : array-like
        Points ``(m, ...)`` and ``(n, ...)`` of the two classes, as NumPy, torch or any other DLPack arrays; all
        axes but the first are flattened. They need the same number of features.
    metric : {"euclidean", "cosine"}
        Distance between points.
    graph : {"mst", "knn"}
        The graph whose edges are counted: `k` orthogonal minimum spanning trees (each without the edges of those
        before it), or every point's `k` nearest neighbours.
    k : int
        Number of trees or neighbours.
    exact : bool
        True: the counts are those of float64 distances by direct differences, ties included, for certain. False:
        the tree that the working precision finds; the extremes are then NaN. Only the single tree knows the
        difference; other graphs are always exact.
    max_memory : int, optional
        Bytes to work in, beyond the data; by default half of what is free.

    Returns
    -------
    xarray.Dataset
        Scalars. ``cross_edges``: edges that join the two classes, the mean over all minimum spanning trees (they
        are several where distances tie), with ``cross_edges_min`` and ``cross_edges_max`` over them; always per
        tree or neighbour. ``hp``: 1 - R N / (2 m n), clipped to [0, 1]. ``z`` and ``pvalue``: the count against
        random labels on the same graph, lower tail; NaN for fewer than 4 samples. ``n_a``, ``n_b``: m and n.

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
    check_graph(metric, graph, k)
    one, other = as_points(x, "x"), as_points(y, "y")
    if one.shape[1] != other.shape[1]:
        raise ValueError(
            f"x has {one.shape[1]} features (shape {one.shape}) and y has {other.shape[1]} (shape {other.shape}); "
            "pass points of the same space"
        )
    for points, name in ((one, "x"), (other, "y")):
        check_finite(points, name)
        if metric == "cosine":
            check_directions(points, name)
    check_neighbours(graph, k, len(one) + len(other), "x and y")
    if one.device != other.device:
        raise TypeError("x and y are not on the same device; move one of them first")
    points = namespace(one).concatenate([one, other])
    starts = np.array([0, len(one), len(points)])
    counts = count_pairs(
        points, starts, np.array([[0, 1]]),
        metric=metric, graph=graph, k=k, exact=exact, max_memory=max_memory, name="x and y",
    )  # fmt: skip
    explain(counts, k, exact, lambda p: "x and y")
    values = statistics(counts, np.array([len(one)]), np.array([len(other)]))
    return describe(xr.Dataset({name: ((), value[0]) for name, value in values.items()}), metric, graph, k)


def check_graph(metric: str, graph: str, k: int) -> None:
    """Raise unless metric, graph and k are known."""
    check_option("metric", metric, ("euclidean", "cosine"))
    check_option("graph", graph, ("mst", "knn"))
    check_count("k", k, "a number of trees or neighbours of 1 or more")


def check_neighbours(graph: str, k: int, n: int, where: str) -> None:
    """Raise if n samples cannot have k neighbours each."""
    if graph == "knn" and k >= n:
        raise ValueError(f"k={k} neighbours among the {n} samples of {where}; at most {n - 1} are there")


def statistics(counts: PairCounts, m: Any, n: Any) -> dict[str, Any]:
    """All variables of the result schema, from counts and class sizes of the same shape."""
    cross = counts.cross
    mean, variance = null_moments(m, n, cross.weight, cross.weight2, cross.degree2)
    z, pvalue = significance(cross.mean, mean, variance)
    hp = np.clip(ESTIMATORS["friedman-rafsky"](cross.mean, m, n), 0, 1)
    return {
        "cross_edges": cross.mean, "cross_edges_min": cross.low, "cross_edges_max": cross.high,
        "hp": hp, "z": z, "pvalue": pvalue, "n_a": m, "n_b": n,
    }  # fmt: skip


def describe(results: xr.Dataset, metric: str, graph: str, k: int) -> xr.Dataset:
    """The same results with the attrs of the schema."""
    results = results.assign_attrs(metric=metric, graph=graph, k=int(k), hpfunc_version=__version__)
    for name, variable in results.data_vars.items():
        variable.attrs.update(long_name=_LONG_NAMES[str(name)], units="1")
    return results


def explain(counts: PairCounts, k: int, exact: bool, name: Any) -> None:
    """Warn, at the caller of the public function, of what could not be computed; ``name(p)`` names a pair."""
    unsolved = np.flatnonzero(np.isnan(counts.cross.mean))
    if unsolved.size:
        warn(
            f"{_listed(unsolved, name)}: more distances are tied than can be averaged over (a component of over 3,000 "
            "points of equal distance), so cross_edges, hp, z and pvalue are NaN; the extremes are exact"
        )
    loose = np.flatnonzero(np.isnan(counts.cross.low) & (k > 1))
    if loose.size:
        warn(
            f"{_listed(loose, name)}: distances tie, so {k} orthogonal trees are not unique; cross_edges is counted on "
            "those that the coordinates of the points choose, whatever their class, and its extremes are NaN"
        )
    short = np.flatnonzero(counts.trees < k)
    if short.size:
        fewest = int(counts.trees[short].min())
        warn(f"{_listed(short, name)}: only {fewest} of {k} orthogonal trees exist; those were used")


def _listed(which: Any, name: Any) -> str:
    """The first few of some pairs by name, and how many more there are."""
    names = ", ".join(name(p) for p in which[:3])
    return names if len(which) <= 3 else f"{names} and {len(which) - 3} more"


def hp_estimate(results: xr.Dataset, /, *, estimator: str = "friedman-rafsky", clip: bool = True) -> xr.DataArray:
    """Another estimate from stored counts of cross edges: nothing is measured again.

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
          1 - 2 min(g, C) / N (van den Burg & Hero 2017, who take the mean R of three orthogonal trees).
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
    counts = _counts(results)
    estimate: xr.DataArray = ESTIMATORS[estimator](*counts)
    if clip:
        estimate = estimate.clip(0, 1)
    return estimate.rename("hp").assign_attrs(long_name="Henze-Penrose statistic", units="1", estimator=estimator)


def bayes_error_bounds(results: xr.Dataset, /) -> xr.Dataset:
    """Bounds on the Bayes error between two classes, from stored counts.

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

    Examples
    --------
    >>> import hpfunc as hp
    >>> bounds = hp.bayes_error_bounds(hp.hp_statistic([0, 1], [10, 11]))
    >>> round(float(bounds.lower), 4), float(bounds.upper)
    (0.1464, 0.25)
    """
    lower, upper = bayes_bounds(ESTIMATORS["u"](*_counts(results)))
    names = {"lower": "Lower bound on the Bayes error", "upper": "Upper bound on the Bayes error"}
    return xr.Dataset(
        {
            name: bound.assign_attrs(long_name=names[name], units="1")
            for name, bound in (("lower", lower), ("upper", upper))
        }
    )


def _counts(results: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray]:
    """Cross edges and class sizes, as floats."""
    if not isinstance(results, xr.Dataset):
        raise TypeError(
            f"results is a {type(results).__name__}; expected the Dataset of hp_statistic, pairwise_hp or sweep"
        )
    missing = [name for name in ("cross_edges", "n_a", "n_b") if name not in results]
    if missing:
        raise ValueError(
            f"results has no {' and no '.join(missing)}; it holds {sorted(map(str, results.data_vars))}, and estimates "
            "are made from counts"
        )
    return results["cross_edges"], results["n_a"].astype(np.float64), results["n_b"].astype(np.float64)
