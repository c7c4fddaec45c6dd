"""Summarise the values of one series: mean, interval of the mean, and spread over the pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from hpfunc._plot.parts.values import pair_means
from hpfunc._plot.parts.words import counted
from hpfunc._stats.intervals import fold_intervals

__all__ = ["LEVEL", "Summary", "check_spread", "drawn_values", "interval_words", "spread_words", "summarise"]

LEVEL = 0.95


class Summary(NamedTuple):
    """Hold the mean of a series along its axis, its interval, and two quantiles over the pairs (None: not drawn)."""

    mean: Any
    interval: tuple[Any, Any] | None
    spread: tuple[Any, Any] | None


def summarise(
    values: xr.DataArray, along: str, items: str, over: str | None, spread: tuple[float, float] | None
) -> Summary:
    """Average over ``items``; find the interval of that mean over the dim ``over``, and quantiles over ``items``.

    All results have the shape of the dim ``along``. Values that are NaN are left out.
    """
    mean = values.mean(items)
    interval = None
    if over is not None:
        # Folds of repeated trainings are averaged first: then the trainings are what varies.
        inner = [dim for dim in ("repeat", "fold") if over != "fold" and dim in mean.dims]
        low, high = mean_interval(mean.mean(inner).transpose(along, ...), over)
        interval = low.values, high.values
    per_pair = pair_means(values, over)
    quantiles = None
    if spread is not None and values.sizes[items] > 1:
        low, high = np.apply_along_axis(_quantiles, -1, per_pair.transpose(along, items).values, spread).T
        quantiles = low, high
    rest = [dim for dim in mean.dims if dim != along]
    return Summary(mean.mean(rest).values, interval, quantiles)


def _quantiles(row: Any, spread: tuple[float, float]) -> Any:
    """Take two quantiles of what is not NaN."""
    known = row[~np.isnan(row)]
    return np.quantile(known, spread) if known.size else np.full(2, np.nan)


def drawn_values(summaries: Sequence[Summary]) -> tuple[list[Any], list[Any]]:
    """List the means and bands that an axis must show, and the ends of intervals, which it may cut."""
    values = [array for summary in summaries for array in (summary.mean, *(summary.spread or ()))]
    return values, [end for summary in summaries for end in summary.interval or ()]


def mean_interval(values: xr.DataArray, over: str) -> tuple[xr.DataArray, xr.DataArray]:
    """Find the interval of the mean over repeated measurements, as `fold_interval` does.

    Both ends are NaN where all values are equal, or where one of them is NaN; no warning says so.
    """
    ordered = values if "repeat" in values.dims else values.expand_dims("repeat")
    ordered = ordered.transpose(..., "repeat", over)
    array = np.asarray(ordered.values, dtype=np.float64)
    found = fold_intervals(array.reshape(-1, *array.shape[-2:]), LEVEL)
    rest = ordered.isel({"repeat": 0, over: 0}, drop=True)
    return rest.copy(data=found.low.reshape(rest.shape)), rest.copy(data=found.high.reshape(rest.shape))


def check_spread(spread: object) -> None:
    """Raise ValueError unless ``spread`` is None, "auto" or two rising quantiles."""
    if spread is None or (isinstance(spread, str) and spread == "auto"):
        return
    rising = isinstance(spread, (tuple, list)) and len(spread) == 2 and 0 <= spread[0] < spread[1] <= 1
    if not rising:
        raise ValueError(f"spread={spread!r} is not two rising quantiles; pass (0.1, 0.9), (0, 1), None or 'auto'")


def spread_words(spread: tuple[float, float], items: str) -> str:
    """Say what part of the pairs a shade covers."""
    if tuple(spread) == (0, 1):
        return f"smallest to largest {items}"
    return f"spread: {100 * spread[0]:g} % to {100 * spread[1]:g} % of the {counted(2, items)[2:]}"


def interval_words(values: xr.DataArray, over: str) -> str:
    """Say what an interval holds for."""
    if over == "fold":
        return f"{100 * LEVEL:g} %, new samples of the same classes"
    return f"{100 * LEVEL:g} %, mean over {counted(values.sizes[over], over)}"
