"""Kruskal's algorithm and connected components on sparse graphs, by SciPy's compiled routines."""

from __future__ import annotations

from typing import Any

import numpy as np

from hpfunc._tree.types import Array, Ints

__all__ = ["components", "kruskal", "kruskal_multigraph", "kruskal_ranks"]


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
    by_weight = np.argsort(weights, kind="stable")
    rank = np.empty_like(by_weight)
    rank[by_weight] = np.arange(1, len(weights) + 1)
    return np.asarray(by_weight[kruskal_ranks(n, ends, rank) - 1])


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
    """Return the ranks, in no order, of the edges of the minimum spanning forest by ``rank``.

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
