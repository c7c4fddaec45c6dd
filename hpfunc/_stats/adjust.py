"""Adjustment of p-values for multiple tests, on host arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["ADJUSTMENTS", "adjust_along"]

ADJUSTMENTS = {"holm": "Holm", "bh": "Benjamini-Hochberg"}


def adjust_along(pvalues: np.ndarray[Any, Any], method: str, axis: int | None) -> np.ndarray[Any, Any]:
    """Adjust p-values along an axis, or jointly for ``axis=None``; ``method`` is a key of `ADJUSTMENTS`.

    NaN stays NaN, and does not count among the tests.
    """
    if axis is None:
        return adjust_along(pvalues.reshape(-1), method, 0).reshape(pvalues.shape)
    if np.isnan(pvalues).any():
        return np.apply_along_axis(_adjust_answers, axis, pvalues, method)
    if method == "holm":
        return _holm(pvalues, axis)
    from scipy.stats import false_discovery_control  # slow to import

    return np.asarray(false_discovery_control(pvalues, axis=axis, method="bh"))


def _adjust_answers(pvalues: np.ndarray[Any, Any], method: str) -> np.ndarray[Any, Any]:
    """Adjust the p-values ``(n,)`` that are not NaN as if there were no others."""
    answered = ~np.isnan(pvalues)
    adjusted = np.full(len(pvalues), np.nan)
    if answered.any():
        adjusted[answered] = adjust_along(pvalues[answered], method, 0)
    return adjusted


def _holm(pvalues: np.ndarray[Any, Any], axis: int) -> np.ndarray[Any, Any]:
    """Multiply the i-th smallest of m p-values by m - i + 1; none may be less than the ones before it."""
    rows = np.moveaxis(pvalues, axis, -1)
    order = np.argsort(rows, axis=-1, kind="stable")
    scaled = np.take_along_axis(rows, order, axis=-1) * np.arange(rows.shape[-1], 0, -1)
    adjusted = np.empty_like(rows)
    np.put_along_axis(adjusted, order, np.minimum(np.maximum.accumulate(scaled, axis=-1), 1), axis=-1)
    return np.ascontiguousarray(np.moveaxis(adjusted, -1, axis))
