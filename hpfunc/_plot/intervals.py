"""Draw estimates with their intervals, by layer or step (`plot_intervals`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from hpfunc._plot.parts.finish import finish_axes, size_for
from hpfunc._plot.parts.legend import legend_entries, place_legend
from hpfunc._plot.parts.series import Series, series_of
from hpfunc._plot.parts.style import open_axes
from hpfunc._plot.parts.values import read_values
from hpfunc._plot.parts.words import label_of, names_of, title_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_effects", "layout_of", "plot_intervals", "point_size", "show_sizes"]

_DIMS = ("step", "checkpoint", "split", "layer")
# If there are more points than this, they are drawn smaller.
_MOST_LARGE = 60


@np.errstate(all="ignore")
def plot_intervals(
    intervals: xr.Dataset,
    /,
    *,
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw estimated differences with their intervals, and the line of no change.

    Parameters
    ----------
    intervals : Dataset
        What `fold_interval` returned: ``estimate``, ``low`` and ``high`` over any of the dims ``step``, ``checkpoint``,
        ``split``, ``layer``. Layers, or else steps, or else checkpoints, stand along the axis; what remains has a
        colour (step, checkpoint) or a point size (split: ``train`` large).
    title : str, optional
        By default what was selected before, such as ``split = test``.
    figsize : pair of float, optional
        Width and height of a new figure in inches; by default 6.5 wide.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        Points are filled where the interval does not contain 0. Where the bounds are NaN, because all folds agree, the
        point has a cross instead of an interval.

    Raises
    ------
    TypeError
        If ``intervals`` is not a Dataset, or ``ax`` is not an Axes.
    ValueError
        If ``intervals`` lacks one of the three variables, has other dims, or no finite estimate; if ``figsize`` is
        given together with ``ax``.

    Notes
    -----
    Each interval holds for itself: of twenty 95 % intervals, one is expected to miss its value.
    `adjust_pvalues` adjusts the p-values that come with the intervals.

    Examples
    --------
    >>> import xarray as xr
    >>> layers = {"layer": ["input", "fc1"]}
    >>> change = xr.Dataset({"estimate": ("layer", [0.0, 0.2]), "low": ("layer", [-0.1, 0.1]),
    ...                      "high": ("layer", [0.1, 0.3])}, coords=layers)
    >>> [tick.get_text() for tick in plot_intervals(change).get_xticklabels()]
    ['input', 'fc1']
    """
    if not isinstance(intervals, xr.Dataset):
        raise TypeError(f"intervals is a {type(intervals).__name__}; pass the Dataset that fold_interval returned")
    absent = [name for name in ("estimate", "low", "high") if name not in intervals]
    if absent:
        raise ValueError(f"intervals has no {absent}; pass the Dataset that fold_interval returned")
    estimate, low, high = (
        read_values(intervals, _DIMS, variable=name, argument="intervals") if name == "estimate" else intervals[name]
        for name in ("estimate", "low", "high")
    )
    estimate, along, by = layout_of(estimate, "intervals")
    # The same order as the estimate's, whose checkpoints may have been sorted.
    low, high = (
        bound.reindex_like(estimate).broadcast_like(estimate).transpose(*estimate.dims) for bound in (low, high)
    )
    names = names_of(estimate, along)
    axes = open_axes(ax, figsize, size_for(names))
    series = draw_effects(axes, estimate, (low, high), along, by)
    level = intervals.attrs.get("level")
    place_legend(axes, _entries(series), own=ax is None, crowded=len(names) > 20)
    axes.set_xlim(-0.5, len(names) - 0.5)
    words = f"{100 * float(level):g} % interval" if level is not None else "interval"
    if intervals.attrs.get("dim") == "fold":
        words += ", new samples of the same classes"
    finish_axes(
        axes, own=ax is None, names=names, xlabel=label_of(estimate[along], along),
        ylabel=f"{label_of(estimate, 'estimate')}\nwith its {words}",
        title=title_of(estimate) if title is None else title,
    )  # fmt: skip
    return axes


def layout_of(values: xr.DataArray, argument: str) -> tuple[xr.DataArray, str, str]:
    """Choose the dim along the axis and the dim of the colours; values without the first get one entry of it."""
    along = next((dim for dim in ("layer", "step", "checkpoint") if dim in values.dims), "layer")
    rest = [dim for dim in ("step", "checkpoint") if dim in values.dims and dim != along]
    if len(rest) > 1:
        raise ValueError(
            f"{argument} has dims {values.dims}; beside {along!r} and 'split', one of {rest} can be shown: select one "
            f"entry of the other with .sel(...)"
        )
    if along not in values.dims:
        name = str(values[along].item()) if along in values.coords else ""
        values = values.drop_vars(along, errors="ignore").expand_dims({along: [name]})
    return values, along, rest[0] if rest else "checkpoint" if along != "checkpoint" else "step"


def draw_effects(
    axes: Axes, estimate: xr.DataArray, bounds: tuple[xr.DataArray, xr.DataArray] | None, along: str, by: str
) -> list[Series]:
    """Draw estimates side by side, with bars where there are bounds, and the line of no change."""
    axes.axhline(0, color="0.3", linewidth=1, linestyle=":")
    series = series_of(estimate, by=by)
    shifts = np.linspace(-0.2, 0.2, len(series)) if len(series) > 1 else np.zeros(1)
    # Many points are smaller, so that they stand clear of each other.
    smaller = min(1.0, np.sqrt(_MOST_LARGE / max(1, estimate.size)))
    parts = [series_of(bound, by=by) for bound in bounds] if bounds is not None else [[None] * len(series)] * 2
    for s, low, high, shift in zip(series, *parts, shifts, strict=True):
        y = s.values.transpose(along).values
        x = np.arange(len(y)) + shift
        sure, bounded = np.ones(len(y), dtype=bool), np.ones(len(y), dtype=bool)
        if low is not None and high is not None:
            ends = low.values.values, high.values.values
            axes.vlines(x, *ends, color=s.colour, linewidth=1.5 * smaller)
            bounded = np.isfinite(ends[0]) & np.isfinite(ends[1])
            sure = (ends[0] > 0) | (ends[1] < 0)
        look: dict[str, Any] = {"linestyle": "", "markersize": smaller * point_size(s), "color": s.colour}
        axes.plot(x, np.where(bounded & sure, y, np.nan), marker=s.marker, **look)
        axes.plot(x, np.where(bounded & ~sure, y, np.nan), marker=s.marker, markerfacecolor="white", **look)
        axes.plot(x, np.where(bounded, np.nan, y), marker="x", **look)
    axes.grid(axis="y", alpha=0.3)
    return series


def point_size(s: Series) -> float:
    """Choose the size of the points, in which the splits differ."""
    return 6.5 if s.main_split else 4.2


def _entries(series: list[Series]) -> list[Any]:
    """Make the legend, in which splits differ by the size of their points."""
    entries = legend_entries(series, markers=True)
    show_sizes(entries, series)
    return entries


def show_sizes(entries: list[Any], series: list[Series]) -> None:
    """Show in the legend which points each split has; no line joins them."""
    sizes = {s.split: point_size(s) for s in series if s.split}
    for entry in entries:
        entry.set_linestyle("")
        if entry.get_label() in sizes:
            entry.set(marker="o", markersize=sizes[entry.get_label()])
