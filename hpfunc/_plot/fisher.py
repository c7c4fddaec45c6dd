"""Draw p-values of permutation tests by layer or step, below the effects (`plot_fisher`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from hpfunc._plot.intervals import draw_effects, layout_of, point_size, show_sizes
from hpfunc._plot.parts.finish import finish_axes, size_for
from hpfunc._plot.parts.legend import legend_entries, place_legend, text_entry
from hpfunc._plot.parts.series import Series, series_of
from hpfunc._plot.parts.style import PAGE, check_figsize, new_figure, open_axes
from hpfunc._plot.parts.values import read_values
from hpfunc._plot.parts.words import label_of, names_of, title_of
from hpfunc.adjustment import adjust_pvalues

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_fisher"]

_DIMS = ("step", "checkpoint", "split", "layer")


@np.errstate(all="ignore")
def plot_fisher(
    tests: xr.Dataset | xr.DataArray,
    /,
    *,
    intervals: xr.Dataset | None = None,
    method: str | None = "holm",
    alpha: float = 0.05,
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the adjusted p-values of permutation tests, the significant ones filled, below the effects that were tested.

    Parameters
    ----------
    tests : Dataset or DataArray
        What `fisher_permutation` or `fisher_steps` returned, or its ``pvalue``: any of the dims ``step``,
        ``checkpoint``, ``split``, ``layer``. Layers, or else steps, stand along the axis; what remains has a
        colour (step, checkpoint) or a point size (split: ``train`` large).
    intervals : Dataset, optional
        What `fold_interval` returned for the same differences: ``low`` and ``high`` are drawn as bars on the effects.
    method : str, optional
        How all p-values of the picture are adjusted jointly, as in `adjust_pvalues`; None leaves the p-values as
        they are, perhaps adjusted before.
    alpha : float, optional
        The level: p-values up to it are significant, and a line marks it.
    title : str, optional
        By default what was selected before, such as ``split = test``.
    figsize : pair of float, optional
        Width and height of a new figure in inches; by default 6.5 wide.
    ax : matplotlib.axes.Axes, optional
        Where to draw the p-values; a new figure by default. Effects are drawn in a new figure only; in one of yours,
        `plot_intervals` draws them.

    Returns
    -------
    matplotlib.axes.Axes
        The axes of the p-values, whose axis is logarithmic, with small values at the top. In a new figure the axes of
        the effects (``statistic``, the difference of means) are ``ax.figure.axes[0]``. A cross marks a test that
        cannot reach ``alpha``, however large the effect: the least p-value that its number of entries allows is too
        large.

    Raises
    ------
    TypeError
        If ``tests`` is not of xarray, ``intervals`` is not a Dataset, or ``ax`` is not an Axes.
    ValueError
        If ``tests`` has other dims or no finite value; if ``alpha`` is not between 0 and 1; for an unknown
        ``method``; if ``intervals`` comes without effects or with ``ax``; if ``figsize`` is given together with ``ax``.

    Examples
    --------
    >>> import xarray as xr
    >>> p = xr.DataArray([0.2, 0.001, 0.03], dims="layer", coords={"layer": ["input", "fc1", "fc2"]})
    >>> plot_fisher(p).get_ylabel()
    'p-value, adjusted (holm)'
    """
    check_figsize(figsize, ax)
    pvalues = read_values(tests, _DIMS, variable="pvalue", argument="tests")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha={alpha!r} is not a level; pass a number between 0 and 1, such as 0.05")
    least = _least(tests, pvalues)
    if method is not None:
        pvalues, least = (adjust_pvalues(p, method=method) for p in (pvalues, least))
    undecidable = (least > alpha).transpose(*pvalues.dims)
    pvalues, along, by = layout_of(pvalues, "tests")
    undecidable, _, _ = layout_of(undecidable, "tests")
    names = names_of(pvalues, along)
    effects = _effects(tests, intervals, ax)
    axes, upper = _open(ax, figsize, names, effects is not None)
    series = _draw_pvalues(axes, pvalues, undecidable, along, by, alpha)
    crowded = len(names) > 20
    entries = [*_entries(series, alpha), *_undecidable_entry(undecidable)]
    place_legend(upper or axes, entries, own=ax is None, crowded=crowded)
    axes.set_xlim(-0.5, len(names) - 0.5)
    words = title_of(pvalues) if title is None else title
    finish_axes(
        axes, own=ax is None, names=names, xlabel=label_of(pvalues[along], along),
        ylabel="p-value" if method is None else f"p-value, adjusted ({method})", title="" if upper else words,
    )  # fmt: skip
    if effects is not None and upper is not None:
        estimate, bounds = effects
        _draw_effects(upper, estimate, bounds, along, by)
        effect = label_of(estimate, "effect") + ("" if bounds is None else "\nwith its interval")
        finish_axes(upper, own=True, xlabel="", ylabel=effect, title=words)
    return axes


