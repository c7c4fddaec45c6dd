"""Draw HP on a linear axis, or the overlap 1 - HP on a logarithmic one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from hpfunc._support.checks import check_option

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["HpScale"]

# Where every value is 1, the overlap is 0 everywhere, and any floor serves.
_FLOOR = 1e-3


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
