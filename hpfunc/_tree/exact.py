"""Distances as they are defined: squared, by direct differences in float64, for each pair of points.

Everything else in this package approximates these numbers and certifies the approximation against them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from hpfunc._arrays import namespace
from hpfunc._arrays.types import Array, Floats, Ints
from hpfunc._tree.threads import StageClock, timed

__all__ = [
    "THIN", "LayerPoints", "Scaling", "canonical_order", "choose_scaling", "dtype_for_metric", "equal_rows",
    "keep_distinct", "points_for_metric", "rank_rows", "rescale", "scale", "squared_distances", "unit_rows",
]  # fmt: skip

# Up to this number of features, differences cost little more than a product, and leave only ties undecided.
THIN = 32
# Float32 holds the sum of 32 squared differences of numbers below 2 to this power, far from overflow.
_HIGH = 45
# Numbers in a chunk of differences: 2 MB of float64 stay in the second-level cache, and take half as long as 32 MB.
_CHUNK = 250_000


def squared_distances(x: Any, i: Ints, j: Ints) -> Floats:
    """Compute ``sum((x[i] - x[j])**2)`` in float64 for each edge (i, j); symmetric in i and j bit for bit."""
    result = np.empty(len(i), np.float64)
    step = max(1, _CHUNK // x.shape[1])
    for lo in range(0, len(i), step):
        part = slice(lo, lo + step)
        difference = x[i[part]].astype(np.float64)
        difference -= x[j[part]]
        np.square(difference, out=difference)
        # The rows are contiguous, so the order of summation depends on the number of features alone.
        result[part] = difference.sum(axis=1)
    return result


class LayerPoints(NamedTuple):
    """Hold the distinct points of a layer, class by class."""

    x: Any  # (M, d) rows
    starts: Ints  # (K + 1,) points starts[k]:starts[k + 1] are class k
    copies: Ints  # (N,) how many samples of the class equal each point
    row: Ints | None = None  # (N,) the row of x that holds each point; None if point i is row i
    clock: StageClock | None = None  # adds up the seconds that exact distances take

    def rows_of(self, points: Any) -> Any:
        """Return the rows of x that hold the given points."""
        return points if self.row is None else self.row[points]

    def coordinates(self, k: int) -> Any:
        """Return the coordinates of the points of class k: ``(n, d)``."""
        span = slice(self.starts[k], self.starts[k + 1])
        return self.x[span] if self.row is None else self.x[self.row[span]]

    def distances(self, i: Ints, j: Ints) -> Floats:
        """Compute the squared distances between points i and j as `squared_distances` does."""
        with timed(self.clock, "exact distances"):
            return squared_distances(self.x, self.rows_of(i), self.rows_of(j))


class Scaling(NamedTuple):
    """Hold the dtype that points are converted to, and the power of two that they are divided by."""

    dtype: Any  # None: the points stay as they are
    exponent: int


def points_for_metric(x: Any, metric: str, check: Callable[[int], Any] = lambda n_bytes: None) -> tuple[Any, int]:
    """Return points whose Euclidean distances rank as those of the metric do, and the exponent of their scale.

    ``check`` is called with the bytes of the copy before it is made, if one is needed.
    """
    if metric == "cosine":
        check(8 * x.size)
        return unit_rows(x), 0
    scaling = _scaling_of(x)
    if scaling.dtype is not None:
        check(np.dtype(scaling.dtype).itemsize * x.size)
    return scale(x, scaling), scaling.exponent


def dtype_for_metric(x: Any, metric: str) -> Any:
    """Return the dtype of the copy that `points_for_metric` makes, or None where it makes none."""
    dtype = np.float64 if metric == "cosine" else _scaling_of(x).dtype
    return dtype if dtype is None else np.dtype(dtype)


def rescale(x: Array) -> tuple[Array, int]:
    """Divide points by a power of two where squares would overflow or underflow otherwise.

    A power of two changes no digit, so the order of the distances and their ties stay the same.

    Returns
    -------
    x : array
        The points, divided if needed.
    exponent : int
        The divisor is 2 to this power.
    """
    scaling = _scaling_of(x)
    return scale(x, scaling), scaling.exponent


def _scaling_of(x: Array) -> Scaling:
    """Choose how points are scaled, from their values."""
    if x.dtype.kind != "f":
        return Scaling(None, 0)
    return choose_scaling(max(abs(float(x.max())), abs(float(x.min()))), x.dtype, x.shape[1])


def choose_scaling(largest: float, dtype: Any, d: int) -> Scaling:
    """Choose how points are scaled.

    Parameters
    ----------
    largest : float
        The largest magnitude of a coordinate.
    dtype : dtype
        The floating dtype of the points.
    d : int
        The number of their features.
    """
    low, high = (-340, 500) if dtype == np.float64 else (-40, 50)
    exponent = int(np.frexp(largest)[1])
    if largest == 0:
        return Scaling(None, 0)
    if low < exponent < high:
        if dtype == np.float64 or d > THIN or exponent >= _HIGH:
            return Scaling(None, 0)
        # Thin layers may hold distances of very different sizes, such as those between probabilities near 0.
        return Scaling(np.float32, exponent - _HIGH)
    return Scaling(np.float64, exponent)


def scale(x: Array, scaling: Scaling) -> Array:
    """Convert and divide points by the rule of a scaling."""
    if scaling.dtype is None:
        return x
    scaled = x.astype(scaling.dtype)
    return np.asarray(np.ldexp(scaled, -scaling.exponent, out=scaled))


def unit_rows(x: Any) -> Any:
    """Scale non-zero rows to unit length in float64, so that half their squared distance is the cosine distance.

    Dividing by the largest entry first makes rows that are exact multiples of each other equal to the last bit.
    """
    xp = namespace(x)
    result = xp.empty(x.shape, np.float64)
    # A GPU has no use for chunks.
    step = max(1, _CHUNK // x.shape[1]) if xp is np else len(x)
    for lo in range(0, len(x), step):
        rows = x[lo : lo + step].astype(np.float64)
        rows /= abs(rows).max(axis=1, keepdims=True)
        rows /= xp.sqrt(xp.square(rows).sum(axis=1, keepdims=True))
        result[lo : lo + step] = rows
    return result


def equal_rows(x: Any, starts: Ints) -> Ints:
    """Find, for each row, the first row of its class that equals it: ``(N,)``.

    Parameters
    ----------
    x : (N, d) array
    starts : (K + 1,) array
        Rows ``starts[k]:starts[k + 1]`` are class k.
    """
    first = np.arange(len(x))
    # Equal rows have equal sums, bit for bit, so only rows with equal sums are compared. The weights tell apart rows
    # that hold the same numbers in another order, such as images moved by a pixel: plain sums of these are equal.
    keys = np.empty(len(x), np.float64)
    weights = 0.5 + (np.arange(x.shape[1]) * 5**0.5) % 1
    step = max(1, _CHUNK // x.shape[1])
    for lo in range(0, len(x), step):
        part = x[lo : lo + step].astype(np.float64, order="C")
        part *= weights
        keys[lo : lo + step] = part.sum(axis=1)
    classes = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    order = np.lexsort((keys, classes))
    same = (keys[order[1:]] == keys[order[:-1]]) & (classes[order[1:]] == classes[order[:-1]])
    borders = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
    for lo, hi in zip(borders[::2], borders[1::2], strict=True):
        members = np.sort(order[lo : hi + 1])
        _, firsts, inverse = np.unique(rank_rows(x, members), return_index=True, return_inverse=True)
        first[members] = members[firsts][inverse]
    return first


def canonical_order(x: Any) -> Ints:
    """Order rows by their coordinates, the first feature first. Neither their positions nor their dtype matter."""
    return np.argsort(rank_rows(x, np.arange(len(x))), kind="stable")


def rank_rows(x: Any, rows: Ints) -> Ints:
    """Count, for each given row, the given rows that come before it; equal rows have equal ranks.

    Rows are compared by their values, the first feature first, and a few features at a time, so that little is copied.

    Parameters
    ----------
    x : (N, d) array
    rows : (n,) array
        Rows to compare.

    Returns
    -------
    (n,) array
    """
    rank, open_rows, lo = np.zeros(len(rows), np.intp), np.arange(len(rows)), 0
    while len(open_rows) > 1 and lo < x.shape[1]:
        hi = lo + max(1, _CHUNK // len(open_rows))
        value = np.unique(_as_items(x[rows[open_rows], lo:hi]), return_inverse=True)[1].reshape(-1)
        order = np.lexsort((value, rank[open_rows]))
        before, value = rank[open_rows][order], value[order]
        new_group = np.append(True, before[1:] != before[:-1])
        new_value = new_group | np.append(True, value[1:] != value[:-1])
        at = np.arange(len(order))
        group_start, value_start = (np.maximum.accumulate(np.where(new, at, 0)) for new in (new_group, new_value))
        rank[open_rows[order]] = before + value_start - group_start
        unique = new_value & np.append(new_value[1:], True)
        open_rows, lo = np.sort(open_rows[order[~unique]]), hi
    return rank


def _as_items(part: Any) -> Any:
    """Turn each row into one item whose bytes are in the order of its values in float64: ``(n,)``."""
    # Adding 0 turns -0.0 into 0.0.
    bits = (np.ascontiguousarray(part, np.float64) + 0.0).view(np.uint64)
    # A float's bits are in the order of its value when the sign is set for positive and all are flipped for negative.
    negative = bits >> np.uint64(63) == 1
    np.bitwise_xor(bits, np.where(negative, np.uint64(2**64 - 1), np.uint64(2**63)), out=bits)
    items = bits.astype(">u8")
    return items.view(np.dtype((np.void, 8 * items.shape[1]))).reshape(-1)


def keep_distinct(x: Any, starts: Ints, copies: Ints) -> LayerPoints:
    """Keep the samples with at least one copy, given how many samples of its class each represents: ``(N,)``."""
    if copies.all():
        return LayerPoints(x, starts, copies)
    keep = np.flatnonzero(copies)
    return LayerPoints(x[keep], np.searchsorted(keep, starts), copies[keep])
