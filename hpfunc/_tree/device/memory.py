"""How much of the device's memory the work may take, and what to do when there is less."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hpfunc._support import memory

__all__ = ["bytes_needed", "free_bytes", "release", "room", "tidy"]

# Half of what is free: torch keeps its own memory, and knows nothing of ours.
_SHARE = 0.5
# Share of the device's memory that CuPy's pool may keep when the work is done.
_KEPT = 1 / 8
# For slabs in float64, kernels and what rounds up.
_ASIDE = 2**28


def free_bytes(xp: Any) -> int:
    """What can still be had on the current device: of the driver, or of CuPy's pool."""
    return int(xp.cuda.runtime.memGetInfo()[0]) + int(xp.get_default_memory_pool().free_bytes())


def room(xp: Any, max_memory: int | None) -> int:
    """``max_memory`` in bytes, by default half of what is free on the current device."""
    return int(_SHARE * free_bytes(xp)) if max_memory is None else memory.max_bytes(max_memory)


def release(xp: Any) -> None:
    """Give what CuPy's pool holds and nobody uses back to the driver, for whoever needs it."""
    xp.get_default_memory_pool().free_all_blocks()


def tidy(xp: Any) -> None:
    """After the work: `release` if CuPy's pool holds much, so that torch finds room for the next activations.

    Little is kept for the next call, because to ask the driver for memory takes as long as a small layer.
    """
    if xp.get_default_memory_pool().free_bytes() > _KEPT * int(xp.cuda.runtime.memGetInfo()[1]):
        release(xp)


def bytes_needed(sizes: npt.NDArray[np.intp], d: int, itemsize: int) -> int:
    """Memory for what all pairs of some classes share: centred points, distances within classes, slabs in float64."""
    n = float(sizes.sum())
    centred = n * d * itemsize + n * len(sizes) * 8 + 16.0 * len(sizes) * d
    aside = min(_ASIDE, 24 * n * max(d, len(sizes)))
    return int(centred + float((sizes.astype(float) ** 2).sum()) * itemsize + aside)
