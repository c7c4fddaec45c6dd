"""Threads for work made of large array operations."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from math import prod
from typing import Any

import numpy as np

from hpfunc._arrays.types import Array, ParallelMap

__all__ = ["Scratch", "StageClock", "for_each", "n_threads", "single_blas", "timed", "worker_threads"]


# From ``_LARGE`` bytes on, NumPy asks the system for large pages, which are ready much faster than many small ones.
# Work arrays of at least ``_SMALL`` bytes are therefore allocated with at least ``_LARGE``.
_SMALL, _LARGE = 2**20, 2**22

# Each thread takes many short jobs in at least this many portions, so that all threads end at about the same time.
_TURNS = 8

_log = logging.getLogger("hpfunc")


class _SingleBlas:
    """Hold BLAS to one thread while at least one caller asks for it.

    The number of BLAS threads belongs to the process: only the first caller may change it, and only the last caller
    may restore it; otherwise callers in several threads would undo each other's change.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.holders = 0
        self.libraries: Any = None
        self.limits: Any = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold BLAS to one thread inside the ``with`` block."""
        with self.lock:
            self.holders += 1
            if self.holders == 1:
                # Finding the libraries takes longer than counting a small layer, so it is done once.
                if self.libraries is None:
                    self.libraries = _find_blas()
                if self.libraries is not None:
                    self.limits = self.libraries.limit(limits=1, user_api="blas")
        try:
            yield
        finally:
            with self.lock:
                self.holders -= 1
                if self.holders == 0 and self.limits is not None:
                    self.limits.restore_original_limits()


def _find_blas() -> Any:
    """Find the BLAS libraries of NumPy and SciPy; return None where threadpoolctl is not installed."""
    # Only libraries that are loaded can be found, and SciPy brings its own BLAS.
    import scipy.sparse.csgraph  # noqa: F401  # slow to import

    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        _log.info("threadpoolctl is not installed: BLAS keeps its own threads, which may be slower")
        return None
    return ThreadpoolController()


_single_blas = _SingleBlas()


def single_blas() -> AbstractContextManager[None]:
    """Hold BLAS to one thread inside a ``with`` block, so that its results do not depend on the number of threads."""
    return _single_blas.held()


def n_threads() -> int:
    """Return the number of processors that this process may use, but at most ``OMP_NUM_THREADS`` where that is set.

    Programs that start several workers on one machine, such as Dask, set this variable for each worker, so that
    together they use no more threads than there are processors.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    processors = len(affinity(0)) if affinity else os.cpu_count() or 1
    # The variable may list one number for each nesting level, the outermost first.
    wanted = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return min(processors, int(wanted)) if wanted.isdecimal() and int(wanted) > 0 else processors


@contextmanager
def worker_threads() -> Iterator[ThreadPoolExecutor]:
    """Start a thread for each processor. BLAS is held to one thread, since more would compete for the processors."""
    with _single_blas.held():
        threads = ThreadPoolExecutor(n_threads())
        try:
            yield threads
        finally:
            # After an error, do not wait for jobs that have not begun.
            threads.shutdown(cancel_futures=True)


def for_each(job: Callable[[int], Any], n: int, parallel_map: ParallelMap) -> None:
    """Call ``job`` with 0, 1, ..., n - 1. A thread is given several numbers at a time, because jobs may be short."""

    def do_some(numbers: range) -> None:
        for i in numbers:
            job(i)

    step = max(1, n // (_TURNS * n_threads()))
    deque(parallel_map(do_some, [range(lo, min(lo + step, n)) for lo in range(0, n, step)]), maxlen=0)


class Scratch(threading.local):
    """Reuse work arrays, one set per thread. Allocating fresh pages costs more than most passes over them."""

    def __init__(self) -> None:
        self.kept: dict[str, Array] = {}

    def __call__(self, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """Return an uninitialised array, valid until this thread asks for the same name again."""
        dtype = np.dtype(dtype)
        n_bytes = prod(shape) * dtype.itemsize
        if name not in self.kept or len(self.kept[name]) < n_bytes:
            self.kept[name] = np.empty(n_bytes if n_bytes < _SMALL else max(n_bytes, _LARGE), np.uint8)
        return np.asarray(self.kept[name][:n_bytes].view(dtype).reshape(shape))


class StageClock:
    """Add up the seconds that each stage of some work takes, in the thread that made the clock and in worker threads.

    Worker threads run side by side, so a second in one of them counts as a second divided by the number of processors.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._owner, self._lock = threading.get_ident(), threading.Lock()

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Add the time inside the ``with`` block to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            taken = time.perf_counter() - start
            if threading.get_ident() != self._owner:
                taken /= n_threads()
            with self._lock:
                self.seconds[stage] = self.seconds.get(stage, 0.0) + taken


def timed(clock: StageClock | None, stage: str) -> AbstractContextManager[None]:
    """Add the time inside a ``with`` block to a stage, where there is a clock."""
    return nullcontext() if clock is None else clock(stage)
