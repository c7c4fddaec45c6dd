"""`plot_distributions`: how HP is spread over the pairs of classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from hpfunc._plot.data import (
    Series,
    label_of,
    names_of,
    observations,
    series_of,
    title_of,
    values_of,
)
from hpfunc._plot.legend import legend_entries, place_legend
from hpfunc._plot.style import axes_for, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_distributions"]

_WIDTHS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
_MOST_BINS = 30
_MOST_COLUMNS = 6
_MOST_FILLED = 3


def plot_distributions(
    results: xr.Dataset | xr.DataArray,
    /,
    *,
    by_layer: bool = False,
    bins: int | Sequence[float] | None = None,
    ax: Axes | None = None,
) -> Axes | Figure:
    """Draw histograms of HP over the pairs of classes: what training did to their separation.

    One colour for each checkpoint, light to dark. The first split (``train`` where there is one) is filled,
    the others are dashed outlines; with more than three checkpoints all are outlines. All share their
    bins.

    Parameters
    ----------
    results : Dataset or DataArray
        What `pairwise_hp`, `sweep` or `hp_estimate` returned, or a part of it: dims ``pair`` and any of
        ``checkpoint``, ``split``, ``layer``. Of a Dataset, ``hp`` is drawn.
    by_layer : bool, optional
        False: the layers are counted together, in one picture. True: a grid with one panel for each layer, in
        execution order, on common axes.
    bins : int or sequence of float, optional
        Their number, or their edges; by default at most 30.
    ax : matplotlib.axes.Axes, optional
        Where to draw, for one picture; a new figure by default. A grid makes its own figure.

    Returns
    -------
    matplotlib.axes.Axes or matplotlib.figure.Figure
        The Axes, or the Figure of a grid.

    Raises
    ------
    TypeError
        If ``results`` is not of xarray, or ``ax`` is not an Axes.
    ValueError
        If ``results`` has other dims, or no finite value; if ``ax`` is given for a grid.

    Notes
    -----
    Pairs that share a class are not independent: the histogram describes these classes, and is not a
    sample from a population of pairs. Values that are NaN are left out, and the legend says how many.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> hp = xr.DataArray(np.linspace(0, 1, 20).reshape(2, 10), dims=("checkpoint", "pair"), name="hp")
    >>> ax = plot_distributions(hp)
    >>> ax.get_ylabel()
    'number of pairs'
    """
    values = values_of(results, ("checkpoint", "split", "layer", "pair", "class"))
    edges = _edges(values.values, bins)
    if by_layer:
        if ax is not None:
            raise ValueError("ax was given with by_layer=True, which draws a grid in a figure of its own; leave ax out")
        return _grid(values, edges)
    axes = axes_for(ax, (6.4, 4.2))
    series = series_of(values)
    _draw(axes, series, edges)
    axes.set_xlabel(label_of(values, "hp"))
    axes.set_ylabel(_count_label(values))
    axes.set_title(title_of(values))
    axes.margins(x=0.02)
    axes.set_ylim(bottom=0)
    handles = legend_entries(series, markers=False) + _missing(values)
    place_legend(axes, handles, beside=False)
    return axes


def _grid(values: xr.DataArray, edges: np.ndarray[Any, Any]) -> Figure:
    """Draw one panel for each layer."""
    if "layer" not in values.dims:
        raise ValueError(f"by_layer=True needs the dim 'layer'; results has dims {values.dims}")
    n = values.sizes["layer"]
    most = min(_MOST_COLUMNS, math.ceil(math.sqrt(1.5 * n)))
    columns = min((most, max(most - 1, 1)), key=lambda c: -n % c)
    rows = math.ceil(n / columns)
    figure = new_figure((max(6.4, 2.2 * columns), max(3.4, 1.5 * rows + 1.0)))
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for i, name in enumerate(names_of(values, "layer")):
        series = series_of(values.isel(layer=i, drop=True))
        _draw(panels[i], series, edges)
        panels[i].set_title(name, fontsize=9)
    for panel in panels[n:]:
        panel.remove()
    # The panels above a removed one are the lowest of their columns, and so carry its tick labels.
    for panel in panels[max(0, n - columns) : n]:
        panel.tick_params(labelbottom=True)
    panels[0].set_ylim(bottom=0)
    figure.supxlabel(label_of(values, "hp"), fontsize="medium")
    figure.supylabel(f"number of {_plural(observations(values))}", fontsize="medium")
    handles = legend_entries(series, markers=False) + _missing(values)
    if handles:
        figure.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 5), frameon=False)
    title = title_of(values)
    if title:
        figure.suptitle(title)
    return figure


def _draw(axes: Axes, series: Sequence[Series], edges: np.ndarray[Any, Any]) -> None:
    """Draw the histograms of some series, filled first so that outlines lie on top."""
    from matplotlib.ticker import MaxNLocator

    fills = len({s.name for s in series}) <= _MOST_FILLED
    for s in sorted(series, key=lambda s: not s.main_split):
        counts, _ = np.histogram(s.values.values[np.isfinite(s.values.values)], edges)
        if s.main_split and fills:
            axes.stairs(counts, edges, fill=True, color=s.colour, alpha=0.4)
        axes.stairs(counts, edges, color=s.colour, linewidth=1.4, linestyle=s.dash)
    axes.yaxis.set_major_locator(MaxNLocator("auto", integer=True))


def _edges(values: np.ndarray[Any, Any], bins: int | Sequence[float] | None) -> np.ndarray[Any, Any]:
    """Choose the edges of all bins: none of them where a value is, since rounding would then decide."""
    finite = values[np.isfinite(values)]
    if bins is not None:
        return np.histogram_bin_edges(finite, bins)
    low, high = float(finite.min()), float(finite.max())
    step = _step(finite)
    if step is None:
        width = next((w for w in _WIDTHS if (high - low) / w <= _MOST_BINS), (high - low) / _MOST_BINS)
        start = width * math.floor(low / width) - 1e-9 * width
    else:
        width = step * math.ceil((high - low) / step / _MOST_BINS)
        start = low - step / 2
    return start + width * np.arange(max(1, math.ceil((high - start) / width)) + 1)


def _step(finite: np.ndarray[Any, Any]) -> float | None:
    """Find the step in which all values move, as HP does where all pairs have as many samples; None if there is none.

    Bins that hold now two and now three steps would show teeth that are not in the data.
    """
    apart = np.diff(np.unique(finite))
    apart = apart[apart > 1e-9]
    if not apart.size:
        return None
    steps = (finite - finite.min()) / apart.min()
    return float(apart.min()) if np.allclose(steps, np.round(steps), rtol=0, atol=1e-4) else None


def _count_label(values: xr.DataArray) -> str:
    """Say what is counted."""
    what = f"number of {_plural(observations(values))}"
    return f"{what}, all {values.sizes['layer']} layers" if "layer" in values.dims else what


def _plural(word: str) -> str:
    return word + ("es" if word.endswith("s") else "s")


def _missing(values: xr.DataArray) -> list[Any]:
    """Make a legend entry that says how many values are left out, if any are."""
    missing = int((~np.isfinite(values.values)).sum())
    if not missing:
        return []
    from matplotlib.lines import Line2D

    return [Line2D([], [], linestyle="", label=f"{missing} of {values.size} values are NaN: left out")]
