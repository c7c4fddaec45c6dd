"""Kill sweeps at random moments, and look at what is left: ``python -m benchmarks.promises_kills --kills 200``.

A sweep of twelve small checkpoints on two data sets keeps what is finished in a store. It runs in a process that is
killed (SIGKILL, as by the system when memory ends), by itself, in threads, by worker processes, or as the client of a
Dask cluster; or a worker is killed and the sweep goes on, if it can. Then the same call goes on from the store, until
all is done, and the next store begins. After every kill no file that was there may be gone, changed or done again; at
the end of each store its results must be those of a sweep that nobody stopped, to the last bit.

Every sweep is a fork of this process, which has imported all that a sweep imports: most kills hit the sweep itself.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.forks import Cluster, children, cluster_for, ended, in_a_fork, start_fork, try_to_kill, wait_until

__all__ = ["MODES", "kill_sweeps", "pieces"]

MODES = ("serial", "threads", "processes", "worker process alone", "Dask client", "Dask worker alone")
_COUNTS = ("kills", "stores", "interrupted", "lost", "wrong")
_CHECKPOINTS = 12
# Modules that a sweep imports only when it needs them.
_IMPORTED = (
    "dask.array",
    "filelock",
    "h5netcdf.legacyapi",
    "scipy.linalg",
    "scipy.sparse.csgraph",
    "threadpoolctl",
    "torch",
    "xarray.backends.h5netcdf_",
    "hpfunc._sweep.run",
    "hpfunc._torch.collect",
    "hpfunc._torch.digest",
    "hpfunc._torch.model.checkpoint",
)
_MOST_RUNS = 40
# Dask gives a task up when three of its workers have died.
_KILLS_OF_WORKERS = 4


def build() -> Any:
    import torch

    return torch.nn.Linear(6, 3)


def train() -> tuple[Any, Any]:
    generator = np.random.default_rng(0)
    labels = np.arange(60) % 3
    return (generator.normal(size=(60, 6)) + labels[:, None] / 2).astype(np.float32), labels


def test() -> tuple[Any, Any]:
    points, labels = train()
    return points[:45] + np.float32(0.1), labels[:45]


DATA = {"train": train, "test": test}


def save_checkpoints(folder: Path) -> dict[int, Path]:
    import torch

    paths = {number: folder / f"{number}.ckpt" for number in range(_CHECKPOINTS)}
    for number, path in paths.items():
        torch.manual_seed(number)
        torch.save(build().state_dict(), path)
    return paths


def sweep_once(mode: str, paths: dict[int, Path], store: Path, cluster: Cluster | None) -> None:
    """Run the sweep as a mode says."""
    import hpfunc as hp

    if mode == "serial":
        hp.sweep(paths, DATA, build=build, store=store)
    elif mode == "threads":
        with ThreadPoolExecutor(2) as pool:
            hp.sweep(paths, DATA, build=build, store=store, executor=pool)
    elif cluster is None:
        with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
            hp.sweep(paths, DATA, build=build, store=store, executor=pool)
    else:
        import distributed

        with distributed.Client(cluster.address, set_as_default=False) as client:
            hp.sweep(paths, DATA, build=build, store=store, executor=client.get_executor())


class Store:
    """Look at the files of finished checkpoints of one store, and count those that are gone or changed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.lost = folder, 0
        self._seen: dict[str, tuple[int, int]] = {}

    def finished(self) -> int:
        """Count the files of now."""
        return sum(1 for _ in self.folder.glob("*.nc"))

    def writes(self) -> bool:
        """Tell whether a file is being written."""
        return any(True for _ in self.folder.glob("*.part"))

    def compare(self) -> None:
        """Compare the files with those of the last time: a file that is written anew has another number."""
        now = {}
        for path in self.folder.glob("*.nc"):
            status = path.stat()
            now[path.name] = status.st_ino, status.st_mtime_ns
        self.lost += sum(now.get(name) != state for name, state in self._seen.items())
        self._seen = now


def kill_sweeps(
    mode: str, kills: int, *, seed: int = 0, say: Callable[[str], None] = lambda text: None
) -> dict[str, int]:
    """Kill sweeps of one mode as often as told, and count what was lost.

    Returns
    -------
    dict
        ``kills`` made, ``stores`` brought to an end, ``interrupted`` (kills that hit a sweep at work), ``lost`` (files
        gone or changed) and ``wrong`` (stores whose results differ).
    """
    chance, count = random.Random(seed), dict.fromkeys(_COUNTS, 0)
    with tempfile.TemporaryDirectory() as folder:
        paths = save_checkpoints(Path(folder))
        expected = in_a_fork(lambda: _expected_bytes(paths))
        while count["kills"] < kills:
            store = Store(Path(folder, f"store{count['stores']}"))
            # Dask stops replacing the workers of a cluster after some have died, so each store has a new cluster.
            with cluster_for(mode) as cluster:
                for _ in range(_MOST_RUNS):
                    if store.finished() == _CHECKPOINTS or count["kills"] >= kills:
                        break
                    made, interrupted = _run_and_kill(mode, paths, store, cluster, chance)
                    count["kills"] += made
                    count["interrupted"] += interrupted
            count["wrong"] += in_a_fork(lambda store=store: _complete(paths, store.folder)) != expected  # type: ignore[misc]
            store.compare()
            count["lost"] += store.lost
            count["stores"] += 1
            say(f"{mode}: {count}")
    return count


