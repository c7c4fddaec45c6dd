"""Start forks and a Dask cluster of forks, look at processes, and kill them; for systems with `os.fork` and /proc."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Cluster", "children", "cluster_for", "ended", "in_a_fork", "start_fork", "try_to_kill", "wait_until"]


def in_a_fork(function: Callable[[], bytes]) -> bytes:
    """Call a function in a fork, so that this process starts no threads, which its later forks would lack."""
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


def start_fork(function: Callable[[], object]) -> int:
    """Start a function in a fork that leads a group of processes of its own, and return the number of the process."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setsid()
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            function()
            code = 0
        except BaseException:
            code = 3
        finally:
            os._exit(code)
    return child


def wait_until(done: Callable[[], bool], seconds: float, pause: float = 0.002) -> None:
    """Ask again after each pause until the answer is yes or the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not done():
        time.sleep(pause)


def ended(pid: int) -> bool:
    """Tell whether a child of this process has ended; it is not reaped."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def children(parent: int) -> list[int]:
    """List the processes that the threads of a process have started, without those that check files."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{parent}/task").iterdir():
            found += [int(pid) for pid in Path(thread, "children").read_text().split()]
    return [pid for pid in found if "hdf5_script.py" not in _command(pid)]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        return ""


def try_to_kill(pid: int) -> bool:
    """Send SIGKILL to a process, and tell whether there was one."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


class Cluster(NamedTuple):
    """Hold the address of a Dask cluster and the number of its process."""

    address: str
    pid: int


# Workers are forks of a server that has imported what they need: one that is killed is replaced at once.
_CLUSTER = """
import sys
import dask, distributed
from distributed.utils import get_mp_context
if __name__ == "__main__":
    dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"})
    get_mp_context().set_forkserver_preload(["distributed", "torch", *MODULES])
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    print(cluster.scheduler_address, flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def cluster_for(mode: str) -> Iterator[Cluster | None]:
    """Run a Dask cluster of two worker processes while a mode needs one."""
    if not mode.startswith("Dask"):
        yield None
        return
    modules = [name for name in sys.modules if name.startswith("hpfunc.")]
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "cluster.py")
        script.write_text(_CLUSTER.replace("MODULES", repr(modules)), encoding="utf-8")
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen([sys.executable, str(script)], text=True, **pipes)
        assert process.stdin is not None
        assert process.stdout is not None
        yield Cluster(process.stdout.readline().strip(), process.pid)
        process.stdin.close()
        process.wait(60)
