"""`plot_layers`: HP from the input to the output of a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from hpfunc._plot.data import (
    Series,
    label_of,
    mean_and_range,
    names_of,
    observations,
    series_of,
    title_of,
    values_of,
)
from hpfunc._plot.legend import legend_entries, place_legend
from hpfunc._plot.style import axes_for, name_ticks, size_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_layers"]

_MOST_BANDS = 3


def plot_layers(
    results: xr.Dataset | xr.DataArray,
    /,
    *,
    spread: tuple[float, float] | None = (0.1, 0.9),
    ax: Axes | None = None,
) -> Axes:
    """Draw the mean HP by layer in execution order, with its spread over the pairs of classes.

    One colour and marker for each checkpoint, light to dark; ``train`` solid, the other splits dashed.

    Parameters
    ----------
    results : Dataset or DataArray
        What `pairwise_hp`, `sweep` or `hp_estimate` returned, or a part of it: dims ``layer`` and ``pair``,
        and any of ``checkpoint``, ``split``. Of a Dataset, ``hp`` is drawn.
    spread : pair of float, optional
        The band reaches from one quantile over the pairs to the other: by default from the 10 % to the 90 %
        quantile; ``(0, 1)`` is the range from the smallest to the largest; None draws no band. It is shaded for
        ``train`` and hatched for the other splits. With more than three checkpoints only the first and the last
        have one. The legend says what is drawn.
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
        If ``results`` lacks ``layer`` or ``pair``, has other dims, or holds no finite value; if ``spread`` is
        not two rising numbers between 0 and 1.

    Notes
    -----
    At the same number of samples the estimate falls with the dimension of the data, so part of a step between
    layers of different width is not separation. ``n_features`` in the results holds the widths.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> hp = xr.DataArray(np.linspace(0, 1, 30).reshape(3, 10), dims=("layer", "pair"), name="hp",
    ...                   coords={"layer": ["input", "fc1", "fc2"]})
    >>> [tick.get_text() for tick in plot_layers(hp).get_xticklabels()]
    ['input', 'fc1', 'fc2']
    """
    dims = ("checkpoint", "split", "layer", "pair", "class")
    values = values_of(results, dims, needs=("layer",))
    over = observations(values)
    values = values_of(values, dims, needs=(over,))
    _check_spread(spread)
    names = names_of(values, "layer")
    axes = axes_for(ax, size_for(names))
    series = series_of(values)
    _draw(axes, series, over, spread)
    name_ticks(axes, names)
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_xlabel(label_of(values["layer"], "layer"))
    axes.set_ylabel(f"{label_of(values, 'hp')}\nmean over {values.sizes[over]} {over}s")
    axes.set_title(title_of(values))
    axes.grid(axis="y", alpha=0.3)
    place_legend(axes, legend_entries(series, markers=True), title=_words(series, spread), beside=ax is None)
    return axes


def _draw(axes: Axes, series: Sequence[Series], over: str, spread: tuple[float, float] | None) -> None:
    """Draw the lines, and the bands of those checkpoints that have one."""
    n = series[0].values.sizes["layer"]
    # One layer has no line to follow, so its values stand side by side.
    shifts = np.linspace(-0.3, 0.3, len(series)) if n == 1 and len(series) > 1 else np.zeros(len(series))
    for s, shift in zip(series, shifts, strict=True):
        mean, low, high = mean_and_range(s.values.transpose("layer", over), over, spread or (0.5, 0.5))
        x = np.arange(n) + shift
        axes.plot(x, mean, color=s.colour, linestyle=s.dash, marker=s.marker, markersize=4.5, linewidth=1.6)
        if spread is not None and _has_band(s, series):
            _band(axes, x, low, high, s)


def _band(axes: Axes, x: Any, low: Any, high: Any, s: Series) -> None:
    """Draw the spread: a shade for the main split, hatching for the others, so that they stay apart."""
    if len(x) == 1:
        axes.vlines(x, low, high, color=s.colour, linestyle=s.dash, linewidth=1.6)
    elif s.main_split:
        axes.fill_between(x, low, high, color=s.colour, alpha=0.2, linewidth=0)
    else:
        axes.fill_between(x, low, high, facecolor="none", edgecolor=s.colour, hatch="///", alpha=0.5, linewidth=0)


def _has_band(s: Series, series: Sequence[Series]) -> bool:
    return s.end or _checkpoints(series) <= _MOST_BANDS


def _checkpoints(series: Sequence[Series]) -> int:
    return len({s.name for s in series})


def _check_spread(spread: object) -> None:
    if spread is None:
        return
    rising = isinstance(spread, (tuple, list)) and len(spread) == 2 and 0 <= spread[0] < spread[1] <= 1
    if not rising:
        raise ValueError(f"spread={spread!r} is not two rising quantiles; pass (0.1, 0.9), (0, 1) or None")


def _words(series: Sequence[Series], spread: tuple[float, float] | None) -> str | None:
    """Say what the bands show."""
    if spread is None:
        return None
    whole = tuple(spread) == (0, 1)
    words = "smallest to largest" if whole else f"{100 * spread[0]:g} % to {100 * spread[1]:g} % quantile"
    which = "" if _checkpoints(series) <= _MOST_BANDS else "\nof the first and last"
    return f"band: {words}{which}"
