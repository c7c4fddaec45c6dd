"""From counts of cross edges to numbers: estimates and bounds, on plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["ESTIMATORS", "bayes_bounds", "multiclass_bounds"]


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
    """Compute the lower and upper bound on the Bayes error from the estimate ``u`` (Berisha et al. 2016, theorem 2)."""
    return 0.5 - 0.5 * np.sqrt(u), 0.5 - 0.5 * u


def multiclass_bounds(share: Any, n_classes: int) -> tuple[Any, Any]:
    """Compute the lower and upper bound on the Bayes error of K classes (Sekeh, Oselio & Hero 2020).

    ``share`` is the number of edges between different classes divided by twice the number of samples.
    """
    rest = (n_classes - 1) / n_classes
    lower = rest * (1 - np.sqrt(np.maximum(0, 1 - 2 * n_classes * share / (n_classes - 1))))
    return lower, 2 * share
