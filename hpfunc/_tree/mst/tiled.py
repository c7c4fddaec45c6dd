"""The minimum spanning trees of one cloud of points too large for all its distances.

Two passes over tiles of the distance matrix, none of which is kept. The first takes the nearest point of every tile to
every point of every other: a sparse graph whose minimum spanning tree T is nearly that of the cloud. The second keeps
every edge that is no heavier than the heaviest on its path in T. By the cycle property these are all that can stand in
a minimum spanning tree, however good T is; a good one only keeps them few. The path is quickly looked up: the vertices
are put in an order in which the heaviest weight between two places is that of their path (`paths`), and between two
tiles of that order it is the largest of three numbers, one of the row, one of the column, one of the tiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from hpfunc._tree.distances import Centred, centre, tile
from hpfunc._tree.mst.certify import lightest
from hpfunc._tree.mst.class_trees import Spanning, with_ties
from hpfunc._tree.mst.path_maxima import gaps, heaviest_between, run_of_vertices
from hpfunc._tree.mst.ties import components
from hpfunc._tree.threads import Scratch, n_threads, pool

__all__ = ["bytes_needed", "spanning_by_tiles"]

Ints = npt.NDArray[np.intp]

_TILE = 1024
# Neighbours of each point that the first tree is made of.
_NEIGHBOURS = 12
# More candidates than so many for each point are better found again in float64.
_CROWDED = 30


def bytes_needed(n: int, d: int, itemsize: int) -> int:
    """Memory for `spanning_by_tiles` in float32 or float64: two copies of the points, tiles, nearest points."""
    return 2 * n * d * itemsize + n_threads() * 6 * _TILE**2 * itemsize + n * (-(-n // _TILE)) * 12


def spanning_by_tiles(x: Any, dtype: Any) -> Spanning:
    """Exact minimum spanning trees of distinct points ``(n, d)``, by products in ``dtype`` or, if need be, float64."""
    edges = _candidates(centre(x, np.array([0, len(x)]), dtype))
    if edges is None:
        spanning = spanning_by_tiles(x, np.dtype(np.float64))
        return spanning._replace(again=True)
    return with_ties(x, edges)


def _candidates(centred: Centred) -> Ints | None:
    """Every edge that may stand in a minimum spanning tree; None if float32 leaves too many."""
    tree, weights = _nearly_minimum_tree(centred)
    width = 2 * centred.error[0, 0]
    run, edge = run_of_vertices(len(centred.points), tree, weights)
    gap = gaps(weights[edge] + width)
    # Rounded up to the working precision.
    gap = np.nextafter(gap.astype(centred.points.dtype), centred.points.dtype.type(np.inf))
    inside = centred._replace(points=centred.points[run], norms=centred.norms[run])
    starts = np.arange(0, len(run), _TILE)
    between = np.maximum.reduceat(gap, starts)
    scratch = Scratch()

    def light(i: int, j: int) -> Ints:
        rows, cols = slice(starts[i], starts[i] + _TILE), slice(starts[j], starts[j] + _TILE)
        lower = tile(inside, rows, cols, scratch)
        if i == j:
            limit = heaviest_between(gap[rows], scratch)
            hits = np.flatnonzero(np.triu(lower <= limit, 1))
        else:
            # From the row to the end of its tile, through the tiles between, from the start of the other to the column.
            behind = np.append(gap[rows][1:], 0)[::-1]
            row = np.maximum.accumulate(behind)[::-1]
            row = np.maximum(row, between[i + 1 : j].max(initial=0))
            col = np.maximum.accumulate(gap[cols])
            hits = np.flatnonzero((lower <= row[:, None]) | (lower <= col))
        one, other = np.divmod(hits, lower.shape[1])
        return np.stack([run[rows][one], run[cols][other]], axis=1)

    found, count = [], 0
    for hits in _each(light, len(starts)):
        found.append(hits)
        count += len(hits)
        if count > _CROWDED * len(run) and centred.points.dtype != np.float64:
            return None
    return np.concatenate(found)


def _nearly_minimum_tree(centred: Centred) -> tuple[Ints, npt.NDArray[np.float64]]:
    """A light spanning tree from every point's nearest points, one of each tile; and lower bounds of its weights."""
    n = len(centred.points)
    starts = np.arange(0, n, _TILE)
    nearest = np.zeros((n, len(starts)), np.intp)
    lower = np.full((n, len(starts)), np.inf, centred.points.dtype)
    scratch = Scratch()

    def record(i: int, j: int) -> None:
        rows, cols = slice(starts[i], starts[i] + _TILE), slice(starts[j], starts[j] + _TILE)
        distances = tile(centred, rows, cols, scratch)
        if i == j:
            np.fill_diagonal(distances, np.inf)
        nearest[rows, j] = distances.argmin(axis=1)
        lower[rows, j] = np.take_along_axis(distances, nearest[rows, j, None], axis=1)[:, 0]
        nearest[rows, j] += starts[j]
        if i != j:
            back = np.ascontiguousarray(distances.T)
            nearest[cols, i] = back.argmin(axis=1)
            lower[cols, i] = np.take_along_axis(back, nearest[cols, i, None], axis=1)[:, 0]
            nearest[cols, i] += starts[i]

    for _ in _each(record, len(starts)):
        pass
    kept = min(_NEIGHBOURS, len(starts))
    best = np.argpartition(lower, kept - 1, axis=1)[:, :kept]
    ends = np.stack([np.repeat(np.arange(n), kept), np.take_along_axis(nearest, best, axis=1).ravel()], axis=1)
    weights = np.take_along_axis(lower, best, axis=1).ravel().astype(np.float64)
    ends, weights = ends[np.isfinite(weights)], weights[np.isfinite(weights)]
    count, label = components(n, ends)
    if count > 1:
        # Join what is apart to the first point: a poor edge, but a tree is all that is needed.
        first = np.unique(label, return_index=True)[1][1:]
        joints = np.stack([np.zeros_like(first), first], axis=1)
        apart = [tile(centred, slice(0, 1), slice(v, v + 1), scratch)[0, 0] for v in first]
        ends, weights = np.concatenate([ends, joints]), np.concatenate([weights, apart])
    ends = np.sort(ends, axis=1)
    tree = lightest(n, ends, weights)
    return ends[tree], weights[tree]


def _each(job: Callable[[int, int], Any], n_tiles: int) -> Iterator[Any]:
    """The job for every two tiles, the first not after the second, each diagonal of tiles in turn."""
    with pool() as threads:
        for apart in range(n_tiles):
            yield from threads.map(job, range(n_tiles - apart), range(apart, n_tiles))
