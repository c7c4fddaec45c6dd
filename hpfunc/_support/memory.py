"""How much memory the work may take."""

from __future__ import annotations

import os
from numbers import Real
from pathlib import Path

import numpy as np

__all__ = ["free_bytes", "max_bytes"]

# Half of what is free: the rest is for the caller's own arrays and for the next layer.
_SHARE = 0.5
_UNKNOWN = 4 * 2**30


def max_bytes(max_memory: float | None) -> int:
    """Return ``max_memory`` in bytes, by default half of the memory that is free now.

    Raises
    ------
    TypeError, ValueError
        Unless it is None or a positive number, of Python or of NumPy.
    """
    if max_memory is None:
        free = free_bytes()
        return int(_SHARE * (_half_of_all() if free is None else free))
    if isinstance(max_memory, (bool, np.bool_)) or not isinstance(max_memory, Real):
        raise TypeError(f"max_memory={max_memory!r} is not a number of bytes; pass for example 2 * 2**30, or None")
    if not 0 < max_memory < float("inf"):
        raise ValueError(f"max_memory={max_memory!r} is not a positive number of bytes")
    return int(max_memory)


def free_bytes() -> int | None:
    """Return how many bytes of the host's memory can still be had, or None where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    free = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(free[0]) * 1024 if free else None


def _half_of_all() -> int:
    """Return half of the host's memory in bytes, or a fixed guess where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, OSError, ValueError):
        return _UNKNOWN
