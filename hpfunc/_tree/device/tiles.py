"""The minimum spanning tree of one cloud of points too large for all its distances, on the device.

The two passes of `hpfunc._tree.mst.tiled`, which says why nothing is missed. Tiles are made and searched on the device;
what is left of them, a few edges for each point, is sorted out on the host.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hpfunc._arrays import namespace
from hpfunc._tree.device.memory import free_bytes
from hpfunc._tree.device.tables import Layer, prepare, tile
from hpfunc._tree.device.trees import slack_of
from hpfunc._tree.exact import squared_distances
from hpfunc._tree.mst.certify import BoundedEdges, certify
from hpfunc._tree.mst.kruskal import components, kruskal_multigraph
from hpfunc._tree.mst.prim import gaps_from_weights, place_maxima, prim_order_of_tree
from hpfunc._tree.threads import Scratch

__all__ = ["bytes_needed", "lengths", "spanning_by_tiles"]

Ints = npt.NDArray[np.intp]

_TILE = 4096
_NEIGHBOURS = 12
# More candidates than so many for each point are better found again in float64, or by the host.
_CROWDED = 30
# Numbers of a chunk of differences.
_CHUNK = 2**24


def bytes_needed(n: int, d: int, itemsize: int) -> int:
    """Memory for two copies of the centred points, tiles, nearest points, and chunks of differences."""
    return 2 * n * d * itemsize + 6 * _TILE**2 * itemsize + n * -(-n // _TILE) * 12 + 3 * 8 * _CHUNK


def spanning_by_tiles(x: Any, dtype: np.dtype[Any], *, exact: bool, cosine: bool, room: int) -> Ints | None:
    """Edges of the minimum spanning tree of points ``(n, d)``; None unless it is certain, and the only one.

    If not ``exact``, of equal lengths any may be taken.

    Raises
    ------
    ValueError
        If there is not room enough.
    """
    need = bytes_needed(len(x), x.shape[1], dtype.itemsize)
    if need > room:
        raise ValueError(
            f"{len(x)} points of {x.shape[1]} features need about {need:,} bytes of the device's memory to work in, "
            f"more than there is room for ({room:,}; {free_bytes(namespace(x)):,} are free); free some, raise "
            "max_memory, or take fewer samples of each class"
        )
    layer = prepare(x, np.array([0, len(x)]), dtype)
    ends = _candidates(layer, *_nearly_minimum_tree(layer))
    if ends is None:
        return None
    length = lengths(x, ends)
    slack, least = slack_of(x.shape[1], cosine)
    edges = BoundedEdges(np.zeros(len(ends), np.intp), ends, length * (1 - slack) - least, length * (1 + slack) + least)
    first = np.zeros(len(ends), bool)
    first[kruskal_multigraph(len(x), np.sort(ends, axis=1), edges.lower)] = True
    if not exact:
        return ends[first]

    def measure(few: Ints) -> npt.NDArray[np.float64]:
        points, place = np.unique(ends[few], return_inverse=True)
        one, other = place.reshape(-1, 2).T
        return squared_distances(x[namespace(x).asarray(points)].get(), one, other)

    chosen, tied = certify(edges, first, measure, 1, len(x))
    return None if tied[0] else ends[chosen]


def lengths(x: Any, ends: Ints) -> npt.NDArray[np.float64]:
    """Squared length of each edge by differences in float64, summed in whatever order the device takes."""
    xp = namespace(x)
    there, result = xp.asarray(ends), np.empty(len(ends))
    step = max(1, _CHUNK // x.shape[1])
    for lo in range(0, len(ends), step):
        one, other = there[lo : lo + step].T
        difference = x[one].astype(np.float64)
        difference -= x[other]
        difference *= difference
        result[lo : lo + step] = difference.sum(axis=1).get()
    return result


def _bounds(layer: Layer, panels: list[Any], norms: Any, x: Any, rows: slice, cols: slice) -> Any:
    """Lower bounds of a tile: by products, or for few features by differences."""
    if layer.panels:
        return tile(layer, panels, norms, rows, cols)
    xp = namespace(x)
    total = xp.zeros((len(x[rows]), len(x[cols])))
    for f in range(x.shape[1]):
        difference = x[rows, f].astype(np.float64)[:, None] - x[cols, f].astype(np.float64)
        difference *= difference
        total += difference
    total *= 1 - layer.relative / 2
    total -= layer.error[0, 0]
    return total


def _nearly_minimum_tree(layer: Layer) -> tuple[Ints, npt.NDArray[np.float64]]:
    """A light spanning tree from every point's nearest points, one of each tile; and lower bounds of its weights."""
    xp, n = namespace(layer.x), len(layer.x)
    starts = range(0, n, _TILE)
    nearest = xp.zeros((n, len(starts)), np.int64)
    lower = xp.full((n, len(starts)), np.inf, layer.dtype)
    for i, lo in enumerate(starts):
        for j, begin in enumerate(starts[i:], i):
            rows, cols = slice(lo, lo + _TILE), slice(begin, begin + _TILE)
            bounds = _bounds(layer, layer.panels, layer.norms, layer.x, rows, cols)
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
    other = xp.take_along_axis(nearest, best, axis=1).get().astype(np.intp).reshape(-1)
    ends = np.stack([np.repeat(np.arange(n), kept), other], axis=1)[np.isfinite(weights)]
    weights = weights[np.isfinite(weights)]
    count, label = components(n, ends)
    if count > 1:
        # Join what is apart to the first point: a poor edge, but a tree is all that is needed.
        first = np.unique(label, return_index=True)[1][1:]
        row = _bounds(layer, layer.panels, layer.norms, layer.x, slice(0, 1), slice(0, n))[0].get()
        ends = np.concatenate([ends, np.stack([np.zeros_like(first), first], axis=1)])
        weights = np.concatenate([weights, row[first]])
    ends = np.sort(ends, axis=1)
    tree = kruskal_multigraph(n, ends, weights)
    return ends[tree], weights[tree]


