"""Exact minimum spanning trees of single clouds of points, one for each class, all abreast.

Exact by construction: Prim's algorithm on lower bounds notes every edge that rounding leaves in doubt (`prim`), and
those that matter are measured by direct differences in float64 (`exchange`). A class with too many doubts is done
again in float64, and if need be every edge is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hpfunc._tree.distances import Centred, centre, differences, upper_bound, within
from hpfunc._tree.exact import squared_distances
from hpfunc._tree.exchange import Bounded, lightest, settle
from hpfunc._tree.prim import prim
from hpfunc._tree.ties import tied_edges

__all__ = [
    "Spanning",
    "doubtful_edges",
    "heaviest_between",
    "minimax",
    "run_of_vertices",
    "spanning_trees",
    "with_ties",
]

Ints = npt.NDArray[np.intp]

_NO_EDGES = np.empty((0, 2), np.intp)

# Vertices of all graphs that Prim works on at a time: its state then stays in the second-level cache.
_ABREAST = 80_000
# Places that `heaviest_between` takes one by one.
_RUN = 32


class Spanning(NamedTuple):
    """All minimum spanning trees of one cloud of points: one of them, and what may replace its edges."""

    edges: Ints  # (n - 1, 2) a minimum spanning tree, rows counted from the start of the class
    weights: npt.NDArray[np.float64]  # (n - 1,) exact squared distances
    tied: Ints  # (T, 2) the other edges that stand in a minimum spanning tree
    again: bool = False  # whether float32 left too much in doubt, so that float64 did it


def spanning_trees(
    x: Any, centred: Centred, *, exact: bool, each: Callable[..., Iterable[Any]] = map
) -> list[Spanning]:
    """Minimum spanning trees of every class.

    Parameters
    ----------
    x : (N, d) array
        The points themselves.
    centred : Centred
        The same, centred by class.
    exact : bool
        If not, the trees of the lower bounds, with these for weights.
    each : callable
        Applies a function to every class, in threads perhaps.
    """
    sizes = np.diff(centred.starts)
    by_size = np.argsort(sizes, kind="stable")
    portions = min(len(sizes), max(1, round(len(sizes) * int(sizes.max()) / _ABREAST)))
    found: dict[int, Spanning] = {}
    for portion in np.array_split(by_size, portions):
        n = int(sizes[portion].max())
        table = np.full((len(portion), n, n), np.inf, centred.points.dtype)
        for lower, k, distances in zip(table, portion, each(within, repeat(centred), portion.tolist()), strict=True):
            lower[: sizes[k], : sizes[k]] = distances
        trees = _portion(x, centred, portion, table, exact=exact)
        found.update(zip(portion.tolist(), trees, strict=True))
    return [found[k] for k in range(len(sizes))]


def _portion(x: Any, centred: Centred, portion: Ints, table: npt.NDArray[Any], *, exact: bool) -> list[Spanning]:
    """Trees of some classes, from the lower bounds of their squared distances."""
    error = centred.error[portion, portion]
    forest = prim(table, np.diff(centred.starts)[portion], error, centred.relative, exact=exact)
    graph, step = np.nonzero(forest.child >= 0)
    pairs = np.stack([forest.child[graph, step], forest.parent[graph, step]], axis=1)
    lower = table[graph, pairs[:, 0], pairs[:, 1]].astype(np.float64)
    if not exact:
        return [Spanning(pairs[graph == g], lower[graph == g], _NO_EDGES) for g in range(len(portion))]
    tree = np.arange(len(graph) + len(forest.doubt)) < len(graph)
    graph = np.concatenate([graph, forest.doubt[:, 0]])
    pairs = np.concatenate([pairs, forest.doubt[:, 1:]])
    rows = centred.starts[portion][graph, None] + pairs
    lower = table[graph, pairs[:, 0], pairs[:, 1]].astype(np.float64)
    edges = Bounded(graph, pairs, lower, upper_bound(lower, error[graph], centred.relative))
    tree, tied = settle(
        edges, tree, lambda e: squared_distances(x, rows[e, 0], rows[e, 1]), len(portion), table.shape[1]
    )
    weights = squared_distances(x, rows[tree, 0], rows[tree, 1])
    result = []
    for g, k in enumerate(portion):
        points, mine = x[centred.starts[k] : centred.starts[k + 1]], graph == g
        if forest.crowded[g]:
            result.append(with_ties(points, _candidates(points))._replace(again=table.dtype != np.float64))
        elif tied[g]:
            result.append(with_ties(points, pairs[mine]))
        else:
            result.append(Spanning(pairs[mine & tree], weights[mine[tree]], _NO_EDGES))
    return result


def with_ties(points: Any, edges: Ints) -> Spanning:
    """A tree and its ties from edges that hold them all."""
    edges = np.sort(edges, axis=1)
    weights = squared_distances(points, edges[:, 0], edges[:, 1])
    tree = np.zeros(len(edges), bool)
    tree[lightest(len(points), edges, weights)] = True
    return Spanning(edges[tree], weights[tree], edges[tied_edges(len(points), edges, weights, tree)])


def _candidates(points: Any, *, by_differences: bool = False) -> Ints:
    """Edges that hold every minimum spanning tree of one cloud: by products in float64, or else by differences."""
    n, starts = len(points), np.array([0, len(points)])
    centred = differences(points, starts) if by_differences else centre(points, starts, np.dtype(np.float64))
    lower = within(centred, 0)
    forest = prim(lower[None], np.array([n]), centred.error[0], centred.relative)
    tree = np.stack([forest.child[0], forest.parent[0]], axis=1)
    if not forest.crowded[0]:
        return np.concatenate([tree, forest.doubt[:, 1:]])
    if not by_differences:
        return _candidates(points, by_differences=True)
    # What is in doubt now are ties.
    upper = upper_bound(lower[tree[:, 0], tree[:, 1]], centred.error[0, 0], centred.relative)
    return np.concatenate([tree, doubtful_edges(lower, tree, upper)])


def doubtful_edges(lower: npt.NDArray[np.float64], tree: Ints, upper: npt.NDArray[np.float64]) -> Ints:
    """Every edge outside a tree that may stand in a minimum spanning tree, found by looking at them all.

    Parameters
    ----------
    lower : (n, n) array
        Lower bounds of the weights.
    tree : (n - 1, 2) array
    upper : (n - 1,) array
        Upper bounds of the weights of the tree's edges.
    """
    doubt = np.tril(lower <= minimax(len(lower), tree, upper), -1)
    doubt[tree.max(axis=1), tree.min(axis=1)] = False
    return np.stack(np.nonzero(doubt), axis=1)


def minimax(n: int, edges: Ints, weights: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The heaviest weight on the tree path between any two of n vertices: ``(n, n)``, 0 on the diagonal."""
    run, gap = run_of_vertices(n, edges, weights)
    place = np.empty_like(run)
    place[run] = np.arange(n)
    # Row by row first: whole rows are copied at once.
    return np.take(heaviest_between(gap)[place], place, axis=1)


