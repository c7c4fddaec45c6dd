"""Keep a folder to one sweep, among threads and among processes.

The lock is filelock's: the system's ``flock`` on a file of the folder. It goes when its process ends, however it ends.
A process that a data loader forks does not hold it, and a program that reads or copies the folder does not release it.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

__all__ = ["exclusive", "system_error"]


@contextlib.contextmanager
def exclusive(file: Path) -> Iterator[None]:
    """Hold the lock of ``file``, and write into the file which process holds it.

    Raises
    ------
    ValueError
        If another sweep holds the lock.
    OSError
        If the file cannot be written, or its file system has no locks.
    """
    from filelock import FileLock, Timeout

    store = file.parent
    # Without fallback_to_soft=False a file system without locks would get a file that a killed sweep leaves behind.
    lock = FileLock(file, timeout=0, fallback_to_soft=False, preserve_lock_file=True)
    try:
        lock.acquire()
    except Timeout:
        raise ValueError(f"store {store} is in use by another sweep{_owner(file)}; wait for it") from None
    except OSError as error:
        raise system_error(error, f"store {store} cannot be written to or locked") from error
    try:
        # The owner stays unnamed on a full disk, and on Windows, where nobody can write into a locked file.
        with contextlib.suppress(OSError):
            file.write_text(_this_process(), encoding="utf-8")
        yield
    finally:
        lock.release()


def _this_process() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


def _owner(file: Path) -> str:
    """Say which process wrote the lock file, where it can be read."""
    try:
        with file.open(encoding="utf-8", errors="replace") as stream:
            owner = stream.read(200).strip()
    except OSError:
        return ""
    return " of this process" if owner == _this_process() else f" ({owner})" if owner else ""


def system_error(error: OSError, what: str) -> OSError:
    """Say in an error of the system what a sweep could not do and how to go on."""
    remedy = "make room or name another folder and call again"
    if isinstance(error, PermissionError):
        # Windows cannot replace a file that is open.
        remedy = "close what open_results gave, see that you may write there, or name another folder"
    return OSError(error.errno, f"{what}: {error.strerror or error} ({remedy})")
