"""How much memory the work may take."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["budget"]

# Half of what is free: room is left for the caller's own arrays and for the next layer.
_SHARE = 0.5
_UNKNOWN = 4 * 2**30


def budget(max_memory: int | float | None) -> int:
    """``max_memory`` in bytes, by default half of the memory that is free now.

    Raises
    ------
    TypeError, ValueError
        Unless it is a positive number or None.
    """
    if max_memory is None:
        return int(_SHARE * _available())
    if isinstance(max_memory, bool) or not isinstance(max_memory, (int, float)):
        raise TypeError(f"max_memory={max_memory!r} is not a number of bytes; pass for example 2 * 2**30, or None")
    if not 0 < max_memory < float("inf"):
        raise ValueError(f"max_memory={max_memory!r} is not a positive number of bytes")
    return int(max_memory)


def _available() -> int:
    """Free memory of the host in bytes; a fixed guess where the system does not say."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, OSError, ValueError):
        return _UNKNOWN
