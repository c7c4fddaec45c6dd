"""The minimum spanning trees of one cloud of points that is too large for all its distances.

Two passes over tiles of the distance matrix, none of which is kept. The first takes the nearest point of every tile to
every point of every other tile: a sparse graph whose minimum spanning tree T is nearly that of the cloud. The second
keeps every edge that is no heavier than the path maximum in T. By the cycle property these are all that can stand in
a minimum spanning tree, however good T is; a good one only keeps them few. The path maximum is looked up in the Prim
order of T: between two tiles of that order it is the largest of three numbers, one of the row, one of the column, one
of the tiles between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from hpfunc._tree.distances import CentredPoints, centre, tile_bounds
from hpfunc._tree.memory import check_ties
from hpfunc._tree.mst.kruskal import components, kruskal_multigraph
from hpfunc._tree.mst.prim import gaps_from_weights, place_maxima, prim_order_of_tree, round_up
from hpfunc._tree.mst.remeasure import TreeWithTies, tree_with_ties
from hpfunc._tree.threads import Scratch, n_threads, worker_threads
from hpfunc._tree.types import Floats, Ints

__all__ = ["bytes_for_tiles", "tree_by_tiles"]

_TILE = 1024
# Neighbours of each point that the first tree is made of.
_NEIGHBOURS = 12
# More candidates than this for each point are found again in float64.
_CROWDED = 30


def bytes_for_tiles(n: int, d: int, itemsize: int) -> int:
    """Estimate the bytes for `tree_by_tiles`: two copies of the points, tiles of every thread, neighbours, edges."""
    tile = float(min(n, _TILE))
    wide = min(8_000_000, 8 * n * d)
    return int(2 * n * d * itemsize + n_threads() * 6 * tile**2 * itemsize + n * (-(-n // _TILE) * 24 + 2500) + wide)


def tree_by_tiles(x: Any, dtype: Any, max_bytes: int) -> TreeWithTies:
    """Find the exact minimum spanning trees of distinct points ``(n, d)``, by products in ``dtype`` or in float64."""
    edges = _candidates(centre(x, np.array([0, len(x)]), dtype), max_bytes)
    if edges is None:
        return tree_by_tiles(x, np.dtype(np.float64), max_bytes)._replace(remeasured=True)
    return tree_with_ties(x, edges)


def _candidates(centred: CentredPoints, max_bytes: int) -> Ints | None:
    """Find every edge that may stand in a minimum spanning tree; return None if float32 leaves too many."""
    tree, weights = _nearly_minimum_tree(centred)
    width = 2 * centred.error[0, 0]
    vertices, edge_numbers = prim_order_of_tree(len(centred.points), tree, weights)
    gaps = round_up(gaps_from_weights(weights[edge_numbers] + width), centred.points.dtype)
    ordered = centred._replace(points=centred.points[vertices], norms=centred.norms[vertices])
    starts = np.arange(0, len(vertices), _TILE)
    largest_gap = np.maximum.reduceat(gaps, starts)  # of each tile
    scratch = Scratch()

    def find_light(i: int, j: int) -> Ints:
        rows, cols = slice(starts[i], starts[i] + _TILE), slice(starts[j], starts[j] + _TILE)
        lower = tile_bounds(ordered, rows, cols, scratch)
        if i == j:
            hits = np.flatnonzero(np.triu(lower <= place_maxima(gaps[rows], scratch), 1))
        else:
            # From the row to the end of its tile, through the tiles between, and from the start of the column's tile.
            behind = np.append(gaps[rows][1:], 0)[::-1]
            row_maxima = np.maximum.accumulate(behind)[::-1]
            row_maxima = np.maximum(row_maxima, largest_gap[i + 1 : j].max(initial=0))
            col_maxima = np.maximum.accumulate(gaps[cols])
            hits = np.flatnonzero((lower <= row_maxima[:, None]) | (lower <= col_maxima))
        source, target = np.divmod(hits, lower.shape[1])
        return np.stack([vertices[rows][source], vertices[cols][target]], axis=1)

    found, count = [], 0
    for hits in _for_every_tile(find_light, len(starts)):
        found.append(hits)
        count += len(hits)
        if count > _CROWDED * len(vertices) and centred.points.dtype != np.float64:
            return None
        check_ties(count, max_bytes)
    return np.concatenate(found)


def _nearly_minimum_tree(centred: CentredPoints) -> tuple[Ints, Floats]:
    """Build a light spanning tree from every point's nearest point in each tile, weighted by lower bounds."""
    n = len(centred.points)
    starts = np.arange(0, n, _TILE)
    nearest = np.zeros((n, len(starts)), np.intp)
    lower = np.full((n, len(starts)), np.inf, centred.points.dtype)
    scratch = Scratch()

    def record(i: int, j: int) -> None:
        rows, cols = slice(starts[i], starts[i] + _TILE), slice(starts[j], starts[j] + _TILE)
        distances = tile_bounds(centred, rows, cols, scratch)
        if i == j:
            np.fill_diagonal(distances, np.inf)
        nearest[rows, j] = distances.argmin(axis=1)
        lower[rows, j] = np.take_along_axis(distances, nearest[rows, j, None], axis=1)[:, 0]
        nearest[rows, j] += starts[j]
        if i != j:
            transposed = np.ascontiguousarray(distances.T)
            nearest[cols, i] = transposed.argmin(axis=1)
            lower[cols, i] = np.take_along_axis(transposed, nearest[cols, i, None], axis=1)[:, 0]
            nearest[cols, i] += starts[i]

    for _ in _for_every_tile(record, len(starts)):
        pass
    kept = min(_NEIGHBOURS, len(starts))
    best = np.argpartition(lower, kept - 1, axis=1)[:, :kept]
    ends = np.stack([np.repeat(np.arange(n), kept), np.take_along_axis(nearest, best, axis=1).ravel()], axis=1)
    weights = np.take_along_axis(lower, best, axis=1).ravel().astype(np.float64)
    ends, weights = ends[np.isfinite(weights)], weights[np.isfinite(weights)]
    count, label = components(n, ends)
    if count > 1:
        # Join the components to the first point: a poor edge, but any tree is enough.
        first = np.unique(label, return_index=True)[1][1:]
        joints = np.stack([np.zeros_like(first), first], axis=1)
        joint_weights = [tile_bounds(centred, slice(0, 1), slice(v, v + 1), scratch)[0, 0] for v in first]
        ends, weights = np.concatenate([ends, joints]), np.concatenate([weights, joint_weights])
    ends = np.sort(ends, axis=1)
    tree = kruskal_multigraph(n, ends, weights)
    return ends[tree], weights[tree]


def _for_every_tile(job: Callable[[int, int], Any], n_tiles: int) -> Iterator[Any]:
    """Run the job for every two tiles, the first not after the second, each diagonal of tiles in turn."""
    with worker_threads() as threads:
        for apart in range(n_tiles):
            yield from threads.map(job, range(n_tiles - apart), range(apart, n_tiles))
