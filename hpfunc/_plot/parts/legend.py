"""Make one legend for colours, splits and bands: an entry for each of them, not for each combination."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hpfunc._plot.parts.series import Series
from hpfunc._plot.parts.style import NARROW

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["across_figure", "bar_entry", "legend_entries", "place_legend", "shade_entry", "text_entry"]

_MOST_COLOURS = 12
# Longer labels are broken, so that the legend leaves room for the axes.
_LINE = 26


def legend_entries(series: Sequence[Series], *, markers: bool) -> list[Artist]:
    """Make the entries of colours, at most about twelve of them, and those of splits by dash.

    A single series needs no entry.
    """
    from matplotlib.lines import Line2D

    def line(label: str, **look: Any) -> Line2D:
        return Line2D([], [], label=label, **look)

    colours = {s.name: s for s in series if s.name}
    splits = {s.split: s for s in series if s.split}
    names = list(colours)
    # The last name always shows, because the first is compared with it.
    shown = [*names[: -1 : max(1, -(-len(names) // _MOST_COLOURS))], *names[-1:]]
    entries: list[Artist] = []
    if len(names) > 1:
        entries += [
            line(
                name,
                color=colours[name].colour,
                linewidth=2 if markers else 6,
                marker=colours[name].marker if markers else "",
                markerfacecolor=colours[name].face,
            )
            for name in shown
        ]
    if len(splits) > 1:
        # With a single colour, the splits are shown in that colour.
        entries += [
            line(name, color="0.25" if len(names) > 1 else s.colour, linestyle=s.dash, linewidth=1.5)
            for name, s in splits.items()
        ]
    return entries


def shade_entry(label: str) -> Artist:
    """Make the entry of a shaded band."""
    from matplotlib.patches import Patch

    return Patch(facecolor="0.5", alpha=0.3, label=label)


def bar_entry(label: str) -> Artist:
    """Make the entry of bars that show an interval."""
    from matplotlib.lines import Line2D

    return Line2D([], [], color="0.25", linestyle="", marker="|", markersize=11, markeredgewidth=1.4, label=label)


def text_entry(label: str) -> Artist:
    """Make an entry that only says something."""
    from matplotlib.lines import Line2D

    return Line2D([], [], linestyle="", label=label)


def across_figure(figure: Figure, entries: Sequence[Artist], *, above: bool, fontsize: float, **look: Any) -> None:
    """Put the legend above or below all axes, in as many columns as fit."""
    _fold_labels(entries)
    longest = max(len(line) for entry in entries for line in str(entry.get_label()).split("\n"))
    width = float(figure.get_size_inches()[0])
    columns = max(1, min(len(entries), int(width * 72 / (fontsize * (0.52 * longest + 3.2)))))
    figure.legend(
        handles=entries, loc="outside upper center" if above else "outside lower center", ncols=columns,
        frameon=False, handlelength=1.6, columnspacing=1.0, fontsize=fontsize, **look,
    )  # fmt: skip


def _fold_labels(entries: Sequence[Artist]) -> None:
    """Break long labels into lines."""
    for entry in entries:
        entry.set_label("\n".join(textwrap.wrap(str(entry.get_label()), _LINE)))


def place_legend(
    axes: Axes, entries: Sequence[Artist], *, own: bool, title: str | None = None, crowded: bool = False
) -> None:
    """Put the legend where it hides nothing.

    In a figure of our own it stands beside the axes, or below them where the figure is narrow or the axes are
    ``crowded``. In axes of the user it stands beside them where a layout makes room, else where it hides least.
    """
    if not entries:
        return
    figure = axes.get_figure(root=True)
    assert figure is not None
    width = figure.get_size_inches()[0]
    small = own and width < NARROW
    size = 7.0 if small else 8.3
    look: dict[str, Any] = {"title": title, "fontsize": size, "title_fontsize": size}
    _fold_labels(entries)
    if own and (crowded or small):
        across_figure(figure, entries, above=False, **look)
        return
    beside = own or figure.get_layout_engine() is not None
    where: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)} if beside else {"loc": "best"}
    axes.legend(handles=entries, alignment="left", framealpha=0.7, **where, **look)
