"""Blocks of squared distances between classes, with a bound on their rounding error.

Classes are centred first: with x = m_a + x' and y = m_b + y' (m: any point near the centre of the class) and
D = m_a - m_b,

    |x - y|^2 = |x'|^2 + |y'|^2 + |D|^2 + 2 x'.D - 2 y'.D - 2 x'.y'

Norms, D and the N x K products x'.m are computed in float64; only x'.y' is a product in the working precision.
So tight classes that are far apart lose no digits to their offset. Many classes whose centres are close, compared with
the spread of their points, share one centre, which makes D zero and saves the products with it.

A block holds *lower bounds*: the computed value minus the bound e of its two classes. The true value, by direct
differences in float64, lies strictly between the entry and the entry + 2e.

Where there are few features, or where products leave too much undecided (points that are nearly equal and far from all
other points), distances are computed by differences. Their error is relative to the distance itself.
"""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

import numpy as np

from hpfunc._arrays.types import Array, Floats, Ints, ParallelMap
from hpfunc._tree.exact import THIN
from hpfunc._tree.rounding import TERMS, error_bound, is_narrow, product_dtype, working_dtype
from hpfunc._tree.threads import Scratch, for_each

__all__ = ["CentredPoints", "block_bounds", "centre", "differences", "fill_class_bounds", "multiply_rows", "prepare"]

# From this number of classes on, all classes may share one centre: if the squared distance of each class from it is at
# most this share of the squared distance of a point from the centre of its class, bounds widen by a tenth at most.
_MANY_CLASSES, _NEAR = 32, 0.1


class CentredPoints(NamedTuple):
    """Hold the points of K classes, centred by class, and the terms that distances between them need."""

    points: Array  # (N, d) x', working precision
    starts: Ints  # (K + 1,) rows of class k are starts[k]:starts[k + 1]
    norms: Floats  # (N,) |x'|^2 + 2 x'.m_k, k being the class of x
    centre_products: Floats | None  # (N, K) x'.m_k; None where all classes share one centre
    centre_distances: Floats  # (K, K) |m_a - m_b|^2
    error: Floats  # (K, K) bound on the error of a distance between classes a and b
    dtype: Any  # of the distances
    relative: float = 0.0  # error for each unit of a lower bound; if not 0, distances are computed by differences


def prepare(x: Array, starts: Ints, parallel_map: ParallelMap = map, *, exact: bool = True) -> CentredPoints:
    """Prepare ``(N, d)`` points for their first measurement: thin points by differences, others by products.

    Where nothing is measured afterwards (``exact=False``), products are in the points' own precision.
    """
    if x.shape[1] <= THIN:
        return differences(x, starts)
    return centre(x, starts, product_dtype(x) if exact else working_dtype(x), parallel_map)


def differences(x: Array, starts: Ints) -> CentredPoints:
    """Convert ``(N, d)`` points to float64, to be measured by differences that are rounded to the points' precision."""
    n_classes, d = len(starts) - 1, x.shape[1]
    none = np.empty((0, 0))
    dtype: np.dtype[Any] = np.dtype(np.float32 if is_narrow(x.dtype) else np.float64)
    # Each of two sums of d squares is within (d + 2) u of the true one; the rest covers the rounding of the bounds.
    relative = 8 * ((d + 4) * float(np.finfo(np.float64).eps) + float(np.finfo(dtype).eps))
    tiny = np.full((n_classes, n_classes), np.finfo(dtype).tiny, np.float64)
    return CentredPoints(np.ascontiguousarray(x, np.float64), starts, np.empty(0), None, none, tiny, dtype, relative)


