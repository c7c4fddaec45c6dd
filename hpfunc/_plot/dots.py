"""Draw a dot for each pair of classes, layer by layer, beside their density."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from hpfunc._plot.parts.finish import finish_axes, size_for
from hpfunc._plot.parts.legend import legend_entries, place_legend, text_entry
from hpfunc._plot.parts.scale import HpScale, ceiling_entry, mark_ceilings
from hpfunc._plot.parts.series import series_of
from hpfunc._plot.parts.style import open_axes
from hpfunc._plot.parts.values import items_of, pair_means
from hpfunc._plot.parts.words import counted, label_of, names_of, title_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_dots"]

# A density of fewer values would show the kernel and not the data.
_FEWEST = 5
_MOST_DENSITIES = 20
_GOLDEN = (5**0.5 - 1) / 2


def draw_dots(
    values: xr.DataArray,
    over: str | None,
    hp_scale: HpScale,
    ceilings: Sequence[float],
    *,
    title: str | None,
    figsize: tuple[float, float] | None,
    ax: Axes | None,
) -> Axes:
    """Draw the dots of all series side by side in each layer, with half of a violin for their density."""
    missing = int((~np.isfinite(values.values)).sum())
    total, items = values.size, items_of(values)
    values = pair_means(values, over)
    if "layer" not in values.dims:
        values = values.expand_dims("layer")
    names = names_of(values, "layer") if "layer" in values.coords else [""] * values.sizes["layer"]
    series = series_of(values)
    axes = open_axes(ax, figsize, size_for(names))
    width = 0.84 / len(series)
    # A density that is narrower than a dot would look like a bar.
    dense = len(names) <= _MOST_DENSITIES
    for i, s in enumerate(series):
        for at in range(len(names)):
            finite = s.values.isel(layer=at).values.ravel()
            place = at - 0.42 + width * (i + 0.5)
            drawn = hp_scale(finite[np.isfinite(finite)])
            if dense and len(drawn) >= _FEWEST and np.ptp(drawn) > 1e-12:
                _draw_slot(axes, place, width, drawn, s, hp_scale.log)
            else:
                _draw_column(axes, place, drawn, s, small=not dense)
    mark_ceilings(axes, ceilings, hp_scale)
    hp_scale.set_axis(axes)
    entries = [*_legend(series, dense=dense), *ceiling_entry(ceilings)]
    if missing:
        entries.append(text_entry(f"{missing} of {total} values are NaN: left out"))
    place_legend(axes, entries, own=ax is None, crowded=len(names) > 20)
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.grid(axis="y", alpha=0.3)
    n = values.sizes.get(items, 1)
    finish_axes(
        axes, own=ax is None, names=names, xlabel=label_of(values["layer"], "layer") if len(names) > 1 else "",
        ylabel=f"{hp_scale.label(label_of(values, 'hp'))}\n{counted(n, items)}" + (", a dot each" if n > 1 else ""),
        title=title_of(values) if title is None else title,
    )  # fmt: skip
    return axes


def _draw_slot(axes: Axes, place: float, width: float, drawn: Any, s: Any, log: bool) -> None:
    """Draw the values of one series in one layer: dots to the left of ``place``, their density to the right."""
    n = len(drawn)
    # The multiples of the golden ratio spread neighbours evenly; no random numbers are needed.
    shift = (np.argsort(np.argsort(drawn, kind="stable")) + 1) * _GOLDEN % 1
    size = 2.6 if n <= 100 else 1.6 if n <= 1000 else 0.8
    axes.plot(
        place - width * (0.04 + 0.4 * shift), drawn, linestyle="", marker="o", markersize=size, color=s.colour,
        markerfacecolor=_face(s), markeredgewidth=0.4, alpha=0.9 if n <= 1000 else 0.3,
    )  # fmt: skip
    from scipy.stats import gaussian_kde

    scaled = np.log(drawn) if log else drawn
    grid = np.linspace(scaled.min(), scaled.max(), 100)
    density = gaussian_kde(scaled)(grid)
    y = np.exp(grid) if log else grid
    right = place + width * 0.46 * density / density.max()
    axes.fill_betweenx(y, place, right, color=s.colour, alpha=0.35 if s.main_split else 0.0, linewidth=0)
    axes.plot(right, y, color=s.colour, linestyle=s.dash, linewidth=0.9)


def _draw_column(axes: Axes, place: float, drawn: Any, s: Any, *, small: bool) -> None:
    """Draw the values of one series in one layer as dots above each other, for which no density is shown."""
    axes.plot(
        np.full(len(drawn), place), drawn, linestyle="", marker="o" if small else s.marker, color=s.colour,
        markersize=1.6 if small else 5, markeredgewidth=0.4 if small else 1.0, markerfacecolor=_face(s),
    )  # fmt: skip


def _face(s: Any) -> Any:
    """Fill the dots of the main split; leave those of the others hollow."""
    return s.colour if s.main_split else "none"


def _legend(series: Sequence[Any], *, dense: bool) -> list[Any]:
    """Make the legend, in which splits differ by their dots as well as by the lines of densities."""
    entries: list[Any] = legend_entries(series, markers=True)
    filled = {s.split: s.main_split for s in series if s.split}
    lines = dense and any(s.values.size >= _FEWEST for s in series)
    for entry in entries:
        split = filled.get(entry.get_label())
        if split is not None:
            entry.set(marker="o", markersize=5, markerfacecolor=entry.get_color() if split else "none")
        if split is None or not lines:
            entry.set_linestyle("")
    return entries
