"""From counts of cross edges to numbers: estimates, bounds and the null distribution, on plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["ESTIMATORS", "bayes_bounds", "multiclass_bounds", "null_moments", "significance"]


def _friedman_rafsky(cross: Any, m: Any, n: Any) -> Any:
    return 1 - cross * (m + n) / (2 * m * n)


def _unequal(cross: Any, m: Any, n: Any) -> Any:
    total = m + n
    return 1 - 2 * np.minimum(total / 2, cross) / total


def _minus_one(cross: Any, m: Any, n: Any) -> Any:
    return _friedman_rafsky(cross - 1, m, n)


def _bias_corrected(cross: Any, m: Any, n: Any) -> Any:
    total = m + n
    prior = np.minimum(m, n) / total
    most = total * (2 * prior - 0.75 + 0.25 * np.sqrt(9 - 16 * prior))
    return 1 - 2 * np.minimum(most, cross - 1) / total


# How each estimator turns cross edges and the two class sizes into a number; see `hpfunc.hp_estimate`.
ESTIMATORS = {
    "friedman-rafsky": _friedman_rafsky,
    "u": _unequal,
    "minus-one": _minus_one,
    "bias-corrected": _bias_corrected,
}


def bayes_bounds(u: Any) -> tuple[Any, Any]:
    """Lower and upper bound on the Bayes error from the estimate ``u`` (Berisha et al. 2016, theorem 2)."""
    return 0.5 - 0.5 * np.sqrt(u), 0.5 - 0.5 * u


def multiclass_bounds(share: Any, n_classes: int) -> tuple[Any, Any]:
    """Lower and upper bound on the Bayes error of K classes (Sekeh, Oselio & Hero 2020).

    ``share`` is the number of edges between different classes divided by twice the number of samples.
    """
    rest = (n_classes - 1) / n_classes
    lower = rest * (1 - np.sqrt(np.maximum(0, 1 - 2 * n_classes * share / (n_classes - 1))))
    return lower, 2 * share


def null_moments(m: Any, n: Any, weight: Any, weight2: Any, degree2: Any) -> tuple[Any, Any]:
    """Mean and variance of the cross edges of a fixed weighted graph under random labelling.

    Parameters
    ----------
    m, n : int arrays
        Samples of each class.
    weight, weight2 : arrays
        Sum of the edge weights, and of their squares.
    degree2 : array
        Sum over the samples of their squared weighted degrees.

    Notes
    -----
    With all weights 1 and a tree this is the variance of Friedman & Rafsky (1979); NaN for fewer than 4 samples.
    """
    m, n = np.asarray(m, np.float64), np.asarray(n, np.float64)
    total = m + n
    with np.errstate(divide="ignore", invalid="ignore"):
        one = 2 * (m * n) / (total * (total - 1))
        two = 4 * ((m * (m - 1)) * (n * (n - 1))) / (total * (total - 1) * (total - 2) * (total - 3))
        adjacent = degree2 - 2 * weight2
        mean = weight * one
        variance = weight2 * one + adjacent * one / 2 + (weight**2 - weight2 - adjacent) * two - mean**2
    # What is left of a variance of exactly 0 after cancellation.
    variance = np.where(variance <= 1e-12 * mean**2, 0.0, variance)
    few = total < 4
    return np.where(few, np.nan, mean), np.where(few, np.nan, variance)


def significance(cross: Any, mean: Any, variance: Any) -> tuple[Any, Any]:
    """Z score and lower-tail p-value of cross edges; where they cannot vary, z is NaN and the p-value 1."""
    from scipy.special import ndtr  # slow to import

    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(variance > 0, (cross - mean) / np.sqrt(variance), np.nan)
    constant = (variance == 0) & ~np.isnan(cross)
    return z, np.where(constant, 1.0, ndtr(z))
