"""Describe the variables of a result, and warn of what could not be computed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import xarray as xr

from hpfunc._support.warn import warn
from hpfunc._tree import GraphOptions, PairCounts
from hpfunc._version import __version__

__all__ = ["describe", "explain"]

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


def describe(results: xr.Dataset, options: GraphOptions) -> xr.Dataset:
    """Return the same results with the attrs of the schema."""
    results = results.assign_attrs(
        metric=options.metric, graph=options.graph, k=int(options.k), hpfunc_version=__version__
    )
    for name, variable in results.data_vars.items():
        variable.attrs.update(long_name=_LONG_NAMES[str(name)], units="1")
    return results


def explain(counts: PairCounts, k: int, name: Callable[[int], str]) -> None:
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
