"""Draw HP on a linear axis, or the overlap 1 - HP on a logarithmic one, and mark the highest possible HP."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from hpfunc._support.checks import check_option
from hpfunc.hardest import at_ceiling

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

__all__ = ["HpScale", "ceiling_entry", "ceilings_of", "mark_ceilings"]

# Where every value is 1, the overlap is 0 everywhere, and any floor serves.
_FLOOR = 1e-3
# The ceiling is marked where a tenth of the pairs of some layer reach it.
_LEAST_SHARE = 0.1
# Results with more ceilings than this, such as those of many unequal classes, get no mark.
_MOST_CEILINGS = 3
_DOTTED: dict[str, Any] = {"color": "0.35", "linewidth": 0.9, "linestyle": (0, (1, 2))}


class HpScale:
    """Map HP to what is drawn, and set up the axis.

    A logarithmic axis cannot show an overlap of 0 (HP = 1). Such values, and the ends of intervals that reach far
    beyond the values, are drawn at ``floor``, the edge of the axis: half of the smallest positive overlap.
    """

    def __init__(self, scale: str, values: Iterable[Any], ends: Iterable[Any] = ()) -> None:
        """Choose the scale; find its floor from the HP of ``values``, and its limits also from ``ends``."""
        check_option("scale", scale, ("linear", "log"))
        self.log = scale == "log"
        overlaps = 1 - np.concatenate([np.ravel(array) for array in values])
        everything = np.concatenate([overlaps, *(1 - np.ravel(array) for array in ends)])
        # Overlaps come in steps of one edge; anything smaller is a rounding error.
        positive = overlaps[overlaps > 1e-9]
        self.floor = float(positive.min()) / 2 if positive.size else _FLOOR
        self.most = max(float(np.nanmax(everything)), self.floor)
        self.least = max(float(np.nanmin(everything)), self.floor)

    def __call__(self, hp: Any) -> Any:
        """Convert HP to the values on the axis; NaN stays NaN."""
        return np.maximum(1 - np.asarray(hp), self.floor) if self.log else np.asarray(hp)

    def label(self, words: str) -> str:
        """Name the axis."""
        return f"overlap: 1 − {words}" if self.log else words

    def set_axis(self, axes: Axes, which: str = "y", *, small: bool = False) -> None:
        """Make the axis logarithmic, with well separated classes (small overlaps) at the top or right.

        ``small`` axes have few ticks.
        """
        if not self.log:
            return
        from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

        axis = axes.yaxis if which == "y" else axes.xaxis
        (axes.set_yscale if which == "y" else axes.set_xscale)("log")
        edge = self.floor if self.least == self.floor else self.least / 1.25
        limits = self.most * 1.25, edge
        (axes.set_ylim if which == "y" else axes.set_xlim)(*limits)
        wide = self.most / edge > (20 if small else 200)
        axis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_locator(LogLocator(subs="auto") if wide else NullLocator())
        axis.set_minor_formatter(NullFormatter())


def ceilings_of(results: object, *, of_means: bool) -> list[float]:
    """List the largest HP that the numbers of samples allow; empty where few pairs reach it.

    The ceiling is that of each pair, or ``of_means`` over all pairs. Only results with counts say how many samples
    there were, and other estimates of HP have other ceilings.
    """
    if not isinstance(results, xr.Dataset) or not {"hp", "cross_edges", "n_a", "n_b"} <= set(results):
        return []
    known = results.attrs.get("graph") == "mst" and "estimator" not in results["hp"].attrs
    if not known or "pair" not in results["cross_edges"].dims:
        return []
    if not float(at_ceiling(results).max()) >= _LEAST_SHARE:
        return []
    n_a, n_b = (results[name].astype(float) for name in ("n_a", "n_b"))
    highest = 1 - (n_a + n_b) / (2 * n_a * n_b)
    values = (highest.mean("pair") if of_means else highest).values
    distinct = np.unique(values[np.isfinite(values)].round(9))
    return [float(value) for value in distinct] if len(distinct) <= _MOST_CEILINGS else []


def mark_ceilings(axes: Axes, ceilings: Sequence[float], hp_scale: HpScale, which: str = "y") -> None:
    """Draw a dotted line at each ceiling."""
    for ceiling in ceilings:
        at = float(hp_scale(ceiling))
        (axes.axhline if which == "y" else axes.axvline)(at, zorder=1.5, **_DOTTED)
        # A line across the axes moves their limits only if it lies outside, and at the edge it could not be seen.
        axes.update_datalim([(at, at)], updatex=which == "x", updatey=which == "y")
        axes.autoscale_view(scalex=which == "x", scaley=which == "y")


def ceiling_entry(ceilings: Sequence[float]) -> list[Artist]:
    """Make the entry of the legend, if there is a line."""
    from matplotlib.lines import Line2D

    return [Line2D([], [], label="highest possible HP", **_DOTTED)] if ceilings else []
