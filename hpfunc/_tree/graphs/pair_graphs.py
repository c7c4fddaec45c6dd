"""Count cross edges of graphs other than one minimum spanning tree: k orthogonal trees, and k nearest neighbours.

These graphs are built pair by pair on the distinct points of both classes in the canonical order of their coordinates,
so that neither the order of the samples nor their classes can matter. Equal samples are copies of one point; an edge is
equally likely to touch any of them, and counts are averages over all choices.

Both are exact: float64 bounds choose the edges that may matter, and direct differences in float64 decide.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from hpfunc._arrays.types import Array, Floats, Ints
from hpfunc._tree.distances import centre, fill_class_bounds
from hpfunc._tree.exact import canonical_order, squared_distances
from hpfunc._tree.graph_sums import sum_at, sum_weighted
from hpfunc._tree.memory import UNLIMITED, SpareBytes
from hpfunc._tree.mst.kruskal import kruskal_ranks, order_of_numbers, stable_order
from hpfunc._tree.mst.prim import PrimOrder, candidate_edges, fill_path_maxima, prim
from hpfunc._tree.mst.tie_counts import CrossEdges
from hpfunc._tree.mst.ties import tied_edges
from hpfunc._tree.threads import Scratch

__all__ = [
    "DistinctSamples",
    "bytes_for_pair_graph",
    "count_neighbours",
    "count_weighted",
    "merge_equal_samples",
    "nearest_neighbours",
    "neighbour_edges",
    "orthogonal_edges",
    "orthogonal_trees",
    "share_places",
    "weigh_trees",
]


class DistinctSamples(NamedTuple):
    """Hold the distinct points of two classes, in an order that depends on nothing but their coordinates."""

    x: Any  # (G, d)
    members: Floats  # (G, 2) samples of each class that equal the point


def bytes_for_pair_graph(n: int, d: int, itemsize: int, graph: str) -> int:
    """Estimate the bytes for one pair of n samples in all: copies of the points, and tables of all distances."""
    tables = 2.4 if graph == "knn" else 5.3
    return int(n * d * (4 * itemsize + 9) + n**2 * 8 * tables) + min(8 * n * d, 8_000_000)


def merge_equal_samples(class_a: Array, class_b: Array) -> DistinctSamples:
    """Merge the samples of two classes, ``(m, d)`` and ``(n, d)``, where they are equal."""
    x = np.concatenate([class_a, class_b])
    order = canonical_order(x)
    x = x[order]
    new = np.concatenate([[True], (x[1:] != x[:-1]).any(axis=1)])
    members = np.zeros((int(new.sum()), 2))
    np.add.at(members, (np.cumsum(new) - 1, (order >= len(class_a)).astype(np.intp)), 1)
    return DistinctSamples(x[new], members)


def _bounds(x: Array) -> tuple[Floats, float]:
    """Compute lower bounds of all squared distances ``(n, n)``, infinite on the diagonal, and their width."""
    centred = centre(x, np.array([0, len(x)]), np.dtype(np.float64))
    lower = np.empty((len(x), len(x)))
    fill_class_bounds(centred, 0, lower, Scratch())
    np.fill_diagonal(lower, np.inf)
    return lower, 2 * float(centred.error[0, 0])


def orthogonal_trees(samples: DistinctSamples, k: int) -> tuple[CrossEdges, int]:
    """Count the cross edges of k successive minimum spanning trees, each without the edges of those before it.

    Where edges tie, the one between the points of lower coordinates is taken; the extremes over all choices are
    then unknown, hence NaN.

    Returns
    -------
    CrossEdges
        Means over the trees.
    int
        How many trees there are, at most k.
    """
    ends, weight, n_trees, unique = orthogonal_edges(samples, k)
    counts = _only(count_weighted(samples.members, np.zeros(len(samples.x), np.intp), 1, ends, weight))
    if not unique:
        counts = counts._replace(low=np.nan, high=np.nan)
    return counts, n_trees


def _only(counts: CrossEdges) -> CrossEdges:
    """Return the counts of a single graph."""
    return CrossEdges(*(field[0] for field in counts))


def orthogonal_edges(samples: DistinctSamples, k: int) -> tuple[Ints, Floats, int, bool]:
    """Find the edges of k successive minimum spanning trees, each without the edges of those before it.

    Returns
    -------
    ends : (E, 2) array
        Edges between points.
    weight : (E,) array
        The share of the trees that hold them, summed over copies.
    n_trees : int
        How many trees there are, at most k.
    unique : bool
        Whether no edges tied.
    """
    size = samples.members.sum(axis=1).astype(np.intp)
    point = np.repeat(np.arange(len(size)), size)
    lower, width = _bounds(samples.x[point])
    unique = bool((size == 1).all())
    trees: list[Ints] = []
    while len(trees) < k:
        edges = _candidates(lower, width)
        if edges is None:
            break
        edges = np.sort(edges, axis=1)
        weights = squared_distances(samples.x, point[edges[:, 0]], point[edges[:, 1]])
        rank = np.empty(len(edges), np.intp)
        rank[np.lexsort((edges[:, 1], edges[:, 0], weights))] = np.arange(1, len(edges) + 1)
        tree = np.isin(rank, kruskal_ranks(len(point), edges, rank))
        unique = unique and not tied_edges(len(point), edges, weights, tree).any()
        lower[edges[tree, 0], edges[tree, 1]] = np.inf
        lower[edges[tree, 1], edges[tree, 0]] = np.inf
        trees.append(point[edges[tree]])
    return *weigh_trees(np.concatenate(trees), len(trees)), len(trees), unique


def weigh_trees(ends: Ints, n_trees: int) -> tuple[Ints, Floats]:
    """Return the edges of several trees between points, each once, and the share of the trees that hold them."""
    lower, higher = np.sort(ends, axis=1).T
    n = int(higher.max(initial=0)) + 1
    keys, times = np.unique(lower * n + higher, return_counts=True)
    return np.stack(np.divmod(keys, n), axis=1), times / n_trees


def _candidates(lower: Floats, width: float) -> Ints | None:
    """Find edges that contain every minimum spanning tree of the finite edges; return None if these do not connect."""
    vertices, gaps = (part[0] for part in prim(lower[None], np.array([len(lower)])))
    if not np.isfinite(gaps).all():
        return None
    path_maxima, scratch = np.empty_like(lower), Scratch()
    fill_path_maxima(PrimOrder(vertices, gaps + width), path_maxima, scratch)
    return candidate_edges(lower, path_maxima, scratch)


def nearest_neighbours(samples: DistinctSamples, k: int, spare: SpareBytes) -> CrossEdges:
    """Count the cross edges of the k-nearest-neighbour graph: ordered pairs (point, neighbour), divided by k.

    Where more points tie for the last places than there are places, each is taken with equal probability, and the
    extremes are over all choices.

    Parameters
    ----------
    samples : DistinctSamples
    k : int
    spare : SpareBytes
        Memory for ties.
    """
    graph = np.zeros(len(samples.x), np.intp)
    ends, weight, low, high = neighbour_edges(samples, k, spare)
    return _only(count_neighbours(samples.members, graph, ends, weight, np.array([low]), np.array([high])))


def count_neighbours(members: Floats, graph: Ints, ends: Ints, weight: Floats, low: Floats, high: Floats) -> CrossEdges:
    """Count the cross edges of k-nearest-neighbour graphs, given what `share_places` returns."""
    counts = count_weighted(members, graph, len(low), ends, weight)
    return counts._replace(mean=np.where(low == high, low, counts.mean), low=low, high=high)


def neighbour_edges(
    samples: DistinctSamples, k: int, spare: SpareBytes = UNLIMITED
) -> tuple[Ints, Floats, float, float]:
    """Find the edges of the k-nearest-neighbour graph.

    Parameters
    ----------
    samples : DistinctSamples
    k : int
    spare : SpareBytes
        Memory for ties.

    Returns
    -------
    ends : (E, 2) array
        Edges between points; both ends may be one point, whose copies they then join.
    weight : (E,) array
        How many ordered pairs (sample, neighbour) each edge represents, divided by k.
    low, high : float
        The fewest and the most cross edges, divided by k, over all choices among neighbours at one distance.
    """
    lower, width = _bounds(samples.x)
    n = len(lower)
    reach = np.partition(lower, min(k, n - 1) - 1, axis=1)[:, min(k, n - 1) - 1] + width if n > 1 else np.zeros(1)
    near = lower <= reach[:, None]
    # Each edge is found from both of its ends.
    with spare.for_ties(int(np.count_nonzero(near)) // 2, n):
        source, target = np.nonzero(near)
        weights, graph = squared_distances(samples.x, source, target), np.zeros(n, np.intp)
        ends, weight, low, high = share_places(samples.members, graph, 1, source, target, weights, k)
        return ends, weight, float(low[0]), float(high[0])


def share_places(
    members: Floats, graph: Ints, n_graphs: int, source: Ints, target: Ints, weights: Floats, k: int
) -> tuple[Ints, Floats, Floats, Floats]:
    """Share the k places of each sample's neighbours among the points that are near enough; see `neighbour_edges`.

    Parameters
    ----------
    members, graph, n_graphs
        Of several graphs, as in `count_weighted`.
    source, target : (E,) arrays
        Points: for each source its k nearest other points, all others as far as the k-th, and perhaps more.
    weights : (E,) array
        Their squared distances.
    k : int

    Returns
    -------
    ends, weight
        As in `neighbour_edges`.
    low, high : (n_graphs,) arrays
    """
    size = members.sum(axis=1)
    n = len(size)
    # Each point is also its own neighbour: its other copies are at distance 0. It comes first among its neighbours.
    source, target = np.concatenate([np.arange(n), source]), np.concatenate([np.arange(n), target])
    weights = np.concatenate([np.zeros(n), weights])
    order = stable_order(weights)
    order = order[order_of_numbers(source[order], n)]
    source, target, weights = source[order], target[order], weights[order]
    first = np.searchsorted(source, np.arange(n + 1))
    last = np.minimum(first[:-1] + k, first[1:] - 1)
    near = weights <= weights[last][source]
    source, target, weights = source[near], target[near], weights[near]
    places = size[target] - (source == target)
    # A level holds the neighbours of a point at one distance.
    new = np.concatenate([[True], (source[1:] != source[:-1]) | (weights[1:] != weights[:-1])])
    level = np.cumsum(new) - 1
    width_of = np.bincount(level, places)
    point_of = source[new]
    before = np.cumsum(width_of) - width_of
    before -= before[np.searchsorted(point_of, point_of)]
    taken = np.clip(k - before, 0, width_of)
    chance = np.divide(taken, width_of, out=np.zeros_like(taken), where=width_of > 0)[level]
    low, high = np.zeros(n_graphs), np.zeros(n_graphs)
    for own_class in (0, 1):
        across = np.bincount(level, members[target, 1 - own_class])
        copies = members[point_of, own_class]
        low += sum_at(graph[point_of], copies * np.maximum(0, taken - (width_of - across)), n_graphs)
        high += sum_at(graph[point_of], copies * np.minimum(taken, across), n_graphs)
    keys, inverse = np.unique(np.minimum(source, target) * n + np.maximum(source, target), return_inverse=True)
    # Ordered pairs of samples that an ordered pair of points represents, each direction once.
    weight = np.bincount(inverse.reshape(-1), chance * size[source] * places) / k
    return np.stack(np.divmod(keys, n), axis=1), weight, low / k, high / k


def count_weighted(members: Floats, graph: Ints, n_graphs: int, ends: Ints, weight: Floats) -> CrossEdges:
    """Count the cross edges of graphs whose edges between two points are spread evenly over their samples.

    Parameters
    ----------
    members : (G, 2) array
        Samples of each of two classes that equal each point.
    graph : (G,) array
        The number of the graph that each point belongs to, rising.
    n_graphs : int
    ends : (E, 2) array
        Edges between points; both ends may be one point, whose copies they then join.
    weight : (E,) array
        Their weight, summed over the samples.

    Returns
    -------
    CrossEdges
        Of ``(n_graphs,)`` arrays. The counts of one graph do not depend on the others.
    """
    size = members.sum(axis=1)
    (a, b), (source, target) = members.T, ends.T
    own = source == target
    pairs = np.where(own, size[source] * (size[source] - 1) / 2, size[source] * size[target])
    crossing = np.where(own, a[source] * b[source], a[source] * b[target] + a[target] * b[source])
    used = pairs > 0
    source, target, weight = source[used], target[used], weight[used]
    pairs, crossing, of_edge = pairs[used], crossing[used], graph[source]
    mean = sum_at(of_edge, weight * crossing / pairs, n_graphs)
    degree = sum_at(source, weight, len(size)) + sum_at(target, weight, len(size))
    total = sum_at(of_edge, weight, n_graphs)
    weight2 = sum_at(of_edge, weight**2 / pairs, n_graphs)
    degree2 = sum_at(graph, degree**2 / size, n_graphs)
    third = sum_weighted(size, np.stack([source, target], axis=1), weight, graph, n_graphs)
    return CrossEdges(mean, mean.copy(), mean.copy(), total, weight2, degree2, *third)
