"""Count the cross edges of the k-nearest-neighbour graphs of every pair of classes of a layer.

The nearest neighbours of a point in two classes are among those nearest in its own class and those in the other class
that are no farther than the k-th of its own. So the neighbours within each class are found once
(`find_own_neighbours`), and a pair needs one block of bounds between its classes (`_find_across`). What a bound does
not exclude is measured by direct differences in float64, so the graph is that of exact distances
(`pair_graphs.share_places`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hpfunc._arrays.types import Array, Bools, Floats, Ints
from hpfunc._tree.exact import squared_distances
from hpfunc._tree.graphs.blocks import GraphBlock, merge_block, most_of_block
from hpfunc._tree.graphs.layer_bounds import LayerBounds
from hpfunc._tree.graphs.pair_graphs import count_neighbours, share_places
from hpfunc._tree.mst.tie_counts import CrossEdges
from hpfunc._tree.threads import Scratch

__all__ = ["OwnNeighbours", "bytes_for_neighbours", "count_neighbours_of_block", "find_own_neighbours"]

# A class or a pair is crowded where bounds leave more than this many points for each neighbour that is wanted.
_CROWDED = 8
# Entries of a table that are partitioned at a time.
_STRIP = 2**18


class OwnNeighbours(NamedTuple):
    """Hold the nearest points of every point of a class within this class."""

    source: Ints  # (E,) points, counted from the start of the class
    target: Ints  # (E,)
    weights: Floats  # (E,) squared distances
    reach: Floats  # (n,) squared distance of each point to its k-th nearest; infinite where the class has fewer
    limits: Array  # (n,) the largest bound of a distance within reach


def bytes_for_neighbours(starts: Ints, k: int) -> int:
    """Estimate the bytes of the neighbours within all classes, and of those of one pair."""
    sizes = np.diff(starts)
    entries, vertices = most_of_block(starts)
    of_block = 3 * vertices * min(k + 1, 2 * float(sizes.max())) * 80 + min(entries, 3 * vertices * (k + 1) ** 2) * 24
    return int((sizes * np.minimum(sizes, k + 1)).sum() * 80 + of_block + 4 * entries)


def find_own_neighbours(layer: LayerBounds, class_number: int, k: int, scratch: Scratch) -> OwnNeighbours | None:
    """Find the k nearest points within a class, and all others as far; return None if bounds leave too many.

    Parameters
    ----------
    layer : LayerBounds
        Of distinct points.
    class_number, k : int
    scratch : Scratch
    """
    table, first = layer.within(class_number, scratch), layer.rows(class_number).start
    n = len(table)
    np.fill_diagonal(table, np.inf)
    estimates = layer.estimates(class_number, table, scratch)
    reach = _distance_to_kth(layer, estimates, np.arange(n) + first, first, k)
    limits = layer.limits(reach)
    light = np.less_equal(table, limits[:, None], out=scratch("light", table.shape, np.bool_))
    light |= np.less_equal(table, limits, out=scratch("light of columns", table.shape, np.bool_))
    if np.count_nonzero(light) > 2 * _CROWDED * (k + 1) * n:
        return None
    # Each edge is measured once for both of its ends.
    ends = np.stack(np.divmod(np.flatnonzero(light), n), axis=1)
    ends = ends[ends[:, 0] < ends[:, 1]]
    ends = ends[layer.may_weigh(ends + first, lambda: reach[ends].max(axis=1))]
    weights = np.tile(squared_distances(layer.x, *(ends.T + first)), 2)
    source, target = np.concatenate([ends, ends[:, ::-1]]).T
    near = weights <= reach[source]
    return OwnNeighbours(source[near], target[near], weights[near], reach, limits)


def _distance_to_kth(layer: LayerBounds, table: Array, rows: Ints, first: int, k: int) -> Floats:
    """Return a distance from each row within which k points of the columns lie; infinite if there are fewer.

    Parameters
    ----------
    layer : LayerBounds
    table : (m, n) array
        Bounds, or estimates; infinite where a column is not to be counted.
    rows : (m,) array
        Rows of the layer.
    first : int
        The row of the first column.
    k : int
    """
    m, n = table.shape
    reach = np.full(m, np.inf)
    if k >= n:
        return reach
    step = max(1, _STRIP // n)
    for lo in range(0, m, step):
        part = slice(lo, lo + step)
        nearest = np.argpartition(table[part], k - 1, axis=1)[:, :k]
        weights = squared_distances(layer.x, np.repeat(rows[part], k), nearest.reshape(-1) + first)
        reach[part] = weights.reshape(-1, k).max(axis=1)
    return reach


def count_neighbours_of_block(
    layer: LayerBounds, own: list[OwnNeighbours | None], block: GraphBlock, k: int, scratch: Scratch
) -> tuple[CrossEdges, Bools]:
    """Count the cross edges of the k-nearest-neighbour graphs of the pairs of a block.

    Parameters
    ----------
    layer : LayerBounds
        Of distinct points.
    own : list
        The neighbours within each class, not None for those of the block.
    block : GraphBlock
    k : int
    scratch : Scratch

    Returns
    -------
    CrossEdges
        Of ``(P,)`` arrays.
    counted : (P,) array
        False for pairs of which bounds leave too many points, whose counts mean nothing.
    """
    merged = merge_block(layer, block)
    reach = np.concatenate([_known(own[c]).reach for pair in _classes(block) for c in pair])
    (source_a, target_b, weights), counted = _find_across(layer, own, block, reach, k, scratch)
    from_a, from_b = weights <= reach[source_a], weights <= reach[target_b]
    parts = [
        (source_a[from_a], target_b[from_a], weights[from_a]),
        (target_b[from_b], source_a[from_b], weights[from_b]),
    ]
    for first, pair in zip(block.first, _classes(block), strict=True):
        for begin, found in zip(first, (_known(own[c]) for c in pair), strict=True):
            parts.append((found.source + begin, found.target + begin, found.weights))
    source, target, weights = (np.concatenate(field) for field in zip(*parts, strict=True))
    source, target = merged.point[source], merged.point[target]
    n = len(merged.members)
    if n < len(merged.point):
        # A point that both classes contain was found from both, and so were its neighbours: keep each edge once.
        keys, numbers = np.unique(source * n + target, return_index=True)
        kept = numbers[keys // n != keys % n]
        source, target, weights = source[kept], target[kept], weights[kept]
    shared = share_places(merged.members, merged.pair, len(block.number), source, target, weights, k)
    return count_neighbours(merged.members, merged.pair, *shared), counted


def _known(found: OwnNeighbours | None) -> OwnNeighbours:
    """Return the neighbours within a class of a block: such a class has some."""
    assert found is not None
    return found


def _classes(block: GraphBlock) -> list[tuple[int, int]]:
    """List the class numbers of the pairs of a block."""
    return [(block.class_a, c) for c in block.classes_b.tolist()]


def _find_across(
    layer: LayerBounds, own: list[OwnNeighbours | None], block: GraphBlock, reach: Floats, k: int, scratch: Scratch
) -> tuple[tuple[Ints, Ints, Floats], Bools]:
    """Find the points of two classes that are within reach of each other, ``(V,)`` within their own class.

    Returns
    -------
    sources, targets, weights : (E,) arrays
        Vertices, and squared distances.
    counted : (P,) array
        False for pairs with too many, whose edges are left out.
    """
    table = layer.between(block.class_a, block.classes_b, scratch)
    own_a, rows_a = _known(own[block.class_a]), layer.rows(block.class_a)
    row_limits = np.repeat(own_a.limits[:, None], table.shape[1], axis=1)
    col_limits = np.full(table.shape[1:], -np.inf, table.dtype)
    for p, c in enumerate(block.classes_b.tolist()):
        own_b, rows_b = _known(own[c]), layer.rows(c)
        part = table[:, p, : rows_b.stop - rows_b.start]
        row_limits[:, p] = _limits_across(layer, own_a, part, rows_a, rows_b.start, k)
        col_limits[p, : part.shape[1]] = _limits_across(layer, own_b, part.T, rows_b, rows_a.start, k)
    light = np.less_equal(table, row_limits[:, :, None], out=scratch("light", table.shape, np.bool_))
    light |= np.less_equal(table, col_limits, out=scratch("light of columns", table.shape, np.bool_))
    light &= np.isfinite(table, out=scratch("light of columns", table.shape, np.bool_))
    counted = np.count_nonzero(light, axis=(0, 2)) <= _CROWDED * (k + 1) * np.bincount(block.pair)
    light[:, ~counted] = False
    source, pair, target = np.unravel_index(np.flatnonzero(light), table.shape)
    source, target = block.first[pair, 0] + source, block.first[pair, 1] + target
    kept = layer.may_weigh(
        block.row[np.stack([source, target], axis=1)], lambda: np.maximum(reach[source], reach[target])
    )
    source, target = source[kept], target[kept]
    return (source, target, squared_distances(layer.x, block.row[source], block.row[target])), counted


def _limits_across(layer: LayerBounds, own: OwnNeighbours, table: Array, rows: slice, first: int, k: int) -> Array:
    """Return the limits of the points of a class; where it has too few neighbours, those of the other class count."""
    if np.isfinite(own.reach).all():
        return own.limits
    # One more than k, because the other class may contain the point too.
    return layer.limits(_distance_to_kth(layer, table, np.arange(rows.start, rows.stop), first, k + 1))
