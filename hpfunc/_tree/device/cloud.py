"""The minimum spanning tree of one cloud of points on the device."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

import numpy as np

from hpfunc._arrays import namespace
from hpfunc._arrays.types import Floats, Ints
from hpfunc._support.memory import release_device_memory
from hpfunc._tree.device.memory import is_shortage, tidy, working_bytes
from hpfunc._tree.device.points import lengths, prepare_points
from hpfunc._tree.device.tables import fill_table, place_classes, table_bytes
from hpfunc._tree.device.tiles import spanning_by_tiles
from hpfunc._tree.device.trees import CROWDED, UNIQUE, Accuracy, forest_bytes, grow_tree

__all__ = ["CloudTree", "spanning_tree"]

_log = logging.getLogger("hpfunc")


class CloudTree(NamedTuple):
    """The edges of one tree, on the host."""

    edges: Ints  # (n - 1, 2)
    squared: Floats  # (n - 1,) squared lengths by differences in float64, of the scaled points
    exponent: int  # the power of two that the points were divided by


def spanning_tree(x: Any, *, metric: str, exact: bool, max_memory: int | None) -> CloudTree | None:
    """Return the only minimum spanning tree of points ``(n, d)``, or None if that is not certain.

    See `hpfunc._tree.device.pairs.cross_edges` for the arguments.
    """
    xp, points = namespace(x), prepare_points(x, metric)
    allowed, accuracy = working_bytes(xp, max_memory), Accuracy(exact, points.cosine)
    dtypes = [points.x.dtype]
    if exact and points.x.dtype == np.float32:
        dtypes.append(np.dtype(np.float64))
    for dtype in dtypes:
        edges, status = _grown(points.x, dtype, accuracy, allowed)
        if status == UNIQUE:
            squared = lengths(points.x, edges)
            tidy(xp)
            return CloudTree(edges, squared, points.scaling.exponent)
        if status != CROWDED:
            break
    tidy(xp)
    _log.info("distances tie (or nearly) in a cloud of %d points: the host finds all its trees", len(x))
    return None


def _grown(x: Any, dtype: np.dtype[Any], accuracy: Accuracy, allowed: int) -> tuple[Ints, int]:
    """Return the edges of the tree and its status, from one table if that fits, else tile by tile."""
    n, none = len(x), np.empty((0, 2), np.intp)
    if n == 1:
        return none, UNIQUE
    if table_bytes(np.array([n]), x.shape[1], dtype.itemsize) + forest_bytes(n + 3) <= allowed:
        try:
            placed = place_classes(namespace(x), np.array([0]), np.array([n]))
            return grow_tree(fill_table(x, placed, dtype), 0, None, accuracy)
        except Exception as error:
            if not is_shortage(namespace(x), error):
                raise
            release_device_memory()
            _log.info("the device has too little memory for a table of all distances: they are made tile by tile")
    edges = spanning_by_tiles(x, dtype, accuracy=accuracy, max_bytes=allowed)
    return (none, CROWDED) if edges is None else (edges, UNIQUE)
