"""Estimate, standard error and t interval of values that were measured in folds, over repeated partitions."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from hpfunc._arrays.types import Floats

__all__ = ["FoldInterval", "fold_intervals"]

# A spread below this share of the values themselves is rounding.
_ROUNDING = 1e-12


class FoldInterval(NamedTuple):
    """Hold one number for each series."""

    estimate: Floats
    se: Floats
    low: Floats  # NaN where the values do not vary
    high: Floats
    pvalue: Floats
    df: int


def fold_intervals(values: Floats, level: float) -> FoldInterval:
    """Compute t intervals from ``(series, repeats, folds)`` values; `hpfunc.fold_interval` has the formula."""
    from scipy.special import stdtr, stdtrit  # slow to import

    _, repeats, folds = values.shape
    estimate = values.mean(axis=(1, 2))
    within: Any = (values.var(axis=2, ddof=1) / folds).mean(axis=1)
    between: Any = 0.0
    if repeats > 1:
        between = (1 - 1 / repeats) * values.mean(axis=2).var(axis=1, ddof=1)
    constant = within <= (_ROUNDING * np.abs(values).max(axis=(1, 2))) ** 2
    variance = np.where(constant, 0.0, np.maximum(within - between, within / 2))
    se = np.sqrt(variance)
    half = np.where(constant, np.nan, stdtrit(folds - 1, (1 + level) / 2) * se)
    with np.errstate(divide="ignore", invalid="ignore"):
        pvalue = 2 * stdtr(folds - 1, -np.abs(estimate / se))
    pvalue = np.where(constant, np.where(estimate == 0, 1.0, np.nan), pvalue)
    return FoldInterval(estimate, se, estimate - half, estimate + half, pvalue, folds - 1)
