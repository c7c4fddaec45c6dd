"""Squared distances between classes, in blocks, each with a bound on its rounding error.

Classes are centred first: with x = m_a + x' and y = m_b + y' (m: any point near the middle of the class) and
D = m_a - m_b,

    |x - y|^2 = |x'|^2 + |y'|^2 + |D|^2 + 2 x'.D - 2 y'.D - 2 x'.y'

Norms, D and the N x K products x'.m are computed in float64; only x'.y' is a product in the working precision.
So classes that are tight and far apart lose no digits to their offset.

A block holds *lower bounds*: the computed value minus the bound e of its two classes. The true value, by direct
differences in float64, lies strictly between the entry and the entry + 2e.

Where there are few features, or where products leave too much in doubt (points that are nearly equal and far from the
others), distances are computed by differences after all. Their error is relative to the distance itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hpfunc._arrays import namespace
from hpfunc._tree.exact import THIN
from hpfunc._tree.threads import Scratch

__all__ = [
    "TERMS", "Centred", "block", "centre", "differences", "error_bound", "is_narrow", "prepare", "tile",
    "upper_bound", "within", "working_dtype",
]  # fmt: skip

Ints = npt.NDArray[np.intp]

# Sums of products are kept to so many terms, then added up: shorter sums round less.
TERMS = 2048
# Standard deviations allowed to a sum of rounding errors: |error| <= LAMBDA sqrt(n) u, failing with probability
# below 2 exp(-LAMBDA^2 / 2) = 3e-14 a sum (Higham & Mary 2019, doi:10.1137/18M1226312, theorem 2.4).
_LAMBDA = 8.0


class Centred(NamedTuple):
    """Points of K classes, centred by class, and what a distance between any two needs."""

    points: npt.NDArray[Any]  # (N, d) x', working precision
    starts: npt.NDArray[np.intp]  # (K + 1,) rows of class k are starts[k]:starts[k + 1]
    norms: npt.NDArray[np.float64]  # (N,) |x'|^2 + 2 x'.m_k, k being the class of x
    along: npt.NDArray[np.float64]  # (N, K) x'.m_k
    between: npt.NDArray[np.float64]  # (K, K) |m_a - m_b|^2
    error: npt.NDArray[np.float64]  # (K, K) bound on the error of a distance between classes a and b
    dtype: Any  # of the distances
    relative: float = 0.0  # what to add to a lower bound for each unit of it; if not 0, by differences


def is_narrow(dtype: Any) -> bool:
    """Whether float32 holds every number of this dtype exactly."""
    return dtype in (np.float32, np.float16, np.int8, np.uint8, np.int16, np.uint16, np.bool_)


def working_dtype(x: npt.NDArray[Any]) -> Any:
    """float32 for points that it holds exactly and that are wide enough to gain by it, else float64."""
    return np.dtype(np.float32 if is_narrow(x.dtype) and x.shape[1] > THIN else np.float64)


def upper_bound(lower: Any, error: Any, relative: float) -> Any:
    """The largest value that a distance of this lower bound may have."""
    return lower * (1 + relative) + 2 * error


def prepare(x: npt.NDArray[Any], starts: Ints, each: Callable[..., Iterable[Any]] = map) -> Centred:
    """Points as they are measured first: thin ones by differences, others by products."""
    return differences(x, starts) if x.shape[1] <= THIN else centre(x, starts, working_dtype(x), each)


def differences(x: npt.NDArray[Any], starts: Ints) -> Centred:
    """The points themselves in float64, to be measured by differences; rounded if the points are in float32."""
    n_classes, d = len(starts) - 1, x.shape[1]
    none = np.empty((0, 0))
    dtype: np.dtype[Any] = np.dtype(np.float32 if is_narrow(x.dtype) else np.float64)
    # Two sums of d squares, each within (d + 2) u of the true one; and room for rounding the bounds themselves.
    relative = 8 * ((d + 4) * float(np.finfo(np.float64).eps) + float(np.finfo(dtype).eps))
    tiny = np.full((n_classes, n_classes), np.finfo(dtype).tiny, np.float64)
    return Centred(np.ascontiguousarray(x, np.float64), starts, np.empty(0), none, none, tiny, dtype, relative)


def centre(x: npt.NDArray[Any], starts: Ints, dtype: Any, each: Callable[..., Iterable[Any]] = map) -> Centred:
    """Centre the rows of every class and measure what the blocks of distances need.

    ``each`` applies a function to every class, in threads perhaps.
    """
    n_classes, d = len(starts) - 1, x.shape[1]
    points = np.empty(x.shape, dtype)
    middles = np.empty((n_classes, d), dtype)
    norms, along = np.empty(len(x)), np.empty((len(x), n_classes))

    def subtract(k: int) -> None:
        rows = slice(starts[k], starts[k + 1])
        middles[k] = x[rows].mean(axis=0, dtype=np.float64)
        np.subtract(x[rows], middles[k], out=points[rows], dtype=dtype, casting="unsafe")

    deque(each(subtract, range(n_classes)), maxlen=0)
    # Only differences of the middles matter; without their common offset they lose fewer digits.
    offsets = middles.astype(np.float64)
    offsets -= offsets.mean(axis=0)

    def measure(lo: int) -> None:
        wide = points[lo : lo + step].astype(np.float64)
        np.einsum("ij,ij->i", wide, wide, out=norms[lo : lo + step])
        np.matmul(wide, offsets.T, out=along[lo : lo + step])

    step = max(1, 1_000_000 // d)
    deque(each(measure, range(0, len(x), step)), maxlen=0)
    length2 = np.einsum("ij,ij->i", offsets, offsets)
    between = np.maximum(length2[:, None] + length2 - 2 * (offsets @ offsets.T), 0)
    np.fill_diagonal(between, 0)
    radius = np.sqrt(np.maximum.reduceat(norms, starts[:-1]))
    error = error_bound(radius, length2, between, d, dtype)
    own = np.repeat(np.arange(n_classes), np.diff(starts))
    norms += 2 * along[np.arange(len(x)), own]
    return Centred(points, starts, norms, along, between, error, np.dtype(dtype))


def error_bound(radius: Any, length2: Any, between: Any, d: int, dtype: Any) -> Any:
    """Bound, for each two classes, how far a computed distance lies from direct differences in float64: ``(K, K)``.

    Parameters
    ----------
    radius : (K,) array
        Largest distance of a point from the middle of its class. NumPy or CuPy, as the following.
    length2 : (K,) array
        Squared lengths of the middles.
    between : (K, K) array
        Squared distances of the middles.
    """
    xp = namespace(radius)
    unit, unit64 = float(np.finfo(dtype).eps) / 2, float(np.finfo(np.float64).eps) / 2
    reach = radius[:, None] + radius[None, :]
    distance = reach + xp.sqrt(between)
    terms = min(d, TERMS)
    chunks = -(-d // TERMS)
    product = 2 * (_growth(terms) + _growth(chunks)) * unit * radius[:, None] * radius[None, :]
    # x' = fl(x - m) moves each point by at most u |x'|; the three terms are rounded and added up.
    centring = 2 * unit * reach * distance
    # (Of thin points, they are summed with the products.)
    adding = (8 + (_growth(d + 2) if d <= THIN else 0)) * unit * distance**2
    # Norms, products with the middles and the direct differences themselves, all in float64.
    lengths = xp.sqrt(length2)
    wide = 8 * (d + 8) * unit64 * (distance + lengths[:, None] + lengths[None, :]) ** 2
    return 1.01 * (product + centring + adding + wide) + d * float(np.finfo(dtype).tiny)


def _growth(n: int) -> float:
    """Rounding error of a sum of n terms, in units of its last place: n for certain, less in all likelihood."""
    return min(float(n), _LAMBDA * float(np.sqrt(n)))


def block(
    centred: Centred, rows: Ints, cols: Ints, m: int, n: int, scratch: Scratch, out: npt.NDArray[Any] | None = None
) -> npt.NDArray[Any]:
    """Lower bounds of the squared distances between every class of ``rows`` and every class of ``cols``.

    Returns
    -------
    (r, m, c, n) array
        Entry ``i, p, j, q``: point p of class ``rows[i]`` to point q of class ``cols[j]``. Infinite past the end of a
        class of less than m or n points. It lies in ``out``, or else in ``scratch``.
    """
    left, right = _gather(centred, rows, m), _gather(centred, cols, n)
    product = scratch("block", (len(left), len(right)), centred.dtype) if out is None else out
    result = product.reshape(len(rows), m, len(cols), n)
    sizes = np.diff(centred.starts)
    if centred.relative:
        _differ(left, right, centred, product, scratch)
        return _closed(result, sizes[rows], sizes[cols])
    dtype = result.dtype
    # What belongs to a point of the rows, towards each class of the columns; and the other way round.
    p, q = (
        centred.starts[lot, None] + np.minimum(np.arange(size), sizes[lot, None] - 1)
        for lot, size in ((rows, m), (cols, n))
    )
    constant = centred.between[np.ix_(rows, cols)] - centred.error[np.ix_(rows, cols)]
    one = centred.norms[p][..., None] - 2 * centred.along[p[..., None], cols] + constant[:, None]
    one = one.astype(dtype)
    other = (centred.norms[q] - 2 * centred.along[q, rows[:, None, None]]).astype(dtype)
    if left.shape[1] <= THIN and len(cols) == 1:
        # As two more features: to add them afterwards would take as long as the product.
        left = np.concatenate([-2 * left.reshape(len(rows), m, -1), one, np.ones_like(one)], axis=2)
        features = np.empty((len(rows), left.shape[2], n), dtype)
        features[:, :-2], features[:, -2], features[:, -1] = right.T, 1, other[:, 0]
        np.matmul(left, features, out=result[:, :, 0])
    else:
        _multiply(left, right, product, scratch)
        result *= -2
        result += one[..., None]
        result += other[:, None]
    return _closed(result, sizes[rows], sizes[cols])


def _closed(result: npt.NDArray[Any], heights: Ints, widths: Ints) -> npt.NDArray[Any]:
    """The block with infinite entries past the end of each class."""
    for i in np.flatnonzero(heights < result.shape[1]):
        result[i, heights[i] :] = np.inf
    for j in np.flatnonzero(widths < result.shape[3]):
        result[:, :, j, widths[j] :] = np.inf
    return result


def _differ(
    left: npt.NDArray[Any], right: npt.NDArray[Any], centred: Centred, out: npt.NDArray[Any], scratch: Scratch
) -> None:
    """Lower bounds by differences."""
    from scipy.spatial.distance import cdist  # slow to import

    exact = scratch("exact", out.shape, np.float64)
    cdist(left, right, "sqeuclidean", out=exact)
    np.multiply(exact, 1 - centred.relative / 2, out=out, casting="same_kind")
    out -= centred.dtype.type(centred.error[0, 0])


def tile(centred: Centred, rows: slice, cols: slice, scratch: Scratch) -> npt.NDArray[Any]:
    """Lower bounds of the squared distances between some points and others of a single class, in ``scratch``."""
    left, right = centred.points[rows], centred.points[cols]
    result = scratch("block", (len(left), len(right)), left.dtype)
    _multiply(left, right, result, scratch)
    result *= -2
    result += (centred.norms[rows] - centred.error[0, 0]).astype(result.dtype)[:, None]
    result += centred.norms[cols].astype(result.dtype)
    return result


def within(centred: Centred, k: int, out: npt.NDArray[Any], scratch: Scratch) -> None:
    """Write the lower bounds of the squared distances inside class k: ``(n, n)``; the halves may differ by rounding."""
    n = len(out)
    block(centred, np.array([k]), np.array([k]), n, n, scratch, out)


def _gather(centred: Centred, classes: Ints, n: int) -> npt.NDArray[Any]:
    """Centred points of some classes, each filled up with zeros to n of them."""
    sizes = centred.starts[classes + 1] - centred.starts[classes]
    if (sizes == n).all() and (np.diff(classes) == 1).all():
        return centred.points[centred.starts[classes[0]] : centred.starts[classes[-1] + 1]]
    points = np.zeros((len(classes), n, centred.points.shape[1]), centred.points.dtype)
    for i, k in enumerate(classes):
        points[i, : sizes[i]] = centred.points[centred.starts[k] : centred.starts[k + 1]]
    return points.reshape(len(classes) * n, -1)


def _multiply(left: npt.NDArray[Any], right: npt.NDArray[Any], out: npt.NDArray[Any], scratch: Scratch) -> None:
    """``left @ right.T``, summed over a bounded number of features at a time."""
    np.matmul(left[:, :TERMS], right[:, :TERMS].T, out=out)
    for lo in range(TERMS, left.shape[1], TERMS):
        part = scratch("part", out.shape, out.dtype)
        np.matmul(left[:, lo : lo + TERMS], right[:, lo : lo + TERMS].T, out=part)
        out += part
