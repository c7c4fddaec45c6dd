"""How much of the device's memory the work may take, and what to do when there is less."""

from __future__ import annotations

from typing import Any

from hpfunc._support import memory

__all__ = ["is_shortage", "tidy", "working_bytes"]

# Half of what is free: the rest is for torch, and for the next layer.
_SHARE = 0.5
# Share of the device's memory that CuPy's pool may keep when the work is done.
_KEPT = 1 / 8
# Codes of errors that mean "no memory left": of cuBLAS (not initialised, allocation failed), the driver and the
# runtime.
_CODES = {"CUBLASError": (1, 3), "CUDADriverError": (2,), "CUDARuntimeError": (2,)}


def working_bytes(xp: Any, max_memory: int | None) -> int:
    """Return ``max_memory`` in bytes, by default half of what is free on the current device.

    What torch keeps unused is free too. It is given back here if the work may need it.
    """
    number = xp.cuda.Device().id
    free = memory.free_device_bytes(number)
    allowed = int(_SHARE * free) if max_memory is None else memory.max_bytes(max_memory)
    if memory.cupy_bytes(xp, number) < min(allowed, free):
        memory.release_device_memory()
    return allowed


def is_shortage(xp: Any, error: Exception) -> bool:
    """Tell whether an error means that the device has no memory left, whichever library raised it."""
    codes = _CODES.get(type(error).__name__, ())
    return isinstance(error, xp.cuda.memory.OutOfMemoryError) or getattr(error, "status", None) in codes


def tidy(xp: Any) -> None:
    """Give memory back after the work if CuPy's pool holds much, so that torch finds room for the next activations.

    The pool keeps a little for the next call: asking the driver for memory takes as long as a small layer.
    """
    if xp.get_default_memory_pool().free_bytes() > _KEPT * int(xp.cuda.runtime.memGetInfo()[1]):
        memory.release_device_memory()
