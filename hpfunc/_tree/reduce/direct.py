"""Bounds of single distances by direct differences in float32: narrower than products give, cheaper than float64."""

from __future__ import annotations

from typing import Any

import numpy as np

from hpfunc._arrays.types import Floats, Ints
from hpfunc._tree.rounding import growth, is_narrow

__all__ = ["DIFFERENCE", "bound_by_differences"]

# Cost of one feature of a direct difference, in multiplications of a product.
DIFFERENCE = 36.0

# Features that are summed in float32, and numbers in a block of them that stays in the second-level cache.
_CHUNK, _BLOCK = 1024, 131_072


def bound_by_differences(x: Any, sources: Ints, targets: Ints) -> tuple[Floats, Floats]:
    """Bound the squared distance of each edge from below and from above.

    Parameters
    ----------
    x : (N, d) array
        Finite, its squares in the range of float32.
    sources, targets : (E,) arrays
        Rows.

    Returns
    -------
    lower, upper : (E,) arrays
        What `exact.squared_distances` gives lies strictly between the two.
    """
    total, d = np.zeros(len(sources)), x.shape[1]
    calculation = np.float32 if is_narrow(x.dtype) else np.float64
    # Chunk by chunk of the features: the rows of two classes stay in the third-level cache meanwhile.
    for first in range(0, d, _CHUNK):
        features = x[:, first : first + _CHUNK]
        step = max(1, _BLOCK // features.shape[1])
        for lo in range(0, len(sources), step):
            part = slice(lo, lo + step)
            difference = features[sources[part]].astype(calculation, copy=False)
            difference -= features[targets[part]]
            difference = difference.astype(np.float32, copy=False)
            total[part] += np.einsum("ij,ij->i", difference, difference)
    unit, unit64 = float(np.finfo(np.float32).eps) / 2, float(np.finfo(np.float64).eps) / 2
    relative = 1.01 * ((growth(min(d, _CHUNK)) + 4) * unit + 2 * (d + 8) * unit64)
    absolute = d * float(np.finfo(np.float32).tiny)
    return total * (1 - relative) - absolute, total * (1 + relative) + absolute
