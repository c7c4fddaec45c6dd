"""The minimum spanning tree of one cloud of points too large for a table of all its distances, on the device.

The method is that of `hpfunc._tree.mst.tiled`, which says why its two passes miss nothing. Tiles are made and searched
on the device. The few edges for each point that are left go to the host, which chooses among them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from hpfunc._arrays import namespace
from hpfunc._arrays.types import Floats, Ints
from hpfunc._support.memory import free_device_bytes
from hpfunc._tree.device.points import lengths
from hpfunc._tree.device.tables import centre_classes, centred_bytes, multiply, place_classes
from hpfunc._tree.device.trees import Accuracy, slack_of
from hpfunc._tree.exact import THIN, squared_distances
from hpfunc._tree.mst.kruskal import BoundedEdges, certify, components, kruskal_multigraph
from hpfunc._tree.mst.prim import gaps_from_weights, place_maxima, prim_order_of_tree
from hpfunc._tree.rounding import upper_bound
from hpfunc._tree.threads import Scratch

__all__ = ["spanning_by_tiles"]

# Points of a side of a tile: the most, and the fewest where memory is short.
_LARGEST, _SMALLEST = 4096, 256
_NEIGHBOURS = 12
# More candidates than so many for each point are better found again in float64, or by the host.
_CROWDED = 30


class TiledCloud(NamedTuple):
    """A cloud of points in some order, and what a bound of a distance between any two needs."""

    x: Any  # (n, d) the points; thin ones are measured by differences of these
    panels: list[Any]  # (n, w) centred points, so many features at a time; none where points are thin
    norms: Any  # (n,) squared lengths of the centred points
    error: float  # half of what to add to a lower bound for an upper one
    relative: float  # what to add beside that for each unit of a lower bound
    dtype: np.dtype[Any]  # of the bounds
    tile: int  # points of a side of a tile


def spanning_by_tiles(x: Any, dtype: np.dtype[Any], *, accuracy: Accuracy, max_bytes: int) -> Ints | None:
    """Return the edges of the only minimum spanning tree of points ``(n, d)``, or None if that is not certain.

    If not ``accuracy.exact``, of equal lengths any may be taken.

    Raises
    ------
    ValueError
        If ``max_bytes`` are too few.
    """
    cloud = _tiled(x, dtype, _tile_size(len(x), x.shape[1], dtype.itemsize, max_bytes))
    ends = _candidates(cloud, *_nearly_minimum_tree(cloud))
    if ends is None:
        return None
    length = lengths(x, ends)
    slack, least = slack_of(x.shape[1], cosine=accuracy.cosine)
    edges = BoundedEdges(np.zeros(len(ends), np.intp), ends, length * (1 - slack) - least, length * (1 + slack) + least)
    first = np.zeros(len(ends), bool)
    first[kruskal_multigraph(len(x), np.sort(ends, axis=1), edges.lower)] = True
    if not accuracy.exact:
        return ends[first]

    def measure(few: Ints) -> Floats:
        points, position = np.unique(ends[few], return_inverse=True)
        sources, targets = position.reshape(-1, 2).T
        return squared_distances(x[namespace(x).asarray(points)].get(), sources, targets)

    chosen, tied = certify(edges, first, measure, 1, len(x))
    return None if tied[0] else ends[chosen]


def _tile_size(n: int, d: int, itemsize: int, max_bytes: int) -> int:
    """Return the largest size of a tile for which the memory is enough."""
    tile = _LARGEST
    while (need := _bytes_for_device_tiles(n, d, itemsize, tile)) > max_bytes:
        if tile <= _SMALLEST:
            raise ValueError(
                f"{n} points of {d} features need about {need:,} bytes of the device's memory to work in, more than "
                f"there is room for ({max_bytes:,}; {free_device_bytes():,} are free); free some, raise max_memory, "
                "or take fewer samples of each class"
            )
        tile //= 2
    return tile


def _bytes_for_device_tiles(n: int, d: int, itemsize: int, tile: int) -> int:
    """Return the memory for two copies of the centred points, tiles, and the nearest points of each tile."""
    copies = 8 * n * d if d <= THIN else n * d * itemsize + centred_bytes(n + 3, 1, d, itemsize)
    return int(copies + 6 * tile**2 * (8 if d <= THIN else itemsize) + n * -(-n // tile) * 12)


def _tiled(x: Any, dtype: np.dtype[Any], tile: int) -> TiledCloud:
    """Return the points ready to be measured tile by tile."""
    n, d = x.shape
    if d <= THIN:
        float64 = np.finfo(np.float64)
        relative, dtype = 8 * (d + 4) * float(float64.eps), np.dtype(np.float64)
        return TiledCloud(x, [], namespace(x).empty(0), float(float64.tiny), relative, dtype, tile)
    centred = centre_classes(x, place_classes(namespace(x), np.array([0]), np.array([n])), dtype)
    panels = [panel[:n] for panel in centred.panels]
    return TiledCloud(x, panels, centred.norms[:n], float(centred.error[0, 0]), 0.0, dtype, tile)


def _bounds(cloud: TiledCloud, rows: slice, cols: slice) -> Any:
    """Return the lower bounds of a tile: by products, or for few features by differences."""
    xp, x = namespace(cloud.x), cloud.x
    if cloud.panels:
        bounds = xp.empty((len(cloud.norms[rows]), len(cloud.norms[cols])), cloud.dtype)
        for p, panel in enumerate(cloud.panels):
            multiply(panel[rows], panel[cols], bounds, add=p > 0)
        bounds *= -2
        bounds += (cloud.norms[rows] - cloud.error).astype(cloud.dtype)[:, None]
        bounds += cloud.norms[cols].astype(cloud.dtype)
        return bounds
    total = xp.zeros((len(x[rows]), len(x[cols])))
    for f in range(x.shape[1]):
        difference = x[rows, f].astype(np.float64)[:, None] - x[cols, f].astype(np.float64)
        difference *= difference
        total += difference
    total *= 1 - cloud.relative / 2
    total -= cloud.error
    return total


def _nearly_minimum_tree(cloud: TiledCloud) -> tuple[Ints, Floats]:
    """Return a light spanning tree, made of every point's nearest points in each tile, and its lower bounds."""
    xp, n, tile = namespace(cloud.x), len(cloud.x), cloud.tile
    starts = range(0, n, tile)
    nearest = xp.zeros((n, len(starts)), np.int64)
    lower = xp.full((n, len(starts)), np.inf, cloud.dtype)
    for i, lo in enumerate(starts):
        for j, begin in enumerate(starts[i:], i):
            rows, cols = slice(lo, lo + tile), slice(begin, begin + tile)
            bounds = _bounds(cloud, rows, cols)
            if i == j:
                own = xp.arange(len(bounds))
                bounds[own, own] = np.inf
            nearest[rows, j] = bounds.argmin(axis=1) + begin
            lower[rows, j] = bounds.min(axis=1)
            if i != j:
                nearest[cols, i] = bounds.argmin(axis=0) + lo
                lower[cols, i] = bounds.min(axis=0)
    kept = min(_NEIGHBOURS, len(starts))
    best = xp.argsort(lower, axis=1)[:, :kept]
    weights = xp.take_along_axis(lower, best, axis=1).get().astype(np.float64).reshape(-1)
    targets = xp.take_along_axis(nearest, best, axis=1).get().astype(np.intp).reshape(-1)
    ends = np.stack([np.repeat(np.arange(n), kept), targets], axis=1)[np.isfinite(weights)]
    weights = weights[np.isfinite(weights)]
    count, label = components(n, ends)
    if count > 1:
        # Join every other component to the first point: a poor edge, but a tree is all that is needed.
        first = np.unique(label, return_index=True)[1][1:]
        row = _bounds(cloud, slice(0, 1), slice(0, n))[0].get()
        ends = np.concatenate([ends, np.stack([np.zeros_like(first), first], axis=1)])
        weights = np.concatenate([weights, row[first]])
    ends = np.sort(ends, axis=1)
    tree = kruskal_multigraph(n, ends, weights)
    return ends[tree], weights[tree]


