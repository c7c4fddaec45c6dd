"""Draw how HP is spread over the pairs of classes (`plot_distributions`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from hpfunc._plot.dots import draw_dots
from hpfunc._plot.parts.bins import bin_edges, count_values
from hpfunc._plot.parts.finish import finish_axes
from hpfunc._plot.parts.legend import across_figure, bar_entry, legend_entries, place_legend, text_entry
from hpfunc._plot.parts.scale import HpScale, ceiling_entry, ceilings_of, mark_ceilings
from hpfunc._plot.parts.series import Series, series_of
from hpfunc._plot.parts.style import PAGE, check_figsize, new_figure, open_axes
from hpfunc._plot.parts.summary import interval_words
from hpfunc._plot.parts.values import items_of, read_values, replicates_of
from hpfunc._plot.parts.words import counted, label_of, names_of, plural, title_of
from hpfunc._support.checks import check_option

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_distributions"]

_MOST_COLUMNS = 5
_MOST_FILLED = 3


@np.errstate(all="ignore")
def plot_distributions(
    results: xr.Dataset | xr.DataArray,
    /,
    *,
    kind: str = "histogram",
    by_layer: bool = False,
    bins: int | Sequence[float] | None = None,
    over: str | None = None,
    scale: str = "linear",
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Axes | Figure:
    """Draw how HP is distributed over the pairs of classes, for each checkpoint and split.

    Each checkpoint has a colour, from light to dark. In histograms, the first split (``train`` where there is one) is
    filled and the others are dashed outlines; with more than three checkpoints all are outlines. All histograms share
    their bins.

    Parameters
    ----------
    results : Dataset or DataArray
        What `pairwise_hp`, `sweep` or `hp_estimate` returned, or a part of it: dims ``pair`` and any of
        ``checkpoint``, ``split``, ``layer``, ``repeat``, ``fold``. Of a Dataset, ``hp`` is drawn.
    kind : {"histogram", "dots"}, optional
        "dots" draws a dot for each pair, layer by layer, beside an estimate of their density. It is also how the value
        of a single pair is drawn, which makes no histogram.
    by_layer : bool, optional
        False: one histogram counts the layers together. True: a grid has a panel for each layer, in execution order,
        on common axes.
    bins : int or sequence of float, optional
        The number of bins, or their edges in HP; by default at most 30 bins.
    over : str, optional
        A further dim of repeated measurements, such as ``run`` or ``seed``; ``fold`` by default where results have
        folds. A histogram then shows the mean of the counts over it, with bars for the 95 % interval of that mean; dots
        show the mean of each pair.
    scale : {"linear", "log"}, optional
        "log" draws the overlap, 1 - HP, on a logarithmic axis that ends with small overlaps.
    title : str, optional
        By default what was selected before, such as ``split = test``.
    figsize : pair of float, optional
        Width and height of a new figure in inches; by default at most 6.5 wide.
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
        If ``results`` has other dims, or no finite value; if ``ax`` is given for a grid, ``kind`` or ``scale`` is
        unknown, ``over`` is not a further dim, or ``figsize`` is given together with ``ax``.

    Notes
    -----
    Pairs that share a class are not independent: the picture describes these classes, and is not a
    sample from a population of pairs. Values that are NaN are left out, and the legend says how many. A dotted line
    marks the ceiling of HP, 1 - 1 / n for n samples of each class, where a Dataset is drawn and a tenth of the pairs of
    some layer reach it: see `at_ceiling`.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> hp = xr.DataArray(np.linspace(0, 1, 20).reshape(2, 10), dims=("checkpoint", "pair"), name="hp")
    >>> ax = plot_distributions(hp)
    >>> ax.get_ylabel()
    'number of pairs'
    """
    check_option("kind", kind, ("histogram", "dots"))
    values = read_values(results, ("checkpoint", "split", "layer", "pair", "class"), over=over)
    over = replicates_of(values, over)
    ceilings = ceilings_of(results, of_means=False)
    hp_scale = HpScale(scale, [values.values[np.isfinite(values.values)], ceilings])
    if by_layer and ax is not None:
        raise ValueError("ax was given with by_layer=True, which draws a grid in a figure of its own; leave ax out")
    if by_layer and "layer" not in values.dims:
        raise ValueError(f"by_layer=True needs the dim 'layer'; results has dims {values.dims}")
    single = values.sizes.get(items_of(values), 1) == 1
    if kind == "dots" or (single and not by_layer):
        return draw_dots(values, over, hp_scale, ceilings, title=title, figsize=figsize, ax=ax)
    edges = bin_edges(values.values, bins, hp_scale)
    if by_layer:
        return _grid(values, edges, over, hp_scale, ceilings, title, figsize)
    axes = open_axes(ax, figsize, (PAGE, 4.0))
    series = series_of(values)
    _draw(axes, series, edges, over, hp_scale)
    mark_ceilings(axes, ceilings, hp_scale, "x")
    axes.margins(x=0.02)
    hp_scale.set_axis(axes, "x")
    axes.set_ylim(bottom=0)
    place_legend(axes, [*_entries(series, values, over), *ceiling_entry(ceilings)], own=ax is None)
    finish_axes(
        axes, own=ax is None, xlabel=hp_scale.label(label_of(values, "hp")), ylabel=_count_label(values),
        title=title_of(values) if title is None else title,
    )  # fmt: skip
    return axes


def _grid(
    values: xr.DataArray,
    edges: np.ndarray[Any, Any],
    over: str | None,
    hp_scale: HpScale,
    ceilings: Sequence[float],
    title: str | None,
    figsize: tuple[float, float] | None,
) -> Figure:
    """Draw one panel for each layer."""
    check_figsize(figsize)
    n = values.sizes["layer"]
    most = min(_MOST_COLUMNS, math.ceil(math.sqrt(1.5 * n)))
    columns = min((most, max(most - 1, 1)), key=lambda c: -n % c)
    rows = math.ceil(n / columns)
    figure = new_figure(figsize or (PAGE, max(3.2, 1.25 * rows + 1.0)))
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for i, name in enumerate(names_of(values, "layer")):
        series = series_of(values.isel(layer=i, drop=True))
        _draw(panels[i], series, edges, over, hp_scale)
        mark_ceilings(panels[i], ceilings, hp_scale, "x")
        panels[i].set_title(name, fontsize=8)
        panels[i].tick_params(labelsize=8)
    for panel in panels[n:]:
        panel.remove()
    # A panel above a removed one is the lowest of its column, so it needs the tick labels.
    for panel in panels[max(0, n - columns) : n]:
        panel.tick_params(labelbottom=True)
    hp_scale.set_axis(panels[0], "x", small=True)
    panels[0].set_ylim(bottom=0)
    figure.supxlabel(hp_scale.label(label_of(values, "hp")), fontsize="medium")
    figure.supylabel(_count_label(values.isel(layer=0)), fontsize="medium")
    entries = [*_entries(series, values, over), *ceiling_entry(ceilings)]
    words = title_of(values) if title is None else title
    if entries:
        # The title of the figure would lie on its legend.
        across_figure(figure, entries, above=True, fontsize=8.3, title=words or None, title_fontsize="medium")
    elif words:
        figure.suptitle(words, fontsize="medium")
    return figure


def _draw(
    axes: Axes, series: Sequence[Series], edges: np.ndarray[Any, Any], over: str | None, hp_scale: HpScale
) -> None:
    """Draw the histograms of some series, filled ones first so that outlines lie on top."""
    from matplotlib.ticker import MaxNLocator

    fills = len({s.name for s in series}) <= _MOST_FILLED
    drawn_edges = hp_scale(edges)
    # A bar at the middle of a bin, as it is seen on the axis.
    centres = np.sqrt(drawn_edges[1:] * drawn_edges[:-1]) if hp_scale.log else (drawn_edges[1:] + drawn_edges[:-1]) / 2
    for s in sorted(series, key=lambda s: not s.main_split):
        if s.values.sizes.get(items_of(s.values), 1) == 1:
            axes.axvline(float(hp_scale(s.values.mean())), color=s.colour, linewidth=1.4, linestyle=s.dash)
            axes.set_yticks([])
            continue
        counts, interval = count_values(s.values, edges, over)
        if s.main_split and fills:
            axes.stairs(counts, drawn_edges, fill=True, color=s.colour, alpha=0.4)
        axes.stairs(counts, drawn_edges, color=s.colour, linewidth=1.4, linestyle=s.dash)
        if interval is not None:
            axes.vlines(centres, *interval, color=s.colour, linewidth=1.0, linestyle=s.dash)
        axes.yaxis.set_major_locator(MaxNLocator("auto", integer=True))


def _count_label(values: xr.DataArray) -> str:
    """Say what is counted."""
    items = items_of(values)
    if values.sizes.get(items, 1) == 1:
        return counted(1, items)
    what = f"number of {plural(items)}"
    return f"{what}, all {counted(values.sizes['layer'], 'layer')}" if "layer" in values.dims else what


def _entries(series: Sequence[Series], values: xr.DataArray, over: str | None) -> list[Artist]:
    """Make the legend, with the meaning of the bars and how many values are left out."""
    entries = legend_entries(series, markers=False)
    if over is not None:
        entries.append(bar_entry(f"mean counts, {interval_words(values, over)}"))
    missing = int((~np.isfinite(values.values)).sum())
    if missing:
        entries.append(text_entry(f"{missing} of {values.size} values are NaN: left out"))
    return entries