def run_of_vertices(n: int, edges: Ints, weights: npt.NDArray[Any]) -> tuple[Ints, npt.NDArray[Any]]:
    """The vertices of a tree in an order in which the heaviest weight between two places is that of their path.

    Taken in rising order, every edge joins two runs of vertices. Write them one behind the other, with the weight in
    the gap; at the end all vertices form one run.

    Returns
    -------
    run : (n,) array
        Vertices.
    gap : (n,) array
        The weight between each place and the one before it; 0 at the first.
    """
    order = np.argsort(weights, kind="stable")
    root, last, following, gap = list(range(n)), list(range(n)), [-1] * n, [0.0] * n

    def find(i: int) -> int:
        while root[i] != i:
            root[i] = root[root[i]]
            i = root[i]
        return i

    for (i, j), weight in zip(edges[order].tolist(), weights[order].tolist(), strict=True):
        first, second = find(i), find(j)
        following[last[first]], gap[second] = second, weight
        root[second], last[first] = first, last[second]
    run = np.empty(n, np.intp)
    vertex = find(0)
    for place in range(n):
        run[place] = vertex
        vertex = following[vertex]
    return run, np.array(gap, weights.dtype)[run]


def heaviest_between(gap: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The heaviest of the gaps between any two places of a run: ``(n, n)``, 0 on the diagonal.

    The gap between each place and the one before it is given; what stands first is not looked at.
    """
    n, blocks = len(gap), 1
    while blocks * _RUN < n:
        blocks *= 2
    side = -(-n // blocks)
    gaps = np.zeros(blocks * side, gap.dtype)
    gaps[:n] = gap
    heaviest = np.zeros((blocks * side, blocks * side), gap.dtype)
    # Runs of a few places first, all abreast, place by place.
    inside, mine = _diagonal_blocks(heaviest, side), gaps.reshape(blocks, side)
    for place in range(1, side):
        row = np.maximum(inside[:, place - 1, :place], mine[:, place, None])
        inside[:, place, :place] = inside[:, :place, place] = row
    # Then two runs make one: a way between them is as heavy as the heavier of its parts on either side.
    while side < len(gaps):
        half, side = side, 2 * side
        inside, mine = _diagonal_blocks(heaviest, side), gaps.reshape(-1, side)
        left, right = np.zeros((len(mine), half), gap.dtype), np.maximum.accumulate(mine[:, half:], axis=1)
        left[:, -2::-1] = np.maximum.accumulate(mine[:, half - 1 : 0 : -1], axis=1)
        np.maximum(right[:, :, None], left[:, None, :], out=inside[:, half:, :half])
        np.maximum(left[:, :, None], right[:, None, :], out=inside[:, :half, half:])
    return heaviest[:n, :n]


def _diagonal_blocks(square: npt.NDArray[Any], side: int) -> npt.NDArray[Any]:
    """The blocks of this side on the diagonal of a square array: ``(blocks, side, side)``, to write to."""
    blocks = len(square) // side
    return np.asarray(np.einsum("isit->ist", square.reshape(blocks, side, blocks, side)))
