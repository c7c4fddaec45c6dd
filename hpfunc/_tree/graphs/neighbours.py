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
from hpfunc._tree.graphs.layer_bounds import LayerBounds, merge_pair
from hpfunc._tree.graphs.pair_graphs import count_neighbours, share_places
from hpfunc._tree.mst.tie_counts import CrossEdges
from hpfunc._tree.threads import Scratch

__all__ = ["OwnNeighbours", "bytes_for_neighbours", "count_neighbours_of_pair", "find_own_neighbours"]

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
    largest = 2.0 * float(sizes.max())
    of_pair = 4 * largest * min(k + 1, largest) * 80 + min(largest**2, 4 * largest * (k + 1) ** 2) * 24
    return int((sizes * np.minimum(sizes, k + 1)).sum() * 80 + of_pair)


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
    reach = _distance_to_kth(layer, table, np.arange(n) + first, first, k)
    limits = layer.limits(reach)
    hits = _light_entries(np.less_equal(table, limits[:, None], out=scratch("light", table.shape, np.bool_)), n, k)
    if hits is None:
        return None
    source, target = hits
    apart = source != target
    source, target = source[apart], target[apart]
    weights = squared_distances(layer.x, source + first, target + first)
    near = weights <= reach[source]
    return OwnNeighbours(source[near], target[near], weights[near], reach, limits)


def _distance_to_kth(layer: LayerBounds, table: Array, rows: Ints, first: int, k: int) -> Floats:
    """Return a distance from each row within which k points of the columns lie; infinite if there are fewer.

    Parameters
    ----------
    layer : LayerBounds
    table : (m, n) array
        Bounds; infinite where a column is not to be counted.
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


def _light_entries(light: Bools, n_points: int, k: int) -> tuple[Ints, Ints] | None:
    """Return the rows and columns of the true entries, or None if there are too many for this number of points."""
    if np.count_nonzero(light) > _CROWDED * (k + 1) * n_points:
        return None
    rows, cols = np.divmod(np.flatnonzero(light), light.shape[1])
    return rows, cols


def count_neighbours_of_pair(
    layer: LayerBounds, own: list[OwnNeighbours | None], pair: Ints, k: int, scratch: Scratch
) -> CrossEdges | None:
    """Count the cross edges of the k-nearest-neighbour graph of two classes; None if bounds leave too many points.

    Parameters
    ----------
    layer : LayerBounds
        Of distinct points.
    own : list
        The neighbours within each class.
    pair : (2,) array
        Class numbers.
    k : int
    scratch : Scratch
    """
    own_a, own_b = own[pair[0]], own[pair[1]]
    across = None if own_a is None or own_b is None else _find_across(layer, (own_a, own_b), pair, k, scratch)
    if own_a is None or own_b is None or across is None:
        return None
    members, place_a, place_b = merge_pair(layer, *pair)
    source_a, target_b, weights = across
    from_a, from_b = weights <= own_a.reach[source_a], weights <= own_b.reach[target_b]
    parts = (
        (place_a[own_a.source], place_a[own_a.target], own_a.weights),
        (place_b[own_b.source], place_b[own_b.target], own_b.weights),
        (place_a[source_a[from_a]], place_b[target_b[from_a]], weights[from_a]),
        (place_b[target_b[from_b]], place_a[source_a[from_b]], weights[from_b]),
    )
    source, target, weights = (np.concatenate(field) for field in zip(*parts, strict=True))
    if len(members) < len(place_a) + len(place_b):
        # A point that both classes contain was found from both, and so were its neighbours: keep each edge once.
        keys, first = np.unique(source * len(members) + target, return_index=True)
        kept = first[keys // len(members) != keys % len(members)]
        source, target, weights = source[kept], target[kept], weights[kept]
    return count_neighbours(members, *share_places(members, source, target, weights, k))


def _find_across(
    layer: LayerBounds, own: tuple[OwnNeighbours, OwnNeighbours], pair: Ints, k: int, scratch: Scratch
) -> tuple[Ints, Ints, Floats] | None:
    """Find the points of two classes that are within reach of each other: sources, targets and squared distances."""
    table = layer.between(int(pair[0]), int(pair[1]), scratch)
    first_a, first_b = layer.starts[pair]
    row_limits = _limits_across(layer, own[0], table, np.arange(table.shape[0]) + first_a, int(first_b), k)
    col_limits = _limits_across(layer, own[1], table.T, np.arange(table.shape[1]) + first_b, int(first_a), k)
    light = np.less_equal(table, row_limits[:, None], out=scratch("light", table.shape, np.bool_))
    light |= np.less_equal(table, col_limits, out=scratch("light of columns", table.shape, np.bool_))
    hits = _light_entries(light, sum(table.shape), k)
    if hits is None:
        return None
    return *hits, squared_distances(layer.x, hits[0] + first_a, hits[1] + first_b)


def _limits_across(layer: LayerBounds, own: OwnNeighbours, table: Array, rows: Ints, first: int, k: int) -> Array:
    """Return the limits of the points of a class; where it has too few neighbours, those of the other class count."""
    if np.isfinite(own.reach).all():
        return own.limits
    # One more than k, because the other class may contain the point too.
    return layer.limits(_distance_to_kth(layer, table, rows, first, k + 1))
