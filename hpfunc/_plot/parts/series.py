"""Split values into series, one for each checkpoint (or layer, or step) and split, and choose how each looks."""

from __future__ import annotations

from typing import Any, NamedTuple

import xarray as xr

from hpfunc._plot.parts.style import DASHES, ordered_colours, ordered_markers
from hpfunc._plot.parts.words import names_of

__all__ = ["Series", "series_of"]


class Series(NamedTuple):
    """Hold the values of one checkpoint (or layer, or step) and one split, and how they are drawn."""

    values: xr.DataArray
    name: str
    split: str
    colour: Any
    marker: str
    dash: Any
    main_split: bool
    end: bool
    filled: bool

    @property
    def face(self) -> Any:
        """Choose the colour inside a marker: neighbours are filled and hollow in turn."""
        return self.colour if self.filled else "white"


def series_of(values: xr.DataArray, by: str = "checkpoint") -> list[Series]:
    """Make a series for each entry of ``by`` (colour, marker) and split (dash; ``train`` is always solid)."""
    prefix = "checkpoint " if by == "checkpoint" else ""
    names = [prefix + name for name in names_of(values, by)] if by in values.dims else [""]
    splits = names_of(values, "split") if "split" in values.dims else [""]
    colours, markers = ordered_colours(len(names)), ordered_markers(len(names))
    # A stable sort: splits of other names keep their order.
    by_style = sorted(range(len(splits)), key=lambda s: splits[s] != "train")
    return [
        Series(
            values=values.isel({by: i, "split": s}, missing_dims="ignore"),
            name=names[i],
            split=splits[s],
            colour=colours[i],
            marker=markers[i],
            dash=DASHES[style % len(DASHES)],
            main_split=style == 0,
            end=i in (0, len(names) - 1),
            filled=by != "layer" or i % 2 == 0,
        )
        for i in range(len(names))
        for style, s in enumerate(by_style)
    ]
