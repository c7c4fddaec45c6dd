"""Read the counts of cross edges and samples from results."""

from __future__ import annotations

import numpy as np
import xarray as xr

__all__ = ["read_counts"]


def read_counts(results: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray]:
    """Return cross edges and class sizes, as floats; raise for what is no result with counts."""
    if not isinstance(results, xr.Dataset):
        raise TypeError(
            f"results is a {type(results).__name__}; expected the Dataset of hp_statistic, pairwise_hp or sweep"
        )
    missing = [name for name in ("cross_edges", "n_a", "n_b") if name not in results]
    if missing:
        raise ValueError(
            f"results has no {' and no '.join(missing)}; it holds {sorted(map(str, results.data_vars))}, and estimates "
            "are made from counts"
        )
    return results["cross_edges"], results["n_a"].astype(np.float64), results["n_b"].astype(np.float64)
