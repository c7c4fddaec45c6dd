"""Adjustment of p-values for multiple tests, on host arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["ADJUSTMENTS", "adjust_along"]

ADJUSTMENTS = {"holm": "Holm", "bh": "Benjamini-Hochberg"}


def adjust_along(pvalues: np.ndarray[Any, Any], method: str, axis: int | None) -> np.ndarray[Any, Any]:
    """Adjust p-values along an axis, or jointly for ``axis=None``; ``method`` is a key of `ADJUSTMENTS`."""
    if axis is None:
        return adjust_along(pvalues.reshape(-1), method, 0).reshape(pvalues.shape)
    adjust = {"holm": _holm, "bh": _benjamini_hochberg}[method]
    rows = np.moveaxis(pvalues, axis, -1)
    order = np.argsort(rows, axis=-1, kind="stable")
    adjusted = np.empty_like(rows)
    np.put_along_axis(adjusted, order, adjust(np.take_along_axis(rows, order, axis=-1)), axis=-1)
    return np.ascontiguousarray(np.moveaxis(adjusted, -1, axis))


def _holm(rising: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Multiply the i-th smallest of m by m - i + 1; none may be less than the ones before it."""
    m = rising.shape[-1]
    return np.minimum(np.maximum.accumulate(rising * np.arange(m, 0, -1), axis=-1), 1)


def _benjamini_hochberg(rising: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Multiply the i-th smallest of m by m / i; none may be more than the ones after it."""
    m = rising.shape[-1]
    scaled = rising * (m / np.arange(1, m + 1))
    return np.minimum(np.minimum.accumulate(scaled[..., ::-1], axis=-1)[..., ::-1], 1)
