"""The minimum spanning tree of one cloud of points on the device."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hpfunc._arrays import namespace
from hpfunc._tree.device import tables, tiles
from hpfunc._tree.device.memory import bytes_needed, release, room, tidy
from hpfunc._tree.device.pairs import as_floats
from hpfunc._tree.device.trees import CROWDED, UNIQUE, grow
from hpfunc._tree.distances import working_dtype

__all__ = ["Tree", "spanning_tree"]

_log = logging.getLogger("hpfunc")


class Tree(NamedTuple):
    """The edges of one tree, on the host."""

    edges: npt.NDArray[np.intp]  # (n - 1, 2)
    squared: npt.NDArray[np.float64]  # (n - 1,) squared lengths by differences in float64


def spanning_tree(x: Any, *, exact: bool, max_memory: int | None, cosine: bool = False) -> Tree | None:
    """The minimum spanning tree of points ``(n, d)``; None unless it is certain, and the only one.

    See `hpfunc._tree.device.pairs.cross_edges` for the arguments.
    """
    xp = namespace(x)
    points = as_floats(x)
    share = room(xp, max_memory)
    dtypes = [working_dtype(x)] + [np.dtype(np.float64)] * (exact and working_dtype(x) == np.float32)
    for dtype in dtypes:
        # Both ways round, and what is kept of both.
        whole = bytes_needed(np.array([len(x)]), x.shape[1], dtype.itemsize) + 2 * dtype.itemsize * len(x) ** 2
        edges, status = None, CROWDED
        if whole <= share:
            try:
                edges, status = _grown(points, dtype, exact, cosine)
            except xp.cuda.memory.OutOfMemoryError:
                release(xp)
                _log.info("the device has too little memory for all distances: they are made tile by tile")
                whole = share + 1
        if whole > share:
            edges = tiles.spanning_by_tiles(points, dtype, exact=exact, cosine=cosine, room=share)
            status = CROWDED if edges is None else UNIQUE
        if edges is not None and status == UNIQUE:
            squared = tiles.lengths(points, edges)
            tidy(xp)
            return Tree(edges, squared)
        if status != CROWDED:
            break
    _log.info("distances tie (or nearly) in a cloud of %d points: the host finds all its trees", len(x))
    return None


def _grown(points: Any, dtype: np.dtype[Any], exact: bool, cosine: bool) -> tuple[npt.NDArray[np.intp] | None, int]:
    """The tree from the table of all distances, and whether it is certain."""
    xp = namespace(points)
    if len(points) == 1:
        return np.empty((0, 2), np.intp), UNIQUE
    layer = tables.prepare(points, np.array([0, len(points)]), dtype)
    block = tables.fill(layer, (0, 1), (0, 1))
    kept, kept_at = xp.empty(len(points) ** 2, layer.dtype), xp.zeros(1, np.int64)
    tables.keep_within(layer, block, (0, 1), kept, kept_at)
    trees = grow(layer, kept, kept_at, block, np.array([[0, -1]]), exact=exact, cosine=cosine, edges=True)
    return trees.edges, int(trees.status[0])
