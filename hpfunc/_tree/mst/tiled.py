"""The minimum spanning trees of one cloud of points that is too large for all its distances.

The algorithm makes passes over tiles of the distance matrix and keeps none of them. The first pass finds, for each
point, the nearest point in every tile: a sparse graph whose minimum spanning tree T is nearly that of the cloud. Where
the graph is not connected, further passes join each component to the nearest point outside it. The last pass keeps
every edge that is no heavier than the path maximum in T. By the cycle property no other edge can belong to a minimum
spanning tree, whatever T is; a light T only keeps these edges few. The path maximum is looked up in the Prim order of
T: between two tiles of that order it is the largest of three numbers: one for the row, one for the column, and one for
the tiles between.

Distances are bounded from below by products of all features, or of a few coordinates where the points were reduced:
the first tree takes a fixed number of them, and with it the number for the last pass is chosen. Edges that the last
pass leaves are then bounded by differences of all coordinates, and those that are still left by differences of all
features.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from hpfunc._arrays.types import Array, Floats, Ints
from hpfunc._tree.distances import centre, multiply_rows
from hpfunc._tree.memory import SpareBytes
from hpfunc._tree.mst.kruskal import components, kruskal_multigraph
from hpfunc._tree.mst.prim import gaps_from_weights, place_maxima, prim_order_of_tree, round_up
from hpfunc._tree.mst.remeasure import TreeWithTies, tree_with_ties
from hpfunc._tree.mst.ties import LARGEST_COMPONENT
from hpfunc._tree.reduce.coordinates import ReducedPoints
from hpfunc._tree.reduce.direct import bound_by_differences
from hpfunc._tree.reduce.leading import choose_leading, leading, pays_to_bound_again
from hpfunc._tree.reduce.limits import Reduction
from hpfunc._tree.rounding import TERMS, growth
from hpfunc._tree.threads import Scratch, n_threads, worker_threads

__all__ = ["bytes_for_tiles", "tree_by_tiles"]

# Points of a tile: at most ``_TILE``, and so few that there are ``_TILES`` tiles, but at least ``_LEAST_TILE``.
_TILE, _TILES, _LEAST_TILE = 1024, 16, 64
# Neighbours of each point whose edges the first tree is chosen from.
_NEIGHBOURS = 6
# A tile is searched with a single limit unless that finds more than one of ``_FEW`` entries.
_FEW = 64
# Reduced points are given up if they leave more than one of ``_MANY`` entries of a tile, which take much memory.
_MANY = 4
# Directions in which the first tree is found, if the points were reduced.
_FIRST_DIRECTIONS = 32
# With more candidates than this for each point, candidates are searched again in float64.
_CROWDED = 30


def bytes_for_tiles(n: int, d: int, itemsize: int) -> int:
    """Estimate the bytes for `tree_by_tiles` and for the averages over ties that follow it."""
    tile = _tile_size(n)
    points, tiles = 2 * n * d * itemsize + min(8_000_000, 8 * n * d), n_threads() * 6 * tile**2 * itemsize
    return int(points + tiles + n * (-(-n // tile) * 24 + 2500) + 8 * min(n, LARGEST_COMPONENT) ** 2)


def _tile_size(n: int) -> int:
    """Return how many of n points a tile has."""
    return min(_TILE, max(_LEAST_TILE, -(-n // _TILES)))


def tree_by_tiles(x: Any, dtype: Any, spare: SpareBytes, reduced: ReducedPoints | None = None) -> TreeWithTies:
    """Find the exact minimum spanning trees of distinct points ``(n, d)``.

    Parameters
    ----------
    x : (n, d) array
    dtype : dtype
        Precision of the products of all features that are tried first; products in float64 follow.
    spare : SpareBytes
        Memory for ties and near ties.
    reduced : ReducedPoints, optional
        The same points, reduced to few coordinates: their products are tried before all others.
    """
    n, wide, edges = len(x), np.dtype(np.float64), None
    if reduced is not None:
        edges = _candidates(x, np.dtype(np.float32), _CROWDED * n, reduced)
    if edges is None and dtype != wide:
        edges = _candidates(x, dtype, _CROWDED * n)
    if remeasured := edges is None and dtype != wide:
        spare.check(bytes_for_tiles(n, x.shape[1], wide.itemsize), n)
    if edges is None:
        edges = _candidates(x, wide, spare.most_edges)
    if edges is None:
        spare.refuse(n)
    with spare.for_ties(len(edges), n):
        return tree_with_ties(x, edges)._replace(remeasured=remeasured)


class _Extended(NamedTuple):
    """Hold points so that one product of two of them, the first changed by `_tile_bounds`, bounds their distance."""

    points: Array  # (n, d + 2): x', the point less the centre of all; |x'|^2; and 1
    error: float  # how far the product may exceed the squared distance


def _extend(x: Any, dtype: Any) -> _Extended:
    """Centre ``(n, d)`` points, and put two columns behind their features."""
    d = x.shape[1]
    centred = centre(x, np.array([0, len(x)]), dtype)
    points = np.empty((len(x), d + 2), dtype)
    points[:, :d], points[:, d], points[:, d + 1] = centred.points, centred.norms, 1
    # The squared norms are summed together with the products.
    reach = 2 * float(centred.norms.max()) ** 0.5
    rounding = growth(min(d + 2, TERMS)) + growth(1 + (d + 2) // TERMS)
    return _Extended(points, centred.error[0, 0] + 1.01 * rounding * float(np.finfo(dtype).eps) / 2 * reach**2)


def _candidates(x: Any, dtype: Any, most: float, reduced: ReducedPoints | None = None) -> Ints | None:
    """Find every candidate edge of the minimum spanning trees; return None if there are more than ``most``.

    Where the points were reduced, ``reduced`` takes their place in all products.
    """
    reduction = None if reduced is None else Reduction(x, reduced.slack)
    cloud = _extend(x if reduced is None else leading(reduced, _FIRST_DIRECTIONS).points, dtype)
    tree, weights = _nearly_minimum_tree(cloud, reduction)
    vertices, edge_numbers = prim_order_of_tree(len(x), tree, weights)
    weights = gaps_from_weights(weights[edge_numbers])
    if reduced is None or reduction is None:
        limits = weights + 2 * cloud.error
    else:
        n_directions = choose_leading(reduced, vertices, reduction.limits(weights), x.shape[1])
        if n_directions is None:
            return None
        chosen = leading(reduced, n_directions)
        cloud, reduction = _extend(chosen.points, dtype), Reduction(x, chosen.slack)
        limits = reduction.limits(weights)
    gaps = round_up(limits, dtype)
    ordered = cloud._replace(points=cloud.points[vertices])
    tiles = _tiles(len(vertices))
    starts = np.array([tile.start for tile in tiles])
    largest_gap = np.maximum.reduceat(gaps, starts)  # of each tile
    scratch = Scratch()

    def find_light(i: int, j: int) -> Ints | None:
        rows, cols = tiles[i], tiles[j]
        lower = _tile_bounds(ordered, rows, cols, scratch)
        if i == j:
            maxima = place_maxima(gaps[rows], scratch)
            source, target = np.nonzero(np.triu(lower <= maxima, 1))
            heaviest = maxima[source, target]
        else:
            # The path maximum covers the gaps from the row to the end of its tile, those of the tiles between, and
            # those from the start of the column's tile to the column.
            behind = np.append(gaps[rows][1:], 0)[::-1]
            row_maxima = np.maximum.accumulate(behind)[::-1]
            row_maxima = np.maximum(row_maxima, largest_gap[i + 1 : j].max(initial=0))
            col_maxima = np.maximum.accumulate(gaps[cols])
            source, target = _light_entries(lower, row_maxima, col_maxima, scratch)
            heaviest = np.maximum(row_maxima[source], col_maxima[target])
        if len(source) > (most if reduction is None else lower.size // _MANY):
            return None
        ends = np.stack([vertices[rows][source], vertices[cols][target]], axis=1)
        if reduced is None or reduction is None:
            return ends
        # All coordinates exclude most of these edges, and take less time than all features.
        if pays_to_bound_again(reduced, x.shape[1]):
            kept = bound_by_differences(reduced.points, *ends.T)[0] <= heaviest
            ends, heaviest = ends[kept], heaviest[kept]
        return ends[reduction.limits(reduction.bounds(*ends.T)[0]) <= heaviest]

    found, count = [], 0
    for hits in _for_every_tile(find_light, len(tiles)):
        if hits is None or (count := count + len(hits)) > most:
            return None
        found.append(hits)
    return np.concatenate(found)


def _light_entries(lower: Array, row_maxima: Array, col_maxima: Array, scratch: Scratch) -> tuple[Ints, Ints]:
    """Find the entries of a tile that are at most the larger of a number of their row and one of their column."""
    light = scratch("light", lower.shape, np.bool_)
    # A comparison with a single number is the fastest, and mostly finds few entries too many.
    np.less_equal(lower, max(row_maxima.max(), col_maxima.max()), out=light)
    if np.count_nonzero(light) > lower.size // _FEW:
        np.less_equal(lower, row_maxima[:, None], out=light)
        light |= np.less_equal(lower, col_maxima, out=scratch("light of columns", lower.shape, np.bool_))
    source, target = np.divmod(np.flatnonzero(light), lower.shape[1])
    kept = lower[source, target] <= np.maximum(row_maxima[source], col_maxima[target])
    return source[kept], target[kept]


def _nearly_minimum_tree(cloud: _Extended, reduction: Reduction | None) -> tuple[Ints, Floats]:
    """Build a light spanning tree from every point's nearest point in each tile.

    Its edges are weighted by lower bounds; where there is a reduction, by upper bounds of their true weights.
    """
    n = len(cloud.points)
    tiles = _tiles(n)
    nearest = np.zeros((n, len(tiles)), np.intp)
    lower = np.full((n, len(tiles)), np.inf, cloud.points.dtype)

    def record(j: int, rows: slice, targets: Ints, distances: Array) -> None:
        nearest[rows, j], lower[rows, j] = targets, distances

    _visit_nearest(cloud, tiles, None, record)
    kept = min(_NEIGHBOURS, len(tiles))
    best = np.argpartition(lower, kept - 1, axis=1)[:, :kept]
    ends = np.stack([np.repeat(np.arange(n), kept), np.take_along_axis(nearest, best, axis=1).ravel()], axis=1)
    weights = np.take_along_axis(lower, best, axis=1).ravel().astype(np.float64)
    ends, weights = ends[np.isfinite(weights)], weights[np.isfinite(weights)]
    if reduction is not None:
        weights = reduction.bounds(*ends.T)[1]
    while True:
        ends = np.sort(ends, axis=1)
        tree = kruskal_multigraph(n, ends, weights)
        ends, weights = ends[tree], weights[tree]
        if len(ends) == n - 1:
            return ends, weights
        joints, joint_weights = _join_components(cloud, tiles, components(n, ends)[1])
        if reduction is not None:
            joint_weights = reduction.bounds(*joints.T)[1]
        ends, weights = np.concatenate([ends, joints]), np.concatenate([weights, joint_weights])


def _join_components(cloud: _Extended, tiles: list[slice], component: Ints) -> tuple[Ints, Floats]:
    """Find the lightest edge that leaves each of C components of the points, as Boruvka's algorithm does.

    The edges ``(C, 2)`` and lower bounds of their weights ``(C,)`` are returned.
    """
    n = len(component)
    nearest, lower, lock = np.zeros(n, np.intp), np.full(n, np.inf), threading.Lock()

    def record(_: int, rows: slice, targets: Ints, distances: Array) -> None:
        with lock:
            nearer = distances < lower[rows]
            nearest[rows] = np.where(nearer, targets, nearest[rows])
            lower[rows] = np.where(nearer, distances, lower[rows])

    _visit_nearest(cloud, tiles, component, record)
    order = np.lexsort((lower, component))
    source = order[np.unique(component[order], return_index=True)[1]]
    return np.stack([source, nearest[source]], axis=1), lower[source]


def _visit_nearest(
    cloud: _Extended,
    tiles: list[slice],
    component: Ints | None,
    record: Callable[[int, slice, Ints, Array], None],
) -> None:
    """Find the nearest point in every tile of each point, leaving out itself and its own component.

    ``record`` is called in threads with the number of a tile, a range of rows, and for each of these rows the nearest
    point in the tile and its distance, which is infinite where all points of the tile are left out.
    """
    scratch = Scratch()

    def visit(i: int, j: int) -> None:
        rows, cols = tiles[i], tiles[j]
        distances = _tile_bounds(cloud, rows, cols, scratch)
        if component is not None:
            distances[component[rows, None] == component[cols]] = np.inf
        elif i == j:
            np.fill_diagonal(distances, np.inf)
        nearest = distances.argmin(axis=1)
        record(j, rows, nearest + cols.start, np.take_along_axis(distances, nearest[:, None], axis=1)[:, 0])
        if i < j:
            # The minima of columns are fast to compute, and a search through the flat array finds their rows.
            least = distances.min(axis=0)
            light = np.equal(distances, least, out=scratch("light", distances.shape, np.bool_))
            source, target = np.divmod(np.flatnonzero(light), len(least))
            nearest = np.zeros(len(least), np.intp)
            nearest[target] = source
            record(i, cols, nearest + rows.start, least)

    for _ in _for_every_tile(visit, len(tiles)):
        pass


def _tile_bounds(cloud: _Extended, rows: slice, cols: slice, scratch: Scratch) -> Array:
    """Compute lower bounds of the squared distances between two ranges of points, in ``scratch``."""
    points, right = cloud.points[rows], cloud.points[cols]
    # |x|^2 - 2 x.y + |y|^2 is one product of (-2 x, 1, |x|^2) and (y, |y|^2, 1).
    left = np.multiply(points, -2, out=scratch("left", points.shape, points.dtype))
    left[:, -2], left[:, -1] = 1, points[:, -2] - points.dtype.type(cloud.error)
    result = scratch("block", (len(left), len(right)), left.dtype)
    multiply_rows(left, right, result, scratch)
    return result


def _tiles(n: int) -> list[slice]:
    """Divide n points into tiles."""
    size = _tile_size(n)
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def _for_every_tile(job: Callable[[int, int], Any], n_tiles: int) -> Iterator[Any]:
    """Run the job for every pair of tiles i <= j, one diagonal of the table of tiles after the other."""
    with worker_threads() as threads:
        for apart in range(n_tiles):
            yield from threads.map(job, range(n_tiles - apart), range(apart, n_tiles))
