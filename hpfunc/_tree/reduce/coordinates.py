"""Coordinates and residual lengths of all points, with a bound on what rounding does to them.

Let w be the coordinates of P (x - c) in an exactly orthonormal basis of the span of the stored directions B, rho the
length of the rest, and g(rho) = max(rho, f) for a floor f. Then points (w, g(rho)) are never farther apart than points
x. The computed values differ from these:

- x' = fl(x - c) by at most u |x'|, u being float32's unit;
- a product of x' with a direction by at most h u |x'| |b|, h being the growth of a sum of `basis.CHUNK` terms;
- B^T (x - c) from w by at most phi |x - c|, phi bounding the norm of B^T B - I;
- rho^2 = |x'|^2 - |y|^2 by the sum of these errors, so that max(rho, f) moves by at most that much over 2 f.

The sum of these is the slack: a computed length of (y, rho) is at most the true distance of the points + 2 slack.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from hpfunc._arrays.types import Array, ParallelMap
from hpfunc._tree.reduce.basis import CHUNK, Basis
from hpfunc._tree.rounding import growth
from hpfunc._tree.threads import Scratch

__all__ = ["ReducedPoints", "reduce_points"]

# Rows that a thread processes at a time, so that a chunk of their features stays in the second-level cache.
_ROWS = 512
# The smallest residual lengths, this share of all, are raised to the largest of them: their rounding matters most.
_FLOOR_SHARE = 0.25
# Directions that depart from orthonormality by more than this are not used.
_LARGEST_DEPARTURE = 0.1
# If the farthest point from the centre lies outside this range, float32 sums of squares could overflow or vanish.
_LARGEST_RADIUS, _SMALLEST_RADIUS = 2.0**50, 2.0**-40


class ReducedPoints(NamedTuple):
    """Hold points of r + 1 coordinates, and how much longer their distances may be than the true ones."""

    points: Array  # (N, r + 1) float32: coordinates, then the residual length
    slack: float  # for each end of a distance


def reduce_points(x: Any, basis: Basis, parallel_map: ParallelMap = map) -> ReducedPoints | None:
    """Compute the coordinates of ``(N, d)`` points; return None where they cannot be bounded.

    Parameters
    ----------
    x : (N, d) array
    basis : Basis
    parallel_map : callable
        Apply a function to strips of the rows, possibly in threads.
    """
    if basis.departure > _LARGEST_DEPARTURE:
        return None
    (n, d), r, scratch = x.shape, basis.directions.shape[1], Scratch()
    points, squared_norms, residuals = np.empty((n, r + 1), np.float32), np.zeros(n), np.empty(n)

    def project(lo: int) -> None:
        rows = slice(lo, min(n, lo + _ROWS))
        height = rows.stop - lo
        total = scratch("total", (height, r), np.float64)
        total[:] = 0
        for first in range(0, d, CHUNK):
            last = min(d, first + CHUNK)
            part = scratch("part", (height, last - first), np.float32)
            np.subtract(x[rows, first:last], basis.centre[first:last], out=part, casting="same_kind")
            total += np.matmul(part, basis.directions[first:last], out=scratch("product", (height, r), np.float32))
            squared_norms[rows] += np.einsum("ij,ij->i", part, part)
        points[rows, :r] = total
        residuals[rows] = squared_norms[rows] - np.einsum("ij,ij->i", total, total)

    with np.errstate(over="ignore", invalid="ignore"):
        list(parallel_map(project, range(0, n, _ROWS)))
    radius = float(np.sqrt(squared_norms.max()))
    if not _SMALLEST_RADIUS < radius < _LARGEST_RADIUS:
        return None
    unit, tiny = float(np.finfo(np.float32).eps) / 2, float(np.finfo(np.float32).tiny)
    rounding = growth(min(d, CHUNK)) * unit
    radius = 1.01 * radius
    error = radius * (1.01 * (rounding * r**0.5 + basis.departure) + 4 * unit) + d * tiny
    error2 = radius**2 * (2 * rounding + 6 * unit) + error * (2 * radius + error) + d * tiny
    floor = max(float(np.quantile(residuals, _FLOOR_SHARE)), error2) ** 0.5
    points[:, r] = np.sqrt(np.maximum(residuals, floor**2))
    residual_error = error2 / (2 * floor) + 2 * unit * float(points[:, r].max())
    return ReducedPoints(points, 1.01 * float(np.hypot(error, residual_error)))
