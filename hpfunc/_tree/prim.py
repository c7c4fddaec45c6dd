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
    lower: npt.NDArray[Any]  # (P, steps) lower bound of the weight of that edge
    upper: npt.NDArray[Any]  # (P, steps) upper bound
    doubt: npt.NDArray[np.intp]  # (E, 3) graph, vertex, vertex: the edges in doubt, by graph, tree edges excluded
    crowded: npt.NDArray[np.bool_]  # (P,) too many edges in doubt: `doubt` is not complete for these


class _Doubts:
    """The edges noted so far, and which graphs have too many of them."""

    def __init__(self, n_graphs: int, limit: int) -> None:
        self.count = np.zeros(n_graphs, np.intp)
        self.limit = limit
        self.found: list[npt.NDArray[np.intp]] = []

    @property
    def crowded(self) -> npt.NDArray[np.bool_]:
        return self.count > self.limit

    def meet(self, graph: npt.NDArray[np.intp]) -> None:
        """Count doubts of the graphs, before or instead of noting them."""
        self.count += np.bincount(graph, minlength=len(self.count))

    def note(self, graph: npt.NDArray[np.intp], one: npt.NDArray[np.intp], other: npt.NDArray[np.intp]) -> None:
        self.meet(graph)
        self.found.append(np.stack([graph, np.minimum(one, other), np.maximum(one, other)], axis=1))


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
    (n_graphs, n_parts), n = sizes.shape, table.shape[1]
    graphs, total = np.arange(n_graphs), sizes.sum(axis=1)
    shape, dtype = (n_graphs, n_parts * n), table.dtype
    infinity = dtype.type(np.inf)
    # Adding `closed` to a row takes visited vertices and padding out of it.
    closed = np.where((np.arange(n) >= sizes[:, :, None]).reshape(shape), infinity, dtype.type(0))
    visited = np.zeros(shape, bool)
    best = np.full(shape, infinity)
    row, near = np.empty((n_graphs, n_parts, n), dtype), np.empty(shape, bool)
    flat = row.reshape(shape)
    steps = int(total.max()) - 1
    child, parent = (np.full((n_graphs, steps), -1, np.intp) for _ in range(2))
    lower, upper = (np.full((n_graphs, steps), infinity) for _ in range(2))
    doubts = _Doubts(n_graphs, _CROWDED * shape[1])
    lightest_across = np.full(n_graphs, infinity)
    vertex = np.zeros(n_graphs, np.intp)
    for step in range(-1, steps):
        if step >= 0:
            vertex = best.argmin(axis=1)
            weight = best[graphs, vertex]
            best[graphs, vertex] = infinity
        part, position = np.divmod(vertex, n)
        np.take(table, base[graphs, part] + position[:, None], axis=0, out=row, mode="clip")
        if step >= 0:
            live = step < total - 1
            # Rounded upwards: a threshold may only be too generous.
            widest = np.nextafter((weight + 2 * across).astype(dtype), infinity)
            np.less_equal(flat, widest[:, None], out=near)
            near &= visited
            hang = _nearest(flat, near)
            crossing = part != hang // n
            np.minimum(lightest_across, weight, out=lightest_across, where=crossing & live)
            inside = np.nextafter((weight + 2 * within).astype(dtype), infinity)
            threshold = np.where(lightest_across <= weight, widest, inside)
            child[live, step], parent[live, step] = vertex[live], hang[live]
            lower[live, step], upper[live, step] = weight[live], np.where(crossing, widest, inside)[live]
            if exact:
                threshold[~live | doubts.crowded] = -infinity
                near[graphs, hang] = False
                _note_behind(doubts, flat, near, vertex, threshold)
                ahead = np.flatnonzero(best.min(axis=1) <= threshold)
                if ahead.size:
                    _note_ahead(doubts, table, base, best, visited, threshold, ahead)
        visited[graphs, vertex] = True
        closed[graphs, vertex] = infinity
        flat += closed
        np.minimum(best, flat, out=best)
    return Forest(child, parent, lower, upper, *_finish(doubts, child, parent, shape[1]))


def _nearest(row: npt.NDArray[Any], near: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """For each graph the lightest of the entries ``near``, of which there is mostly one."""
    graphs = np.arange(len(near))
    first = near.argmax(axis=1)
    near[graphs, first] = False
    several = np.flatnonzero(near.any(axis=1))
    near[graphs, first] = True
    if several.size:
        first[several] = np.where(near[several], row[several], np.inf).argmin(axis=1)
    return first


def _note_behind(
    doubts: _Doubts,
    row: npt.NDArray[Any],
    near: npt.NDArray[np.bool_],
    vertex: npt.NDArray[np.intp],
    threshold: npt.NDArray[Any],
) -> None:
    """Note other edges from the tree to the vertex just taken."""
    graph = np.flatnonzero(near.any(axis=1))
    if graph.size:
        which, other = np.nonzero(near[graph] & (row[graph] <= threshold[graph, None]))
        doubts.note(graph[which], vertex[graph[which]], other)


def _note_ahead(
    doubts: _Doubts,
    table: npt.NDArray[Any],
    base: npt.NDArray[np.intp],
    best: npt.NDArray[Any],
    visited: npt.NDArray[np.bool_],
    threshold: npt.NDArray[Any],
    ahead: npt.NDArray[np.intp],
) -> None:
    """Note edges from the tree to vertices that were not taken, though their weight may be as low."""
    which, other = np.nonzero(best[ahead] <= threshold[ahead, None])
    graph = ahead[which]
    doubts.meet(graph)
    keep = ~doubts.crowded[graph]
    graph, other = graph[keep], other[keep]
    part, position = np.divmod(other, table.shape[1])
    rows = table[base[graph, part] + position[:, None]].reshape(len(graph), best.shape[1])
    hit, end = np.nonzero((rows <= threshold[graph, None]) & visited[graph])
    doubts.note(graph[hit], other[hit], end)


def _finish(
    doubts: _Doubts, child: npt.NDArray[np.intp], parent: npt.NDArray[np.intp], n_vertices: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """What was noted, each edge once, without the tree's own edges; and the crowded graphs."""
    if not doubts.found:
        return np.empty((0, 3), np.intp), doubts.crowded
    found = np.concatenate(doubts.found)
    found = found[~doubts.crowded[found[:, 0]]]
    touched = np.unique(found[:, 0])
    ends = np.sort(np.stack([child[touched], parent[touched]], axis=-1), axis=-1)
    tree = (touched[:, None] * n_vertices + ends[..., 0]) * n_vertices + ends[..., 1]
    codes = (found[:, 0] * n_vertices + found[:, 1]) * n_vertices + found[:, 2]
    codes = np.setdiff1d(codes, tree[child[touched] >= 0])
    rest, high = np.divmod(codes, n_vertices)
    graph, low = np.divmod(rest, n_vertices)
    return np.stack([graph, low, high], axis=1), doubts.crowded
