"""Read JSON as the standard has it, of bounded size, depth and number of values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

__all__ = ["read_json"]

# Python takes up to 250 bytes for a value of two bytes.
_MAX_TOKENS = 10**6


def read_json(file: Path, max_bytes: int) -> Any:
    """Read the content of a JSON file.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is larger than ``max_bytes``, is no JSON, holds NaN or Infinity or a key twice, holds more than a million
        values, or is nested too deeply.
    """
    with file.open("rb") as stream:
        # The size that the system tells is not used: a file may grow, and a pipe or device has no size.
        content = stream.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"it has more than {max_bytes:,} bytes, which is the limit")
    if sum(content.count(mark) for mark in (b",", b":", b"[", b"{")) > _MAX_TOKENS:
        raise ValueError(f"it holds more than {_MAX_TOKENS:,} keys and values, which is the limit")
    try:
        return json.loads(content.decode(), object_pairs_hook=_without_duplicates, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a dict of the pairs, and raise ValueError for a key that comes twice."""
    content = dict(pairs)
    if len(content) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"key {twice!r:.100} is there twice")
    return content


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number that JSON or a result can have")
