"""Draw HP of each layer in the course of training (`plot_trajectory`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from hpfunc._plot.parts.finish import finish_axes
from hpfunc._plot.parts.legend import bar_entry, legend_entries, place_legend, shade_entry, text_entry
from hpfunc._plot.parts.scale import HpScale
from hpfunc._plot.parts.series import Series, series_of
from hpfunc._plot.parts.style import PAGE, open_axes
from hpfunc._plot.parts.summary import Summary, drawn_values, interval_words, summarise
from hpfunc._plot.parts.values import items_of, read_values, replicates_of, require_dims
from hpfunc._plot.parts.words import counted, label_of, names_of, title_of

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

__all__ = ["plot_trajectory"]

# The 95 % quantile of the normal distribution.
_Z95 = 1.6448536269514722
# With more layers than this, only some of them are drawn thick and named.
_MOST_LAYERS = 12
_MOST_NAMED = 8


@np.errstate(all="ignore")
def plot_trajectory(
    results: xr.Dataset | xr.DataArray,
    /,
    *,
    over: str | None = None,
    scale: str = "linear",
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw mean HP over checkpoints, with one line for each layer.

    Layers run from light (input) to dark (output), and neighbours differ in their markers, which are filled and hollow
    in turn; ``train`` is solid, the other splits are dashed. With more than twelve layers, eight of them, from the
    first to the last, are drawn thick and named; the others are thin.

    Parameters
    ----------
    results : Dataset or DataArray
        What `sweep` returned, or a part of it: dims ``checkpoint`` and ``pair``, and any of ``split``,
        ``layer``, ``repeat``, ``fold``. Checkpoints that are numbers stand at their value, others in their order.
    over : str, optional
        A further dim of repeated measurements, such as ``run`` or ``seed``: lines are means over it, and bars show the
        95 % interval of the mean, as in `plot_layers`. Where results have folds, it is ``fold`` by default.
    scale : {"linear", "log"}, optional
        "log" draws the overlap, 1 - HP, on a logarithmic axis with small overlaps at the top.
    title : str, optional
        By default what was selected before, such as ``split = test``.
    figsize : pair of float, optional
        Width and height of a new figure in inches; by default 6.5 by 4.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with the checkpoints along x and mean HP, or the overlap, along y.

    Raises
    ------
    TypeError
        If ``results`` is not of xarray, or ``ax`` is not an Axes.
    ValueError
        If ``results`` lacks ``checkpoint`` or ``pair``, has other dims, or holds no finite value; if ``over`` is not a
        further dim, ``scale`` is unknown, or ``figsize`` is given together with ``ax``.

    Notes
    -----
    For a Dataset of minimum spanning trees that holds ``z``, the legend says below which HP 95 % of the values lie if
    the class labels of one pair are permuted (normal approximation; mean over the pairs, largest over layers and
    splits). A grey band shows this range where it is near the lines; it never changes the limits of the axis. Means
    over many pairs vary less than that by chance.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> hp = xr.DataArray(np.linspace(0, 1, 30).reshape(3, 10), dims=("checkpoint", "pair"),
    ...                   coords={"checkpoint": [0, 10, 50]})
    >>> plot_trajectory(hp).lines[0].get_xdata().tolist()
    [0, 10, 50]
    """
    values = read_values(results, ("checkpoint", "split", "layer", "pair", "class"), needs=("checkpoint",), over=over)
    items, over = items_of(values), replicates_of(values, over)
    require_dims(values, (items,))
    at = values["checkpoint"].values
    numbers = at.dtype.kind in "iuf"
    x = at if numbers else np.arange(len(at))
    series = series_of(values, by="layer")
    summaries = [summarise(s.values, "checkpoint", items, over, None) for s in series]
    hp_scale = HpScale(scale, *drawn_values(summaries))
    axes = open_axes(ax, figsize, (PAGE, 4.0))
    thick = _thick(series)
    _draw(axes, x, series, summaries, thick, hp_scale)
    hp_scale.set_axis(axes)
    entries = legend_entries([s for s in series if s.name in thick], markers=True)
    if len(thick) < len({s.name for s in series}):
        entries.append(text_entry(f"thin: the other {len({s.name for s in series}) - len(thick)} layers"))
    if over is not None:
        entries.append(bar_entry(interval_words(values, over)))
    entries += _draw_chance(axes, x, results, hp_scale)
    place_legend(axes, entries, own=ax is None)
    axes.grid(axis="y", alpha=0.3)
    mean = f"mean over {counted(values.sizes[items], items)}"
    finish_axes(
        axes, own=ax is None, names=None if numbers else names_of(values, "checkpoint"),
        xlabel=label_of(values["checkpoint"], "checkpoint"),
        ylabel=f"{hp_scale.label(label_of(values, 'hp'))}\n{mean}",
        title=title_of(values) if title is None else title,
    )  # fmt: skip
    return axes


