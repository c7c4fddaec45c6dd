"""Turn labels and numbers of results into the words of a picture."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

import numpy as np
import xarray as xr

__all__ = ["counted", "fold_lines", "label_of", "names_of", "plural", "short_names", "title_of"]

_DESCRIBES_A_SLICE = ("checkpoint", "split", "layer", "step")


def plural(word: str) -> str:
    """Form the plural of an English noun: pairs, classes, entries."""
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"


def counted(n: int, word: str) -> str:
    """Write a number with its noun: 1 pair, 45 pairs, 10 classes, 4,950 pairs."""
    return f"{n:,} {word if n == 1 else plural(word)}"


def label_of(values: xr.DataArray, default: str = "") -> str:
    """Make an axis label from the attrs, ``long_name [units]``; leave the unit 1 out."""
    words = str(values.attrs.get("long_name", default if values.name is None else values.name))
    units = str(values.attrs.get("units", "1"))
    return words if units in ("", "1") else f"{words} [{units}]"


def title_of(values: xr.DataArray) -> str:
    """Describe what was selected before the picture was drawn: ``split = test, layer = conv1``."""
    scalars = [name for name in _DESCRIBES_A_SLICE if name in values.coords and values.coords[name].ndim == 0]
    return ", ".join(f"{name} = {values.coords[name].item()}" for name in scalars)


def short_names(names: Iterable[object], width: int = 24) -> list[str]:
    """Cut long names to their ends, where dotted paths differ, unless two of them would become equal."""
    full = [str(name) for name in names]
    cut = [name if len(name) <= width else "…" + name[-(width - 1) :] for name in full]
    return cut if len(set(cut)) == len(set(full)) else full


def names_of(values: xr.DataArray, dim: str) -> list[str]:
    """Name the entries of a dim; name a step by the two entries that it joins."""
    if dim == "step" and {"before", "after"} <= set(values.coords):
        ends = (values[end].values.tolist() for end in ("before", "after"))
        return [f"{before} → {after}" for before, after in zip(*map(short_names, ends), strict=True)]
    return short_names(np.asarray(values[dim].values).tolist())


def fold_lines(words: str, points: float, size: float = 10.0) -> str:
    """Break text into lines of about equal length that fit into a length of ``points`` at a font size."""
    most = max(12, int(points / (0.52 * size)))
    return "\n".join(line for part in words.split("\n") for line in _fold_evenly(part, most))


def _fold_evenly(words: str, most: int) -> list[str]:
    """Break text into as few lines of ``most`` letters as possible, and these into the shortest that are as few."""
    lines = textwrap.wrap(words, most) or [""]
    longest = max(map(len, words.split(" ")))
    for width in range(most - 1, longest - 1, -1):
        shorter = textwrap.wrap(words, max(1, width))
        if len(shorter) != len(lines):
            break
        lines = shorter
    return lines
