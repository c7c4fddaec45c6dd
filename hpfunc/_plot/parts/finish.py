"""Write titles, axis labels and the names of layers so that they fit and do not overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hpfunc._plot.parts.style import NARROW, PAGE
from hpfunc._plot.parts.words import fold_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["finish_axes", "inches_of", "name_ticks", "size_for"]

# Below this size, in points, names are hard to read on paper.
_SMALLEST = 5.0


def size_for(names: Sequence[str]) -> tuple[float, float]:
    """Choose the width and height, in inches, of a picture with one tick below it for each name."""
    longest = max(map(len, names))
    return PAGE, 3.6 + min(0.055 * longest if len(names) > 6 else 0.0, 1.6)


def inches_of(axes: Axes) -> tuple[float, float]:
    """Measure the width and height of axes."""
    extent, dpi = axes.get_window_extent(), axes.get_figure(root=True).dpi  # type: ignore[union-attr]
    return extent.width / dpi, extent.height / dpi


def finish_axes(
    axes: Axes, *, own: bool, xlabel: str, ylabel: str, title: str, names: Sequence[str] | None = None,
    table: bool = False,
) -> None:  # fmt: skip
    """Write labels and title in lines that fit the axes, and one tick for each name (in a ``table`` on both axes).

    The axes of a figure of our own get their final size first. In a narrow figure, a column of a page, the letters are
    smaller.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    small = own and figure.get_size_inches()[0] < NARROW
    size, ticks = (8.0, 7.0) if small else (10.0, 10.0)
    axes.tick_params(labelsize=ticks)
    axes.set_xlabel(xlabel, fontsize=size)
    # A line of the final height of the label; how it is folded is known later.
    axes.set_ylabel("\n".join("x" for _ in ylabel.split("\n")), fontsize=size)
    if own:
        figure.draw_without_rendering()
    if names is not None:
        name_ticks(axes, names, largest=ticks)
        if table:
            name_ticks(axes, names, axis="y", largest=ticks)
        if own:
            figure.draw_without_rendering()
    width, height = inches_of(axes)
    axes.set_ylabel(fold_lines(ylabel, 72 * height, size), fontsize=size)
    # A name and its value stay on one line.
    words = fold_lines(title.replace(" = ", "\u00a0=\u00a0"), 72 * width, size)
    axes.set_title(words.replace("\u00a0", " "), fontsize=size)


def name_ticks(axes: Axes, names: Sequence[str], *, axis: str = "x", largest: float = 10.0) -> None:
    """Set one tick for each name; turn, shrink and at last thin the names so that they do not overlap."""
    n = len(names)
    points = 72 * inches_of(axes)[axis == "y"] / n
    # A line of text is a fifth higher than its size.
    size = min(largest, max(_SMALLEST, 0.82 * points))
    every = 1 if points >= 1.2 * _SMALLEST else max(2, -int(-8 // max(points, 0.01)))
    positions = list(range(0, n, every))
    labels = [names[i] for i in positions]
    if axis == "y":
        axes.set_yticks(positions, labels, fontsize=size)
        return
    if max(map(len, labels)) * 0.65 * size < points * every:
        axes.set_xticks(positions, labels, fontsize=size)
    elif points > 18:
        axes.set_xticks(positions, labels, fontsize=size, rotation=45, ha="right", rotation_mode="anchor")
    else:
        axes.set_xticks(positions, labels, fontsize=size, rotation=90)
