"""Name each call of a module and each tensor that it returned, and tell which names a pattern matches."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import torch

from hpfunc._torch.nested import members

__all__ = ["INPUT", "OUTPUT", "CallNames", "clean", "entries", "is_glob", "matches"]

INPUT = "input"
OUTPUT = "output"
# Names that the result uses itself.
_RESERVED = frozenset({INPUT, "label", "index", "sample"})


def clean(name: str) -> str:
    """Return a name that a netCDF variable can have: the slash, which is not allowed, becomes an underscore."""
    return name.replace("/", "_")


class CallNames:
    """Name calls in the order they happen: ``relu``, ``relu_1``, ``relu_2``.

    ``own`` are the names of modules: a suffixed name that belongs to a module is skipped, so that no other call takes
    it. Names that the result uses itself (input, label, index, sample) start at ``_1``.
    """

    def __init__(self, own: Collection[str] = ()) -> None:
        self._own = frozenset(own)
        # The last number of each name, counted separately for modules and for other operations.
        self._last: dict[tuple[str, bool], int] = {}
        self._used: set[str] = set()

    def next(self, name: str, *, module: bool = True) -> str:
        """Return the name of this call of ``name``; other operations never take the name of a module."""
        taken = name in _RESERVED or (not module and name in self._own)
        count = self._last.get((name, module), 0 if taken else -1) + 1
        while count and (f"{name}_{count}" in self._used or f"{name}_{count}" in self._own):
            count += 1
        self._last[name, module] = count
        found = f"{name}_{count}" if count else name
        self._used.add(found)
        return found


def entries(name: str, value: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the tensors in a nested value, each with its name: ``lstm[1][0]``, ``out[aux]``."""
    if isinstance(value, torch.Tensor):
        yield name, value
        return
    for key, member in members(value) or ():
        yield from entries(f"{name}[{clean(str(key))}]", member)


def matches(pattern: str, names: Sequence[str]) -> bool:
    """Tell whether a name, or a glob of ``*`` and ``?``, matches one of ``names``. Brackets stand for themselves."""
    pattern = clean(pattern)
    if not is_glob(pattern):
        return pattern in names
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return any(re.fullmatch(expression, name) for name in names)


def is_glob(pattern: str) -> bool:
    """Tell whether ``pattern`` holds a wildcard."""
    return "*" in pattern or "?" in pattern
