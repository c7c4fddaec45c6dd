"""Find the directions along which the points of a layer spread most, from a sample of their rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from hpfunc._arrays.types import Array, Floats, Ints, ParallelMap
from hpfunc._tree.rounding import is_narrow
from hpfunc._tree.threads import n_threads

__all__ = ["CHUNK", "SAMPLED", "Basis", "centred_chunk", "find_basis", "find_directions", "orthonormalise"]

# Features that are processed at a time: products of this many terms are summed in float32, their sums in float64.
CHUNK = 512
# Features that are processed at a time where rounding does not matter.
SAMPLED = 4096
# More directions than wanted are iterated, because the last ones converge slowly.
_SPARE_DIRECTIONS = 32
_ITERATIONS = 2
# A direction with less than this share of the variance of the first is rounding noise.
_LEAST_VARIANCE = 1e-6


class Basis(NamedTuple):
    """Hold r nearly orthonormal directions in d features."""

    centre: Array  # (d,) any point near the middle of the layer, exact in float32
    directions: Array  # (d, r) float32
    departure: float  # upper bound of the norm of B^T B - I, B the directions as they are stored


def find_basis(x: Any, rows: Ints, n_directions: int, parallel_map: ParallelMap = map) -> Basis:
    """Find orthonormal directions of the largest spread of some rows; see `find_directions`."""
    return orthonormalise(*find_directions(x, rows, n_directions, parallel_map), parallel_map)


def find_directions(x: Any, rows: Ints, n_directions: int, parallel_map: ParallelMap = map) -> tuple[Array, Array]:
    """Find the directions of the largest spread of some rows, by subspace iteration on their inner products.

    Parameters
    ----------
    x : (N, d) array
    rows : (m,) array
        Row numbers.
    n_directions : int
        The most directions that are returned; fewer where the rows have no more.
    parallel_map : callable
        Apply a function to parts of the features, possibly in threads.

    Returns
    -------
    centre : (d,) array
        Mean of the rows, rounded to numbers that float32 holds.
    directions : (d, r) array
        Float32, orthonormal up to rounding, which may be large for the last directions.
    """
    centre = np.empty(x.shape[1], np.float32 if is_narrow(x.dtype) else np.float64)

    def multiply(span: tuple[int, int]) -> Array:
        inner = np.zeros((len(rows), len(rows)), np.float32)
        for lo, hi in _chunks(*span, SAMPLED):
            centre[lo:hi] = x[rows, lo:hi].mean(axis=0, dtype=np.float64).astype(np.float32)
            part = centred_chunk(x, centre, rows, lo, hi)
            inner += part @ part.T
        return inner

    spans = _split(x.shape[1])
    weights = _leading_weights(_sum_of(parallel_map(multiply, spans)), n_directions)
    directions = np.empty((x.shape[1], weights.shape[1]), np.float32)

    def combine(span: tuple[int, int]) -> None:
        for lo, hi in _chunks(*span, SAMPLED):
            np.matmul(centred_chunk(x, centre, rows, lo, hi).T, weights, out=directions[lo:hi])

    deque(parallel_map(combine, spans), maxlen=0)
    return centre, directions


def centred_chunk(x: Any, centre: Array, rows: Any, lo: int, hi: int) -> Array:
    """Return the features ``lo:hi`` of some rows, less the centre, rounded to float32."""
    return np.asarray(x[rows, lo:hi] - centre[lo:hi], np.float32)


def _leading_weights(inner: Floats, n_directions: int) -> Array:
    """Return the weights with which the rows are summed to their leading directions: ``(m, r)`` float32.

    Parameters
    ----------
    inner : (m, m) array
        Inner products of the rows.
    n_directions : int
    """
    m = len(inner)
    first = np.linspace(0, m - 1, min(n_directions + _SPARE_DIRECTIONS, m)).astype(np.intp)
    span = inner[:, first]
    for _ in range(_ITERATIONS):
        span = inner @ np.linalg.qr(span)[0]
    span = np.linalg.qr(span)[0]
    variance, rotation = np.linalg.eigh(span.T @ inner @ span)
    order = np.argsort(-variance)[:n_directions]
    least = _LEAST_VARIANCE * max(float(variance[order[0]]), float(np.finfo(np.float32).tiny))
    order = order[variance[order] > least]
    return np.asarray((span @ rotation[:, order] / np.sqrt(variance[order])).astype(np.float32))


def orthonormalise(centre: Array, directions: Array, parallel_map: ParallelMap = map) -> Basis:
    """Make independent directions ``(d, r)`` orthonormal in place, and bound the departure that rounding leaves."""
    spans = _split(len(directions))

    def multiply(span: tuple[int, int]) -> Floats:
        inner = np.zeros((directions.shape[1], directions.shape[1]))
        for lo, hi in _chunks(*span, CHUNK):
            part = directions[lo:hi].astype(np.float64)
            inner += part.T @ part
        return inner

    factor = np.linalg.cholesky(_sum_of(parallel_map(multiply, spans)))
    inverse = np.linalg.inv(factor).T

    def combine(span: tuple[int, int]) -> None:
        for lo, hi in _chunks(*span, CHUNK):
            directions[lo:hi] = directions[lo:hi].astype(np.float64) @ inverse

    deque(parallel_map(combine, spans), maxlen=0)
    departure = _sum_of(parallel_map(multiply, spans)) - np.eye(directions.shape[1])
    # Every entry is a sum of d products in float64 whose magnitudes add up to 1 or little more.
    rounding = len(directions) * directions.shape[1] * float(np.finfo(np.float64).eps)
    return Basis(centre, directions, float(np.linalg.norm(departure)) + rounding)


def _sum_of(parts: Iterable[Array]) -> Floats:
    """Add up arrays in float64."""
    return np.asarray(np.sum(list(parts), axis=0, dtype=np.float64))


def _split(d: int) -> list[tuple[int, int]]:
    """Split d features into one span for each thread."""
    borders = np.linspace(0, d, n_threads() + 1).astype(int).tolist()
    return [(lo, hi) for lo, hi in pairwise(borders) if lo < hi]


def _chunks(lo: int, hi: int, width: int) -> list[tuple[int, int]]:
    """Split a span of features into chunks."""
    return [(start, min(hi, start + width)) for start in range(lo, hi, width)]