def _candidates(cloud: TiledCloud, tree: Ints, weights: Floats) -> Ints | None:
    """Return every edge that may stand in a minimum spanning tree, or None if there are too many."""
    xp, n, tile = namespace(cloud.x), len(cloud.x), cloud.tile
    upper = upper_bound(weights, cloud.error, cloud.relative)
    run, edge = prim_order_of_tree(n, tree, upper)
    gap = gaps_from_weights(upper[edge])
    gap = np.nextafter(gap.astype(cloud.dtype), cloud.dtype.type(np.inf))
    order = xp.asarray(run)
    if cloud.panels:
        ordered = cloud._replace(panels=[panel[order] for panel in cloud.panels], norms=cloud.norms[order])
    else:
        ordered = cloud._replace(x=cloud.x[order])
    starts = np.arange(0, n, tile)
    between = np.maximum.reduceat(gap, starts)
    scratch = Scratch()
    found, count = [], 0
    for i, lo in enumerate(starts.tolist()):
        # From the row to the end of its tile.
        leaving = np.maximum.accumulate(np.append(gap[lo : lo + tile][1:], 0)[::-1])[::-1]
        for j, begin in enumerate(starts[i:].tolist(), i):
            rows, cols = slice(lo, lo + tile), slice(begin, begin + tile)
            bounds = _bounds(ordered, rows, cols)
            if i == j:
                hits = xp.flatnonzero(xp.triu(bounds <= xp.asarray(place_maxima(gap[rows], scratch)), 1))
            else:
                # Through the tiles between, and from the start of the other tile to the column.
                from_row = xp.asarray(np.maximum(leaving, between[i + 1 : j].max(initial=0)))
                to_col = xp.asarray(np.maximum.accumulate(gap[cols]))
                hits = xp.flatnonzero((bounds <= from_row[:, None]) | (bounds <= to_col))
            row, col = np.divmod(hits.get(), bounds.shape[1])
            found.append(np.stack([run[lo + row], run[begin + col]], axis=1))
            count += len(row)
            if count > _CROWDED * n:
                return None
    return np.concatenate(found)
