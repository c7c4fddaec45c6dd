"""Find the edges that tie, and the probability that a random minimum spanning tree contains each of them.

A minimum spanning tree is built weight by weight: whichever edges lighter than w were taken, they join the same
vertices. Contract them; the edges of weight w then form a multigraph, of which every minimum spanning tree takes a
spanning forest, each as likely as any other. A uniform spanning forest contains an edge with a probability equal to its
effective resistance (Kirchhoff 1847). Equal points are tied at weight 0 and are handled in closed form.

The vertices may be those of many graphs that no edge joins: each step then serves all of them at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hpfunc._arrays.types import Bools, Floats, Ints
from hpfunc._tree.mst.kruskal import components
from hpfunc._tree.mst.prim import RangeMaximum, prim_order_of_tree
from hpfunc._tree.threads import single_blas

__all__ = [
    "LARGEST_COMPONENT", "ForestOrder", "MergedPoints", "edge_probabilities", "find_tied_edges", "merge_equal",
    "tied_edges",
]  # fmt: skip

# The largest contracted component, in vertices, that is solved: a dense inverse of 3,000 x 3,000 takes about a second.
LARGEST_COMPONENT = 3000
# Components of at most this many vertices are solved together.
_SMALL_COMPONENT = 16


class MergedPoints(NamedTuple):
    """Hold the points that are left when equal ones are merged, and the candidate edges between them."""

    members: Floats  # (G, K) samples of each class that a merged point represents
    edges: Ints  # (E, 2) merged points, each edge once, lower number first
    weights: Floats  # (E,) their squared distances, above 0
    representative: Ints  # (G,) a vertex of each merged point


class ForestOrder(NamedTuple):
    """Hold the Prim orders of some trees of a forest, one after the other.

    The vertices that edges lighter than w join stand at consecutive places, before each of which the gap is below w,
    except before the first.
    """

    place: Ints  # (n,) of each vertex; -1 in the other trees
    gaps: Floats  # (m,) before each place; infinite before the first of each tree
    heaviest: RangeMaximum  # finds the places of the largest gaps

    def first_joined(self, places: Ints, weights: Floats) -> Ints:
        """Find the first of the places that edges lighter than the given weights join to each given place."""
        for level in reversed(range(len(self.heaviest.place))):
            before = places - (1 << level)
            # The largest gap among those after `before`, up to the place itself.
            largest = self.gaps[self.heaviest.place[level, np.maximum(before + 1, 0)]]
            places = np.where((before >= 0) & (largest < weights), before, places)
        return places


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
    ends = np.sort(merged_point[edges], axis=1)
    # Where squares underflow to 0, edges of other weights may lie within a merged point; they are left out.
    apart = np.flatnonzero(ends[:, 0] < ends[:, 1])
    _, first = np.unique(ends[apart, 0] * n + ends[apart, 1], return_index=True)
    _, representative = np.unique(merged_point, return_index=True)
    return MergedPoints(merged, ends[apart[first]], weights[apart[first]], representative)


def tied_edges(n: int, edges: Ints, weights: Floats, tree: Bools) -> Bools:
    """Mark the edges outside ``tree`` that another minimum spanning tree contains; see `find_tied_edges`."""
    return find_tied_edges(n, edges, weights, tree)[0]


def find_tied_edges(n: int, edges: Ints, weights: Floats, tree: Bools) -> tuple[Bools, ForestOrder | None]:
    """Find the edges that other minimum spanning trees contain: they are as light as their path maxima.

    Parameters
    ----------
    n : int
        Vertices.
    edges : (E, 2) array
    weights : (E,) array
    tree : (E,) array
        Whether each edge is in a given minimum spanning tree, or forest.

    Returns
    -------
    tied : (E,) array
        Edges outside ``tree`` that another minimum spanning tree contains.
    order : ForestOrder or None
        Of the trees that may have such edges; None if no tree may.
    """
    tied = np.zeros(len(edges), bool)
    suspects = np.flatnonzero(~tree & np.isin(weights, weights[tree]))
    if suspects.size == 0:
        return tied, None
    _, forest = components(n, edges[tree])
    rank = np.unique(weights, return_inverse=True)[1]
    level = forest[edges[:, 0]] * len(edges) + rank
    same_tree = forest[edges[suspects, 0]] == forest[edges[suspects, 1]]
    suspects = suspects[same_tree & np.isin(level[suspects], level[tree])]
    if suspects.size == 0:
        return tied, None
    order = _order_forest(edges[tree], weights[tree], forest, np.unique(forest[edges[suspects, 0]]))
    first, last = np.sort(order.place[edges[suspects]], axis=1).T
    tied[suspects] = order.gaps[order.heaviest(first + 1, last + 1)] == weights[suspects]
    return tied, order


def _order_forest(edges: Ints, weights: Floats, forest: Ints, chosen: Ints) -> ForestOrder:
    """Order the vertices of the chosen trees of a forest, given the number of the tree of each vertex."""
    is_chosen = np.zeros(int(forest.max()) + 1, bool)
    is_chosen[chosen] = True
    vertices = np.flatnonzero(is_chosen[forest])
    local = np.full(len(forest), -1)
    local[vertices] = np.arange(len(vertices))
    inside = is_chosen[forest[edges[:, 0]]]
    # Edges of infinite weight make the forest a tree.
    _, first, sizes = np.unique(forest[vertices], return_index=True, return_counts=True)
    joints = np.stack([np.repeat(first[0], len(first) - 1), first[1:]], axis=1)
    ends = np.concatenate([local[edges[inside]], joints])
    lengths = np.append(weights[inside], np.full(len(joints), np.inf))
    in_order, edge_numbers = prim_order_of_tree(len(vertices), ends, lengths)
    place = np.full(len(forest), -1)
    place[vertices[in_order]] = np.arange(len(vertices))
    gaps = np.append(np.inf, lengths[edge_numbers])
    return ForestOrder(place, gaps, RangeMaximum(gaps, int(sizes.max())))


def edge_probabilities(merged: MergedPoints, tree: Bools, tied: Bools, order: ForestOrder | None) -> Floats:
    """Compute the probability that a random minimum spanning tree of the samples contains each edge: ``(E,)``.

    An edge between merged points of k and l samples represents k l equal edges between samples, and its probability
    is that of the tree containing any of them. It is NaN where a component has more than `LARGEST_COMPONENT` vertices.

    Parameters
    ----------
    merged : MergedPoints
        Its edges are those of minimum spanning trees.
    tree, tied : (E,) arrays
        Whether each edge is in a given one of these trees, or only in others.
    order : ForestOrder or None
        As `find_tied_edges` returns it.
    """
    probability = tree.astype(np.float64)
    if order is None or not tied.any():
        return probability
    chosen = np.isin(merged.weights, merged.weights[tied]) & (order.place[merged.edges[:, 0]] >= 0)
    level = np.flatnonzero(chosen)
    edges, weights = merged.edges[level], merged.weights[level]
    # Contract what lighter edges join, for each weight anew.
    (lengths, rank), n = np.unique(weights, return_inverse=True), len(order.gaps)
    places, ends = _number_keys(rank[:, None] * n + order.place[edges], len(lengths) * n)
    joined = order.first_joined(places % n, lengths[places // n])
    contracted, of_place = np.unique(places - places % n + joined, return_inverse=True)
    ends = of_place[ends]
    _, component = components(len(contracted), ends)
    of_edge = component[ends[:, 0]]
    solved = np.isin(of_edge, of_edge[tied[level]])
    # The numbers of contracted vertices follow from the tree, so they are replaced by those of their least vertices.
    least = np.full(len(contracted), len(merged.members))
    np.minimum.at(least, ends, edges)
    number = _number_within(component, least)
    at = level[solved]
    conductance = merged.members.sum(axis=1)[merged.edges[at]].prod(axis=1)
    sizes = np.bincount(component)[of_edge[solved]]
    probability[at] = conductance * _resistances(of_edge[solved], sizes, number[ends[solved]], conductance)
    return probability


def _number_keys(keys: Ints, n: int) -> tuple[Ints, Ints]:
    """Return the distinct ones of several keys below n in rising order, and for each key its number among these."""
    if n > 4 * keys.size:
        distinct, number = np.unique(keys, return_inverse=True)
        return distinct, number.reshape(keys.shape)
    # A table of few keys is faster than sorting many of them.
    used = np.zeros(n, bool)
    used[keys] = True
    return np.flatnonzero(used), (np.cumsum(used) - 1)[keys]


def _number_within(group: Ints, order: Ints) -> Ints:
    """Count, for each member of a group, the members of the same group whose ``order`` is lower: ``(n,)``."""
    by_group = np.lexsort((order, group))
    number = np.empty_like(group)
    number[by_group] = np.arange(len(group)) - np.searchsorted(group[by_group], group[by_group])
    return number


def _resistances(component: Ints, sizes: Ints, ends: Ints, conductance: Floats) -> Floats:
    """Compute the effective resistance between the ends of each edge of several connected multigraphs.

    Parameters
    ----------
    component : (E,) array
        The multigraph of each edge.
    sizes : (E,) array
        The number of vertices of this multigraph.
    ends : (E, 2) array
        Vertices, numbered from 0 in each multigraph.
    conductance : (E,) array
    """
    result = np.full(len(ends), np.nan)
    # With several threads the last bits would depend on their number.
    with single_blas():
        for n in np.unique(sizes).tolist():
            if n > LARGEST_COMPONENT:
                continue
            at = np.flatnonzero(sizes == n)
            at = at[np.argsort(component[at], kind="stable")]
            number = np.cumsum(np.diff(component[at], prepend=component[at[0]]) != 0)
            if n <= _SMALL_COMPONENT:
                result[at] = _resistances_of_size(n, number, ends[at], conductance[at])
            else:
                for part in np.split(at, np.flatnonzero(np.diff(number)) + 1):
                    result[part] = _resistances_of_size(n, np.zeros_like(part), ends[part], conductance[part])
    return result


def _resistances_of_size(n: int, number: Ints, ends: Ints, conductance: Floats) -> Floats:
    """Compute the resistances in multigraphs of n vertices each; ``number`` ``(E,)`` is the multigraph of each edge."""
    low, high = np.sort(ends, axis=1).T
    n_graphs = int(number.max()) + 1
    degree = np.bincount(number * n + low, conductance, n_graphs * n)
    degree += np.bincount(number * n + high, conductance, n_graphs * n)
    # The Laplacian with vertex 0 grounded is positive definite, and its inverse gives every resistance. Only the lower
    # triangle is used.
    grounded = np.zeros((n_graphs, n - 1, n - 1))
    diagonal = np.arange(n - 1)
    grounded[:, diagonal, diagonal] = degree.reshape(n_graphs, n)[:, 1:]
    inside = np.flatnonzero(low > 0)
    entry = number[inside], high[inside] - 1, low[inside] - 1
    np.subtract.at(grounded, entry, conductance[inside])
    inverse = _invert(grounded)
    variance = np.zeros((n_graphs, n))
    variance[:, 1:] = inverse[:, diagonal, diagonal]
    between = np.zeros(len(ends))
    between[inside] = inverse[entry]
    return np.asarray(variance[number, low] + variance[number, high] - 2 * between)


def _invert(matrices: Floats) -> Floats:
    """Invert positive definite matrices ``(g, n, n)``, of which only the lower triangles are given and returned."""
    if matrices.shape[1] < _SMALL_COMPONENT:
        return np.asarray(np.linalg.inv(matrices + np.tril(matrices, -1).swapaxes(1, 2)), np.float64)
    from scipy.linalg import lapack  # slow to import

    for matrix in matrices:
        # In its own memory, which in Fortran's order holds the transposed matrix.
        factor, _ = lapack.dpotrf(matrix.T, lower=0, overwrite_a=1)
        inverse, _ = lapack.dpotri(factor, lower=0, overwrite_c=1)
        matrix[:] = inverse.T
    return matrices
