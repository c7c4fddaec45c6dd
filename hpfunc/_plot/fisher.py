"""`plot_fisher`: p-values of permutation tests, by layer or step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from hpfunc._plot.data import Series, label_of, names_of, series_of, title_of, values_of
from hpfunc._plot.legend import legend_entries, place_legend
from hpfunc._plot.style import axes_for, name_ticks, size_for
from hpfunc.permutation import adjust_pvalues

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_fisher"]


def plot_fisher(
    tests: xr.Dataset | xr.DataArray,
    /,
    *,
    method: str | None = "holm",
    alpha: float = 0.05,
    ax: Axes | None = None,
) -> Axes:
    """Draw the p-values of permutation tests, adjusted, the significant ones filled.

    Parameters
    ----------
    tests : Dataset or DataArray
        What `fisher_permutation` or `fisher_steps` returned, or its ``pvalue``: any of the dims ``step``,
        ``checkpoint``, ``split``, ``layer``. Layers, or else steps, stand along the axis; what remains has a
        colour (step, checkpoint) or a dash and smaller points (split: ``train`` solid and large).
    method : str, optional
        How all p-values of the picture are adjusted jointly, as in `adjust_pvalues`; None for p-values as
        they are, perhaps adjusted before.
    alpha : float, optional
        The level: p-values up to it are significant, and a line marks it.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        Its axis of p-values is logarithmic, with small values at the top.

    Raises
    ------
    TypeError
        If ``tests`` is not of xarray, or ``ax`` is not an Axes.
    ValueError
        If ``tests`` has other dims or no finite value; if ``alpha`` is not between 0 and 1; for an unknown
        ``method``.

    Examples
    --------
    >>> import xarray as xr
    >>> p = xr.DataArray([0.2, 0.001, 0.03], dims="layer", coords={"layer": ["input", "fc1", "fc2"]})
    >>> plot_fisher(p).get_ylabel()
    'p-value, adjusted (holm)'
    """
    from matplotlib.ticker import FuncFormatter

    pvalues = values_of(tests, ("step", "checkpoint", "split", "layer"), variable="pvalue", argument="tests")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha={alpha!r} is not a level; pass a number between 0 and 1, such as 0.05")
    if method is not None:
        pvalues = adjust_pvalues(pvalues, method=method)
    along = "layer" if "layer" in pvalues.dims else "step"
    by = "step" if along == "layer" and "step" in pvalues.dims else "checkpoint"
    if along not in pvalues.dims:
        pvalues = pvalues.expand_dims({along: [""]})
    values_of(pvalues, (along, by, "split"), argument="tests")
    names = names_of(pvalues, along)
    axes = axes_for(ax, size_for(names))
    series = series_of(pvalues, by=by)
    # Side by side, since equal p-values (the smallest possible one) are common.
    shifts = np.linspace(-0.2, 0.2, len(series)) if len(series) > 1 else np.zeros(1)
    for s, shift in zip(series, shifts, strict=True):
        _draw(axes, np.arange(len(names)) + shift, s.values.values, s, alpha)
    axes.axhline(alpha, color="0.3", linewidth=1, linestyle=":")
    axes.text(
        0.995,
        alpha,
        f"{alpha:g}",
        transform=axes.get_yaxis_transform(),
        ha="right",
        va="bottom",
        size="small",
    )
    axes.set_yscale("log")
    axes.set_ylim(1.3, min(float(pvalues.min()), alpha / 10) / 1.6)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda p, _: f"{p:g}"))
    name_ticks(axes, names)
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_xlabel(label_of(pvalues[along], along))
    axes.set_ylabel("p-value" if method is None else f"p-value, adjusted ({method})")
    axes.set_title(title_of(pvalues))
    entries = legend_entries(series, markers=True)
    _show_sizes(entries, series)
    place_legend(axes, entries, title=f"filled: p ≤ {alpha:g}", beside=ax is None)
    return axes


def _draw(axes: Axes, x: Any, p: Any, s: Any, alpha: float) -> None:
    """Draw one series: a thin line through hollow points, the significant ones filled."""
    how = {"linestyle": "", "marker": s.marker, "markersize": _size(s), "markeredgecolor": s.colour}
    axes.plot(x, p, color=s.colour, linestyle=s.dash, linewidth=0.8, alpha=0.5)
    axes.plot(x, np.where(p > alpha, p, np.nan), markerfacecolor="white", **how)
    axes.plot(x, np.where(p <= alpha, p, np.nan), markerfacecolor=s.colour, **how)


def _size(s: Series) -> float:
    """Choose the size of the points: splits side by side differ in it, since their thin lines are hard to follow."""
    return 7.0 if s.main_split else 4.5


def _show_sizes(entries: Sequence[Any], series: Sequence[Series]) -> None:
    """Show in the legend what points each split has."""
    sizes = {s.split: _size(s) for s in series}
    for entry in entries:
        if entry.get_label() in sizes:
            entry.set(marker="o", markersize=sizes[entry.get_label()], markerfacecolor="white")