def _least(tests: object, pvalues: xr.DataArray) -> xr.DataArray:
    """Find the least p-value that each test can reach; 0 where the results do not say."""
    if isinstance(tests, xr.Dataset) and "least_pvalue" in tests:
        return tests["least_pvalue"].broadcast_like(pvalues).reindex_like(pvalues)
    return xr.zeros_like(pvalues)


def _effects(
    tests: object, intervals: object, ax: object
) -> tuple[xr.DataArray, tuple[xr.DataArray, xr.DataArray] | None] | None:
    """Find the effects, and the bounds of their intervals if they are given."""
    estimate = tests["statistic"] if isinstance(tests, xr.Dataset) and "statistic" in tests else None
    if intervals is None:
        return None if estimate is None or ax is not None else (read_values(estimate, _DIMS, argument="tests"), None)
    if not isinstance(intervals, xr.Dataset) or not {"low", "high"} <= set(intervals):
        raise TypeError("intervals is not a Dataset with low and high; pass what fold_interval returned")
    if ax is not None:
        raise ValueError("intervals were given with ax, where only p-values are drawn; draw them with plot_intervals")
    if estimate is None:
        raise ValueError("intervals were given, and tests holds no effects; pass the Dataset that the test returned")
    estimate = read_values(estimate, _DIMS, argument="tests")
    low, high = (intervals[name].reindex_like(estimate).broadcast_like(estimate) for name in ("low", "high"))
    return estimate, (low, high)


def _open(
    ax: Axes | None, figsize: tuple[float, float] | None, names: list[str], with_effects: bool
) -> tuple[Axes, Axes | None]:
    """Open the axes of the p-values, and above them those of the effects."""
    if not with_effects:
        return open_axes(ax, figsize, size_for(names)), None
    figure = new_figure(figsize or (PAGE, size_for(names)[1] + 1.4))
    upper, axes = figure.subplots(2, 1, sharex=True)
    return axes, upper


def _draw_pvalues(
    axes: Axes, pvalues: xr.DataArray, undecidable: xr.DataArray, along: str, by: str, alpha: float
) -> list[Series]:
    """Draw the p-values: filled if significant, hollow if not, a cross if they could not be."""
    series, marks = series_of(pvalues, by=by), series_of(undecidable, by=by)
    # Side by side, because equal p-values (the smallest possible one) are common.
    shifts = np.linspace(-0.2, 0.2, len(series)) if len(series) > 1 else np.zeros(1)
    # A p-value of 0 has no place on a logarithmic axis; it stands at its edge.
    edge = min([alpha / 10, *pvalues.values[pvalues.values > 0].tolist()]) / 1.6
    for s, mark, shift in zip(series, marks, shifts, strict=True):
        p, lost = np.maximum(s.values.transpose(along).values, edge), mark.values.transpose(along).values
        x = np.arange(len(p)) + shift
        look: dict[str, Any] = {"linestyle": "", "markersize": point_size(s), "markeredgecolor": s.colour}
        axes.plot(x, np.where((p > alpha) & ~lost, p, np.nan), marker=s.marker, markerfacecolor="white", **look)
        axes.plot(x, np.where((p <= alpha) & ~lost, p, np.nan), marker=s.marker, markerfacecolor=s.colour, **look)
        axes.plot(x, np.where(lost, p, np.nan), marker="x", markerfacecolor=s.colour, **look)
    axes.axhline(alpha, color="0.3", linewidth=1, linestyle=":")
    from matplotlib.ticker import FuncFormatter

    axes.set_yscale("log")
    axes.set_ylim(1.3, edge)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda p, _: f"{p:g}"))
    return series


def _draw_effects(
    axes: Axes, estimate: xr.DataArray, bounds: tuple[xr.DataArray, xr.DataArray] | None, along: str, by: str
) -> None:
    """Draw the effects above the p-values, whose axes carry the names."""
    if bounds is not None:
        low, high = (layout_of(bound, "intervals")[0] for bound in bounds)
        bounds = low, high
    draw_effects(axes, layout_of(estimate, "tests")[0], bounds, along, by)
    axes.tick_params(labelbottom=False)


def _entries(series: list[Series], alpha: float) -> list[Any]:
    """Make the legend: colours, splits by the size of their points, and what a filled point means."""
    entries = legend_entries(series, markers=True)
    show_sizes(entries, series)
    return [*entries, text_entry(f"filled: p ≤ {alpha:g} (dotted)")]


def _undecidable_entry(undecidable: xr.DataArray) -> list[Any]:
    """Explain the crosses, if there are any."""
    if not bool(undecidable.any()):
        return []
    from matplotlib.lines import Line2D

    return [Line2D([], [], color="0.25", linestyle="", marker="x", label="undecidable: p cannot be that small")]
