"""Estimate how many bytes the pairs of a layer take, with copies of the points and without."""

from __future__ import annotations

from typing import Any

import numpy as np

from hpfunc._arrays import namespace
from hpfunc._arrays.types import Ints
from hpfunc._support import memory
from hpfunc._tree.choose_reduction import MOST_DIRECTIONS, bytes_for_directions
from hpfunc._tree.exact import THIN, dtype_for_metric
from hpfunc._tree.graphs.pair_graphs import bytes_for_pair_graph
from hpfunc._tree.memory import bytes_for_any_ties, check_copy
from hpfunc._tree.mst import tiled
from hpfunc._tree.mst.class_trees import BATCH_VERTICES
from hpfunc._tree.options import GraphOptions
from hpfunc._tree.pairs.blocking import BATCH_POINTS, WIDTH, block_height, divide_classes
from hpfunc._tree.rounding import TERMS, is_narrow, working_dtype
from hpfunc._tree.threads import n_threads

__all__ = ["bytes_for_blocks", "bytes_for_large_pair", "bytes_for_pairs", "check_pairs_copy"]


def check_pairs_copy(x: Any, starts: Ints, n_bytes: int, what: str, *, options: GraphOptions) -> None:
    """Raise ValueError if copies of the points take more than the options allow; name the bytes of the counts too.

    Parameters
    ----------
    x : (M, d) array
        Points of the same dtype and range as those that are copied, which `points_for_metric` has not seen yet.
    starts : (K + 1,) array
        Where the classes of the copy start.
    n_bytes : int
        Bytes of all copies together.
    what : str
        What is copied; the error message begins with it.
    options : GraphOptions
    """
    if namespace(x) is np:
        pairs = np.stack(np.triu_indices(len(starts) - 1, 1), axis=1)
        check_copy(
            n_bytes, memory.max_bytes(options.max_memory), what, lambda: bytes_for_pairs(x, starts, pairs, options)
        )


def bytes_for_pairs(x: Any, starts: Ints, pairs: Ints, options: GraphOptions) -> tuple[float, float]:
    """Estimate how many bytes are enough to count pairs, where few distances tie and where all of them do.

    Parameters
    ----------
    x : (M, d) array
        Points of the same dtype and range as those that are counted, which `points_for_metric` has not seen yet.
    starts, pairs, options
        As in `count_pairs`.
    """
    copied = dtype_for_metric(x, options.metric)
    dtype = x.dtype if copied is None else copied
    d = x.shape[1]
    largest, of_points = int(np.diff(starts)[pairs].sum(axis=1).max()), int(starts[-1]) * d * int(dtype.itemsize)
    if options.is_one_tree:
        itemsize = int(working_dtype(x[:0].astype(dtype)).itemsize)
        blocks = of_points + bytes_for_blocks(starts, pairs, d, itemsize, narrow=is_narrow(dtype))
        reduced = bytes_for_blocks(starts, pairs, MOST_DIRECTIONS + 1, 4, narrow=is_narrow(dtype))
        most = max(blocks, of_points + bytes_for_directions(d) + reduced) + bytes_for_any_ties(largest, d)
        need = min(blocks, bytes_for_large_pair(largest, d, dtype.itemsize, itemsize))
    else:
        need = bytes_for_pair_graph(largest, d, dtype.itemsize, options.graph)
        most = need + bytes_for_any_ties(largest, d)
    copies = 0 if copied is None else of_points
    return copies + need, copies + most


def bytes_for_large_pair(n: int, d: int, itemsize: int, working_itemsize: int) -> int:
    """Estimate the bytes for one pair of n samples tile by tile, with two copies of its points."""
    return 2 * n * d * itemsize + tiled.bytes_for_tiles(n, d, working_itemsize)


def bytes_for_blocks(starts: Ints, pairs: Ints, d: int, itemsize: int, *, narrow: bool) -> int:
    """Estimate the bytes that counting by blocks takes at most, beyond the points.

    Parameters
    ----------
    starts : (K + 1,) array
        Rows ``starts[k]:starts[k + 1]`` are class k.
    pairs : (P, 2) array
        Class numbers.
    d : int
        Features, or coordinates of a reduction.
    itemsize : int
        Bytes of a distance.
    narrow : bool
        Whether float32 holds every number of the points.
    """
    n, n_classes, sizes = int(starts[-1]), len(starts) - 1, np.diff(starts)
    # Thin points are kept in float64, and measured there; if they are in float32, a product in float32 follows.
    exact = 8 if d <= THIN else 0
    if exact and narrow:
        itemsize = 4
    groups = divide_classes(sizes, pairs, d)
    largest, average = float(sizes.max()), n / n_classes
    n_batch = min(n_classes, -(-BATCH_VERTICES // int(largest)))
    points = n * d * (itemsize + exact) + 8.0 * n_classes * (n + 3 * d) + min(n_threads() * 8e6, 8.0 * n * d)
    tables = itemsize * (sum(len(g.classes) * float(g.size) ** 2 for g in groups) + n_batch * largest**2)
    sums = 1 if d > TERMS else 0
    within = largest**2 * ((2.3 + sums) * itemsize + exact + 1)
    height = min(n, max(block_height(int(largest), d), block_height(1, d)))
    width = min(n, max(int(largest), WIDTH))
    filled_up = 0 if (sizes == sizes[0]).all() else 1.25 * (height + width) * d * (itemsize + exact)
    strips = min(height * width, 2**18) * (2 * itemsize + 1) + 100 * itemsize * height
    block = height * width * ((1 + sums) * itemsize + exact) + filled_up + strips
    pair_points = float(sizes[pairs].sum())
    counted = min(pair_points, 2 * height * width / average + BATCH_POINTS)
    return int(points + tables + n_threads() * (within + block + 400 * counted) + 250 * n + 100 * len(pairs))
