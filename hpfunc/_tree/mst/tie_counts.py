"""Count cross edges over all minimum spanning trees, from candidate edges.

Candidates are the edges of one tree and every undecided edge. They are measured by direct differences in float64, so
the result does not depend on how they were found.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from hpfunc._arrays.types import Bools, Floats, Ints
from hpfunc._tree.exact import canonical_order, squared_distances
from hpfunc._tree.graph_sums import sum_weighted
from hpfunc._tree.mst.kruskal import kruskal_multigraph, kruskal_ranks
from hpfunc._tree.mst.ties import MergedPoints, edge_probabilities, merge_equal, tied_edges

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
    """Describe all minimum spanning trees of one graph."""

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
    tied = tied_edges(len(merged.members), merged.edges, merged.weights, tree)
    # Only edges of minimum spanning trees are kept, because rounding decides which other edges were candidates.
    used = tree | tied
    merged, tree, tied = merged._replace(edges=merged.edges[used], weights=merged.weights[used]), tree[used], tied[used]
    rank = np.unique(merged.weights, return_inverse=True)[1].astype(np.intp) + 1
    if tied.any() or merged.members.sum() > len(merged.members):
        # Fractions are added up in an order that does not depend on the order of the samples.
        merged, order = _sort_canonically(merged, x[vertices[merged.representative]])
        rank, tree, tied = rank[order], tree[order], tied[order]
    return EveryTree(merged, rank, edge_probabilities(merged, tree, tied))


def _sort_canonically(merged: MergedPoints, points: Any) -> tuple[MergedPoints, Ints]:
    """Sort merged points by their coordinates, and return the new order of their edges too."""
    by_value = canonical_order(points)
    place = np.empty_like(by_value)
    place[by_value] = np.arange(len(by_value))
    ends = np.sort(place[merged.edges], axis=1)
    order = np.lexsort((ends[:, 1], ends[:, 0]))
    return MergedPoints(
        merged.members[by_value], ends[order], merged.weights[order], merged.representative[by_value]
    ), order


def count_cross(every: EveryTree) -> CrossEdges:
    """Count the cross edges between two classes: mean, least and most over all minimum spanning trees."""
    merged, rank, probability = every
    a, b = merged.members.T
    size = a + b
    source, target = merged.edges.T
    pairs = size[source] * size[target]
    share = (a[source] * b[target] + a[target] * b[source]) / pairs
    mean = (2 * a * b / size).sum() + (probability * share).sum()
    mixed = (a > 0) & (b > 0)
    alike, unlike = share < 1, share > 0
    low = mixed.sum() + _least_count(merged, rank, ~alike)
    high = (size[mixed] - 1).sum() + (len(size) - 1 - _least_count(merged, rank, ~unlike))
    if low == high:
        mean = float(low)  # without rounding, because all trees agree
    weight2 = (2 * (size - 1) / size).sum() + (probability**2 / pairs).sum()
    degree = 2 * (size - 1) + _sum_at(source, probability, len(size)) + _sum_at(target, probability, len(size))
    degree2 = (degree**2 / size).sum()
    copied = np.flatnonzero(size > 1)
    ends = np.concatenate([merged.edges, np.stack([copied, copied], axis=1)])
    third = sum_weighted(size, ends, np.concatenate([probability, size[copied] - 1]))
    return CrossEdges(float(mean), float(low), float(high), size.sum() - 1, weight2, degree2, *third)


def count_classes(every: EveryTree) -> Floats:
    """Compute the mean number of edges between every two of K classes: ``(K, K)``, symmetric, 0 on the diagonal."""
    merged, _, probability = every
    size = merged.members.sum(axis=1, keepdims=True)
    share = merged.members / size
    half = share[merged.edges[:, 0]].T @ (probability[:, None] * share[merged.edges[:, 1]])
    count = half + half.T + 2 * share.T @ merged.members
    np.fill_diagonal(count, 0)
    return np.asarray(count)


def _least_count(merged: MergedPoints, rank: Ints, cost: Bools) -> int:
    """Count the costly edges of the minimum spanning tree that has the fewest: Kruskal on (weight, cost)."""
    if len(merged.edges) == len(merged.members) - 1:
        return int(cost.sum())  # only copies tie: between distinct points there is one tree
    return int((kruskal_ranks(len(merged.members), merged.edges, 2 * rank + cost) % 2).sum())


def _sum_at(index: Ints, values: Floats, n: int) -> Floats:
    """Add up the values that have the same index: ``(n,)``."""
    return np.bincount(index, values, minlength=n).astype(np.float64)
