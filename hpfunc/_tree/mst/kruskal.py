"""Kruskal's algorithm and connected components on sparse graphs, by SciPy's compiled routines.

Where only bounds of the weights are known, `certify` decides. Given intervals [L, U] for all edges and a minimum
spanning tree T of the lower bounds of each graph, call a tree edge e loose if [L(e), U(e)] contains the lower bound of
an edge outside T, and call that edge a rival. A tree edge that is not loose is in every minimum spanning tree: an edge
f that could replace it has L(f) >= L(e), since e lies on the path of f in T, and so L(f) > U(e) >= the weight of e.
Contract all such edges; only a few vertices, the loose edges and the rivals remain. Only these undecided edges are
measured in float64.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from hpfunc._arrays.types import Array, Bools, Floats, Ints

__all__ = [
    "BoundedEdges", "certify", "components", "kruskal", "kruskal_multigraph", "kruskal_ranks", "order_of_numbers",
    "stable_order",
]  # fmt: skip


def kruskal(n: int, ends: Ints, weights: Array) -> Ints:
    """Return the edge numbers of a minimum spanning forest of n vertices; no two edges may join the same vertices.

    Parameters
    ----------
    n : int
        Vertices.
    ends : (E, 2) array
    weights : (E,) array
        Among equal weights the edge that comes first is taken first.
    """
    by_weight = stable_order(weights)
    rank = np.empty_like(by_weight)
    rank[by_weight] = np.arange(1, len(weights) + 1)
    return np.asarray(by_weight[kruskal_ranks(n, ends, rank) - 1])


def stable_order(weights: Array) -> Ints:
    """Sort weights so that equal ones keep their order: ``(E,)`` numbers.

    NumPy sorts numbers of 16 bits in linear time. Four such sorts of the bits take a third of the time of one stable
    sort of the weights.
    """
    # Adding 0 turns -0 into 0. The bits of positive numbers rise with the number, those of negative ones fall.
    bits = (np.asarray(weights, np.float64) + 0.0).view(np.uint64)
    bits ^= np.where(bits >> 63, ~np.uint64(0), np.uint64(1) << 63)
    digits = bits.view(np.uint16).reshape(-1, 4)
    order = np.arange(len(bits))
    for digit in digits.T if sys.byteorder == "little" else digits.T[::-1]:
        order = order[np.argsort(digit[order], kind="stable")]
    return order


def order_of_numbers(numbers: Ints, n: int) -> Ints:
    """Sort numbers below n so that equal ones keep their order; 16 bits are sorted in linear time."""
    return np.argsort(numbers.astype(np.uint16) if n <= 2**16 else numbers, kind="stable")


def kruskal_multigraph(n: int, ends: Ints, weights: Array) -> Ints:
    """Return the edge numbers of a minimum spanning forest where edges may be parallel or loops.

    Parameters
    ----------
    n : int
        Vertices.
    ends : (E, 2) array
        The lower vertex first, so that parallel edges are recognised.
    weights : (E,) array
    """
    order = np.lexsort((weights, ends[:, 1], ends[:, 0]))
    new = np.concatenate([[True], (np.diff(ends[order], axis=0) != 0).any(axis=1)])
    order = order[new & (ends[order, 0] != ends[order, 1])]
    return np.asarray(order[kruskal(n, ends[order], weights[order])])


def kruskal_ranks(n: int, ends: Ints, rank: Ints) -> Ints:
    """Return the ranks, in no particular order, of the edges of the minimum spanning forest by ``rank``.

    Ranks are positive integers. A rank may repeat where it does not matter which edge is taken. No two edges may join
    the same vertices.
    """
    from scipy.sparse import csgraph

    tree = csgraph.minimum_spanning_tree(_matrix(n, ends, rank), overwrite=True).data
    return np.asarray(tree.astype(np.intp))


def components(n: int, ends: Ints) -> tuple[int, Ints]:
    """Return the number of connected components of n vertices, and the component of each vertex ``(n,)``."""
    from scipy.sparse import csgraph

    count, label = csgraph.connected_components(_matrix(n, ends, np.ones(len(ends))), directed=False)
    return int(count), label.astype(np.intp)


def _matrix(n: int, ends: Ints, values: Array) -> Any:
    """Build a sparse matrix of edges. Its indices have 32 bits because csgraph takes no others before SciPy 1.15."""
    from scipy import sparse  # slow to import

    rows, cols = ends.astype(np.int32).T
    return sparse.coo_array((values.astype(np.float64), (rows, cols)), shape=(n, n)).tocsr()


class BoundedEdges(NamedTuple):
    """Hold the edges of several graphs, of whose weights only bounds may be known."""

    graph: Ints  # (E,) number of the graph
    ends: Ints  # (E, 2) vertices, numbered through all graphs
    lower: Floats  # (E,)
    upper: Floats  # (E,) equal to lower where the weight is known


def certify(
    edges: BoundedEdges, tree: Bools, measure: Callable[[Ints], Floats], n_graphs: int, n_vertices: int
) -> tuple[Bools, Bools]:
    """Turn minimum spanning trees of the lower bounds into minimum spanning trees of the true weights.

    Parameters
    ----------
    edges : BoundedEdges
    tree : (E,) array
        Whether each edge is in the minimum spanning tree of the lower bounds of its graph.
    measure : callable
        Return the true weights of the edges of given numbers, which rise.
    n_graphs, n_vertices : int
        Number of graphs, and of vertices in all of them.

    Returns
    -------
    tree : (E,) array
        The same for the true weights.
    tied : (n_graphs,) array
        Graphs in which an edge inside the tree and one outside have equal weights, so that the tree may not be unique.
    """
    tied = np.zeros(n_graphs, bool)
    loose, rivals = _find_overlaps(edges, tree, n_graphs)
    undecided = np.flatnonzero(loose | rivals)
    if not undecided.size:
        return tree, tied
    graph, weights = edges.graph[undecided], measure(undecided)
    concerned = np.zeros(n_graphs, bool)
    concerned[graph] = True
    n_contracted, contracted = components(n_vertices, edges.ends[tree & ~loose & concerned[edges.graph]])
    ends = np.sort(contracted[edges.ends[undecided]], axis=1)
    chosen = kruskal_multigraph(n_contracted, ends, weights)
    tree = tree & ~loose
    tree[undecided[chosen]] = True
    order = np.lexsort((weights, graph))
    equal = (np.diff(weights[order]) == 0) & (np.diff(graph[order]) == 0)
    tied[graph[order[1:][equal & np.diff(tree[undecided[order]])]]] = True
    return tree, tied


def _find_overlaps(edges: BoundedEdges, tree: Bools, n_graphs: int) -> tuple[Bools, Bools]:
    """Mark the loose tree edges and their rivals, perhaps a few more: two ``(E,)`` masks.

    The bounds of graph g are moved into the range from 2 g to 2 g + 1, so that all are sorted at once. Rounding may
    make bounds of one graph equal there, but never changes their order, so no overlap is missed.
    """
    least, most = _range_of_graphs(edges, n_graphs)
    first, scale = least[edges.graph], 1 / np.maximum(most - least, np.finfo(np.float64).tiny)[edges.graph]
    begin, end = ((bound - first) * scale + 2.0 * edges.graph for bound in (edges.lower, edges.upper))
    # A tree edge comes before the edges outside whose lower bound is the same.
    begin = np.where(tree, np.nextafter(begin, -np.inf), begin)
    order = stable_order(begin)
    inside, begin = tree[order], begin[order]
    end = np.where(inside, end[order], -np.inf)
    loose, rivals = np.empty(len(tree), bool), np.empty(len(tree), bool)
    next_outside = np.minimum.accumulate(np.where(inside, np.inf, begin)[::-1])[::-1]
    loose[order] = next_outside <= end
    rivals[order] = ~inside & (begin <= np.maximum.accumulate(end))
    return loose, rivals


def _range_of_graphs(edges: BoundedEdges, n_graphs: int) -> tuple[Floats, Floats]:
    """Find the lowest lower bound and the highest upper bound of each graph: two ``(n_graphs,)`` arrays."""
    # Sorting the graphs takes less time than ``np.minimum.at``.
    order = order_of_numbers(edges.graph, n_graphs)
    count = np.bincount(edges.graph, minlength=n_graphs)
    first, present = (np.cumsum(count) - count)[count > 0], count > 0
    least, most = np.full(n_graphs, np.inf), np.full(n_graphs, -np.inf)
    least[present] = np.minimum.reduceat(edges.lower[order], first)
    most[present] = np.maximum.reduceat(edges.upper[order], first)
    return least, most