def _run_and_kill(
    mode: str, paths: dict[int, Path], store: Store, cluster: Cluster | None, chance: random.Random
) -> tuple[int, int]:
    """Start the sweep and kill it, or its workers, at random moments; count the kills and those that hit it at work."""
    child = start_fork(lambda: sweep_once(mode, paths, store.folder, cluster))
    made = interrupted = 0
    if mode.endswith("alone"):
        for _ in range(_KILLS_OF_WORKERS if cluster else 1):
            _wait_for_a_moment(child, store, chance)
            workers = _workers(child, cluster)
            if ended(child) or not workers:
                break
            made += try_to_kill(chance.choice(workers))
            interrupted += not ended(child)
            store.compare()
        wait_until(lambda: ended(child), 120)
    else:
        _wait_for_a_moment(child, store, chance)
        made, interrupted = 1, not ended(child)
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        try_to_kill(child)
    os.waitpid(child, 0)
    store.compare()
    return made, interrupted


def _wait_for_a_moment(child: int, store: Store, chance: random.Random) -> None:
    """Wait for any moment, or until another file is there, or until one is being written."""
    kind = chance.random()
    if kind < 0.3:
        wait_until(lambda: ended(child), chance.uniform(0, 0.6))
        return
    wanted = store.finished() + chance.randrange(2)
    wait_until(lambda: ended(child) or store.finished() >= wanted, 60)
    if kind < 0.6:
        wait_until(lambda: ended(child) or store.writes(), 0.5, pause=0.0002)
    else:
        time.sleep(chance.uniform(0, 0.1))


def _workers(sweep: int, cluster: Cluster | None) -> list[int]:
    """List the worker processes of a sweep's pool, or those of the cluster, whose fork server started them."""
    if cluster is None:
        return children(sweep)
    return [worker for server in children(cluster.pid) for worker in children(server)]


def _expected_bytes(paths: dict[int, Path]) -> bytes:
    import hpfunc as hp

    return _as_bytes(hp.sweep(paths, DATA, build=build))


def _complete(paths: dict[int, Path], store: Path) -> bytes:
    """Bring a store to its end; the sweep gives what it reads from the files."""
    import hpfunc as hp

    return _as_bytes(hp.sweep(paths, DATA, build=build, store=store))


def _as_bytes(runs: Any) -> bytes:
    values = {str(name): variable.values.tobytes().hex() for name, variable in sorted(runs.data_vars.items())}
    return json.dumps([values, runs.layer.values.tolist(), runs.checkpoint.values.tolist()]).encode()


def pieces(found: Sequence[dict[str, Any]], kills: int = 170) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """Kill sweeps of each mode, with a row for the kills and losses of each, and one for all that were ``found``."""
    _import_all(MODES)
    for mode in MODES:
        yield mode, lambda mode=mode: {"mode": mode, **kill_sweeps(mode, kills)}  # type: ignore[misc]
    yield "all", lambda: {"mode": "all", **{name: sum(row[name] for row in found) for name in _COUNTS}}


def _import_all(modes: Sequence[str]) -> None:
    """Import what a sweep imports; no work is done here, so that no threads are started, which forks would lack."""
    for name in (*_IMPORTED, *(["distributed"] if any(mode.startswith("Dask") for mode in modes) else [])):
        importlib.import_module(name)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="of each mode (%(default)s)")
    parser.add_argument("--mode", choices=MODES, nargs="+", default=MODES)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="add the counts to those of this file")
    options = parser.parse_args(arguments)
    _import_all(options.mode)
    file = options.json
    counts = json.loads(file.read_text(encoding="utf-8")) if file and file.exists() else {}
    for mode in options.mode:
        found = kill_sweeps(mode, options.kills, seed=options.seed, say=lambda x: print(x, file=sys.stderr))
        print(json.dumps({mode: found}), flush=True)
        counts[mode] = {name: counts.get(mode, {}).get(name, 0) + found[name] for name in _COUNTS}
        if file:
            file.write_text(json.dumps(counts, indent=1) + "\n", encoding="utf-8")
    return int(any(count["lost"] or count["wrong"] for count in counts.values()))


if __name__ == "__main__":
    sys.exit(main())
