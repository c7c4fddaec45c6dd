"""Prim's algorithm on many small complete graphs abreast, noting every edge that rounding leaves in doubt.

The weights are lower bounds L: the true weight of an edge lies between L and U(L) = L (1 + r) + 2e, with
one e and r for a graph.

Why nothing is missed. Let vertices be visited as v_0, v_1, ..., and take an edge f = (v_i, v_j), i < j, of some true
minimum spanning tree that is not in Prim's tree. On the tree path between its ends some edge g is at least as heavy,
so L(f) <= true(f) <= true(g) <= U(L(g)). The heaviest step t in (i, j] has L(g) <= L_t (the minimax property of Prim's
tree), and f crosses the cut of that step: it is noted there, since L(f) <= U(L_t).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hpfunc._tree.distances import upper_bound

__all__ = ["Forest", "prim"]

# A graph with more edges in doubt than so many for each vertex is better measured again in float64.
_CROWDED = 8

Ints = npt.NDArray[np.intp]


class Forest(NamedTuple):
    """One spanning tree for each of G graphs, and the other edges that may stand in a minimum spanning tree."""

    child: Ints  # (G, n - 1) vertex added at each step; -1 past the end of a smaller graph
    parent: Ints  # (G, n - 1) the vertex it hangs on
    doubt: Ints  # (E, 3) graph, vertex, vertex: the edges in doubt, by graph, tree edges excluded
    crowded: npt.NDArray[np.bool_]  # (G,) too many edges in doubt: `doubt` is not complete for these


class _Doubts:
    """The edges noted so far, and which graphs have too many of them."""

    def __init__(self, n_graphs: int, limit: int) -> None:
        self.count = np.zeros(n_graphs, np.intp)
        self.limit = limit
        self.found: list[Ints] = []

    @property
    def crowded(self) -> npt.NDArray[np.bool_]:
        return self.count > self.limit

    def meet(self, graph: Ints) -> None:
        """Count doubts of the graphs, before or instead of noting them."""
        self.count += np.bincount(graph, minlength=len(self.count))

    def note(self, graph: Ints, one: Ints, other: Ints) -> None:
        self.meet(graph)
        self.found.append(np.stack([graph, np.minimum(one, other), np.maximum(one, other)], axis=1))


def prim(
    table: npt.NDArray[Any], sizes: Ints, error: npt.NDArray[np.float64], relative: float = 0.0, *, exact: bool = True
) -> Forest:
    """Minimum spanning trees of G complete graphs of at most n vertices each, all grown from vertex 0.

    Parameters
    ----------
    table : (G, n, n) array
        Lower bounds of the weights; symmetric. What lies past the end of a graph is not looked at,
        but must not be NaN. Infinite entries are no edges.
    sizes : (G,) array
        Vertices of each graph.
    error : (G,) array
    relative : float
        The interval that an entry stands for, see `distances.upper_bound`.
    exact : bool
        Whether to note the edges in doubt.
    """
    n_graphs, n = table.shape[:2]
    graphs = np.arange(n_graphs)
    infinity = table.dtype.type(np.inf)
    # Adding `closed` to a row takes visited vertices and padding out of it.
    closed = np.where(np.arange(n) >= sizes[:, None], infinity, table.dtype.type(0))
    visited = np.zeros((n_graphs, n), bool)
    best = np.full((n_graphs, n), infinity)
    child, parent = (np.full((n_graphs, n - 1), -1, np.intp) for _ in range(2))
    doubts = _Doubts(n_graphs, _CROWDED * n)
    vertex = np.zeros(n_graphs, np.intp)
    row = table[graphs, vertex]
    for step in range(int(sizes.max()) - 1):
        visited[graphs, vertex] = True
        closed[graphs, vertex] = infinity
        row += closed
        np.minimum(best, row, out=best)
        vertex = best.argmin(axis=1)
        weight = best[graphs, vertex]
        best[graphs, vertex] = infinity
        row = table[graphs, vertex]
        live = step < sizes - 1
        # Rounded upwards: a threshold may only be too generous.
        threshold = np.nextafter(upper_bound(weight, error, relative).astype(table.dtype), infinity)
        near = row <= threshold[:, None]
        near &= visited
        # Mostly one edge leads to the vertex that is as light.
        hang = near.argmax(axis=1)
        near[graphs, hang] = False
        several = np.flatnonzero(near.any(axis=1))
        if several.size:
            near[several, hang[several]] = True
            hang[several] = np.where(near[several], row[several], np.inf).argmin(axis=1)
            near[several, hang[several]] = False
        child[live, step], parent[live, step] = vertex[live], hang[live]
        if exact:
            live &= ~doubts.crowded
            behind = several[live[several]]
            if behind.size:
                which, other = np.nonzero(near[behind])
                doubts.note(behind[which], vertex[behind[which]], other)
            ahead = np.flatnonzero(live & (best.min(axis=1) <= threshold))
            if ahead.size:
                _note_ahead(doubts, table, best, visited, threshold, ahead)
    return Forest(child, parent, *_finish(doubts, child, parent, n))


def _note_ahead(
    doubts: _Doubts,
    table: npt.NDArray[Any],
    best: npt.NDArray[Any],
    visited: npt.NDArray[np.bool_],
    threshold: npt.NDArray[Any],
    ahead: Ints,
) -> None:
    """Note edges from the tree to vertices that were not taken, though their weight may be as low."""
    which, other = np.nonzero(best[ahead] <= threshold[ahead, None])
    graph = ahead[which]
    doubts.meet(graph)
    keep = ~doubts.crowded[graph]
    graph, other = graph[keep], other[keep]
    hit, end = np.nonzero((table[graph, other] <= threshold[graph, None]) & visited[graph])
    doubts.note(graph[hit], other[hit], end)


def _finish(doubts: _Doubts, child: Ints, parent: Ints, n: int) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """What was noted, each edge once, without the tree's own edges; and the crowded graphs."""
    if not doubts.found:
        return np.empty((0, 3), np.intp), doubts.crowded
    found = np.concatenate(doubts.found)
    found = found[~doubts.crowded[found[:, 0]]]
    touched = np.unique(found[:, 0])
    ends = np.sort(np.stack([child[touched], parent[touched]], axis=-1), axis=-1)
    tree = (touched[:, None] * n + ends[..., 0]) * n + ends[..., 1]
    codes = (found[:, 0] * n + found[:, 1]) * n + found[:, 2]
    codes = np.setdiff1d(codes, tree[child[touched] >= 0])
    rest, high = np.divmod(codes, n)
    graph, low = np.divmod(rest, n)
    return np.stack([graph, low, high], axis=1), doubts.crowded
