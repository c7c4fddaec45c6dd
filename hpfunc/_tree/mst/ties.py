"""Averages and extremes over all minimum spanning trees of a graph with tied weights.

A minimum spanning tree is built weight by weight: whichever edges were taken below weight w, the same vertices are
joined. Contract them; the edges of weight w then form a multigraph, of which every minimum spanning tree takes a
spanning forest, each as likely as any other. In a uniform spanning forest an edge stands with probability equal to
its effective resistance (Kirchhoff 1847). Equal points are tied at weight 0 and are handled in closed form.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = [
    "LARGEST_COMPONENT",
    "Group",
    "components",
    "edge_probabilities",
    "group_equal",
    "minimum_tree",
    "tied_edges",
]

# Vertices of a contracted component that are still solved: a dense inverse of 3,000 x 3,000 takes about a second.
LARGEST_COMPONENT = 3000


class Group(NamedTuple):
    """Points merged where they are equal, and the candidate edges between the groups."""

    members: npt.NDArray[np.float64]  # (G, K) points of each class in each group
    edges: npt.NDArray[np.intp]  # (E, 2) groups, each edge once, lower number first
    weights: npt.NDArray[np.float64]  # (E,) their squared distances, above 0
    representative: npt.NDArray[np.intp]  # (G,) a vertex of each group


def group_equal(
    members: npt.NDArray[np.float64], edges: npt.NDArray[np.intp], weights: npt.NDArray[np.float64]
) -> Group:
    """Merge the vertices that edges of weight 0 join.

    Parameters
    ----------
    members : (V, K) array
        How many points of each class a vertex stands for.
    edges : (E, 2) array
    weights : (E,) array
    """
    zero = weights == 0
    n, group = components(len(members), edges[zero])
    merged = np.zeros((n, members.shape[1]))
    np.add.at(merged, group, members)
    ends = np.sort(group[edges[~zero]], axis=1)
    _, first = np.unique(ends[:, 0] * n + ends[:, 1], return_index=True)
    _, representative = np.unique(group, return_index=True)
    return Group(merged, ends[first], weights[~zero][first], representative)


def minimum_tree(n: int, edges: npt.NDArray[np.intp], rank: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """The ranks, in no order, of the edges of the minimum spanning forest by ``rank``, which are positive integers.

    A rank may repeat where it does not matter which edge is taken. No two edges may join the same vertices.
    """
    from scipy.sparse import csgraph

    tree: npt.NDArray[np.intp] = csgraph.minimum_spanning_tree(_matrix(n, edges, rank), overwrite=True).data
    return tree.astype(np.intp)


def tied_edges(
    n: int, edges: npt.NDArray[np.intp], weights: npt.NDArray[np.float64], tree: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Which edges outside ``tree`` stand in another minimum spanning tree: as light as the heaviest on their path."""
    tied = np.zeros(len(edges), bool)
    suspects = np.flatnonzero(~tree & np.isin(weights, weights[tree]))
    if suspects.size == 0:
        return tied
    # An edge of weight w closes a tie exactly when the tree's edges below w do not already join its ends.
    for weight in np.unique(weights[suspects]):
        at = suspects[weights[suspects] == weight]
        _, joined = components(n, edges[tree & (weights < weight)])
        _, level = components(n, edges[tree & (weights <= weight)])
        one, other = edges[at].T
        tied[at] = (joined[one] != joined[other]) & (level[one] == level[other])
    return tied


def edge_probabilities(
    group: Group, tree: npt.NDArray[np.bool_], tied: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Probability that each edge between groups stands in a random minimum spanning tree of the points.

    An edge between groups of k and l points stands for k l equal edges between points, and the probability for any
    one of them. NaN where a component has more than `LARGEST_COMPONENT` vertices.
    """
    probability = tree.astype(np.float64)
    size = group.members.sum(axis=1)
    multiplicity = size[group.edges].prod(axis=1)
    for weight in np.unique(group.weights[tied]):
        level = np.flatnonzero((tree | tied) & (group.weights == weight))
        n, joined = components(len(size), group.edges[tree & (group.weights < weight)])
        ends = joined[group.edges[level]]
        _, component = components(n, ends)
        of_edge = component[ends[:, 0]]
        for c in np.unique(component[joined[group.edges[tied & (group.weights == weight)][:, 0]]]):
            inside = of_edge == c
            at = level[inside]
            probability[at] = _resistances(ends[inside], multiplicity[at]) * multiplicity[at]
    return probability


def _resistances(ends: npt.NDArray[np.intp], conductance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Effective resistance between the ends of each edge of a connected multigraph."""
    vertices, local = np.unique(ends, return_inverse=True)
    n = len(vertices)
    if n > LARGEST_COMPONENT:
        return np.full(len(ends), np.nan)
    one, other = local.reshape(-1, 2).T
    laplacian = np.zeros((n, n))
    np.add.at(laplacian, (one, other), -conductance)
    np.add.at(laplacian, (other, one), -conductance)
    laplacian[np.arange(n), np.arange(n)] = -laplacian.sum(axis=1)
    from scipy.linalg import lapack  # slow to import

    # Ground one vertex: what is left is positive definite, and its inverse gives every resistance.
    inverse = np.zeros((n, n))
    if n > 1:
        factor, _ = lapack.dpotrf(laplacian[1:, 1:], lower=1)
        grounded, _ = lapack.dpotri(factor, lower=1)
        inverse[1:, 1:] = np.tril(grounded) + np.tril(grounded, -1).T
    diagonal = inverse.diagonal()
    return np.asarray(diagonal[one] + diagonal[other] - 2 * inverse[one, other])


def components(n: int, edges: npt.NDArray[np.intp]) -> tuple[int, npt.NDArray[np.intp]]:
    """Number of connected components of n vertices, and the component of each."""
    from scipy.sparse import csgraph

    count, label = csgraph.connected_components(_matrix(n, edges, np.ones(len(edges))), directed=False)
    return int(count), label.astype(np.intp)


def _matrix(n: int, edges: npt.NDArray[np.intp], values: npt.NDArray[Any]) -> Any:
    """A sparse matrix of edges. Its indices have 32 bits: csgraph takes no others before SciPy 1.15."""
    from scipy import sparse  # slow to import

    rows, cols = edges.astype(np.int32).T
    return sparse.coo_array((values.astype(np.float64), (rows, cols)), shape=(n, n)).tocsr()
