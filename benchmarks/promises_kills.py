"""Kill sweeps at random moments, and look at what is left: ``python -m benchmarks.promises_kills --kills 200``.

A sweep of 24 small checkpoints on 2 data sets keeps what is finished in a store. It runs in a process that is killed
(SIGKILL, as by the system when memory ends), by itself, in threads, by worker processes, or as the client of a Dask
cluster; or a worker is killed and the sweep goes on. Then the same call goes on from the store, until all is done, and
the next store begins. After every kill no file that was there may be gone, changed or done again; at the end of each
store its results must be those of a sweep that nobody stopped, to the last bit.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["MODES", "in_a_fork", "kill_sweeps", "rows"]

MODES = ("serial", "threads", "processes", "worker process alone", "Dask client", "Dask worker alone")
_CHECKPOINTS = 24
_Finished = dict[str, tuple[int, int]]


def build() -> Any:
    import torch

    return torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.ReLU(), torch.nn.Linear(5, 3))


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


def sweep_once(mode: str, paths: dict[int, Path], store: Path, address: str | None) -> None:
    """Run the sweep as a mode says."""
    import hpfunc as hp

    if mode == "serial":
        hp.sweep(paths, DATA, build=build, store=store)
    elif mode == "threads":
        with ThreadPoolExecutor(2) as pool:
            hp.sweep(paths, DATA, build=build, store=store, executor=pool)
    elif mode.startswith(("processes", "worker")):
        with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
            hp.sweep(paths, DATA, build=build, store=store, executor=pool)
    else:
        import distributed

        with distributed.Client(address, set_as_default=False) as client:
            hp.sweep(paths, DATA, build=build, store=store, executor=client.get_executor())


def kill_sweeps(
    mode: str, kills: int, *, seed: int = 0, say: Callable[[str], None] = lambda text: None
) -> dict[str, Any]:
    """Kill sweeps of one mode as often as told, and count what was lost.

    Returns
    -------
    dict
        ``kills`` made, ``stores`` brought to an end, ``interrupted`` (kills that hit a sweep at work), ``lost`` (files
        gone or changed), ``wrong`` (stores whose results differ), and ``seconds``.
    """
    chance, begin = random.Random(seed), time.perf_counter()
    count = {"kills": 0, "stores": 0, "interrupted": 0, "lost": 0, "wrong": 0}
    with tempfile.TemporaryDirectory() as folder, cluster_for(mode) as address:
        paths = save_checkpoints(Path(folder))
        expected = in_a_fork(lambda: expected_bytes(paths))
        while count["kills"] < kills:
            store = Path(folder, f"store{count['stores']}")
            seen: _Finished = {}
            for _ in range(20):
                if len(seen) == _CHECKPOINTS or count["kills"] >= kills:
                    break
                hit = kill_one(mode, paths, store, address, chance)
                count["kills"] += 1
                count["interrupted"] += hit
                now = finished(store)
                count["lost"] += sum(now.get(name) != state for name, state in seen.items())
                seen = now
            count["wrong"] += in_a_fork(lambda store=store: complete(paths, store)) != expected  # type: ignore[misc]
            now = finished(store)
            count["lost"] += sum(now.get(name) != state for name, state in seen.items())
            count["stores"] += 1
            say(f"{mode}: {count}")
    return {**count, "seconds": time.perf_counter() - begin}


def kill_one(mode: str, paths: dict[int, Path], store: Path, address: str | None, chance: random.Random) -> bool:
    """Start the sweep, kill it (or a worker of its own) at a random moment, and say whether it was still at work."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setsid()
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            sweep_once(mode, paths, store, address)
            code = 0
        except BaseException:
            code = 3
        finally:
            os._exit(code)
    if chance.random() < 0.3:
        # Any moment, such as in the reading of the samples or the writing of the list.
        wait_until(lambda: ended(child), chance.uniform(0, 3))
    else:
        wanted = len(finished(store)) + chance.randrange(1, 4)
        wait_until(lambda: ended(child) or len(finished(store)) >= wanted, 30)
        time.sleep(chance.uniform(0, 0.06))
    alone = mode.endswith("alone")
    at_work = not ended(child)
    if alone:
        for pid in workers_of(child, address)[:1]:
            try_to_kill(pid)
        wait_until(lambda: ended(child), 60)
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        try_to_kill(child)
    os.waitpid(child, 0)
    return at_work


