"""Choose the precision in which distances are computed, and bound their rounding errors."""

from __future__ import annotations

from typing import Any

import numpy as np

from hpfunc._arrays import namespace
from hpfunc._arrays.types import Array
from hpfunc._tree.exact import THIN

__all__ = ["TERMS", "error_bound", "growth", "is_narrow", "product_dtype", "upper_bound", "working_dtype"]

# Products are summed over at most this many features, and these sums are added up: shorter sums round less.
TERMS = 2048
# Standard deviations allowed to a sum of rounding errors: |error| <= LAMBDA sqrt(n) u, failing with a probability
# below 2 exp(-LAMBDA^2 / 2) = 3e-14 per sum (Higham & Mary 2019, doi:10.1137/18M1226312, theorem 2.4).
_LAMBDA = 8.0
# Float32 holds squares of numbers up to the first bound, and sums of many; squares below the second bound vanish.
_LARGEST_NUMBER, _SMALLEST_NUMBER = 2.0**50, 2.0**-40


def is_narrow(dtype: Any) -> bool:
    """Tell whether float32 holds every number of this dtype exactly."""
    return dtype in (np.float32, np.float16, np.int8, np.uint8, np.int16, np.uint16, np.bool_)


def working_dtype(x: Array) -> Any:
    """Return float32 for points that it holds exactly and that have enough features to gain by it, else float64."""
    return np.dtype(np.float32 if is_narrow(x.dtype) and x.shape[1] > THIN else np.float64)


def product_dtype(x: Array) -> Any:
    """Return the precision in which products give the best bounds of distances for their cost.

    Points that float32 does not hold exactly are rounded to it after their class is centred. The bounds cover this
    rounding where the numbers are far from the ends of the range of float32.
    """
    if working_dtype(x) == np.float32 or x.shape[1] <= THIN:
        return working_dtype(x)
    largest = max(abs(float(x.max())), abs(float(x.min())))
    return np.dtype(np.float32 if _SMALLEST_NUMBER < largest < _LARGEST_NUMBER else np.float64)


def upper_bound(lower: Any, error: Any, relative: float) -> Any:
    """Return the largest value that a distance with this lower bound may have."""
    return lower * (1 + relative) + 2 * error


def error_bound(radius: Any, length2: Any, centre_distances: Any, d: int, dtype: Any) -> Any:
    """Bound how far a distance computed between two classes is from direct differences in float64: ``(K, K)``.

    Parameters
    ----------
    radius : (K,) array
        Largest distance of a point from the centre of its class; a NumPy or a CuPy array, as are the following.
    length2 : (K,) array
        Squared lengths of the centres.
    centre_distances : (K, K) array
        Squared distances of the centres.
    """
    xp = namespace(radius)
    unit, unit64 = float(np.finfo(dtype).eps) / 2, float(np.finfo(np.float64).eps) / 2
    reach = radius[:, None] + radius[None, :]
    distance = reach + xp.sqrt(centre_distances)
    terms = min(d, TERMS)
    chunks = -(-d // TERMS)
    product = 2 * (growth(terms) + growth(chunks)) * unit * radius[:, None] * radius[None, :]
    # x' = fl(x - m) moves each point by at most u |x'|; then three terms are rounded and added up.
    centring = 2 * unit * reach * distance
    # (For thin points they are summed with the products.)
    adding = (8 + (growth(d + 2) if d <= THIN else 0)) * unit * distance**2
    # Norms, products with the centres and the direct differences themselves, all in float64.
    lengths = xp.sqrt(length2)
    wide = 8 * (d + 8) * unit64 * (distance + lengths[:, None] + lengths[None, :]) ** 2
    return 1.01 * (product + centring + adding + wide) + d * float(np.finfo(dtype).tiny)


def growth(n: int) -> float:
    """Bound the rounding error of a sum of n terms, in units of the last place: n at most, very likely less."""
    return min(float(n), _LAMBDA * float(np.sqrt(n)))
