"""Name the older tool's layers as hooks name them.

The older tool's users number the calls of one module from 1 (``relu1``, ``relu2``), and hooks number them from the
second call on (``relu``, ``relu_1``). A module may bear a number of its own (``conv1``), which no file tells apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["new_names"]

_NUMBERED = re.compile(r"(.*?)([1-9][0-9]*)", re.DOTALL)


def new_names(layers: list[str], wanted: Any) -> list[str]:
    """Rename layers by a mapping from old to new names, or to the names of ``wanted`` that fit them.

    Raises
    ------
    TypeError
        If ``wanted`` is neither a mapping nor a list of names.
    ValueError
        If a layer has no new name, or two have the same.
    """
    if isinstance(wanted, str) or not isinstance(wanted, Iterable):
        raise TypeError(f"layers={wanted!r} is neither a mapping from old to new names nor a list of new names")
    if isinstance(wanted, Mapping):
        unknown = [name for name in wanted if name not in layers]
        if unknown:
            raise ValueError(f"layers renames {unknown[0]!r}, which is not in the files; they hold {layers}")
        names = [wanted.get(name, name) for name in layers]
    else:
        known = [str(name) for name in getattr(wanted, "values", wanted)]
        names = [_fitting(name, known) for name in layers]
        missing = [name for name, new in zip(layers, names, strict=True) if new is None]
        if missing:
            raise ValueError(f"layers has no name for {missing}; pass a mapping, layers={{{missing[0]!r}: ...}}")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"layers gives the name {twice[0]!r} to more than one layer of {layers}")
    return names


def _fitting(name: str, known: list[str]) -> str | None:
    """Find the hook name of a layer: its own, or that of the call that its number counts."""
    if name in known:
        return name
    match = _NUMBERED.fullmatch(name)
    if match is None:
        return None
    module, number = match[1].rstrip("_"), int(match[2])
    hook = module if number == 1 else f"{module}_{number - 1}"
    return hook if hook in known else None
