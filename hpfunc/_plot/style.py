"""How pictures look: figures, axes, tick labels, and colours that survive colour blindness and grey."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "DASHES",
    "MARKERS",
    "axes_for",
    "class_colours",
    "name_ticks",
    "new_figure",
    "ordered_colours",
    "ordered_markers",
    "size_for",
]

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES: tuple[Any, ...] = ("-", (0, (4, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)))
# Okabe and Ito's palette without black and yellow, dark and light in turn so that neighbours differ in grey.
_CLASSES = ("#0072B2", "#E69F00", "#882255", "#56B4E9", "#D55E00", "#009E73", "#CC79A7")
_BEFORE_AND_AFTER = ("#E69F00", "#0072B2")


def new_figure(size: tuple[float, float]) -> Figure:
    """Make a figure that the user can see.

    Where pyplot is in use (already imported, or a notebook), the figure is registered with it, so that the
    cell or ``plt.show()`` shows it. Elsewhere it is a plain Figure, which nothing holds on to.
    """
    if "matplotlib.pyplot" in sys.modules or _in_notebook():
        from matplotlib import pyplot as plt

        return plt.figure(figsize=size, layout="constrained")
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout="constrained")


def axes_for(ax: Axes | None, size: tuple[float, float]) -> Axes:
    """Take the axes given, or make a new figure."""
    if ax is None:
        return new_figure(size).subplots()
    from matplotlib.axes import Axes

    if not isinstance(ax, Axes):
        raise TypeError(f"ax is a {type(ax).__name__}; pass one matplotlib Axes, or leave it out for a new figure")
    return ax


def size_for(names: Sequence[str]) -> tuple[float, float]:
    """Choose the inches, wide and high, of a picture with one tick below it for each name."""
    wide = min(max(6.8, 2.5 + 0.27 * len(names)), 18.0)
    return wide, 4.0 + min(0.06 * max(map(len, names)), 2.0)


def ordered_colours(n: int) -> list[Any]:
    """Choose the colours of an ordered series, from light to dark."""
    if n <= 2:
        return list(_BEFORE_AND_AFTER[2 - n :])
    from matplotlib import colormaps

    return [colormaps["viridis"](0.88 * (1 - i / (n - 1))) for i in range(n)]


def ordered_markers(n: int) -> list[str]:
    """Choose a marker for each of an ordered series; one for all where there are too many to tell apart."""
    return list(MARKERS[:n]) if n <= len(MARKERS) else ["o"] * n


def class_colours(n: int) -> list[tuple[str, str]]:
    """Choose a colour and a marker for each of ``n`` classes; the pairs repeat after 56."""
    return [(_CLASSES[i % len(_CLASSES)], MARKERS[i % len(MARKERS)]) for i in range(n)]


def name_ticks(ax: Axes, names: Sequence[str], *, axis: str = "x") -> None:
    """Set one tick for each name, turned, shrunk and at last thinned so that labels do not overlap."""
    n = len(names)
    extent, dpi = ax.get_window_extent(), ax.get_figure(root=True).dpi  # type: ignore[union-attr]
    room = (extent.width if axis == "x" else extent.height) / dpi * 72 / n
    size = min(10.0, max(5.0, 0.85 * room))
    every = -(-6 // max(room, 0.01)) if room < 6 else 1
    positions = list(range(0, n, int(every)))
    labels = [names[i] for i in positions]
    if axis == "y":
        ax.set_yticks(positions, labels, fontsize=size)
        return
    if max(map(len, labels)) * 0.65 * size < room:
        ax.set_xticks(positions, labels, fontsize=size)
    elif room > 18:
        ax.set_xticks(positions, labels, fontsize=size, rotation=45, ha="right", rotation_mode="anchor")
    else:
        ax.set_xticks(positions, labels, fontsize=size, rotation=90)


def _in_notebook() -> bool:
    """Tell whether an IPython session runs (IPython is not imported to find out)."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and ipython.get_ipython() is not None
