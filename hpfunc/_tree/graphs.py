"""Graphs other than one minimum spanning tree: k orthogonal trees, and k nearest neighbours.

They are built pair by pair on the distinct points of both classes in the canonical order of their coordinates, so
that neither the order of the samples nor their classes can matter. Equal samples are copies of one point; which copy
an edge touches is left to chance, and counts are averages over that.

Both are exact: float64 bounds choose the edges that may matter, and direct differences in float64 decide.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hpfunc._tree.distances import centre, within
from hpfunc._tree.exact import canonical_order, squared_distances
from hpfunc._tree.mst.class_trees import edges_near
from hpfunc._tree.mst.path_maxima import by_vertex
from hpfunc._tree.mst.prim import prim
from hpfunc._tree.mst.tie_counts import CrossEdges
from hpfunc._tree.mst.ties import minimum_tree, tied_edges
from hpfunc._tree.threads import Scratch

__all__ = ["Pooled", "nearest_neighbours", "orthogonal_trees", "pool"]


class Pooled(NamedTuple):
    """The distinct points of two classes, in an order that depends on nothing but their coordinates."""

    x: npt.NDArray[Any]  # (G, d)
    members: npt.NDArray[np.float64]  # (G, 2) samples of each class that equal the point


def pool(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> Pooled:
    """Merge the samples of two classes where they are equal."""
    x = np.concatenate([one, other])
    order = canonical_order(x)
    x = x[order]
    new = np.concatenate([[True], (x[1:] != x[:-1]).any(axis=1)])
    members = np.zeros((int(new.sum()), 2))
    np.add.at(members, (np.cumsum(new) - 1, (order >= len(one)).astype(np.intp)), 1)
    return Pooled(x[new], members)


def _bounds(x: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float64], float]:
    """Lower bounds of all squared distances, infinite on the diagonal, and what to add for upper bounds."""
    centred = centre(x, np.array([0, len(x)]), np.dtype(np.float64))
    lower = np.empty((len(x), len(x)))
    within(centred, 0, lower, Scratch())
    np.fill_diagonal(lower, np.inf)
    return lower, 2 * float(centred.error[0, 0])


def orthogonal_trees(pooled: Pooled, k: int) -> tuple[CrossEdges, int]:
    """Cross edges of k successive minimum spanning trees, each without the edges of those before it.

    Where edges tie, the one between the points of lower coordinates is taken; the extremes over all choices are
    then unknown, hence NaN.

    Returns
    -------
    CrossEdges
        Means over the trees.
    int
        How many trees there are, at most k.
    """
    size = pooled.members.sum(axis=1).astype(np.intp)
    point = np.repeat(np.arange(len(size)), size)
    lower, width = _bounds(pooled.x[point])
    unique = bool((size == 1).all())
    trees: list[npt.NDArray[np.intp]] = []
    while len(trees) < k:
        edges = _candidates(lower, width)
        if edges is None:
            break
        edges = np.sort(edges, axis=1)
        weights = squared_distances(pooled.x, point[edges[:, 0]], point[edges[:, 1]])
        rank = np.empty(len(edges), np.intp)
        rank[np.lexsort((edges[:, 1], edges[:, 0], weights))] = np.arange(1, len(edges) + 1)
        tree = np.isin(rank, minimum_tree(len(point), edges, rank))
        unique = unique and not tied_edges(len(point), edges, weights, tree).any()
        lower[edges[tree, 0], edges[tree, 1]] = np.inf
        lower[edges[tree, 1], edges[tree, 0]] = np.inf
        trees.append(point[edges[tree]])
    ends, times = np.unique(np.sort(np.concatenate(trees), axis=1), axis=0, return_counts=True)
    counts = _count_weighted(pooled.members, ends, times / len(trees))
    if not unique:
        counts = counts._replace(low=np.nan, high=np.nan)
    return counts, len(trees)


def _candidates(lower: npt.NDArray[np.float64], width: float) -> npt.NDArray[np.intp] | None:
    """Edges that hold every minimum spanning tree of the finite edges, or None if these do not connect."""
    vertex, gap = (part[0] for part in prim(lower[None], np.array([len(lower)])))
    if not np.isfinite(gap).all():
        return None
    heaviest, scratch = np.empty_like(lower), Scratch()
    by_vertex(vertex, gap + width, heaviest, scratch)
    return edges_near(lower, heaviest, scratch)


def nearest_neighbours(pooled: Pooled, k: int) -> CrossEdges:
    """Cross edges of the k-nearest-neighbour graph: ordered pairs (point, neighbour), divided by k.

    Where more points tie for the last places than there are places, each takes them with equal probability, and the
    extremes are over all choices.
    """
    members, size = pooled.members, pooled.members.sum(axis=1)
    lower, width = _bounds(pooled.x)
    n = len(size)
    reach = np.partition(lower, min(k, n - 1) - 1, axis=1)[:, min(k, n - 1) - 1] + width if n > 1 else np.zeros(1)
    one, other = np.nonzero(lower <= reach[:, None])
    # Each point is also its own neighbour group: its other copies, at distance 0.
    one, other = np.concatenate([one, np.arange(n)]), np.concatenate([other, np.arange(n)])
    weights = squared_distances(pooled.x, one, other)
    order = np.lexsort((weights, one))
    one, other, weights = one[order], other[order], weights[order]
    places = size[other] - (one == other)
    # A level: the neighbours of a point at one distance.
    new = np.concatenate([[True], (one[1:] != one[:-1]) | (weights[1:] != weights[:-1])])
    level = np.cumsum(new) - 1
    width_of = np.bincount(level, places)
    point_of = one[new]
    before = np.cumsum(width_of) - width_of
    before -= before[np.searchsorted(point_of, point_of)]
    taken = np.clip(k - before, 0, width_of)
    chance = np.divide(taken, width_of, out=np.zeros_like(taken), where=width_of > 0)[level]
    low = high = 0.0
    for mine in (0, 1):
        across = np.bincount(level, members[other, 1 - mine])
        samples = members[point_of, mine]
        low += (samples * np.maximum(0, taken - (width_of - across))).sum()
        high += (samples * np.minimum(taken, across)).sum()
    ends, inverse = np.unique(np.sort(np.stack([one, other], axis=1), axis=1), axis=0, return_inverse=True)
    # Ordered pairs of samples that an ordered pair of points stands for; each way once.
    weight = np.bincount(inverse.reshape(-1), chance * size[one] * places) / k
    counts = _count_weighted(members, ends, weight)
    return counts._replace(mean=low / k if low == high else counts.mean, low=low / k, high=high / k)


def _count_weighted(
    members: npt.NDArray[np.float64], ends: npt.NDArray[np.intp], weight: npt.NDArray[np.float64]
) -> CrossEdges:
    """Cross edges of a graph whose edges between two points are spread evenly over their samples.

    Parameters
    ----------
    members : (G, 2) array
    ends : (E, 2) array
        Edges between points; both ends may be one point, whose copies they then join.
    weight : (E,) array
        Their weight, summed over the samples.
    """
    size = members.sum(axis=1)
    (a, b), (one, other) = members.T, ends.T
    own = one == other
    pairs = np.where(own, size[one] * (size[one] - 1) / 2, size[one] * size[other])
    crossing = np.where(own, a[one] * b[one], a[one] * b[other] + a[other] * b[one])
    used = pairs > 0
    one, other, weight, pairs, crossing = one[used], other[used], weight[used], pairs[used], crossing[used]
    mean = float((weight * crossing / pairs).sum())
    degree = np.bincount(one, weight, len(size)) + np.bincount(other, weight, len(size))
    return CrossEdges(mean, mean, mean, weight.sum(), (weight**2 / pairs).sum(), (degree**2 / size).sum())
