"""Count the cross edges of every pair of classes in every fold, where sharing the distances of all folds saves time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from hpfunc._arrays import namespace
from hpfunc._arrays.types import Array, Ints
from hpfunc._support import memory
from hpfunc._tree.distances import centre, prepare
from hpfunc._tree.exact import points_for_metric
from hpfunc._tree.folds.parts import PartGroup, group_parts, part_points
from hpfunc._tree.folds.shared_bounds import PARTS_TABLE, find_part_candidates, grow_part_trees
from hpfunc._tree.memory import SpareBytes, bytes_for_any_ties
from hpfunc._tree.mst.class_trees import ClassTree
from hpfunc._tree.mst.lay_out import lay_out_trees
from hpfunc._tree.options import GraphOptions
from hpfunc._tree.pairs.blocking import block_pairs, divide_classes
from hpfunc._tree.pairs.bytes_needed import bytes_for_blocks
from hpfunc._tree.pairs.count_blocks import count_blocks
from hpfunc._tree.pairs.count_pairs import PairCounts
from hpfunc._tree.pairs.counting import count_candidates
from hpfunc._tree.pairs.types import ClassGroup, LayerData, PairBlock
from hpfunc._tree.rounding import is_narrow, product_dtype
from hpfunc._tree.threads import Scratch, n_threads, worker_threads

__all__ = ["count_folds"]


def count_folds(
    x: Any,
    starts: Ints,
    pairs: Ints,
    fold: Ints,
    options: GraphOptions,
    *,
    advance: Callable[[int], Any] = lambda n: None,
) -> PairCounts | None:
    """Count the cross edges of each pair of classes in each fold; return None where counting fold by fold is better.

    Parameters
    ----------
    x : (N, d) array
        Finite points, class by class.
    starts : (K + 1,) array
        Rows ``starts[k]:starts[k + 1]`` are class k.
    pairs : (P, 2) array
        Class numbers, lower first.
    fold : (R, N) array
        The fold of each row in each of R repeats, from 0 to F - 1.
    options : GraphOptions
    advance : callable
        Called with the number of pairs and repeats done.

    Returns
    -------
    PairCounts
        Of ``(R F P,)`` arrays, repeat after repeat and fold after fold.
    """
    n_repeats, n_folds = len(fold), int(fold.max()) + 1
    # A layer has as many distances as its folds have in F repeats.
    if namespace(x) is not np or not (options.is_one_tree and options.exact) or 2 * n_repeats < n_folds:
        return None
    max_bytes, held = memory.max_bytes(options.max_memory), options.held
    if options.metric == "cosine" and held + 8 * x.size > max_bytes:
        return None
    given, x = x, points_for_metric(x, options.metric)[0]
    held += 0 if x is given else x.nbytes
    groups = divide_classes(np.diff(starts), pairs, x.shape[1])
    need = held + _bytes_for_folds(x, starts, pairs, fold, groups)
    if need > max_bytes:
        return None
    enough = need + bytes_for_any_ties(int(np.diff(starts)[pairs].sum(axis=1).max()), x.shape[1])
    spare = SpareBytes(max_bytes, need, enough)
    with worker_threads() as threads:
        layer, parts = _prepare_parts(x, starts, fold, groups, options, spare, threads)

        def find(block: PairBlock, scratch: Scratch) -> Any:
            return find_part_candidates(layer, parts, block, scratch)

        trees = lay_out_trees(layer.points.starts, layer.class_trees)
        count = partial(count_candidates, layer, trees, exact=True)
        blocks = block_pairs(groups, pairs, len(starts) - 1)
        cross, remeasured = count_blocks(
            layer.points.starts, blocks, find, count, threads, n_pairs=len(pairs), n_parts=n_repeats * n_folds,
            advance=lambda n: advance(n // n_folds),
        )  # fmt: skip
    return PairCounts(cross, remeasured, np.ones(len(remeasured), np.intp))


def _prepare_parts(
    x: Any,
    starts: Ints,
    fold: Ints,
    groups: list[ClassGroup],
    options: GraphOptions,
    spare: SpareBytes,
    threads: ThreadPoolExecutor,
) -> tuple[LayerData, list[PartGroup]]:
    """Grow the trees of all parts, and gather what their pairs share."""
    points = part_points(x, starts, fold)._replace(clock=options.clock)
    n_parts, scratch = (len(points.starts) - 1) // (len(starts) - 1), Scratch()
    parts = [group_parts(points, starts, group, n_parts) for group in groups]
    centred = prepare(x, starts, threads.map)
    maxima: list[Array] = [np.zeros((*group.position.shape, group.position.shape[1]), centred.dtype) for group in parts]

    def grow(number: int, place: int) -> tuple[int, list[ClassTree]]:
        k, some = int(groups[number].classes[place]), slice(place * n_parts, (place + 1) * n_parts)
        of_class = PartGroup(*(field[some] for field in parts[number]))
        return k, grow_part_trees(points, centred, k, of_class, maxima[number][some], spare, scratch)

    jobs = [(number, place) for number, group in enumerate(groups) for place in range(len(group.classes))]
    trees = dict(threads.map(grow, *zip(*jobs, strict=True)))
    if centred.relative and centred.dtype == np.float32:
        # Between classes, products leave little undecided and are faster than differences.
        centred = centre(x, starts, centred.dtype, threads.map)
    in_order = [tree for k in range(len(starts) - 1) for tree in trees[k]]
    return LayerData(points, centred, in_order, maxima, None, spare), parts


def _bytes_for_folds(x: Any, starts: Ints, pairs: Ints, fold: Ints, groups: list[ClassGroup]) -> int:
    """Estimate the bytes that counting with shared distances takes at most, beyond the points."""
    n_parts, sizes = len(fold) * (int(fold.max()) + 1), np.diff(starts)
    label = np.repeat(np.arange(len(sizes)), sizes)
    part_sizes = np.stack([np.bincount(label * n_parts + part, minlength=len(sizes) * n_parts) for part in fold])
    largest_part = part_sizes.max(axis=0).reshape(len(sizes), n_parts).max(axis=1)
    itemsize = product_dtype(x).itemsize
    of_group = [float(largest_part[group.classes].max()) for group in groups]
    maxima = sum(len(group.classes) * n_parts * m**2 for group, m in zip(groups, of_group, strict=True))
    m = max(of_group)
    tables = min(n_parts * m**2, max(PARTS_TABLE, m**2)) * (itemsize + 1) + float(sizes.max()) ** 2 * itemsize
    # Each point of a part, in all pairs of a batch and by itself.
    blocks = bytes_for_blocks(starts, pairs, x.shape[1], itemsize, narrow=is_narrow(x.dtype))
    counted = min(float(sizes[pairs].sum()), 2 * float(sizes.max()) + 4096) * len(fold)
    lists = 400 * fold.size + 200 * n_parts * len(pairs)
    return int(blocks + maxima * itemsize + n_threads() * (tables + 400 * counted) + lists)