def _thick(series: Sequence[Series]) -> set[str]:
    """Choose the layers that are drawn thick: all, or some from the first to the last."""
    names = list(dict.fromkeys(s.name for s in series))
    if len(names) <= _MOST_LAYERS:
        return set(names)
    return {names[i] for i in np.linspace(0, len(names) - 1, _MOST_NAMED).round().astype(int)}


def _draw(
    axes: Axes, x: Any, series: Sequence[Series], summaries: Sequence[Summary], thick: set[str], hp_scale: HpScale
) -> None:
    """Draw the lines, and bars on those that are thick."""
    for s, summary in zip(series, summaries, strict=True):
        mean = hp_scale(summary.mean)
        if s.name not in thick:
            axes.plot(x, mean, color=s.colour, linestyle=s.dash, linewidth=0.6, alpha=0.6)
            continue
        axes.plot(
            x, mean, color=s.colour, linestyle=s.dash, marker=s.marker, markersize=5, linewidth=1.5,
            markerfacecolor=s.face,
        )  # fmt: skip
        if summary.interval is not None:
            axes.vlines(x, *map(hp_scale, summary.interval), color=s.colour, linewidth=1.2)


def _draw_chance(axes: Axes, x: Any, results: object, hp_scale: HpScale) -> list[Artist]:
    """Draw what permuted labels give, within the limits that the lines have, and make its entry of the legend."""
    band = _null_band(results) if isinstance(results, xr.Dataset) else None
    if band is None:
        return []
    limits = axes.get_ylim()
    none = max(1.0, *limits) if hp_scale.log else min(0.0, *limits)
    axes.fill_between(x, hp_scale(band), none, color="0.85", linewidth=0)
    axes.set_ylim(limits)
    return [shade_entry(f"chance: 95 % of permuted labels give HP up to {float(np.max(band)):.2f}")]


def _null_band(results: xr.Dataset) -> Any:
    """Find the upper edge of the band at each checkpoint; None where the results do not hold its ingredients.

    For trees E[R] = 2mn/N, so that unclipped HP is 1 - R/E[R] = -z * sd/E[R], and sd/E[R] is its deviation.
    """
    if results.attrs.get("graph") != "mst" or not {"z", "cross_edges", "n_a", "n_b"} <= set(results):
        return None
    expected = 2 * results["n_a"] * results["n_b"] / (results["n_a"] + results["n_b"])
    z = results["z"]
    deviation = abs((1 - results["cross_edges"] / expected) / z.where(z != 0))
    means = deviation.mean([dim for dim in deviation.dims if dim not in ("checkpoint", "split", "layer")])
    band = _Z95 * means.max([dim for dim in means.dims if dim != "checkpoint"])
    if band["checkpoint"].dtype.kind in "iuf":
        band = band.isel(checkpoint=np.argsort(band["checkpoint"].values, kind="stable"))
    return band.values if bool(band.notnull().all()) else None
