"""`plot_trajectory`: HP of each layer in the course of training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from hpfunc._plot.data import label_of, names_of, observations, series_of, title_of, values_of
from hpfunc._plot.legend import legend_entries, place_legend
from hpfunc._plot.style import axes_for, name_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_trajectory"]

# The 95 % quantile of the normal distribution.
_Z95 = 1.6448536269514722


def plot_trajectory(results: xr.Dataset | xr.DataArray, /, *, ax: Axes | None = None) -> Axes:
    """Draw mean HP over checkpoints, one line for each layer, above what chance gives.

    Layers run from light (input) to dark (output); ``train`` solid, the other splits dashed.

    Parameters
    ----------
    results : Dataset or DataArray
        What `sweep` returned, or a part of it: dims ``checkpoint`` and ``pair``, and any of ``split``,
        ``layer``. Checkpoints that are numbers stand at their value, others in their order.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError
        If ``results`` is not of xarray, or ``ax`` is not an Axes.
    ValueError
        If ``results`` lacks ``checkpoint`` or ``pair``, has other dims, or holds no finite value.

    Notes
    -----
    The grey band is drawn for a Dataset of minimum spanning trees that holds ``z``: with the class labels of
    one pair permuted, 95 % of the values of HP lie in or below it (normal approximation; mean over the pairs,
    largest over layers and splits). Means over many pairs vary less than that by chance.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> hp = xr.DataArray(np.linspace(0, 1, 30).reshape(3, 10), dims=("checkpoint", "pair"),
    ...                   coords={"checkpoint": [0, 10, 50]})
    >>> plot_trajectory(hp).lines[0].get_xdata().tolist()
    [0, 10, 50]
    """
    dims = ("checkpoint", "split", "layer", "pair", "class")
    values = values_of(results, dims, needs=("checkpoint",))
    over = observations(values)
    values = values_of(values, dims, needs=(over,))
    axes = axes_for(ax, (7.0, 4.4))
    at = values["checkpoint"].values
    numbers = at.dtype.kind in "iuf"
    x = at if numbers else np.arange(len(at))
    series = series_of(values, by="layer")
    band = _null_band(results) if isinstance(results, xr.Dataset) else None
    if band is not None:
        words = "chance: 95 % of\npermuted labels"
        shade = axes.fill_between(x, 0, band, color="0.85", linewidth=0, label=words)
    for s in series:
        mean = s.values.mean(over).values
        axes.plot(x, mean, color=s.colour, linestyle=s.dash, marker=s.marker, markersize=4)
    if not numbers:
        name_ticks(axes, names_of(values, "checkpoint"))
    axes.set_xlabel(label_of(values["checkpoint"], "checkpoint"))
    axes.set_ylabel(f"{label_of(values, 'hp')}\nmean over {values.sizes[over]} {over}s")
    axes.set_title(title_of(values))
    axes.grid(axis="y", alpha=0.3)
    entries = legend_entries(series, markers=True) + ([] if band is None else [shade])
    place_legend(axes, entries, beside=ax is None)
    return axes


def _null_band(results: xr.Dataset) -> Any:
    """Find the upper edge of the band at each checkpoint; None where the results do not hold its ingredients.

    For trees E[R] = 2mn/N, so that unclipped HP is 1 - R/E[R] = -z * sd/E[R], and sd/E[R] is its deviation.
    """
    if results.attrs.get("graph") != "mst" or not {"z", "cross_edges", "n_a", "n_b"} <= set(results):
        return None
    expected = 2 * results["n_a"] * results["n_b"] / (results["n_a"] + results["n_b"])
    z = results["z"]
    deviation = abs((1 - results["cross_edges"] / expected) / z.where(z != 0))
    rest = [dim for dim in ("split", "layer") if dim in deviation.dims]
    band = _Z95 * deviation.mean("pair").max(rest)
    return band.values if bool(band.notnull().all()) else None
