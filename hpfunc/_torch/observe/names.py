"""Names: one for each call of a module, one for each tensor in what it returned, and which of them are meant."""

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
    """A name that can be a netCDF variable's: the one letter that cannot, the slash, becomes an underscore."""
    return name.replace("/", "_")


class CallNames:
    """Names for calls in the order they happen: ``relu``, ``relu_1``, ``relu_2``.

    A suffixed name that another module bears is passed over, so that a module's name is always its own. Names
    that the result uses itself (input, label, index, sample) start at ``_1``.
    """

    def __init__(self, own: Collection[str] = ()) -> None:
        self._own = frozenset(own)
        self._last: dict[str, int] = {}

    def next(self, name: str) -> str:
        """The name of this call of ``name``."""
        count = self._last.get(name, 0 if name in _RESERVED else -1) + 1
        while count and f"{name}_{count}" in self._own:
            count += 1
        self._last[name] = count
        return f"{name}_{count}" if count else name


def entries(name: str, value: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the tensors in a nested value, each with its name: ``lstm[1][0]``, ``out[aux]``."""
    if isinstance(value, torch.Tensor):
        yield name, value
        return
    for key, member in members(value) or ():
        yield from entries(f"{name}[{clean(str(key))}]", member)


def matches(pattern: str, names: Sequence[str]) -> bool:
    """Whether a name, or a glob of ``*`` and ``?``, matches one of ``names``. Brackets stand for themselves."""
    pattern = clean(pattern)
    if not is_glob(pattern):
        return pattern in names
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return any(re.fullmatch(expression, name) for name in names)


def is_glob(pattern: str) -> bool:
    """Whether ``pattern`` holds a wildcard."""
    return "*" in pattern or "?" in pattern
