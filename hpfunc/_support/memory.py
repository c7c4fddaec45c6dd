"""Decide how much memory the work may take, on the host and on CUDA devices."""

from __future__ import annotations

import os
import sys
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["cupy_bytes", "free_bytes", "free_device_bytes", "max_bytes", "release_device_memory"]

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


def free_device_bytes(number: int | None = None) -> int:
    """Return how many bytes of a CUDA device can still be had.

    CuPy and torch both keep what their arrays no longer use. It counts as free: `release_device_memory` gives it back.

    Parameters
    ----------
    number : int, optional
        The device, by default the current one. CuPy or torch must be imported.
    """
    cupy, torch = sys.modules.get("cupy"), sys.modules.get("torch")
    free, kept = 0, 0
    if torch is not None and torch.cuda.is_available():
        free = int(torch.cuda.mem_get_info(number)[0])
        kept = int(torch.cuda.memory_reserved(number)) - int(torch.cuda.memory_allocated(number))
    if cupy is not None:
        free = cupy_bytes(cupy, number)
    return free + kept


def cupy_bytes(cupy: Any, number: int | None = None) -> int:
    """Return how many bytes of a CUDA device CuPy can have while torch keeps what it holds."""
    with cupy.cuda.Device(number):
        return int(cupy.cuda.runtime.memGetInfo()[0]) + int(cupy.get_default_memory_pool().free_bytes())


def release_device_memory() -> None:
    """Give the device memory that CuPy and torch keep unused back to the driver, for whichever needs it."""
    cupy, torch = sys.modules.get("cupy"), sys.modules.get("torch")
    if cupy is not None:
        cupy.get_default_memory_pool().free_all_blocks()
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _half_of_all() -> int:
    """Return half of the host's memory in bytes, or a fixed guess where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, OSError, ValueError):
        return _UNKNOWN
