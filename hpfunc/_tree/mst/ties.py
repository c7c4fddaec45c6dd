"""Find the edges that tie, and the probability that a random minimum spanning tree contains each of them.

A minimum spanning tree is built weight by weight: whichever edges lighter than w were taken, they join the same
vertices. Contract them; the edges of weight w then form a multigraph, of which every minimum spanning tree takes a
spanning forest, each as likely as any other. A uniform spanning forest contains an edge with a probability equal to its
effective resistance (Kirchhoff 1847). Equal points are tied at weight 0 and are handled in closed form.
"""

from __future__ import annotations

from contextlib import nullcontext
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
    place, gaps = _order_forest(n, edges, weights)
    lo, hi = np.sort(place[np.stack([source, target])], axis=0)
    gaps = gaps[1:]
    return np.asarray(gaps[RangeMaximum(gaps, n)(lo, hi)])


def _order_forest(n: int, edges: Ints, weights: Floats) -> tuple[Ints, Floats]:
    """Return the place of each vertex of a forest in one Prim order, and the gaps before all places, infinite first."""
    count, label = components(n, edges)
    if count > 1:
        # Edges of infinite weight make the forest a tree.
        first = np.unique(label, return_index=True)[1]
        joints = np.stack([np.repeat(first[0], count - 1), first[1:]], axis=1)
        edges, weights = np.concatenate([edges, joints]), np.append(weights, np.full(count - 1, np.inf))
    vertices, edge_numbers = prim_order_of_tree(n, edges, weights)
    place = np.empty(n, np.intp)
    place[vertices] = np.arange(n)
    return place, np.append(np.inf, weights[edge_numbers])


def edge_probabilities(merged: MergedPoints, tree: Bools, tied: Bools) -> Floats:
    """Compute the probability that a random minimum spanning tree of the samples contains each edge: ``(E,)``.

    An edge between merged points of k and l samples represents k l equal edges between samples, and its probability
    is that of the tree containing any of them. It is NaN where a component has more than `LARGEST_COMPONENT` vertices.
    """
    probability = tree.astype(np.float64)
    if not tied.any():
        return probability
    size = merged.members.sum(axis=1)
    level = np.flatnonzero((tree | tied) & np.isin(merged.weights, merged.weights[tied]))
    component, vertex = _contract(len(size), merged.edges[tree], merged.weights[tree], merged, level)
    order = np.argsort(component, kind="stable")
    level, component, vertex = level[order], component[order], vertex[order]
    conductance = size[merged.edges[level]].prod(axis=1)
    first = np.flatnonzero(np.diff(component, prepend=-1))
    has_ties = np.logical_or.reduceat(tied[level], first)
    # Between two contracted vertices all edges are parallel, and each carries its share of the current.
    n_vertices = 1 + np.maximum.reduceat(vertex.max(axis=1), first)
    share = conductance / np.repeat(np.add.reduceat(conductance, first), np.diff(first, append=len(level)))
    parallel = (has_ties & (n_vertices == 2))[component]
    probability[level[parallel]] = share[parallel]
    solved = np.flatnonzero(has_ties & (n_vertices > 2))
    # With several threads the last bits would depend on their number.
    with single_blas() if solved.size else nullcontext():
        for begin, end in zip(first[solved], np.append(first, len(level))[solved + 1], strict=True):
            inside = slice(begin, end)
            probability[level[inside]] = _resistances(vertex[inside], conductance[inside]) * conductance[inside]
    return probability


def _contract(n: int, tree: Ints, weights: Floats, merged: MergedPoints, level: Ints) -> tuple[Ints, Ints]:
    """Contract all lighter edges of a tree, for each weight of some edges, and find the connected components.

    Parameters
    ----------
    n : int
        Vertices.
    tree : (F, 2) array
        Edges of a minimum spanning forest.
    weights : (F,) array
    merged : MergedPoints
    level : (L,) array
        Numbers of edges.

    Returns
    -------
    component : (L,) array
        Edges of one weight that contracted vertices connect.
    vertex : (L, 2) array
        Contracted vertices at the ends of each edge, numbered from 0 in each component.
    """
    place, gaps = _order_forest(n, tree, weights)
    rank = np.unique(merged.weights[level], return_inverse=True)[1]
    # Lighter edges join exactly the places of the Prim order between two gaps of at least this weight.
    start = _last_of_at_least(gaps, place[merged.edges[level]], merged.weights[level, None])
    vertices, ends = np.unique(rank[:, None] * n + start, return_inverse=True)
    ends = ends.reshape(start.shape)
    _, component = components(len(vertices), ends)
    # Sums of fractions must not depend on the tree that was chosen, so vertices are numbered by their smallest member.
    smallest = np.full(len(vertices), n)
    np.minimum.at(smallest, ends, merged.edges[level])
    by_component = np.lexsort((smallest, component))
    number = np.empty_like(by_component)
    first = np.flatnonzero(np.diff(component[by_component], prepend=-1))
    number[by_component] = np.arange(len(vertices)) - first[component[by_component]]
    return component[ends[:, 0]], number[ends]


def _last_of_at_least(gaps: Floats, place: Ints, weight: Floats) -> Ints:
    """Find, for each place, the last place up to it whose gap is at least a weight; the first gap is infinite."""
    largest = RangeMaximum(gaps, len(gaps))
    for step in range(len(largest.place) - 1, -1, -1):
        begin = place - (1 << step) + 1
        light = (begin >= 0) & (gaps[largest.place[step, np.maximum(begin, 0)]] < weight)
        place = np.where(light, begin - 1, place)
    return place


def _resistances(ends: Ints, conductance: Floats) -> Floats:
    """Compute the effective resistance between the ends of each edge of a connected multigraph."""
    vertices, local = np.unique(ends, return_inverse=True)
    n = len(vertices)
    if n > LARGEST_COMPONENT:
        return np.full(len(ends), np.nan)
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
    from scipy.linalg import lapack  # slow to import

    factor, _ = lapack.dpotrf(matrix, lower=1, overwrite_a=1)
    inverse, _ = lapack.dpotri(factor, lower=1, overwrite_c=1)
    return np.asarray(inverse)
