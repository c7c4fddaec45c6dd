"""Choose the bins of histograms of HP, and count values in them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from hpfunc._plot.parts.scale import HpScale
from hpfunc._plot.parts.summary import mean_interval

__all__ = ["bin_edges", "count_values"]

_WIDTHS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
_MOST_BINS = 30
# On a logarithmic axis, each edge is at least this many times the one before.
_RATIO = 1.3


def bin_edges(
    values: np.ndarray[Any, Any], bins: int | Sequence[float] | None, hp_scale: HpScale
) -> np.ndarray[Any, Any]:
    """Choose the edges of all bins in HP; none is at a value, where rounding would decide on which side it falls."""
    finite = values[np.isfinite(values)]
    if bins is not None:
        return np.histogram_bin_edges(finite, bins)
    step = _step(finite)
    if hp_scale.log:
        return _logarithmic_edges(finite, step, hp_scale.floor)
    low, high = float(finite.min()), float(finite.max())
    if step is None:
        width = next((w for w in _WIDTHS if (high - low) / w <= _MOST_BINS), (high - low) / _MOST_BINS)
        start = width * math.floor(low / width) - 1e-9 * width
    else:
        width = step * math.ceil((high - low) / step / _MOST_BINS)
        start = low - step / 2
    return start + width * np.arange(max(1, math.ceil((high - start) / width)) + 1)


def count_values(
    values: xr.DataArray, edges: np.ndarray[Any, Any], over: str | None
) -> tuple[np.ndarray[Any, Any], tuple[Any, Any] | None]:
    """Count the values in each bin; with repeated measurements, find the mean of the counts and its interval."""
    inner = [dim for dim in ("repeat", "fold") if over != "fold" and dim in values.dims]
    values = values.mean(inner)
    kept = [dim for dim in ("repeat", over) if over is not None and dim in values.dims]
    stacked = values.transpose(*kept, ...).values
    stacked = stacked.reshape(*stacked.shape[: len(kept)], -1)
    counts = np.apply_along_axis(lambda row: np.histogram(row[np.isfinite(row)], edges)[0], -1, stacked)
    if over is None:
        return counts, None
    labelled = xr.DataArray(counts, dims=(*kept, "bin"))
    low, high = mean_interval(labelled, over)
    return labelled.mean(kept).values, (np.maximum(low.values, 0.0), high.values)


def _step(finite: np.ndarray[Any, Any]) -> float | None:
    """Find the step in which all values move, as HP does where all pairs have as many samples; None if there is none.

    Bins that hold sometimes two and sometimes three steps would show peaks that are not in the data.
    """
    apart = np.diff(np.unique(finite))
    apart = apart[apart > 1e-9]
    if not apart.size:
        return None
    steps = (finite - finite.min()) / apart.min()
    return float(apart.min()) if np.allclose(steps, np.round(steps), rtol=0, atol=1e-4) else None


def _logarithmic_edges(finite: np.ndarray[Any, Any], step: float | None, floor: float) -> np.ndarray[Any, Any]:
    """Choose edges whose overlaps grow by a constant factor, at least one step of the values apart."""
    overlaps = 1 - finite
    positive = overlaps[overlaps > 1e-9]
    if not positive.size:
        return np.array([1 - floor, 1.0])
    least, most = float(positive.min()), float(positive.max())
    edges = [least - step / 2 if step is not None and step <= least else least / 1.1]
    while edges[-1] <= most:
        following = edges[-1] * _RATIO
        if step is not None:
            following = edges[-1] + step * max(1, round((following - edges[-1]) / step))
        edges.append(following)
    if (overlaps <= 1e-9).any():
        # The bin of the values that have no place on a logarithmic axis ends at its edge.
        edges.insert(0, min(0.0, float(overlaps.min())))
    return 1 - np.array(edges[::-1])
