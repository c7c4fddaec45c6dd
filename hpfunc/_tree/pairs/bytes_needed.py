"""Estimate how many bytes the pairs of a layer take."""

from __future__ import annotations

import numpy as np

from hpfunc._arrays.types import Ints
from hpfunc._tree.exact import THIN
from hpfunc._tree.mst.class_trees import BATCH_VERTICES
from hpfunc._tree.pairs.blocking import BATCH_POINTS, WIDTH, block_height, divide_classes
from hpfunc._tree.rounding import TERMS
from hpfunc._tree.threads import n_threads

__all__ = ["bytes_for_blocks"]


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
