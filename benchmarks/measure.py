"""Measure seconds and bytes in the same way for all benchmarks."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.points import in_strips

Work = Callable[[], Any]

# A table of products of more entries than this (4 GB) is made strip by strip in a buffer of a 16th of it.
_MOST_ENTRIES = 2**30
# Seconds before each work is timed: threads of BLAS go on spinning for a while after a product, and would take
# processor time (50 ms were seen) from whatever comes next. After it, what takes less than _SHORT is timed in its
# second run: the first finds threads and caches asleep.
_REST, _SHORT = 0.2, 1.0


def in_a_new_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a process of its own, whose heap nobody has used before."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def seconds_of(work: Work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def interleaved(works: Mapping[str, Work], repeat: int) -> dict[str, list[float]]:
    """Time all functions in turns, so that a temporary slowdown of the machine affects all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeat):
        for name, work in works.items():
            time.sleep(_REST)
            taken = seconds_of(work)
            seconds[name].append(taken if taken > _SHORT else seconds_of(work))
    return seconds


def median(seconds: list[float]) -> float:
    return float(np.median(seconds))


def product(x: npt.NDArray[np.float32]) -> Work:
    """Prepare one product of the points with a copy of themselves (NumPy computes half if both are one array)."""
    y = x.copy()
    if len(x) ** 2 <= _MOST_ENTRIES:
        return lambda: x @ y.T

    def tiled() -> None:
        buffer = np.empty((0, len(y)), np.float32)
        for rows in in_strips(x, len(y), _MOST_ENTRIES // 16):
            if len(buffer) < len(rows):
                buffer = np.empty((len(rows), len(y)), np.float32)
            np.matmul(rows, y.T, out=buffer[: len(rows)])

    return tiled


def peak_memory(work: Work) -> tuple[int, int] | None:
    """Measure the bytes of this process before some work and at its peak; return None on systems other than Linux."""
    try:
        # This resets the peak to what is in memory now.
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        work()
        return None
    before = _status("VmRSS")
    work()
    return before, _status("VmHWM")


def other_work() -> Callable[[], float | None]:
    """Start to watch the processor; what is returned tells how many cores other processes kept busy since (Linux).

    Processes that this one has started count as its own when they have ended.
    """
    start, own, busy = time.perf_counter(), _own_seconds(), _busy_seconds()

    def since() -> float | None:
        now = _busy_seconds()
        if busy is None or now is None:
            return None
        theirs = now - busy - (_own_seconds() - own)
        return max(0.0, theirs / (time.perf_counter() - start))

    return since


def _own_seconds() -> float:
    """Return the CPU seconds of this process and of its children that have ended."""
    children = os.times()
    return time.process_time() + children.children_user + children.children_system


def _busy_seconds() -> float | None:
    """Return the busy seconds of all cores together since the system started."""
    try:
        words = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    except OSError:
        return None
    user, nice, system, _idle, _waiting, *interrupts = map(int, words)
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


class FirstRun:
    """Wrap some work, and measure the memory of its first run: `peak` is what `peak_memory` returns."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.runs = 0
        self.peak: tuple[int, int] | None = None

    def __call__(self) -> None:
        """Run the work."""
        self.runs += 1
        if self.runs == 1:
            self.peak = peak_memory(self.work)
        else:
            self.work()


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))
