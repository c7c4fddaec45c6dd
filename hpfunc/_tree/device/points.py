"""The points as the device measures them: scaled by a power of two, widened without a loss.

CuPy compiles all it does so that denormal float32 numbers become zeros. Where a digit may decide, points are widened
and scaled by a kernel that keeps them, and compared as whole numbers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from hpfunc._arrays import namespace
from hpfunc._arrays.types import Array, Floats, Ints
from hpfunc._tree.device.compiler import kernel
from hpfunc._tree.exact import THIN, Scaling, choose_scaling, scale, unit_rows
from hpfunc._tree.rounding import is_narrow

__all__ = ["DevicePoints", "lengths", "points_on_host", "prepare_points"]


class DevicePoints(NamedTuple):
    """Points whose Euclidean distances are in the order of the metric, and the caller's own."""

    x: Any  # (N, d) float64, or float32 where that is the working precision
    original: Any  # (N, d) as given
    cosine: bool  # whether x holds directions, which the host may round another way
    scaling: Scaling  # of x; of directions none


def prepare_points(x: Any, metric: str) -> DevicePoints:
    """Return finite points ``(N, d)`` ready to be measured."""
    xp = namespace(x)
    floats = xp.ascontiguousarray(x.astype(np.float32 if is_narrow(x.dtype) else np.float64, copy=False))
    if metric == "cosine":
        return DevicePoints(unit_rows(_widened(floats, 0)), x, True, Scaling(None, 0))
    is_float = x.dtype.kind == "f"
    scaling = choose_scaling(_largest(floats), x.dtype, x.shape[1]) if is_float else Scaling(None, 0)
    if scaling.dtype is not None or (x.shape[1] <= THIN and floats.dtype == np.float32):
        floats = _widened(floats, -scaling.exponent)
    return DevicePoints(floats, x, False, scaling)


def points_on_host(points: DevicePoints, rows: Ints) -> Array:
    """Return some of the caller's points on the host, prepared there as a host array of all of them would be."""
    every = len(rows) == len(points.original)
    chosen = points.original if every else points.original[namespace(points.x).asarray(rows)]
    return unit_rows(chosen.get()) if points.cosine else scale(chosen.get(), points.scaling)


def lengths(x: Any, ends: Ints) -> Floats:
    """Return the squared length of each edge ``(E, 2)`` by differences in float64, summed in the device's order."""
    xp = namespace(x)
    result = xp.empty(len(ends))
    if len(ends):
        blocks = min(-(-len(ends) // 4), 65_535)
        arguments = (x, x.shape[1], xp.asarray(ends.astype(np.int64)), len(ends), result)
        kernel(xp, "lengths", np.float64, x.dtype)((blocks,), (128,), arguments)
    return np.asarray(result.get())


def _widened(x: Any, exponent: int) -> Any:
    """Return contiguous float32 or float64 numbers, times 2 to a power, as float64."""
    xp = namespace(x)
    result = xp.empty(x.shape)
    blocks = min(-(-x.size // 256), 65_535)
    kernel(xp, "widen", np.float64, x.dtype)((blocks,), (256,), (x, x.size, np.int32(exponent), result))
    return result


def _largest(x: Any) -> float:
    """Return the largest magnitude of contiguous float32 or float64 numbers.

    Numbers of one sign are in the order of their bits; negative ones have the highest bit, too.
    """
    signed, unsigned = (np.int32, np.uint32) if x.dtype == np.float32 else (np.int64, np.uint64)
    patterns = int(x.view(unsigned).max()), max(0, int(x.view(signed).max()))
    return float(max(abs(np.array(patterns, unsigned).view(x.dtype))))
