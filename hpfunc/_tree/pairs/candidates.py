"""Find the candidate cross edges of the minimum spanning trees of pairs of classes, from blocks of distances.

The module `count_pairs` explains why no other cross edge can belong to these trees.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from hpfunc._arrays.types import Array, Bools, Floats, Ints
from hpfunc._tree.distances import block_bounds
from hpfunc._tree.mst.prim import round_up
from hpfunc._tree.pairs.types import Candidates, ClassGroup, LayerData, PairBlock
from hpfunc._tree.rounding import upper_bound
from hpfunc._tree.threads import Scratch

__all__ = ["BlockBounds", "find_candidates", "find_light_edges"]

# Entries of a block that are searched at a time, so that the work arrays stay in the second-level cache.
_STRIP = 2**18
# Bridge edges from one class to another that are tried for every point: one for every ``_POINTS_PER_BRIDGE`` points of
# the class, at most ``_BRIDGES``, and at most ``_MEASURED_BRIDGES`` where each must be measured.
_POINTS_PER_BRIDGE, _BRIDGES, _MEASURED_BRIDGES = 16, 32, 16


class BlockBounds(NamedTuple):
    """Hold the bounds of the distances of P pairs between r classes of m points and c classes of n points."""

    lower: Array  # (r, m, c, n) lower bounds of the squared distances
    row_place: Ints  # (P,) place of the first class of each pair among the r
    col_place: Ints  # (P,) place of the second class of each pair among the c
    error: Floats  # (P,) error bound of each pair; see `rounding.upper_bound`
    relative: float  # relative error of all pairs; see `rounding.upper_bound`
    row_maxima: Array  # (R, m, m) path maxima of classes, rounded up
    col_maxima: Array  # (C, n, n) the same for the classes of the columns
    row_tree: Ints  # (P,) place of the first class of each pair among the R
    col_tree: Ints  # (P,) place of the second class of each pair among the C
    weigh: Callable[[Ints, Ints, Ints], Array] | None = None  # limits of edges from (pair, source, target), if reduced


class _Detours(NamedTuple):
    """Hold, for each of P pairs, the lightest path found from each of m points of a class to the other class."""

    least: Array  # (P, m) lower bound of the point's lightest cross edge
    weight: Array  # (P, m) heaviest edge of the path until it arrives in the other class, rounded up
    arrival: Ints  # (P, m) point of the other class at which the path arrives
    reach: Array  # (P,) largest path maximum from an arrival to any point of the other class


def find_candidates(layer: LayerData, block: PairBlock, scratch: Scratch, *, crowded: float) -> Candidates:
    """Find the candidate edges of the pairs of one block.

    Parameters
    ----------
    layer : LayerData
    block : PairBlock
    scratch : Scratch
    crowded : float
        If a pair has more candidates for each point than this, a search by products need not find them all.

    Returns
    -------
    Candidates
        ``pair`` numbers the pairs within the block.
    """
    rows, cols, reduction = block.rows, block.cols, layer.reduction
    starts = layer.points.starts
    class_a, class_b = rows.classes[block.row_place], cols.classes[block.col_place]
    sizes = np.diff(starts)[np.stack([class_a, class_b])]
    most: Any = np.full(len(class_a), layer.spare.most_edges)
    all_wanted = layer.centred.relative > 0 or crowded == np.inf
    if reduction is not None:
        most = reduction.most_edges(sizes.prod(axis=0), sizes.sum(axis=0))
    elif not all_wanted:
        most = crowded * sizes.sum(axis=0)

    def weigh(pair: Ints, source: Ints, target: Ints) -> Array:
        assert reduction is not None
        upper = reduction.bounds(starts[class_a[pair]] + source, starts[class_b[pair]] + target)[1]
        return round_up(reduction.limits(upper), layer.centred.dtype)

    bounds = BlockBounds(
        block_bounds(layer.centred, rows.classes, cols.classes, rows.size, cols.size, scratch),
        block.row_place,
        block.col_place,
        layer.centred.error[class_a, class_b],
        layer.centred.relative,
        _maxima_of(layer, rows),
        _maxima_of(layer, cols),
        block.row_place,
        block.col_place,
        None if reduction is None else weigh,
    )
    found, limits = find_light_edges(bounds, scratch, most)
    counts = np.bincount(found.pair, minlength=len(class_a))
    if all_wanted and (counts > most).any():
        layer.spare.refuse(int(sizes[:, counts.argmax()].sum()))
    if reduction is None:
        return found
    # Pairs with too many edges to be measured one by one are measured again later.
    measured = (counts <= most)[found.pair]
    found.upper[:] = np.inf
    found.lower[measured], found.upper[measured] = reduction.bounds(
        starts[class_a[found.pair[measured]]] + found.source[measured],
        starts[class_b[found.pair[measured]]] + found.target[measured],
    )
    kept = ~measured | (reduction.limits(found.lower) <= limits)
    fields: list[Any] = [field[kept] for field in found]
    return Candidates(*fields)


def _maxima_of(layer: LayerData, group: ClassGroup) -> Array:
    """Return the path maxima of some classes of a group: ``(r, m, m)``."""
    return layer.path_maxima[group.number][group.first : group.first + len(group.classes)]


def find_light_edges(bounds: BlockBounds, scratch: Scratch, most: Floats | None = None) -> tuple[Candidates, Array]:
    """Find the edges that are no heavier than the lightest path found between their ends through both trees.

    Parameters
    ----------
    bounds : BlockBounds
    scratch : Scratch
    most : (P,) array, optional
        The search of a pair ends when more edges than this are found; by default all are found.

    Returns
    -------
    Candidates
    limits : (E,) array
        Heaviest edge of that path, on the scale of the path maxima.
    """
    parts = _search_rows(
        bounds, _find_detours(bounds), np.full(len(bounds.error), np.inf) if most is None else most, scratch
    )
    pair, source, target, lower, limits = (np.concatenate(field) for field in zip(*parts, strict=True))
    upper = upper_bound(lower, bounds.error[pair], bounds.relative)
    return Candidates(pair, source, target, lower, upper), limits


def _find_detours(bounds: BlockBounds) -> _Detours:
    """Find the lightest path from each point of the rows of every pair to the other class."""
    row_tree = bounds.row_tree[:, None]
    # Searching the whole block avoids copies of its parts.
    nearest_of_block = bounds.lower.argmin(axis=3)
    first = np.arange(nearest_of_block.size).reshape(nearest_of_block.shape) * bounds.lower.shape[3]
    least_of_block = bounds.lower.reshape(-1).take(first + nearest_of_block)
    nearest, least = (of[bounds.row_place, :, bounds.col_place] for of in (nearest_of_block, least_of_block))
    crossing = round_up(upper_bound(least, bounds.error[:, None], bounds.relative), bounds.lower.dtype)
    most = _BRIDGES if bounds.weigh is None else _MEASURED_BRIDGES
    n_bridges = min(most, -(-nearest.shape[1] // _POINTS_PER_BRIDGE))
    bridge = _choose_bridges(crossing, bounds.row_maxima, row_tree, n_bridges)
    arrivals = np.take_along_axis(nearest, bridge, axis=1)
    if bounds.weigh is None:
        crossing = np.take_along_axis(crossing, bridge, axis=1)
    else:
        numbers = np.broadcast_to(np.arange(len(bridge))[:, None], bridge.shape)
        crossing = bounds.weigh(numbers.ravel(), bridge.ravel(), arrivals.ravel()).reshape(bridge.shape)
    # (P, bridges, m): the heaviest edge of the path over each bridge edge.
    ways = np.maximum(bounds.row_maxima[row_tree, bridge], crossing[..., None])
    best, weight = ways.argmin(axis=1), ways.min(axis=1)
    # From every point of a tree, some path leads over its heaviest edge.
    reach = bounds.col_maxima[:, 0].max(axis=1)[bounds.col_tree]
    return _Detours(least, weight, np.take_along_axis(arrivals, best, axis=1), reach)


def _choose_bridges(crossing: Array, row_maxima: Array, row_tree: Ints, most: int) -> Ints:
    """Choose the points whose lightest cross edges may be the best bridges: ``(P, bridges)``, perhaps too many.

    Let p be the point with the lightest cross edge. Another point q is useless if its own cross edge is no lighter than
    the path from q to p and across: from any start, crossing at q is then no lighter than going on from q to p and
    crossing at p. Only the useful points with the lightest cross edges are taken, because more points would exclude
    hardly any further candidate.

    Parameters
    ----------
    crossing : (P, m) array
        Upper bound of the lightest cross edge of each point.
    row_maxima : (R, m, m) array
    row_tree : (P, 1) array
        Place of the class of each pair among the R.
    most : int
        Largest number of bridges of a pair.
    """
    lightest = crossing.argmin(axis=1)[:, None]
    detour = np.maximum(row_maxima[row_tree, lightest][:, 0], np.take_along_axis(crossing, lightest, axis=1))
    useful = crossing < detour
    np.put_along_axis(useful, lightest, True, axis=1)
    n_bridges = min(int(useful.sum(axis=1).max()), most)
    return np.argsort(np.where(useful, crossing, np.inf), axis=1)[:, :n_bridges]


def _search_rows(bounds: BlockBounds, detours: _Detours, most: Floats, scratch: Scratch) -> list[Any]:
    """Search the distances of all points of the rows that may have a candidate to the other class of a pair.

    Returns
    -------
    list of tuples
        Parts of pairs, sources, targets, lower bounds and limits.
    """
    (_, m, _, n), (n_pairs, _) = bounds.lower.shape, detours.least.shape
    col_maxima, dtype = bounds.col_maxima.reshape(-1, n), bounds.lower.dtype
    # Search points whose lightest cross edge is no heavier than their path, then points whose lightest cross edge is no
    # heavier than the largest path maximum from any arrival. Most points are too far from the other class for either.
    own = detours.least <= detours.weight
    within_reach = (detours.least <= detours.reach[:, None]) & ~own
    # Rows are searched in the order in which they lie in memory.
    place = np.full(bounds.lower.shape[:3], -1)
    place[bounds.row_place, :, bounds.col_place] = np.arange(n_pairs * m).reshape(n_pairs, m)
    flat_row = np.concatenate([_rows_of_block(mask, bounds) for mask in (own, within_reach)])
    n_own = np.count_nonzero(own)
    pair, source = np.divmod(place.reshape(-1)[flat_row], m)
    arrival = bounds.col_tree[pair] * n + detours.arrival[pair, source]
    path = detours.weight[pair[:n_own], source[:n_own]]
    parts, n_found = [], np.zeros(len(most), np.intp)
    step = max(1, _STRIP // n)
    for lo in range(0, len(pair), step):
        strip = np.arange(lo, min(lo + step, len(pair)))
        strip = strip[(n_found <= most)[pair[strip]]]
        shape = (len(pair[strip]), n)
        heaviest, rows = scratch("heaviest", shape, dtype), scratch("rows", shape, dtype)
        np.take(col_maxima, arrival[strip], axis=0, out=heaviest, mode="clip")
        if lo < n_own:
            with_path = strip[strip < n_own]
            first = heaviest[: len(with_path)]
            np.maximum(first, path[with_path, None], out=first)
        np.take(bounds.lower.reshape(-1, n), flat_row[strip], axis=0, out=rows, mode="clip")
        light = np.less_equal(rows, heaviest, out=scratch("light", shape, np.bool_))
        # True entries are few, so a search through the flat array is the fastest.
        row, target = np.divmod(np.flatnonzero(light), n)
        lower = rows[row, target].astype(np.float64)
        n_found += np.bincount(pair[strip[row]], minlength=len(most))
        parts.append((pair[strip[row]], source[strip[row]], target, lower, heaviest[row, target]))
    return parts


def _rows_of_block(mask: Bools, bounds: BlockBounds) -> Ints:
    """Return the numbers of the rows of a block, in rising order, of which a mask ``(P, m)`` is true."""
    of_block = np.zeros(bounds.lower.shape[:3], bool)
    of_block[bounds.row_place, :, bounds.col_place] = mask
    return np.flatnonzero(of_block)
