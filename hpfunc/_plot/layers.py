"""Draw HP from the input to the output of a network (`plot_layers`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from hpfunc._plot.parts.finish import finish_axes, size_for
from hpfunc._plot.parts.legend import bar_entry, legend_entries, place_legend, shade_entry
from hpfunc._plot.parts.scale import HpScale, ceiling_entry, ceilings_of, mark_ceilings
from hpfunc._plot.parts.series import Series, series_of
from hpfunc._plot.parts.style import open_axes
from hpfunc._plot.parts.summary import (
    Summary,
    check_spread,
    drawn_values,
    interval_words,
    spread_words,
    summarise,
)
from hpfunc._plot.parts.values import items_of, read_values, replicates_of, require_dims
from hpfunc._plot.parts.words import counted, label_of, names_of, title_of

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

__all__ = ["plot_layers"]

_MOST_BANDS = 3
# Up to so many layers, markers and bars stand clear of each other.
_MOST_MARKERS = 20


@np.errstate(all="ignore")
def plot_layers(
    results: xr.Dataset | xr.DataArray,
    /,
    *,
    spread: tuple[float, float] | str | None = "auto",
    over: str | None = None,
    scale: str = "linear",
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the mean HP by layer in execution order, with its uncertainty or its spread over the pairs of classes.

    Each checkpoint has a colour and a marker, from light to dark; ``train`` is solid, the other splits are dashed.

    Parameters
    ----------
    results : Dataset or DataArray
        What `pairwise_hp`, `sweep` or `hp_estimate` returned, or a part of it: dims ``layer`` and ``pair``,
        and any of ``checkpoint``, ``split``, ``repeat``, ``fold``. Of a Dataset, ``hp`` is drawn.
    spread : pair of float, "auto" or None, optional
        Two quantiles over the pairs, between which a band is shaded (hatched for the splits after the first): how much
        the pairs differ, which is not an uncertainty. ``(0, 1)`` is the range from the smallest to the largest pair,
        and None draws no band. "auto" is ``(0.1, 0.9)`` where no uncertainty is drawn, else None. With more than three
        checkpoints, only the first and the last have a band.
    over : str, optional
        A further dim of repeated measurements, such as ``run`` or ``seed``: the line is the mean over it, and bars (a
        dark band for more than 20 layers) show the 95 % interval of that mean, as `fold_interval` gives it. Where
        results have folds, it is ``fold`` by default, and the interval holds for new samples of the same classes.
    scale : {"linear", "log"}, optional
        "log" draws the overlap, 1 - HP, on a logarithmic axis with small overlaps at the top. It separates layers whose
        HP is close to 1. Overlaps of 0 are drawn at the edge.
    title : str, optional
        By default what was selected before, such as ``split = test``.
    figsize : pair of float, optional
        Width and height of a new figure in inches: by default 6.5 wide, the text width of a page. ``(3.4, 2.8)`` fits a
        column.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with the layers along x and mean HP, or the overlap, along y.

    Raises
    ------
    TypeError
        If ``results`` is not of xarray, or ``ax`` is not an Axes.
    ValueError
        If ``results`` lacks ``layer`` or ``pair``, has other dims, or holds no finite value; if ``spread`` is
        not two rising numbers between 0 and 1, ``over`` is not a further dim, ``scale`` is unknown, or ``figsize`` is
        given together with ``ax``.

    Notes
    -----
    A dotted line marks the ceiling of HP, 1 - 1 / n for n samples of each class, where a Dataset is drawn and a tenth
    of the pairs of some layer reach it: see `at_ceiling`.

    At the same number of samples the estimate falls with the dimension of the data, so part of a step between
    layers of different width is not separation. ``n_features`` in the results holds the widths. Folds measure HP at the
    number of samples in a fold.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> hp = xr.DataArray(np.linspace(0, 1, 30).reshape(3, 10), dims=("layer", "pair"), name="hp",
    ...                   coords={"layer": ["input", "fc1", "fc2"]})
    >>> [tick.get_text() for tick in plot_layers(hp).get_xticklabels()]
    ['input', 'fc1', 'fc2']
    """
    values = read_values(results, ("checkpoint", "split", "layer", "pair", "class"), needs=("layer",), over=over)
    items, over = items_of(values), replicates_of(values, over)
    require_dims(values, (items,))
    check_spread(spread)
    quantiles = (0.1, 0.9) if spread == "auto" and over is None else None if isinstance(spread, str) else spread
    names, series = names_of(values, "layer"), series_of(values)
    summaries = [summarise(s.values, "layer", items, over, quantiles if _has_band(s, series) else None) for s in series]
    drawn, ends = drawn_values(summaries)
    ceilings = ceilings_of(results, of_means=True)
    hp_scale = HpScale(scale, [*drawn, ceilings], ends)
    axes = open_axes(ax, figsize, size_for(names))
    _draw(axes, series, summaries, hp_scale)
    mark_ceilings(axes, ceilings, hp_scale)
    hp_scale.set_axis(axes)
    band = spread_words(quantiles, items) if quantiles is not None and values.sizes[items] > 1 else ""
    if band and len({s.name for s in series}) > _MOST_BANDS:
        band += ", first and last only"
    bars = interval_words(values, over) if over is not None else ""
    alone, many = len(series) == 1, len(names) > _MOST_MARKERS
    mean = f"mean over {counted(values.sizes[items], items)}"
    notes = [f"band: {band.removeprefix('spread: ')}"] if alone and band else []
    notes += [f"{'band' if many else 'bars'}: {bars}"] if alone and bars else []
    notes += ["dotted: highest possible HP"] if alone and ceilings else []
    entries = [] if alone else [*_entries(series, band, bars, many), *ceiling_entry(ceilings)]
    place_legend(axes, entries, own=ax is None, crowded=many)
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.grid(axis="y", alpha=0.3)
    finish_axes(
        axes, own=ax is None, names=names, xlabel=label_of(values["layer"], "layer"),
        ylabel="\n".join([hp_scale.label(label_of(values, "hp")), mean, *notes]),
        title=title_of(values) if title is None else title,
    )  # fmt: skip
    return axes