def wait_until(done: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not done():
        time.sleep(0.002)


def ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def try_to_kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def workers_of(parent: int, address: str | None) -> list[int]:
    """List the worker processes of a pool, or of the cluster."""
    if address is not None:
        return [pid for nanny in children(int(os.environ["HPFUNC_CLUSTER"])) for pid in (nanny, *children(nanny))][-1:]
    return [pid for pid in children(parent) if "hdf5.py" not in command_of(pid)]


def children(parent: int) -> list[int]:
    try:
        return [int(x) for x in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
    except OSError:
        return []


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        return ""


def finished(store: Path) -> _Finished:
    """Describe the files of finished checkpoints: a file that is written anew has another number."""
    found: _Finished = {}
    for path in store.glob("*.nc"):
        status = path.stat()
        found[path.name] = status.st_ino, status.st_mtime_ns
    return found


def expected_bytes(paths: dict[int, Path]) -> bytes:
    import hpfunc as hp

    return as_bytes(hp.sweep(paths, DATA, build=build))


def complete(paths: dict[int, Path], store: Path) -> bytes:
    """Bring a store to its end, and open it."""
    import hpfunc as hp

    hp.sweep(paths, DATA, build=build, store=store)
    return as_bytes(hp.open_results(store).load())


def as_bytes(runs: Any) -> bytes:
    values = {str(name): variable.values.tobytes().hex() for name, variable in sorted(runs.data_vars.items())}
    return json.dumps([values, runs.layer.values.tolist(), runs.checkpoint.values.tolist()]).encode()


def in_a_fork(function: Callable[[], bytes]) -> bytes:
    """Call a function in a fork, so that this process starts no threads, which its other forks would lack."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        try:
            with os.fdopen(write, "wb") as stream:
                stream.write(function())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as stream:
        content = stream.read()
    os.waitpid(child, 0)
    return content


class cluster_for:  # noqa: N801
    """Run a Dask cluster of two worker processes while a mode needs one, and give its address."""

    def __init__(self, mode: str) -> None:
        self.needed, self.process = mode.startswith("Dask"), None

    def __enter__(self) -> str | None:
        if not self.needed:
            return None
        code = (
            "import distributed, sys\n"
            "if __name__ == '__main__':\n"
            "    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)\n"
            "    print(cluster.scheduler_address, flush=True)\n"
            "    sys.stdin.read()\n"
        )
        with tempfile.NamedTemporaryFile("w", suffix=".py", delete=False, encoding="utf-8") as script:
            script.write(code)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.process: Any = subprocess.Popen([sys.executable, script.name], text=True, **pipes)
        os.environ["HPFUNC_CLUSTER"] = str(self.process.pid)
        return str(self.process.stdout.readline().strip())

    def __exit__(self, *error: object) -> None:
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait(30)


def rows(kills: int = 170, modes: Sequence[str] = MODES, seed: int = 0) -> list[dict[str, Any]]:
    """Kill sweeps of each mode: a row for each, with the kills and what was lost."""
    import_all()
    return [{"mode": mode, **kill_sweeps(mode, kills, seed=seed)} for mode in modes]


def import_all() -> None:
    """Import what a fork would import first; no work is done, so that no threads are started."""
    import h5netcdf  # noqa: F401
    import torch  # noqa: F401
    import xarray.backends.h5netcdf_  # noqa: F401

    import hpfunc._sweep.run
    import hpfunc._torch.collect
    import hpfunc._torch.digest
    import hpfunc._torch.model.checkpoint  # noqa: F401


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="of each mode (%(default)s)")
    parser.add_argument("--mode", choices=MODES, nargs="+", default=MODES)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the counts here")
    options = parser.parse_args(arguments)
    import_all()
    counts = {}
    for mode in options.mode:
        counts[mode] = kill_sweeps(mode, options.kills, seed=options.seed, say=lambda x: print(x, file=sys.stderr))
        print(json.dumps({mode: counts[mode]}), flush=True)
        if options.json:
            options.json.write_text(json.dumps(counts, indent=1) + "\n", encoding="utf-8")
    return int(any(count["lost"] or count["wrong"] for count in counts.values()))


if __name__ == "__main__":
    sys.exit(main())
