"""Prim's algorithm on many small graphs abreast, noting every edge that rounding leaves in doubt.

The weights are lower bounds: the true weight of an edge lies between its entry L and L + 2e, with e one bound for
edges inside a class (`within`) and one for edges between classes (`across`, never smaller).

Why nothing is missed. Let vertices be visited as v_0, v_1, ..., and take an edge f = (v_i, v_j), i < j, of some true
minimum spanning tree that is not in Prim's tree. On the tree path between its ends some edge g is at least as heavy,
so L(f) <= true(f) <= true(g) <= L(g) + 2 e(g). If g was attached at a step t in (i, j], f crosses the cut of that
step, and is noted there since L(f) <= L(g) + 2 e(g). If g was attached earlier, then at the heaviest step t in
(i, j] we have L(g) <= L_t (the minimax property of Prim's tree), f crosses that cut too, and the threshold of step t
covers it: it uses `across` whenever an edge between classes that is no heavier than L_t is already in the tree.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Forest", "prim"]

# A graph with more edges in doubt than so many for each vertex is better measured again in float64.
_CROWDED = 8


class Forest(NamedTuple):
    """One spanning tree for each of P graphs, and the other edges that may stand in a minimum spanning tree."""

    child: npt.NDArray[np.intp]  # (P, steps) vertex added at each step; -1 past the end of a smaller graph
    parent: npt.NDArray[np.intp]  # (P, steps) the vertex it hangs on
    doubt: npt.NDArray[np.intp]  # (E, 3) graph, vertex, vertex: the edges in doubt, tree edges excluded
    crowded: npt.NDArray[np.bool_]  # (P,) too many edges in doubt: `doubt` is not complete for these


class _State(NamedTuple):
    """What Prim knows of each graph: (P, M) arrays over all its vertices."""

    best: npt.NDArray[Any]  # lightest edge from the tree to each vertex; infinite once visited
    parent: npt.NDArray[np.int32]  # the tree's end of that edge
    closed: npt.NDArray[Any]  # infinite for visited vertices and padding, 0 elsewhere
    visited: npt.NDArray[np.bool_]
    row: npt.NDArray[Any]  # scratch
    mask: npt.NDArray[np.bool_]  # scratch


def prim(
    table: npt.NDArray[Any],
    base: npt.NDArray[np.intp],
    sizes: npt.NDArray[np.intp],
    within: npt.NDArray[np.float64],
    across: npt.NDArray[np.float64],
    *,
    exact: bool = True,
) -> Forest:
    """Minimum spanning trees of P graphs whose vertices fall into Q parts of at most n each.

    Parameters
    ----------
    table : (T, n) array
        Rows of blocks of weights.
    base : (P, Q, Q) array
        The block of weights from part s to part q of graph p starts at row ``base[p, s, q]``.
    sizes : (P, Q) array
        Vertices in each part. A vertex is numbered ``part * n + position``.
    within, across : (P,) arrays
        Half the width of the interval that an entry stands for, see above.
    exact : bool
        Whether to note the edges in doubt.
    """
    n_graphs, n_parts = sizes.shape
    n = table.shape[1]
    graphs = np.arange(n_graphs)
    state = _start(table, sizes)
    row = state.row.reshape(n_graphs, n_parts, n)
    total = sizes.sum(axis=1)
    steps = int(total.max()) - 1
    child = np.full((n_graphs, steps), -1, np.intp)
    parent = np.full((n_graphs, steps), -1, np.intp)
    doubt = _Doubt(table, base, within, across)
    vertex = np.zeros(n_graphs, np.intp)
    for step in range(steps):
        part, position = np.divmod(vertex, n)
        np.take(table, base[graphs, part] + position[:, None], axis=0, out=row, mode="clip")
        if exact and step:
            doubt.behind(state, vertex)
        state.row[...] += state.closed
        np.less(state.row, state.best, out=state.mask)
        np.minimum(state.row, state.best, out=state.best)
        np.copyto(state.parent, vertex[:, None], where=state.mask, casting="same_kind")
        vertex = state.best.argmin(axis=1)
        weight = state.best[graphs, vertex]
        hang = state.parent[graphs, vertex].astype(np.intp)
        live = step < total - 1
        child[:, step] = np.where(live, vertex, -1)
        parent[:, step] = np.where(live, hang, -1)
        state.best[graphs, vertex] = np.inf
        state.closed[graphs, vertex] = np.inf
        if exact:
            doubt.ahead(state, vertex, hang, weight, live)
        state.visited[graphs, vertex] = True
    if exact and steps:
        part, position = np.divmod(vertex, n)
        np.take(table, base[graphs, part] + position[:, None], axis=0, out=row, mode="clip")
        doubt.behind(state, vertex)
    return Forest(child, parent, *doubt.edges(graphs, child, parent, n_parts * n))


def _start(table: npt.NDArray[Any], sizes: npt.NDArray[np.intp]) -> _State:
    """The first vertex of every graph is visited; nothing is known of the others."""
    n = table.shape[1]
    shape = (len(sizes), sizes.shape[1] * n)
    padding = (np.arange(n) >= sizes[:, :, None]).reshape(shape)
    closed = np.where(padding, np.inf, 0).astype(table.dtype)
    closed[:, 0] = np.inf
    visited = np.zeros(shape, bool)
    visited[:, 0] = True
    best = np.full(shape, np.inf, table.dtype)
    return _State(best, np.zeros(shape, np.int32), closed, visited, np.empty_like(closed), np.empty_like(visited))


class _Doubt:
    """Collects, step by step, the edges across the cut whose interval reaches below that of the edge taken."""

    def __init__(
        self,
        table: npt.NDArray[Any],
        base: npt.NDArray[np.intp],
        within: npt.NDArray[np.float64],
        across: npt.NDArray[np.float64],
    ) -> None:
        self.table, self.base = table, base
        self.within, self.across = within, across
        self.lightest_across = np.full(len(base), np.inf)
        self.crowded = np.zeros(len(base), bool)
        self.found: list[npt.NDArray[np.intp]] = []
        self.count = np.zeros(len(base), np.intp)
        self.threshold = np.full(len(base), -np.inf, table.dtype)
        self.hang = np.zeros(len(base), np.intp)

    def ahead(
        self,
        state: _State,
        vertex: npt.NDArray[np.intp],
        hang: npt.NDArray[np.intp],
        weight: npt.NDArray[Any],
        live: npt.NDArray[np.bool_],
    ) -> None:
        """Note edges from the tree to vertices other than the one just taken."""
        n = self.table.shape[1]
        crossing = vertex // n != hang // n
        self.lightest_across = np.where(crossing & live, np.minimum(self.lightest_across, weight), self.lightest_across)
        width = 2 * np.where(self.lightest_across <= weight, self.across, self.within)
        # Rounded to the table's precision, upwards: a threshold may only be too generous.
        top = np.nextafter((weight + width).astype(self.table.dtype), self.table.dtype.type(np.inf))
        self.threshold = np.where(live & ~self.crowded, top, -np.inf).astype(self.table.dtype)
        self.hang = hang
        near = np.flatnonzero(state.best.min(axis=1) <= self.threshold)
        if near.size == 0:
            return
        which, other = np.nonzero(state.best[near] <= self.threshold[near, None])
        graph = near[which]
        self._count(graph)
        keep = ~self.crowded[graph]
        graph, other = graph[keep], other[keep]
        part, position = np.divmod(other, n)
        rows = self.table[self.base[graph, part] + position[:, None]].reshape(len(graph), state.best.shape[1])
        hit, end = np.nonzero((rows <= self.threshold[graph, None]) & state.visited[graph])
        self._note(graph[hit], other[hit], end)

    def behind(self, state: _State, vertex: npt.NDArray[np.intp]) -> None:
        """Note other edges from the tree to the vertex just taken, whose weights are in ``state.row``."""
        graphs = np.arange(len(vertex))
        np.less_equal(state.row, self.threshold[:, None], out=state.mask)
        np.logical_and(state.mask, state.visited, out=state.mask)
        state.mask[graphs, vertex] = False
        state.mask[graphs, self.hang] = False
        near = np.flatnonzero(state.mask.any(axis=1))
        if near.size:
            which, other = np.nonzero(state.mask[near])
            self._note(near[which], vertex[near[which]], other)

    def _count(self, graph: npt.NDArray[np.intp]) -> None:
        self.count += np.bincount(graph, minlength=len(self.count))
        self.crowded |= self.count > _CROWDED * self.table.shape[1] * self.base.shape[1]

    def _note(self, graph: npt.NDArray[np.intp], one: npt.NDArray[np.intp], other: npt.NDArray[np.intp]) -> None:
        self._count(graph)
        self.found.append(np.stack([graph, np.minimum(one, other), np.maximum(one, other)], axis=1))

    def edges(
        self,
        graphs: npt.NDArray[np.intp],
        child: npt.NDArray[np.intp],
        parent: npt.NDArray[np.intp],
        n_vertices: int,
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
        """What was noted, each edge once, without the tree's own edges."""
        if not self.found:
            return np.empty((0, 3), np.intp), self.crowded
        found = np.concatenate(self.found)
        found = found[~self.crowded[found[:, 0]]]

        def code(graph: Any, low: Any, high: Any) -> Any:
            return (graph * n_vertices + low) * n_vertices + high

        touched = np.unique(found[:, 0])
        tree = code(
            graphs[touched, None],
            np.minimum(child[touched], parent[touched]),
            np.maximum(child[touched], parent[touched]),
        )
        codes = np.setdiff1d(code(*found.T), tree[child[touched] >= 0])
        rest, high = np.divmod(codes, n_vertices)
        graph, low = np.divmod(rest, n_vertices)
        return np.stack([graph, low, high], axis=1), self.crowded