def _candidates(layer: Layer, tree: Ints, weights: npt.NDArray[np.float64]) -> Ints | None:
    """Every edge that may stand in a minimum spanning tree, those of the given one among them; None if too many."""
    xp, n = namespace(layer.x), len(layer.x)
    upper = weights * (1 + layer.relative) + 2 * float(layer.error[0, 0])
    run, edge = prim_order_of_tree(n, tree, upper)
    gap = gaps_from_weights(upper[edge])
    gap = np.nextafter(gap.astype(layer.dtype), layer.dtype.type(np.inf))
    there = xp.asarray(run)
    panels, x = [panel[there] for panel in layer.panels], layer.x[there]
    norms = layer.norms[there] if layer.panels else layer.norms
    starts = np.arange(0, n, _TILE)
    between = np.maximum.reduceat(gap, starts)
    scratch = Scratch()
    found, count = [], 0
    for i, lo in enumerate(starts.tolist()):
        # From the row to the end of its tile.
        leaving = np.maximum.accumulate(np.append(gap[lo : lo + _TILE][1:], 0)[::-1])[::-1]
        for j, begin in enumerate(starts[i:].tolist(), i):
            rows, cols = slice(lo, lo + _TILE), slice(begin, begin + _TILE)
            bounds = _bounds(layer, panels, norms, x, rows, cols)
            if i == j:
                hits = xp.flatnonzero(xp.triu(bounds <= xp.asarray(place_maxima(gap[rows], scratch)), 1))
            else:
                # Through the tiles between, and from the start of the other tile to the column.
                row = xp.asarray(np.maximum(leaving, between[i + 1 : j].max(initial=0)))
                col = xp.asarray(np.maximum.accumulate(gap[cols]))
                hits = xp.flatnonzero((bounds <= row[:, None]) | (bounds <= col))
            one, other = np.divmod(hits.get(), bounds.shape[1])
            found.append(np.stack([run[lo + one], run[begin + other]], axis=1))
            count += len(one)
            if count > _CROWDED * n:
                return None
    return np.concatenate(found)
