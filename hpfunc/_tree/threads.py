"""Threads for work made of large array operations."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Scratch", "n_threads", "pool"]


# From so many bytes on NumPy asks the system for large pages, which are had much faster than many small ones.
_SMALL, _LARGE = 2**20, 2**22

_log = logging.getLogger("hpfunc")


class _SingleBlas:
    """BLAS held to one thread while anyone asks for it.

    The number of BLAS threads belongs to the process: only the first to come may change it, and only the last to
    leave may put it back, or callers in several threads would undo one another's.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.holders = 0
        self.limits: Any = None

    @contextmanager
    def held(self) -> Iterator[None]:
        with self.lock:
            self.holders += 1
            if self.holders == 1:
                self.limits = _limited()
        try:
            yield
        finally:
            with self.lock:
                self.holders -= 1
                if self.holders == 0 and self.limits is not None:
                    self.limits.restore_original_limits()


def _limited() -> Any:
    """BLAS limited to one thread until this is told otherwise; None where hpfunc was not installed but only found."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        _log.info("threadpoolctl is not installed: BLAS keeps its threads, and may be slower for it")
        return None
    return threadpool_limits(1, "blas")


_single_blas = _SingleBlas()


def n_threads() -> int:
    """The number of processors that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


@contextmanager
def pool() -> Iterator[ThreadPoolExecutor]:
    """A thread for each processor; BLAS threads inside them would only wait for one another, and are held to one."""
    with _single_blas.held():
        threads = ThreadPoolExecutor(n_threads())
        try:
            yield threads
        finally:
            # Whoever leaves early, for an error perhaps, does not wait for what has not begun.
            threads.shutdown(cancel_futures=True)


class Scratch(threading.local):
    """Arrays to work in, of each thread its own: to get fresh memory takes longer than many a pass over it."""

    def __init__(self) -> None:
        self.kept: dict[str, npt.NDArray[np.uint8]] = {}

    def __call__(self, name: str, shape: tuple[int, ...], dtype: Any) -> npt.NDArray[Any]:
        """An array with anything in it, until the same name is asked for again in the same thread."""
        dtype = np.dtype(dtype)
        n_bytes = prod(shape) * dtype.itemsize
        if name not in self.kept or len(self.kept[name]) < n_bytes:
            self.kept[name] = np.empty(n_bytes if n_bytes < _SMALL else max(n_bytes, _LARGE), np.uint8)
        return np.asarray(self.kept[name][:n_bytes].view(dtype).reshape(shape))
