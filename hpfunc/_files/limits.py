"""How much a file may declare."""

from __future__ import annotations

__all__ = ["LARGEST", "check_declared"]

# Two hundred checkpoints of 4,950 pairs, 20 layers and 2 data sets are 2.5 GB.
LARGEST = 16 * 2**30

# Deflate cannot do better than 1,032 to 1; the rest is for files that are small anyway.
_RATIO = 1032
_FREE = 2**24


def check_declared(declared: int, on_disk: int, *, packed: bool = True) -> None:
    """Raise ValueError if arrays of ``declared`` bytes cannot be what ``on_disk`` bytes hold, or are too large."""
    if declared > LARGEST:
        raise ValueError(f"it declares {declared:,} bytes; the limit is {LARGEST:,}")
    if declared > (_FREE + _RATIO * on_disk if packed else on_disk):
        raise ValueError(f"it declares {declared:,} bytes and has {on_disk:,}, which cannot hold them")
