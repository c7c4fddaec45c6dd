"""Choose figures, axes and colours: they survive colour blindness and grey paper, and fit a page or a column."""

from __future__ import annotations

import numbers
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "DASHES",
    "MARKERS",
    "NARROW",
    "PAGE",
    "check_figsize",
    "class_looks",
    "new_figure",
    "open_axes",
    "ordered_colours",
    "ordered_markers",
]

# The width of the text of a page, in inches: no picture is wider by default.
PAGE = 6.5
# A figure that is narrower than this stands in a column: its letters are smaller and its legend is below it.
NARROW = 5.0
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", "p", "h")
DASHES: tuple[Any, ...] = ("-", (0, (4, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)))
# Ten colours after Paul Tol, dark and light in turn so that neighbours differ in grey.
_CLASSES = (
    "#332288", "#DDCC77", "#117733", "#88CCEE", "#882255", "#999933", "#CC6677", "#44AA99", "#000000", "#CC66CC",
)  # fmt: skip
_BEFORE_AND_AFTER = ("#E69F00", "#0072B2")


def new_figure(size: tuple[float, float]) -> Figure:
    """Make a figure that the user can see.

    Where pyplot is in use (already imported, or a notebook), register the figure with it, so that the cell or
    ``plt.show()`` shows it. Elsewhere make a plain Figure, which nothing holds on to.
    """
    if "matplotlib.pyplot" in sys.modules or _in_notebook():
        from matplotlib import pyplot as plt

        return plt.figure(figsize=size, layout="constrained")
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout="constrained")


def open_axes(ax: Axes | None, figsize: tuple[float, float] | None, default: tuple[float, float]) -> Axes:
    """Return the axes of the user, or those of a new figure of the size ``figsize`` or ``default``."""
    check_figsize(figsize, ax)
    if ax is None:
        return new_figure(figsize or default).subplots()
    from matplotlib.axes import Axes

    if not isinstance(ax, Axes):
        raise TypeError(f"ax is a {type(ax).__name__}; pass one matplotlib Axes, or leave it out for a new figure")
    return ax


def check_figsize(figsize: Any, ax: object = None) -> None:
    """Raise ValueError unless ``figsize`` is None, or two positive numbers without ``ax``."""
    if figsize is None:
        return
    if ax is not None:
        raise ValueError(f"figsize={figsize!r} is the size of a new figure; leave it out where ax is given")
    pair = isinstance(figsize, (tuple, list)) and len(figsize) == 2
    if not pair or not all(isinstance(side, numbers.Real) and float(side) > 0 for side in figsize):
        raise ValueError(f"figsize={figsize!r} is not a width and a height in inches; pass two positive numbers")


def ordered_colours(n: int) -> list[Any]:
    """Choose the colours of an ordered series, from light to dark."""
    if n <= 2:
        return list(_BEFORE_AND_AFTER[2 - n :])
    from matplotlib import colormaps

    return [colormaps["viridis"](0.88 * (1 - i / (n - 1))) for i in range(n)]


def ordered_markers(n: int) -> list[str]:
    """Choose a marker for each entry of an ordered series; neighbours always differ."""
    return [MARKERS[i % len(MARKERS)] for i in range(n)]


def class_looks(n: int) -> list[tuple[str, str]]:
    """Choose a colour and a marker for each of ``n`` classes; the pairs repeat after 110."""
    return [(_CLASSES[i % len(_CLASSES)], MARKERS[i % len(MARKERS)]) for i in range(n)]


def _in_notebook() -> bool:
    """Tell whether an IPython session runs, without importing IPython."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and ipython.get_ipython() is not None
