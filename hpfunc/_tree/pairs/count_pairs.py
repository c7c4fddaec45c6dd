"""Count the cross edges of the minimum spanning trees of every pair of classes of one layer.

The tree over two classes consists of edges of the two class trees and of cross edges (cycle property), and only few
cross edges can belong to it. Take any sample x of class A and its minimax path to class B: through the tree of A to one
of the few samples worth crossing from, then along the shortest cross edge of that sample. From there the tree of B
leads to any sample y. An edge (x, y) that is heavier than every edge of this path is in no minimum spanning tree.

One matrix product and a few passes over its result leave about as many candidates as there are samples (`candidates`).
Kruskal's algorithm then chooses among them and the paths between the points at which they end (`counting`).

Exact by construction: the trees of the classes are exact (`class_trees`); products give lower bounds with a known width
(`distances`), and upper bounds are used for the paths; where bounds overlap, direct differences in float64 decide
(`kruskal.certify`); and where weights tie, all trees are taken into account (`tie_counts`). So the counts do not depend
on block size, batch or thread count, and each thread holds the distances of one block at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from hpfunc._arrays import namespace
from hpfunc._arrays.types import Array, Bools, Ints
from hpfunc._support import memory
from hpfunc._tree import device
from hpfunc._tree.choose_reduction import (
    MOST_DIRECTIONS,
    bytes_for_directions,
    choose_directions,
    is_large,
    reduce_cloud,
)  # fmt: skip
from hpfunc._tree.distances import centre, prepare
from hpfunc._tree.exact import LayerPoints, equal_rows, keep_distinct, points_for_metric
from hpfunc._tree.graphs.count_graphs import count_graphs
from hpfunc._tree.memory import SpareBytes, bytes_for_any_ties, check_bytes
from hpfunc._tree.mst import tiled
from hpfunc._tree.mst.class_trees import grow_class_trees
from hpfunc._tree.mst.lay_out import lay_out_trees
from hpfunc._tree.mst.tie_counts import CrossEdges
from hpfunc._tree.options import GraphOptions
from hpfunc._tree.pairs import recount
from hpfunc._tree.pairs.blocking import block_pairs, divide_classes
from hpfunc._tree.pairs.bytes_needed import bytes_for_blocks, bytes_for_large_pair, check_pairs_copy
from hpfunc._tree.pairs.candidates import find_candidates
from hpfunc._tree.pairs.count_blocks import count_blocks
from hpfunc._tree.pairs.counting import count_candidates
from hpfunc._tree.pairs.types import ClassGroup, LayerData
from hpfunc._tree.reduce.coordinates import ReducedPoints, reduce_points
from hpfunc._tree.reduce.limits import Reduction
from hpfunc._tree.rounding import is_narrow, working_dtype
from hpfunc._tree.threads import Scratch, StageClock, single_blas, timed, worker_threads

__all__ = ["PairCounts", "count_pairs", "cross_edges"]


class PairCounts(NamedTuple):
    """Hold the cross edges of P pairs of classes, and how they were found."""

    cross: CrossEdges  # of (P,) arrays
    remeasured: Bools  # (P,) whether a pair was measured again in float64, because float32 left too much undecided
    trees: Ints  # (P,) orthogonal trees or neighbours used, at most k


def count_pairs(
    x: Any,
    starts: Ints,
    pairs: Ints,
    options: GraphOptions,
    *,
    name: str,
    advance: Callable[[int], Any] = lambda n: None,
) -> PairCounts:
    """Count the cross edges of the graph over each pair of classes, by the engine for the array's type.

    Parameters
    ----------
    x : (N, d) array
        Finite points, class by class.
    starts : (K + 1,) array
        Rows ``starts[k]:starts[k + 1]`` are class k.
    pairs : (P, 2) array
        Class numbers, lower first.
    options : GraphOptions
    name : str
        Name of the points in error messages.
    advance : callable
        Called with the number of pairs done.
    """
    metric, graph, k, exact, max_memory, held, clock = options
    trees = np.full(len(pairs), k)
    if namespace(x) is not np:
        if not options.is_one_tree:
            raise TypeError(
                f"{name} lives on a CUDA device, where graph={graph!r} with k={k} is not built; pass a host copy "
                "(x.get())"
            )
        with x.device:
            cross, remeasured = device.cross_edges(
                x, starts, pairs, metric=metric, exact=exact, max_memory=max_memory, count_on_host=cross_edges,
                advance=advance,
            )  # fmt: skip
        return PairCounts(cross, remeasured, trees)
    max_bytes = memory.max_bytes(max_memory)
    given = x
    x = points_for_metric(x, metric, lambda n: check_pairs_copy(given, starts, held + n, name, options=options))[0]
    held += 0 if x is given else x.nbytes
    if options.is_one_tree:
        cross, remeasured = cross_edges(
            x, starts, pairs, exact=exact, max_bytes=max_bytes, held=held, clock=clock, advance=advance
        )
        return PairCounts(cross, remeasured, trees)
    cross, trees = count_graphs(
        x, starts, pairs, options._replace(held=held), max_bytes=max_bytes, name=name, advance=advance
    )
    return PairCounts(cross, np.zeros(len(pairs), bool), trees)


def cross_edges(
    x: Any,
    starts: Ints,
    pairs: Ints,
    *,
    exact: bool,
    max_bytes: int,
    held: int = 0,
    clock: StageClock | None = None,
    advance: Callable[[int], Any] = lambda n: None,
) -> tuple[CrossEdges, Bools]:
    """Count the cross edges of the minimum spanning trees of pairs of classes, on the host.

    Parameters
    ----------
    x : (N, d) array
        Finite, its squares in the range of the working precision (`exact.rescale`).
    starts : (K + 1,) array
        Rows ``starts[k]:starts[k + 1]`` are class k.
    pairs : (P, 2) array
        Class numbers, lower first.
    exact : bool
        Whether to certify what rounding leaves undecided. If not, the tree of the working precision is counted, and
        the extremes are NaN.
    max_bytes : int
        Bytes to work in, beyond the points.
    held : int
        How many of these bytes the caller holds already, in a copy of the points.
    clock : StageClock, optional
        Adds up the seconds of the reduction and of exact distances.
    advance : callable
        Called with the number of pairs done.

    Returns
    -------
    CrossEdges
        Of arrays ``(P,)``.
    numpy.ndarray
        ``(P,)``, the pairs that were measured again in float64.
    """
    d = x.shape[1]
    copies = _count_copies(x, starts) if exact else np.ones(len(x), np.intp)
    copied = held + (0 if copies.all() else x.nbytes)
    narrow, largest = is_narrow(x.dtype), int(np.diff(starts)[pairs].sum(axis=1).max())
    need = copied + bytes_for_blocks(starts, pairs, d, working_dtype(x).itemsize, narrow=narrow)
    need_reduced = copied + bytes_for_directions(d)
    need_reduced += bytes_for_blocks(starts, pairs, MOST_DIRECTIONS + 1, 4, narrow=narrow)
    fits, fits_reduced = need <= max_bytes, need_reduced <= max_bytes
    enough = max(need, need_reduced) + bytes_for_any_ties(largest, d)
    if fits or (exact and fits_reduced):
        points = keep_distinct(x, starts, copies)._replace(clock=clock)
        with worker_threads() as threads:
            may_reduce = exact and fits_reduced and is_large(d, points.starts, pairs)
            with timed(clock, "reduction"):
                reduced = _reduce_layer(points, pairs, threads) if may_reduce else None
            if fits or reduced is not None:
                spare = SpareBytes(max_bytes, need_reduced if reduced else need, enough)
                layer, groups = _prepare_layer(points, pairs, reduced, spare, exact, threads)
                find = partial(find_candidates, layer, crowded=recount.CROWDED if exact else np.inf)
                trees = lay_out_trees(points.starts, layer.class_trees)
                count = partial(count_candidates, layer, trees, exact=exact)
                blocks = block_pairs(groups, pairs, len(points.starts) - 1)
                return count_blocks(points.starts, blocks, find, count, threads, n_pairs=len(pairs), advance=advance)
    for_tiles = held + bytes_for_large_pair(largest, d, x.dtype.itemsize, working_dtype(x).itemsize)
    check_bytes(min(need, for_tiles), max_bytes, f"a pair of {largest} samples of {d} features", enough)
    spare = SpareBytes(max_bytes, for_tiles, enough)
    copies = copies if exact else _count_copies(x, starts)
    return _count_large_pairs(x, starts, pairs, copies, spare, exact=exact, advance=advance)


def _reduce_layer(points: LayerPoints, pairs: Ints, threads: ThreadPoolExecutor) -> ReducedPoints | None:
    """Reduce the points of a layer to few coordinates; return None where that is not worth it."""
    basis = choose_directions(points.x, points.starts, pairs, threads.map)
    return None if basis is None else reduce_points(points.x, basis, threads.map)


def _count_copies(x: Any, starts: Ints) -> Ints:
    """Count how many samples of its class each row represents: 0 where an earlier row of the class equals it."""
    return np.bincount(equal_rows(x, starts), minlength=len(x))


def _prepare_layer(
    points: LayerPoints,
    pairs: Ints,
    reduced: ReducedPoints | None,
    spare: SpareBytes,
    exact: bool,
    threads: ThreadPoolExecutor,
) -> tuple[LayerData, list[ClassGroup]]:
    """Grow the trees of all classes, and divide the classes into groups that hold their path maxima."""
    if reduced is None:
        reduction, centred = None, prepare(points.x, points.starts, threads.map, exact=exact)
    else:
        reduction = Reduction(points.x, reduced.slack, points.clock)
        centred = centre(reduced.points, points.starts, reduced.points.dtype, threads.map)
    sizes = np.diff(points.starts)
    groups = divide_classes(sizes, pairs, points.x.shape[1])
    path_maxima = _room_for_path_maxima(groups, centred.dtype)
    of_class = {
        k: path_maxima[group.number][i, : sizes[k], : sizes[k]]
        for group in groups
        for i, k in enumerate(group.classes.tolist())
    }
    in_order = [of_class[k] for k in range(len(sizes))]
    class_trees = grow_class_trees(
        points, centred, in_order, Scratch(), exact=exact, spare=spare, reduction=reduction, parallel_map=threads.map
    )  # fmt: skip
    if exact and centred.relative and centred.dtype == np.float32:
        # Between classes, products leave little undecided and are faster than differences.
        centred = centre(points.x, points.starts, centred.dtype, threads.map)
    return LayerData(points, centred, class_trees, path_maxima, reduction, spare), groups


def _room_for_path_maxima(groups: list[ClassGroup], dtype: Any) -> list[Array]:
    """Allocate zeros for the path maxima of each group: a list of ``(r, m, m)`` arrays."""
    shapes = [(len(group.classes), group.size, group.size) for group in groups]
    # The system provides one large array faster than many small ones.
    ends = np.cumsum([r * m * n for r, m, n in shapes])
    whole = np.zeros(ends[-1], dtype)
    return [whole[end - r * m * n : end].reshape(r, m, n) for end, (r, m, n) in zip(ends, shapes, strict=True)]


def _count_large_pairs(
    x: Any,
    starts: Ints,
    pairs: Ints,
    copies: Ints,
    spare: SpareBytes,
    *,
    exact: bool,
    advance: Callable[[int], Any],
) -> tuple[CrossEdges, Bools]:
    """Count pairs too large for a table of all their distances: each pair is one cloud, processed tile by tile.

    ``copies`` ``(N,)`` is what `_count_copies` gives; see `cross_edges` for the rest.
    """
    result = CrossEdges(*(np.full(len(pairs), np.nan) for _ in CrossEdges._fields))
    remeasured = np.zeros(len(pairs), bool)
    dtype, sizes = working_dtype(x), np.diff(starts)
    # BLAS is limited once for all pairs: limiting it takes longer than finding the trees of a small pair.
    with single_blas():
        for p, pair in enumerate(pairs):
            rows = np.concatenate([np.arange(starts[k], starts[k + 1]) for k in pair])
            # A copy of all points is not worth its time.
            chosen = x if len(rows) == len(x) else x[rows]
            points = keep_distinct(chosen, np.array([0, sizes[pair[0]], len(rows)]), copies[rows])
            reduced = reduce_cloud(points.x, tiled.bytes_for_tiles(len(points.x), x.shape[1], dtype.itemsize))
            tree = tiled.tree_by_tiles(points.x, dtype, spare, reduced)
            edges = np.concatenate([tree.edges, tree.tied])
            counts = recount.average_over_trees(points, np.array([0, 1]), edges, spare)
            for field, value in zip(result, counts if exact else counts._replace(low=np.nan, high=np.nan), strict=True):
                field[p] = value
            remeasured[p] = tree.remeasured
            advance(1)
    return result, remeasured