def _draw(axes: Axes, series: Sequence[Series], summaries: Sequence[Summary], hp_scale: HpScale) -> None:
    """Draw the lines with their bars and bands."""
    n = series[0].values.sizes["layer"]
    bars = n <= _MOST_MARKERS and summaries[0].interval is not None
    # Bars would hide each other, and a single layer has no line to follow: there, series stand side by side.
    reach = 0.3 if n == 1 else 0.12 if bars else 0.0
    shifts = np.linspace(-reach, reach, len(series)) if len(series) > 1 else np.zeros(1)
    for s, summary, shift in zip(series, summaries, shifts, strict=True):
        x = np.arange(n) + shift
        marker = s.marker if n <= _MOST_MARKERS else ""
        axes.plot(
            x, hp_scale(summary.mean), color=s.colour, linestyle=s.dash, marker=marker, markersize=4.5, linewidth=1.6
        )
        if summary.spread is not None:
            low, high = map(hp_scale, summary.spread)
            _draw_spread(axes, x, low, high, s)
        if summary.interval is not None:
            low, high = map(hp_scale, summary.interval)
            if bars:
                axes.vlines(x, low, high, color=s.colour, linewidth=1.4)
            else:
                axes.fill_between(x, low, high, color=s.colour, alpha=0.45, linewidth=0)


def _draw_spread(axes: Axes, x: Any, low: Any, high: Any, s: Series) -> None:
    """Draw the spread over pairs: shaded for the main split, hatched for the others, so that they can be told apart."""
    if len(x) == 1:
        axes.vlines(x, low, high, color=s.colour, linestyle=s.dash, linewidth=1.6)
    elif s.main_split:
        axes.fill_between(x, low, high, color=s.colour, alpha=0.2, linewidth=0)
    else:
        axes.fill_between(x, low, high, facecolor="none", edgecolor=s.colour, hatch="///", alpha=0.5, linewidth=0)


def _has_band(s: Series, series: Sequence[Series]) -> bool:
    """Tell whether the spread of a series is drawn: that of the first and last checkpoint if there are many."""
    return s.end or len({entry.name for entry in series}) <= _MOST_BANDS


def _entries(series: Sequence[Series], band: str, bars: str, many: bool) -> list[Artist]:
    """Make the legend of several lines; of a single line, the label of its axis says what bands and bars are."""
    entries = legend_entries(series, markers=not many)
    entries += [shade_entry(band)] * bool(band)
    entries += [(shade_entry if many else bar_entry)(bars)] * bool(bars)
    return entries
