"""The first principal components of a plain array, from the smaller of its two Gram matrices.

Points stand as the rows of an ``(n, d)`` array. Its short side is the smaller of n and d, m long; the Gram
matrix of the centred points over that side is ``(m, m)``, so that work and memory are those of one symmetric
product, whichever side is short. The points pass in chunks along the long side and are never copied whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from hpfunc._arrays import namespace, to_host

__all__ = ["Principal", "principal_components"]

# Numbers in a chunk of points: 128 MiB as float64, so that adding Gram matrices costs little compared with the
# products.
_CHUNK_ELEMENTS = 2**24
# The eigenvalues of a Gram matrix carry an error of about eps times the largest. A component whose eigenvalue is below
# this share of it is taken from the Gram matrix of the residual after the components before it.
_TRUSTED_SHARE = 1e-4
# Squares of numbers of up to this power of two (or down to its inverse) can be summed as they are.
_SAFE_EXPONENT = 256


class Principal(NamedTuple):
    """Hold host arrays: scores (n, k), components (k, d), share of the variance (k,), mean (d,)."""

    scores: np.ndarray[Any, Any]
    components: np.ndarray[Any, Any]
    share: np.ndarray[Any, Any]
    mean: np.ndarray[Any, Any]


class _Centre(NamedTuple):
    """Hold the mean, ``first + shift``, and the power of two ``2**exponent`` that divides the centred points."""

    first: Any
    shift: Any
    exponent: int


def principal_components(points: Any, count: int) -> Principal:
    """Project ``(n, d)`` finite points on their first ``count`` principal components.

    A component without variance (numerically: beyond the rank) is zero, as are its scores and its share.

    Raises
    ------
    ValueError
        If the differences between points overflow float64.
    """
    xp = namespace(points)
    n, d = points.shape
    centre = _centre(points)
    short, total = _short_vectors(points, centre, count)
    # The other vector of each component: its product with every point (or feature) of the long side.
    long = xp.concatenate([chunk.T @ short for chunk in _centred_chunks(points, centre)])
    lengths = _orthogonalise(long)
    short, long = short * (lengths > 0), long * (lengths > 0)
    if n <= d:
        components, scores = long.T / xp.where(lengths > 0, lengths, 1)[:, None], short * lengths
    else:
        components, scores = short.T, long
    rows = xp.arange(count)
    # The sign is arbitrary: the entry of largest magnitude (the first of equal ones) is made positive.
    signs = xp.where(components[rows, xp.abs(components).argmax(axis=1)] < 0, -1.0, 1.0)
    share = lengths**2 / total if total > 0 else lengths
    # Adding zero turns -0 into 0.
    scores, components = scores * signs + 0.0, components * signs[:, None] + 0.0
    results = xp.ldexp(scores, centre.exponent), components, share
    return Principal(*(to_host(a) for a in (*results, centre.first + centre.shift)))


def _centre(points: Any) -> _Centre:
    """Find the mean, and a power of two that keeps the squares of the centred points in range.

    Differences from the first point are averaged, not the points: they are exactly zero for a feature that is
    constant, and an offset much larger than the spread costs no accuracy.
    """
    xp = namespace(points)
    n, d = points.shape
    first = points[0].astype(np.float64)
    shift, spread = xp.empty(d), 0.0
    width = max(1, _CHUNK_ELEMENTS // n)
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, d, width):
            part = slice(start, start + width)
            difference = points[:, part] - first[part]
            shift[part] = difference.mean(axis=0)
            difference -= shift[part]
            spread = max(spread, float(xp.abs(difference, out=difference).max()), key=_nan_first)
    if not np.isfinite(spread):
        raise ValueError("points lie further apart than float64 can express; divide them by a constant")
    exponent = int(np.frexp(spread)[1])
    return _Centre(first, shift, 0 if abs(exponent) < _SAFE_EXPONENT else exponent)


def _nan_first(value: float) -> float:
    """Rank NaN above every number."""
    return np.inf if np.isnan(value) else value


def _centred_chunks(points: Any, centre: _Centre) -> Iterator[Any]:
    """Yield the centred points as ``(short side, at most so many of the long side)`` float64 arrays."""
    xp = namespace(points)
    n, d = points.shape
    width = max(1, _CHUNK_ELEMENTS // min(n, d))
    for start in range(0, max(n, d), width):
        part = slice(start, start + width)
        columns = part if n <= d else slice(None)
        chunk = (points[:, part] if n <= d else points[part]) - centre.first[columns]
        chunk -= centre.shift[columns]
        if centre.exponent:
            chunk = xp.ldexp(chunk, -centre.exponent)
        yield chunk if n <= d else chunk.T


def _short_vectors(points: Any, centre: _Centre, count: int) -> tuple[Any, float]:
    """Find the components as ``(short side, count)`` orthonormal or zero columns, and the total variance."""
    xp = namespace(points)
    n, d = points.shape
    vectors, total, largest = xp.zeros((min(n, d), 0)), 0.0, 0.0
    # Singular values up to this share of the largest are rounding; these are their squares.
    negligible = (max(n, d) * float(np.finfo(np.float64).eps)) ** 2
    while vectors.shape[1] < min(count, n, d):
        gram = 0.0
        for chunk in _centred_chunks(points, centre):
            rest = chunk - vectors @ (vectors.T @ chunk) if vectors.shape[1] else chunk
            # NumPy recognises the product with its own transpose and computes one triangle.
            gram = gram + rest @ rest.T
        values, found = _largest_eigenpairs(gram, min(count, n, d) - vectors.shape[1])
        if vectors.shape[1] == 0:
            total, largest = float(xp.trace(gram)), float(values[0])
        trusted = int(xp.count_nonzero(values >= _TRUSTED_SHARE * values[0]))
        if float(values[0]) <= negligible * largest:
            break
        found = found[:, :trusted]
        found = found - vectors @ (vectors.T @ found)
        vectors = xp.concatenate([vectors, found / xp.linalg.norm(found, axis=0)], axis=1)
    missing = xp.zeros((min(n, d), count - vectors.shape[1]))
    return xp.concatenate([vectors, missing], axis=1), total


def _largest_eigenpairs(matrix: Any, count: int) -> tuple[Any, Any]:
    """Find the ``count`` largest eigenvalues of a symmetric matrix, falling, and their vectors as columns."""
    xp = namespace(matrix)
    if xp is np:
        from scipy.linalg import eigh

        m = matrix.shape[0]
        values, vectors = eigh(matrix, subset_by_index=[m - count, m - 1])
    else:
        values, vectors = xp.linalg.eigh(matrix)
        values, vectors = values[-count:], vectors[:, -count:]
    return values[::-1], vectors[:, ::-1]


def _orthogonalise(columns: Any) -> Any:
    """Make columns orthogonal, in place, and give their lengths.

    Rounding leaves a column not quite orthogonal where it is much shorter than those before it.
    """
    xp = namespace(columns)
    lengths = xp.zeros(columns.shape[1])
    for i in range(columns.shape[1]):
        for j in range(i):
            if lengths[j] > 0:
                unit = columns[:, j] / lengths[j]
                columns[:, i] -= unit * (unit @ columns[:, i])
        lengths[i] = xp.linalg.norm(columns[:, i])
    return lengths
