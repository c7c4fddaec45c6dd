"""One legend for colours and splits: an entry for each of them, not for each combination."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hpfunc._plot.data import Series

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

__all__ = ["legend_entries", "place_legend"]

_MOST_COLOURS = 12


def legend_entries(series: Sequence[Series], *, markers: bool) -> list[Artist]:
    """Make the handles: colours, at most about twelve of them, then splits by dash."""
    from matplotlib.lines import Line2D

    def line(label: str, **how: Any) -> Line2D:
        return Line2D([], [], label=label, **how)

    colours = {s.name: s for s in series if s.name}
    splits = {s.split: s for s in series if s.split}
    names = list(colours)
    # The last one always shows: it is what the first is compared with.
    shown = [*names[: -1 : max(1, -(-len(names) // _MOST_COLOURS))], *names[-1:]]
    entries: list[Artist] = [
        line(
            name,
            color=colours[name].colour,
            linewidth=2 if markers else 6,
            marker=colours[name].marker if markers else "",
        )
        for name in shown
    ]
    # Where there is one colour only, it says nothing, and the splits are shown as they are drawn.
    entries += [
        line(name, color="0.25" if colours else s.colour, linestyle=s.dash, linewidth=1.5) for name, s in splits.items()
    ]
    return entries


def place_legend(axes: Axes, entries: Sequence[Artist], *, title: str | None = None, beside: bool) -> None:
    """Put the legend beside the axes of our own figure, which makes room, or inside those of the user."""
    if not entries and title is None:
        return
    where: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)} if beside else {"loc": "best"}
    axes.legend(
        handles=entries,
        title=title,
        fontsize="small",
        title_fontsize="small",
        alignment="left",
        framealpha=0.7,
        **where,
    )
