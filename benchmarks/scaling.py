"""How a sweep scales: one and two workers, what a task costs beyond its work, and the curve that follows from both.

``python -m benchmarks.scaling`` sweeps the network of the older tool, every worker with one thread: in this process, by
a pool of processes and by Dask, and as two programs that know nothing of each other. The last shows what the machine
allows, since two cores share caches and memory. Tasks take seconds; many that take a few milliseconds tell what each
costs beyond its work.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.machine import describe_machine, when
from benchmarks.measure import in_a_new_process, other_work
from benchmarks.store import open_store, save_store
from benchmarks.tables import in_cores, in_seconds, markdown

__all__ = ["curve_table", "main", "overhead_table", "scaling_table"]

# Checkpoints, classes, samples of each, and pixels of a side. Each checkpoint on each of two splits is a task.
_WORK = {"tiny": (2, 3, 8, 12), "standard": (4, 10, 80, 28)}
_SMALL = {"tiny": (2, 2, 4, 12), "standard": (20, 2, 4, 12)}
_SPLITS = ("train", "test")
# The curve is calculated for these numbers of workers and seconds of a task, and for this number of tasks.
_WORKERS, _TASK_SECONDS, _TASKS = (1, 2, 4, 8, 16, 32, 64), (1.0, 4.0, 20.0), 640


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scaling", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mnist", type=Path, nargs="+", metavar="PLACE", help="as of benchmarks.pairwise")
    parser.add_argument("--size", choices=_WORK, default="standard", help="default: %(default)s")
    parser.add_argument("--way", nargs="*", choices=_WAYS, default=list(_WAYS), metavar="NAME", help="only these ways")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows here, or add them to those there")
    options = parser.parse_args(arguments)
    store = open_store(options.json, "scaling", options.size, describe_machine())
    with TemporaryDirectory() as folder, one_thread_each():
        for way in options.way:
            row = in_a_new_process(_measure, way, options.size, tuple(options.mnist or ()), Path(folder))
            store["rows"].setdefault(way, []).append(row)
            save_store(options.json, store)
    print(f"{scaling_table(store['rows'])}\n\n{overhead_table(store['rows'])}\n\n{curve_table(store['rows'])}")
    return 0


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Give every process that is started meanwhile one thread."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


# ---- what is swept


def data_set(mnist: tuple[Path, ...], split: str, n_classes: int, n_samples: int, side: int) -> tuple[Any, Any]:
    """Read the samples of a split, wherever the task runs: the first of each class, or those after them."""
    import numpy as np

    from benchmarks import points

    if mnist:
        images, labels = points.read_mnist(mnist)
    else:
        images = points.images_like(n_classes, 2 * n_samples, side * side).reshape(-1, 1, side, side)
        labels = points.labels_of(n_classes, 2 * n_samples)
    skipped = n_samples * _SPLITS.index(split)
    rows = np.concatenate([np.flatnonzero(labels == k)[skipped : skipped + n_samples] for k in range(n_classes)])
    middle = slice((images.shape[-1] - side) // 2, (images.shape[-1] + side) // 2)
    return np.ascontiguousarray(images[rows][..., middle, middle]), labels[rows]


def run_sweep(
    shape: tuple[int, int, int, int], mnist: tuple[Path, ...], folder: Path, executor: Executor | None
) -> dict[str, float]:
    """Sweep, and return its seconds by the clock, those that this process worked, and the number of tasks."""
    import torch

    import hpfunc as hp
    from benchmarks.network import Network, builder

    checkpoints, n_classes, n_samples, side = shape
    paths = {number: folder / f"{side}-{number}.ckpt" for number in range(checkpoints)}
    for number, path in paths.items():
        if not path.exists():
            torch.manual_seed(number)
            torch.save(Network(side).state_dict(), path)
    data = {split: partial(data_set, mnist, split, n_classes, n_samples, side) for split in _SPLITS}
    start, own = time.perf_counter(), time.process_time()
    hp.sweep(paths, data, build=builder(side), executor=executor, max_memory=10**9)
    seconds, own = time.perf_counter() - start, time.process_time() - own
    return {"seconds": seconds, "own_seconds": own, "tasks": checkpoints * len(_SPLITS)}


# ---- who does it


@contextmanager
def _processes(n: int) -> Iterator[Executor]:
    with ProcessPoolExecutor(n, mp_context=get_context("spawn")) as pool:
        list(pool.map(_settle, range(n)))
        yield pool


@contextmanager
def _dask(n: int) -> Iterator[Executor]:
    from dask.distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=n, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        client.run(_settle)
        yield client.get_executor()


def _settle(number: int = 0) -> None:
    """Import what every task needs, and stay long enough that no worker is sent this twice."""
    import hpfunc
    from benchmarks import network

    assert hpfunc.sweep
    assert network.LAYERS
    time.sleep(2)


_WAYS: dict[str, Callable[[], Any]] = {
    "here": nullcontext,
    "processes, 1": partial(_processes, 1),
    "processes, 2": partial(_processes, 2),
    "Dask, 1": partial(_dask, 1),
    "Dask, 2": partial(_dask, 2),
    "two programs": nullcontext,
}


def _measure(way: str, size: str, mnist: tuple[Path, ...], folder: Path) -> dict[str, Any]:
    """Time the start of the workers, a sweep whose tasks take seconds, and one whose tasks take next to nothing."""
    others_busy, start = other_work(), time.perf_counter()
    with _WAYS[way]() as executor:
        started = time.perf_counter() - start
        # This first sweep writes the checkpoints and loads the libraries, so that the timed sweeps do neither.
        run_sweep(_SMALL["tiny"], (), folder, executor)
        work = _WORK[size]
        if way == "two programs":
            found = _run_twice((max(1, work[0] // 2), *work[1:]), mnist, folder)
        else:
            found = run_sweep(work, mnist, folder, executor)
        small = run_sweep(_SMALL[size], (), folder, executor)
    # By now the workers have ended, and count as this process's own.
    return {"start_seconds": started, "work": found, "small": small, "others_busy_cores": others_busy(), **when()}


def _run_twice(shape: tuple[int, int, int, int], mnist: tuple[Path, ...], folder: Path) -> dict[str, float]:
    """Run the same sweep in two processes at once; return the mean of their seconds, and the tasks of both."""
    with ThreadPoolExecutor(2) as threads, _processes(1) as first, _processes(1) as second:
        for pool in (first, second):
            pool.submit(run_sweep, _SMALL["tiny"], (), folder, None).result()
        jobs = [threads.submit(pool.submit(run_sweep, shape, mnist, folder, None).result) for pool in (first, second)]
        found = [job.result() for job in jobs]
    return {name: (sum if name == "tasks" else _mean)([each[name] for each in found]) for name in found[0]}


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


# ---- what follows


def _per_task(rows: dict[str, Any], way: str, part: str, field: str = "seconds") -> float:
    """Return the seconds of a task, by the run that was fastest: others can only make it slower."""
    return float(min(row[part][field] / row[part]["tasks"] for row in rows[way]))


def scaling_table(rows: dict[str, Any]) -> str:
    """Write how many times as many tasks of seconds two workers do in a time, one line for each way."""
    lines = []
    for way, runs in rows.items():
        single = f"{way.partition(',')[0]}, 1" if "," in way else "here"
        per_task = _per_task(rows, way, "work")
        cells = [in_seconds(per_task), f"{_per_task(rows, single, 'work') / per_task:.2f}" if single in rows else "–"]
        starts = in_seconds(min(run["start_seconds"] for run in runs)) if "," in way else "–"
        busy = min((run for run in runs), key=lambda run: run["work"]["seconds"])
        lines.append([way, str(runs[0]["work"]["tasks"]), str(len(runs)), *cells, starts, in_cores(busy)])
    header = ["workers", "tasks", "runs", "time by the clock for each task", "times as fast as one"]
    return markdown([*header, "start of the workers", "others"], lines)


def _overheads(rows: dict[str, Any], kind: str) -> tuple[float, float]:
    """Return the seconds that a task costs beyond its work, and those of them in which the calling program works."""
    way = f"{kind}, 1"
    beyond = _per_task(rows, way, "small") - _per_task(rows, "here", "small")
    return beyond, _per_task(rows, way, "small", "own_seconds")


def _kinds(rows: dict[str, Any]) -> list[str]:
    return [kind for kind in ("processes", "Dask") if f"{kind}, 1" in rows and "here" in rows]


def overhead_table(rows: dict[str, Any]) -> str:
    """Write what a task costs beyond its work, one line for each kind of workers."""
    lines = [[kind, *(f"{1000 * seconds:.1f} ms" for seconds in _overheads(rows, kind))] for kind in _kinds(rows)]
    return markdown(["workers", "a task costs beyond its work", "of it work of the calling program"], lines)


def curve_table(rows: dict[str, Any]) -> str:
    """Write on paper how many times as fast as one worker W workers are, for tasks of some lengths."""
    header = ["workers", "a task takes", *(str(n) for n in _WORKERS)]
    lines = [
        [kind, f"{work:g} s", *(f"{on_paper(work, n, *_overheads(rows, kind)):.1f}" for n in _WORKERS)]
        for kind in _kinds(rows)
        for work in _TASK_SECONDS
    ]
    return markdown(header, lines)


def on_paper(work: float, workers: int, waiting: float, serving: float, tasks: int = _TASKS) -> float:
    """Return how many times as fast as the same tasks without workers some tasks are done, on paper.

    Each round takes the work of a task and its overhead, but the calling program serves one task after the other. What
    workers share, such as a disk, is taken to be free.

    Parameters
    ----------
    work, waiting, serving : float
        Seconds of a task, those that it costs beyond, and those of them in which the calling program works.
    workers, tasks : int
    """
    rounds = -(-tasks // workers) * (work + max(0.0, waiting))
    return tasks * work / max(rounds, tasks * serving)


if __name__ == "__main__":
    sys.exit(main())