def centre(x: Array, starts: Ints, dtype: Any, parallel_map: ParallelMap = map) -> CentredPoints:
    """Centre the rows of every class and compute what blocks of distances by products need.

    Parameters
    ----------
    x : (N, d) array
    starts : (K + 1,) array
        Rows ``starts[k]:starts[k + 1]`` are class k.
    dtype : dtype
        Of the centred points and the products.
    parallel_map : callable
        Apply a function to every class, possibly in threads.
    """
    n_classes, d = len(starts) - 1, x.shape[1]
    points = np.empty(x.shape, dtype)
    # Points that the working precision does not hold exactly are centred in float64.
    calculation = np.dtype(dtype if is_narrow(x.dtype) else np.float64)
    common = _common_centre(x, starts, parallel_map) if n_classes >= _MANY_CLASSES else None
    centres, norms = np.empty((n_classes, d), calculation), np.empty(len(x))
    centre_products = np.empty((len(x), n_classes)) if common is None else None

    def subtract(k: int) -> None:
        rows = slice(starts[k], starts[k + 1])
        centres[k] = x[rows].mean(axis=0, dtype=np.float64) if common is None else common
        np.subtract(x[rows], centres[k], out=points[rows], dtype=calculation, casting="unsafe")

    for_each(subtract, n_classes, parallel_map)
    # Only differences of the centres matter; they lose fewer digits without their common offset.
    offsets = centres.astype(np.float64)
    offsets -= offsets.mean(axis=0)

    def measure(lo: int) -> None:
        wide = points[lo : lo + step].astype(np.float64)
        np.einsum("ij,ij->i", wide, wide, out=norms[lo : lo + step])
        if centre_products is not None:
            np.matmul(wide, offsets.T, out=centre_products[lo : lo + step])

    step = max(1, 1_000_000 // d)
    deque(parallel_map(measure, range(0, len(x), step)), maxlen=0)
    length2 = np.einsum("ij,ij->i", offsets, offsets)
    centre_distances = np.maximum(length2[:, None] + length2 - 2 * (offsets @ offsets.T), 0)
    np.fill_diagonal(centre_distances, 0)
    radius = np.sqrt(np.maximum.reduceat(norms, starts[:-1]))
    error = error_bound(radius, length2, centre_distances, d, dtype)
    if centre_products is not None:
        own = np.repeat(np.arange(n_classes), np.diff(starts))
        norms += 2 * centre_products[np.arange(len(x)), own]
    return CentredPoints(points, starts, norms, centre_products, centre_distances, error, np.dtype(dtype))


def _common_centre(x: Array, starts: Ints, parallel_map: ParallelMap) -> Floats | None:
    """Return the centre ``(d,)`` of all classes if each is so near to it that sharing it hardly widens the bounds."""
    n_classes = len(starts) - 1
    centres, spread2 = np.empty((n_classes, x.shape[1])), np.empty(n_classes)

    def measure(k: int) -> None:
        x[starts[k] : starts[k + 1]].mean(axis=0, dtype=np.float64, out=centres[k])
        spread2[k] = np.square(x[starts[k]] - centres[k]).sum()

    for_each(measure, n_classes, parallel_map)
    common = centres.mean(axis=0)
    return common if np.square(centres - common).sum(axis=1).max() <= _NEAR * spread2.min() else None


def block_bounds(
    centred: CentredPoints, rows: Ints, cols: Ints, m: int, n: int, scratch: Scratch, out: Array | None = None
) -> Array:
    """Compute lower bounds of the squared distances between every class of ``rows`` and every class of ``cols``.

    Parameters
    ----------
    centred : CentredPoints
    rows, cols : (r,) and (c,) arrays
        Class numbers.
    m, n : int
        Points of the largest class of the rows and of the columns.
    scratch : Scratch
    out : (r m, c n) array, optional
        Where the result is written; by default ``scratch``.

    Returns
    -------
    (r, m, c, n) array
        Entry ``i, p, j, q``: point p of class ``rows[i]`` to point q of class ``cols[j]``. Infinite past the end of a
        class of less than m or n points.
    """
    left, right = _gather(centred, rows, m), _gather(centred, cols, n)
    product = scratch("block", (len(left), len(right)), centred.dtype) if out is None else out
    result = product.reshape(len(rows), m, len(cols), n)
    sizes = np.diff(centred.starts)
    if centred.relative:
        _differ(left, right, centred, product, scratch)
        return _close_ends(result, sizes[rows], sizes[cols])
    row_terms, col_terms = _terms_of_points(centred, rows, cols, m, n)
    if left.shape[1] <= THIN and len(cols) == 1:
        # The terms become two more features, because adding them afterwards would take as long as the product.
        left = np.concatenate([-2 * left.reshape(len(rows), m, -1), row_terms, np.ones_like(row_terms)], axis=2)
        features = np.empty((len(rows), left.shape[2], n), result.dtype)
        features[:, :-2], features[:, -2], features[:, -1] = right.T, 1, col_terms[:, 0]
        np.matmul(left, features, out=result[:, :, 0])
    else:
        multiply_rows(left, right, product, scratch)
        result *= -2
        result += row_terms[..., None]
        result += col_terms[:, None]
    return _close_ends(result, sizes[rows], sizes[cols])


def _terms_of_points(centred: CentredPoints, rows: Ints, cols: Ints, m: int, n: int) -> tuple[Array, Array]:
    """Compute the terms that each point adds to its distances from each class on the other side.

    Returns
    -------
    row_terms : (r, m, c) array
        Of the points of the rows, towards each class of the columns, less the error bound.
    col_terms : (r, c, n) array
        Of the points of the columns, towards each class of the rows.
    """
    sizes = np.diff(centred.starts)
    p, q = (
        centred.starts[classes, None] + np.minimum(np.arange(size), sizes[classes, None] - 1)
        for classes, size in ((rows, m), (cols, n))
    )
    constant = centred.centre_distances[np.ix_(rows, cols)] - centred.error[np.ix_(rows, cols)]
    row_terms, col_terms = centred.norms[p][..., None], np.broadcast_to(centred.norms[q], (len(rows), *q.shape))
    if centred.centre_products is not None:
        row_terms = row_terms - 2 * centred.centre_products[p[..., None], cols]
        col_terms = col_terms - 2 * centred.centre_products[q, rows[:, None, None]]
    row_terms = row_terms + constant[:, None]
    return row_terms.astype(centred.dtype), col_terms.astype(centred.dtype)


def _close_ends(result: Array, heights: Ints, widths: Ints) -> Array:
    """Set the entries past the end of each class of a ``(r, m, c, n)`` block to infinity."""
    for i in np.flatnonzero(heights < result.shape[1]):
        result[i, heights[i] :] = np.inf
    for j in np.flatnonzero(widths < result.shape[3]):
        result[:, :, j, widths[j] :] = np.inf
    return result


def _differ(left: Array, right: Array, centred: CentredPoints, out: Array, scratch: Scratch) -> None:
    """Write lower bounds of the squared distances by differences to ``out``."""
    from scipy.spatial.distance import cdist  # slow to import

    exact = scratch("exact", out.shape, np.float64)
    cdist(left, right, "sqeuclidean", out=exact)
    np.multiply(exact, 1 - centred.relative / 2, out=out, casting="same_kind")
    out -= centred.dtype.type(centred.error[0, 0])


def fill_class_bounds(centred: CentredPoints, k: int, out: Array, scratch: Scratch) -> None:
    """Fill ``out`` with lower bounds of the squared distances inside class k; entries i, j and j, i may differ."""
    n, rows = len(out), slice(centred.starts[k], centred.starts[k + 1])
    points = centred.points[rows]
    if centred.relative or points.shape[1] <= THIN:
        block_bounds(centred, np.array([k]), np.array([k]), n, n, scratch, out)
        return
    terms = centred.norms[rows]
    if centred.centre_products is not None:
        terms = terms - 2 * centred.centre_products[rows, k]
    # For many small classes, the calls take longer than the work: few calls, no lists of rows.
    multiply_rows(points, points, out, scratch)
    out *= -2
    out += (terms - centred.error[k, k]).astype(centred.dtype)[:, None]
    out += terms.astype(centred.dtype)


def _gather(centred: CentredPoints, classes: Ints, n: int) -> Array:
    """Gather the centred points of some classes, each padded with zeros to n points: ``(len(classes) * n, d)``."""
    sizes = centred.starts[classes + 1] - centred.starts[classes]
    if (sizes == n).all() and (np.diff(classes) == 1).all():
        return centred.points[centred.starts[classes[0]] : centred.starts[classes[-1] + 1]]
    points = np.zeros((len(classes), n, centred.points.shape[1]), centred.points.dtype)
    for i, k in enumerate(classes):
        points[i, : sizes[i]] = centred.points[centred.starts[k] : centred.starts[k + 1]]
    return points.reshape(len(classes) * n, -1)


def multiply_rows(left: Array, right: Array, out: Array, scratch: Scratch) -> None:
    """Write ``left @ right.T`` to ``out``, summed over a bounded number of features at a time."""
    np.matmul(left[:, :TERMS], right[:, :TERMS].T, out=out)
    for lo in range(TERMS, left.shape[1], TERMS):
        part = scratch("part", out.shape, out.dtype)
        np.matmul(left[:, lo : lo + TERMS], right[:, lo : lo + TERMS].T, out=part)
        out += part
