"""Measure pairs of classes: from points class by class to the variables of a result, with warnings by name."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from hpfunc._stats.estimate import ESTIMATORS, null_moments, significance
from hpfunc._support.checks import check_count, check_option
from hpfunc._support.warn import warn
from hpfunc._tree import PairCounts, count_pairs
from hpfunc._version import __version__

__all__ = ["GraphOptions", "describe", "measure_pairs"]

_log = logging.getLogger("hpfunc")

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


class GraphOptions(NamedTuple):
    """The graph whose edges are counted, and the memory to count them in; see `hpfunc.hp_statistic`."""

    metric: str
    graph: str
    k: int
    exact: bool
    max_memory: int | None

    def check(self) -> None:
        """Raise TypeError or ValueError unless metric, graph and k are known."""
        check_option("metric", self.metric, ("euclidean", "cosine"))
        check_option("graph", self.graph, ("mst", "knn"))
        check_count("k", self.k, "a number of trees or neighbours of 1 or more")

    def check_neighbours(self, n: int, where: str) -> None:
        """Raise ValueError if n samples cannot have k neighbours each."""
        if self.graph == "knn" and self.k >= n:
            raise ValueError(f"k={self.k} neighbours among the {n} samples of {where}; at most {n - 1} are there")


def measure_pairs(
    points: Any,
    starts: npt.NDArray[np.intp],
    pairs: npt.NDArray[np.intp],
    options: GraphOptions,
    *,
    where: str,
    name: Callable[[int], str],
    advance: Callable[[int], Any] = lambda n: None,
) -> dict[str, npt.NDArray[Any]]:
    """Count the cross edges of pairs of classes and compute all variables of a result from them.

    Parameters
    ----------
    points : (N, d) array
        Finite points, class by class.
    starts : (K + 1,) array
        Rows ``starts[k]:starts[k + 1]`` are class k.
    pairs : (P, 2) array
        Class numbers, the lower first.
    options : GraphOptions
    where : str
        What errors call the points.
    name : callable
        The number of a pair to what warnings call it.
    advance : callable
        Told the number of pairs done.

    Returns
    -------
    dict
        Name of the variable to its ``(P,)`` values.
    """
    counts = count_pairs(
        points, starts, pairs, metric=options.metric, graph=options.graph, k=options.k, exact=options.exact,
        max_memory=options.max_memory, name=where, advance=advance,
    )  # fmt: skip
    _explain(counts, options.k, name)
    if counts.remeasured.any():
        _log.info("%s: %d of %d pairs measured again in float64", where, counts.remeasured.sum(), len(pairs))
    m, n = np.diff(starts)[pairs].T
    cross = counts.cross
    mean, variance = null_moments(m, n, cross.weight, cross.weight2, cross.degree2)
    z, pvalue = significance(cross.mean, mean, variance)
    hp = np.clip(ESTIMATORS["friedman-rafsky"](cross.mean, m, n), 0, 1)
    return {
        "cross_edges": cross.mean, "cross_edges_min": cross.low, "cross_edges_max": cross.high,
        "hp": hp, "z": z, "pvalue": pvalue, "n_a": m, "n_b": n,
    }  # fmt: skip


def describe(results: xr.Dataset, options: GraphOptions) -> xr.Dataset:
    """Return the same results with the attrs of the schema."""
    results = results.assign_attrs(
        metric=options.metric, graph=options.graph, k=int(options.k), hpfunc_version=__version__
    )
    for name, variable in results.data_vars.items():
        variable.attrs.update(long_name=_LONG_NAMES[str(name)], units="1")
    return results


def _explain(counts: PairCounts, k: int, name: Callable[[int], str]) -> None:
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


def _listed(which: npt.NDArray[np.intp], name: Callable[[int], str]) -> str:
    """Name the first few of some pairs, and say how many more there are."""
    names = ", ".join(name(int(p)) for p in which[:3])
    return names if len(which) <= 3 else f"{names} and {len(which) - 3} more"
