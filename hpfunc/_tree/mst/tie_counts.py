"""Count cross edges over all minimum spanning trees, from candidate edges.

Candidates are the edges of one tree and every undecided edge. They are measured by direct differences in float64, so
the result does not depend on how they were found.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from hpfunc._arrays.types import Array, Bools, Floats, Ints
from hpfunc._tree.exact import rank_rows, squared_distances
from hpfunc._tree.graph_sums import sum_at, sum_weighted
from hpfunc._tree.mst.kruskal import kruskal_multigraph, kruskal_ranks
from hpfunc._tree.mst.ties import MergedPoints, edge_probabilities, find_tied_edges, merge_equal

__all__ = ["CrossEdges", "EveryTree", "count_classes", "count_cross", "find_every_tree"]


class CrossEdges(NamedTuple):
    """Hold the cross edges of one or more graphs, and the sums that the null distribution needs."""

    mean: Any
    low: Any
    high: Any
    weight: Any  # sum of the edge weights: n - 1 for a tree of n vertices
    weight2: Any  # sum of the squared edge weights
    degree2: Any  # sum over vertices of the squared weighted degree
    # As in `graph_sums.ThirdOrder`:
    weight3: Any
    degree3: Any
    degree_weight2: Any
    edge_degrees: Any
    triangles: Any
    leaves: Any


class EveryTree(NamedTuple):
    """Describe all minimum spanning trees of one graph, or of several that no edge joins."""

    merged: MergedPoints
    rank: Ints  # (E,) order of the weights from 1, the same for equal weights
    probability: Floats  # (E,) that a random tree contains each edge of ``merged``; NaN where it was not solved


def find_every_tree(x: Any, vertices: Ints, members: Floats, edges: Ints) -> EveryTree:
    """Measure the candidate edges and find the probability of each.

    Parameters
    ----------
    x : (N, d) array
    vertices : (V,) array
        The row of ``x`` of each vertex.
    members : (V, K) array
        How many equal samples of each class a vertex represents.
    edges : (E, 2) array
        Candidates, vertex to vertex.
    """
    weights = squared_distances(x, vertices[edges[:, 0]], vertices[edges[:, 1]])
    merged = merge_equal(members, edges, weights)
    tree = np.zeros(len(merged.edges), bool)
    tree[kruskal_multigraph(len(merged.members), merged.edges, merged.weights)] = True
    tied, forest = find_tied_edges(len(merged.members), merged.edges, merged.weights, tree)
    # Only edges of minimum spanning trees are kept, because rounding decides which other edges were candidates.
    used = tree | tied
    merged, tree, tied = merged._replace(edges=merged.edges[used], weights=merged.weights[used]), tree[used], tied[used]
    rank = np.unique(merged.weights, return_inverse=True)[1].astype(np.intp) + 1
    if tied.any() or merged.members.sum() > len(merged.members):
        # Fractions are added up in an order that does not depend on the order of the samples.
        by_value = _canonical_order(x, vertices[merged.representative])
        merged, order = _reorder(merged, by_value)
        rank, tree, tied = rank[order], tree[order], tied[order]
        forest = None if forest is None else forest._replace(place=forest.place[by_value])
    return EveryTree(merged, rank, edge_probabilities(merged, tree, tied, forest))


def _canonical_order(x: Any, rows: Ints) -> Ints:
    """Order rows, which may repeat, by their coordinates; neither their positions nor their dtype matter."""
    distinct, place = np.unique(rows, return_inverse=True)
    return np.argsort(rank_rows(x, distinct)[place], kind="stable")


def _reorder(merged: MergedPoints, by_value: Ints) -> tuple[MergedPoints, Ints]:
    """Put merged points into a new order, and return the new order of their edges too."""
    place = np.empty_like(by_value)
    place[by_value] = np.arange(len(by_value))
    ends = np.sort(place[merged.edges], axis=1)
    order = np.lexsort((ends[:, 1], ends[:, 0]))
    return MergedPoints(
        merged.members[by_value], ends[order], merged.weights[order], merged.representative[by_value]
    ), order


def count_cross(every: EveryTree, graph: Ints, n_graphs: int) -> CrossEdges:
    """Count the cross edges between the two classes of each graph: mean, least and most over all its trees.

    Parameters
    ----------
    every : EveryTree
    graph : (V,) array
        The number of the graph of each vertex, as the vertices were given to `find_every_tree`.
    n_graphs : int

    Returns
    -------
    CrossEdges
        Of ``(n_graphs,)`` arrays.
    """
    merged, rank, probability = every
    of_point = graph[merged.representative]
    of_edge = of_point[merged.edges[:, 0]]

    def add_points(values: Array) -> Floats:
        return np.bincount(of_point, values, n_graphs).astype(np.float64)

    def add_edges(values: Array) -> Floats:
        return np.bincount(of_edge, values, n_graphs).astype(np.float64)

    a, b = merged.members.T
    size = a + b
    source, target = merged.edges.T
    pairs = size[source] * size[target]
    share = (a[source] * b[target] + a[target] * b[source]) / pairs
    n_points, n_samples = np.bincount(of_point, minlength=n_graphs), add_points(size)
    mixed = (a > 0) & (b > 0)
    alike, unlike = share < 1, share > 0
    low = add_points(mixed) + _least_counts(merged, rank, of_edge, n_points, ~alike)
    high = add_points(np.where(mixed, size - 1, 0)) + (
        n_points - 1 - _least_counts(merged, rank, of_edge, n_points, ~unlike)
    )
    mean = add_points(2 * a * b / size) + add_edges(probability * share)
    mean = np.where(low == high, low, mean)  # without rounding where all trees agree
    weight2 = add_points(2 * (size - 1) / size) + add_edges(probability**2 / pairs)
    degree = 2 * (size - 1) + sum_at(source, probability, len(size)) + sum_at(target, probability, len(size))
    copied = np.flatnonzero(size > 1)
    ends = np.concatenate([merged.edges, np.stack([copied, copied], axis=1)])
    third = sum_weighted(size, ends, np.concatenate([probability, size[copied] - 1]), of_point, n_graphs)
    return CrossEdges(mean, low, high, n_samples - 1, weight2, add_points(degree**2 / size), *third)


def count_classes(every: EveryTree) -> Floats:
    """Compute the mean number of edges between every two of K classes: ``(K, K)``, symmetric, 0 on the diagonal."""
    merged, _, probability = every
    size = merged.members.sum(axis=1, keepdims=True)
    share = merged.members / size
    half = share[merged.edges[:, 0]].T @ (probability[:, None] * share[merged.edges[:, 1]])
    count = half + half.T + 2 * share.T @ merged.members
    np.fill_diagonal(count, 0)
    return np.asarray(count)


def _least_counts(merged: MergedPoints, rank: Ints, of_edge: Ints, n_points: Ints, cost: Bools) -> Floats:
    """Count the costly edges of the tree of each graph that has the fewest: Kruskal on (weight, cost)."""
    n_graphs = len(n_points)
    # Between distinct points there may be one tree only, even if points have copies.
    several = (np.bincount(of_edge, minlength=n_graphs) > n_points - 1)[of_edge]
    counts = np.bincount(of_edge[~several], cost[~several], n_graphs).astype(np.float64)
    if several.any():
        # The graph is part of the rank, so that it can be told from the ranks of the edges taken.
        levels = int(rank.max()) + 1
        by_graph = 2 * (of_edge[several] * levels + rank[several]) + cost[several]
        taken = kruskal_ranks(len(merged.members), merged.edges[several], by_graph)
        counts += np.bincount(taken // 2 // levels, taken % 2, n_graphs)
    return counts
