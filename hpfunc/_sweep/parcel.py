"""Pack what a process pool is sent as plain bytes."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

__all__ = ["Parcel"]


class Parcel:
    """Hold a value that arrives in another process as the value itself.

    A pool of processes would move the caller's tensors into shared memory; the bytes of a plain pickle are a copy.
    """

    def __init__(self, value: Any) -> None:
        self._value = value

    def __reduce__(self) -> tuple[Callable[[bytes], Any], tuple[bytes]]:
        return pickle.loads, (pickle.dumps(self._value, pickle.HIGHEST_PROTOCOL),)
