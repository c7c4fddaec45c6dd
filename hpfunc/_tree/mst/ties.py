"""Find the edges that tie, and the probability that a random minimum spanning tree contains each of them.

A minimum spanning tree is built weight by weight: whichever edges lighter than w were taken, they join the same
vertices. Contract them; the edges of weight w then form a multigraph, of which every minimum spanning tree takes a
spanning forest, each as likely as any other. A uniform spanning forest contains an edge with a probability equal to its
effective resistance (Kirchhoff 1847). Equal points are tied at weight 0 and are handled in closed form.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hpfunc._arrays.types import Bools, Floats, Ints
from hpfunc._tree.mst.kruskal import components
from hpfunc._tree.mst.prim import RangeMaximum, prim_order_of_tree
from hpfunc._tree.threads import single_blas

__all__ = ["LARGEST_COMPONENT", "MergedPoints", "edge_probabilities", "merge_equal", "tied_edges"]

# The largest contracted component, in vertices, that is solved: a dense inverse of 3,000 x 3,000 takes about a second.
LARGEST_COMPONENT = 3000


class MergedPoints(NamedTuple):
    """Hold the points that are left when equal ones are merged, and the candidate edges between them."""

    members: Floats  # (G, K) samples of each class that a merged point represents
    edges: Ints  # (E, 2) merged points, each edge once, lower number first
    weights: Floats  # (E,) their squared distances, above 0
    representative: Ints  # (G,) a vertex of each merged point


def merge_equal(members: Floats, edges: Ints, weights: Floats) -> MergedPoints:
    """Merge the vertices that edges of weight 0 join.

    Parameters
    ----------
    members : (V, K) array
        How many samples of each class a vertex represents.
    edges : (E, 2) array
    weights : (E,) array
    """
    zero = weights == 0
    n, merged_point = components(len(members), edges[zero]) if zero.any() else (len(members), np.arange(len(members)))
    merged = np.zeros((n, members.shape[1]))
    np.add.at(merged, merged_point, members)
    ends = np.sort(merged_point[edges[~zero]], axis=1)
    _, first = np.unique(ends[:, 0] * n + ends[:, 1], return_index=True)
    _, representative = np.unique(merged_point, return_index=True)
    return MergedPoints(merged, ends[first], weights[~zero][first], representative)


def tied_edges(n: int, edges: Ints, weights: Floats, tree: Bools) -> Bools:
    """Mark the edges outside ``tree`` that another minimum spanning tree contains: as light as their path maximum.

    Parameters
    ----------
    n : int
        Vertices.
    edges : (E, 2) array
    weights : (E,) array
    tree : (E,) array
        Whether each edge is in a given minimum spanning tree.
    """
    tied = np.zeros(len(edges), bool)
    suspects = np.flatnonzero(~tree & np.isin(weights, weights[tree]))
    if suspects.size == 0:
        return tied
    source, target = edges[suspects].T
    tied[suspects] = _forest_path_maxima(n, edges[tree], weights[tree], source, target) == weights[suspects]
    return tied


def _forest_path_maxima(n: int, edges: Ints, weights: Floats, source: Ints, target: Ints) -> Floats:
    """Compute the path maximum in a forest of n vertices between each source and target, infinite without a path."""
    count, label = components(n, edges)
    if count > 1:
        # Edges of infinite weight make the forest a tree.
        first = np.unique(label, return_index=True)[1]
        joints = np.stack([np.repeat(first[0], count - 1), first[1:]], axis=1)
        edges, weights = np.concatenate([edges, joints]), np.append(weights, np.full(count - 1, np.inf))
    vertices, edge_numbers = prim_order_of_tree(n, edges, weights)
    place = np.empty(n, np.intp)
    place[vertices] = np.arange(n)
    lo, hi = np.sort(place[np.stack([source, target])], axis=0)
    gaps = weights[edge_numbers]
    return np.asarray(gaps[RangeMaximum(gaps, n)(lo, hi)])


def edge_probabilities(merged: MergedPoints, tree: Bools, tied: Bools) -> Floats:
    """Compute the probability that a random minimum spanning tree of the samples contains each edge: ``(E,)``.

    An edge between merged points of k and l samples represents k l equal edges between samples, and its probability
    is that of the tree containing any of them. It is NaN where a component has more than `LARGEST_COMPONENT` vertices.
    """
    probability = tree.astype(np.float64)
    size = merged.members.sum(axis=1)
    multiplicity = size[merged.edges].prod(axis=1)
    for weight in np.unique(merged.weights[tied]):
        level = np.flatnonzero((tree | tied) & (merged.weights == weight))
        n, joined = components(len(size), merged.edges[tree & (merged.weights < weight)])
        ends = joined[merged.edges[level]]
        _, component = components(n, ends)
        of_edge = component[ends[:, 0]]
        for c in np.unique(component[joined[merged.edges[tied & (merged.weights == weight)][:, 0]]]):
            inside = of_edge == c
            at = level[inside]
            probability[at] = _resistances(ends[inside], multiplicity[at]) * multiplicity[at]
    return probability


def _resistances(ends: Ints, conductance: Floats) -> Floats:
    """Compute the effective resistance between the ends of each edge of a connected multigraph."""
    vertices, local = np.unique(ends, return_inverse=True)
    n = len(vertices)
    if n > LARGEST_COMPONENT:
        return np.full(len(ends), np.nan)
    if n < 2:
        return np.zeros(len(ends))
    low, high = np.sort(local.reshape(-1, 2), axis=1).T
    degree = np.bincount(low, conductance, n) + np.bincount(high, conductance, n)
    # The Laplacian with vertex 0 grounded is positive definite, and its inverse gives every resistance. Only its lower
    # triangle is used.
    grounded = np.zeros((n - 1, n - 1), order="F")
    grounded[np.arange(n - 1), np.arange(n - 1)] = degree[1:]
    inside = low > 0
    np.subtract.at(grounded, (high[inside] - 1, low[inside] - 1), conductance[inside])
    inverse = _invert(grounded)
    diagonal = np.append(0.0, inverse.diagonal())
    between = np.zeros(len(ends))
    between[inside] = inverse[high[inside] - 1, low[inside] - 1]
    return np.asarray(diagonal[low] + diagonal[high] - 2 * between)


def _invert(matrix: Floats) -> Floats:
    """Invert the lower triangle of a positive definite matrix in Fortran order, in its own memory."""
    # With several threads the last bits would depend on their number.
    with single_blas():
        from scipy.linalg import lapack  # slow to import

        factor, _ = lapack.dpotrf(matrix, lower=1, overwrite_a=1)
        inverse, _ = lapack.dpotri(factor, lower=1, overwrite_c=1)
    return np.asarray(inverse)
