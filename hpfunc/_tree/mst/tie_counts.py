"""From candidate edges to exact numbers: counts of cross edges over all minimum spanning trees.

Candidates are the edges of one tree and every edge in doubt. They are measured by direct differences in float64,
so what comes out is the same whatever was used to find them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hpfunc._tree.exact import canonical_order, squared_distances
from hpfunc._tree.mst.certify import lightest
from hpfunc._tree.mst.ties import Group, edge_probabilities, group_equal, minimum_tree, tied_edges

__all__ = ["CrossEdges", "Solved", "count_classes", "count_cross", "solve"]


class CrossEdges(NamedTuple):
    """Cross edges of one or more graphs, and what the null distribution needs of the graphs."""

    mean: Any
    low: Any
    high: Any
    weight: Any  # sum of the edge weights: vertices less one for a tree
    weight2: Any  # sum of their squares
    degree2: Any  # sum over vertices of the squared weighted degree


class Solved(NamedTuple):
    """All minimum spanning trees of one graph."""

    group: Group
    rank: npt.NDArray[np.intp]  # order of the weights, equal ones alike, from 1
    probability: npt.NDArray[np.float64]  # of each edge between groups; NaN where not solved


def solve(
    x: Any, vertices: npt.NDArray[np.intp], members: npt.NDArray[np.float64], edges: npt.NDArray[np.intp]
) -> Solved:
    """Measure the candidate edges and find the probability of each.

    Parameters
    ----------
    x : (N, d) array
    vertices : (V,) array
        The row of ``x`` of each vertex.
    members : (V, K) array
        How many equal points of each class a vertex stands for.
    edges : (E, 2) array
        Candidates, vertex to vertex.
    """
    weights = squared_distances(x, vertices[edges[:, 0]], vertices[edges[:, 1]])
    group = group_equal(members, edges, weights)
    tree = np.zeros(len(group.edges), bool)
    tree[lightest(len(group.members), group.edges, group.weights)] = True
    tied = tied_edges(len(group.members), group.edges, group.weights, tree)
    # Only edges of minimum spanning trees stay: which others were looked at is an accident.
    used = tree | tied
    group, tree, tied = group._replace(edges=group.edges[used], weights=group.weights[used]), tree[used], tied[used]
    rank = np.unique(group.weights, return_inverse=True)[1].astype(np.intp) + 1
    if tied.any() or group.members.sum() > len(group.members):
        # Fractions are about to be added up: in an order that no permutation of the samples changes.
        group, order = _canonical(group, x[vertices[group.representative]])
        rank, tree, tied = rank[order], tree[order], tied[order]
    return Solved(group, rank, edge_probabilities(group, tree, tied))


def _canonical(group: Group, points: Any) -> tuple[Group, npt.NDArray[np.intp]]:
    """The groups in the order of their coordinates, and the order in which their edges now stand."""
    by_value = canonical_order(points)
    place = np.empty_like(by_value)
    place[by_value] = np.arange(len(by_value))
    ends = np.sort(place[group.edges], axis=1)
    order = np.lexsort((ends[:, 1], ends[:, 0]))
    return Group(group.members[by_value], ends[order], group.weights[order], group.representative[by_value]), order


def count_cross(solved: Solved) -> CrossEdges:
    """Cross edges between two classes: mean, least and most over all minimum spanning trees."""
    group, rank, probability = solved
    a, b = group.members.T
    size = a + b
    one, other = group.edges.T
    pairs = size[one] * size[other]
    share = (a[one] * b[other] + a[other] * b[one]) / pairs
    mean = (2 * a * b / size).sum() + (probability * share).sum()
    mixed = (a > 0) & (b > 0)
    alike, unlike = share < 1, share > 0
    low = mixed.sum() + _tree_count(group, rank, ~alike)
    high = (size[mixed] - 1).sum() + (len(size) - 1 - _tree_count(group, rank, ~unlike))
    if low == high:
        mean = float(low)  # no rounding where there is no choice
    weight2 = (2 * (size - 1) / size).sum() + (probability**2 / pairs).sum()
    degree = 2 * (size - 1) + _sum_at(one, probability, len(size)) + _sum_at(other, probability, len(size))
    degree2 = (degree**2 / size).sum()
    return CrossEdges(float(mean), float(low), float(high), size.sum() - 1, weight2, degree2)


def count_classes(solved: Solved) -> npt.NDArray[np.float64]:
    """Mean number of edges between every two of K classes: symmetric, zero on the diagonal."""
    group, _, probability = solved
    size = group.members.sum(axis=1, keepdims=True)
    share = group.members / size
    half = share[group.edges[:, 0]].T @ (probability[:, None] * share[group.edges[:, 1]])
    count = half + half.T + 2 * share.T @ group.members
    np.fill_diagonal(count, 0)
    return np.asarray(count)


def _tree_count(group: Group, rank: npt.NDArray[np.intp], cost: npt.NDArray[np.bool_]) -> int:
    """Least number of edges with a cost in any minimum spanning tree: Kruskal on (weight, cost)."""
    return int((minimum_tree(len(group.members), group.edges, 2 * rank + cost) % 2).sum())


def _sum_at(index: npt.NDArray[np.intp], values: npt.NDArray[np.float64], n: int) -> npt.NDArray[np.float64]:
    return np.bincount(index, values, minlength=n).astype(np.float64)
