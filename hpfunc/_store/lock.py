"""A folder for one sweep alone, among the threads of this process and among processes."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

__all__ = ["alone", "system_error"]

# The system's lock keeps other processes out, and this one other threads.
_HELD: set[tuple[int, int] | str] = set()
_GUARD = threading.Lock()

# Beyond all that the file of the lock holds.
_LOCKED_BYTE = 2**30


@contextlib.contextmanager
def alone(folder: Path, name: str) -> Iterator[None]:
    """Keep all others out of a folder, by the lock of a file of that name in it.

    Raises
    ------
    ValueError
        If someone else is in it.
    OSError
        If the file cannot be written.
    """
    identity = _identity(folder)
    with _GUARD:
        if identity in _HELD:
            raise ValueError(f"store {folder} is in use by another sweep of this process; wait for it")
        _HELD.add(identity)
    try:
        with _locked_file(folder / name):
            yield
    finally:
        _HELD.discard(identity)


@contextlib.contextmanager
def _locked_file(file: Path) -> Iterator[None]:
    try:
        stream = file.open("a+", encoding="utf-8", errors="replace")
    except OSError as error:
        raise system_error(error, f"store {file.parent} cannot be written to") from error
    with stream:
        try:
            _lock(stream.fileno())
        except OSError as error:
            stream.seek(0)
            owner = stream.read(200).strip() or "one that does not say which"
            raise ValueError(
                f"store {file.parent} is in use by another sweep ({owner}), or its file system has no locks ({error}); "
                "wait for it, or pass another folder"
            ) from error
        # On a full disk the owner stays unnamed.
        with contextlib.suppress(OSError):
            stream.truncate(0)
            stream.write(f"process {os.getpid()} on {socket.gethostname()}\n")
            stream.flush()
        try:
            yield
        finally:
            _unlock(stream.fileno())


def _identity(folder: Path) -> tuple[int, int] | str:
    """What is the same for all names of a folder: by a link, or in other case where the system does not care."""
    status = folder.stat()
    return (status.st_dev, status.st_ino) if status.st_ino else str(folder.resolve())


def _lock(descriptor: int) -> None:
    """Lock a file for this process; the system takes the lock away when the process ends, however it ends."""
    try:
        # Not flock, whose locks are passed on to processes that a data loader or an executor forks.
        from fcntl import LOCK_EX, LOCK_NB, lockf
    except ImportError:
        _lock_byte(descriptor, "LK_NBLCK")
    else:
        lockf(descriptor, LOCK_EX | LOCK_NB)


def _unlock(descriptor: int) -> None:
    # Closing the file does it elsewhere, but on Windows only some time later.
    if find_spec("fcntl") is None:
        with contextlib.suppress(OSError):
            _lock_byte(descriptor, "LK_UNLCK")


def _lock_byte(descriptor: int, how: str) -> None:
    """Lock or unlock on Windows, which locks bytes from where the file stands, and then lets no one else read them."""
    msvcrt: Any = import_module("msvcrt")
    os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
    msvcrt.locking(descriptor, getattr(msvcrt, how), 1)


def system_error(error: OSError, what: str) -> OSError:
    """An error of the system in the words of a sweep."""
    remedy = "make room or name another folder and call again"
    if isinstance(error, PermissionError):
        # Windows does not replace a file that is open.
        remedy = "close what open_results gave, see that you may write there, or name another folder"
    return OSError(error.errno, f"{what}: {error.strerror or error} ({remedy})")
