"""The store's lock in the cases that it was chosen for: processes, threads, forks, copies."""

import inspect
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

from hpfunc._store.lock import exclusive
from tests.sweep_parts import ROOT

# The module alone, since the package takes a second to import.
TRY = """
import runpy, sys, pathlib
exclusive = runpy.run_path(sys.argv[2])["exclusive"]
try:
    with exclusive(pathlib.Path(sys.argv[1])):
        print("held")
except ValueError as error:
    print(error)
"""

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


@pytest.fixture
def file(tmp_path):
    return tmp_path / ".lock"


def another_process(file):
    """Say what a new process meets that wants the lock."""
    command = [sys.executable, "-c", TRY, str(file), inspect.getfile(exclusive.__wrapped__)]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()


def test_another_process_is_told_who_holds_the_lock(file):
    with exclusive(file):
        assert f"is in use by another sweep (process {os.getpid()} on " in another_process(file)
    assert another_process(file) == "held"


def test_reading_or_copying_the_folder_does_not_release_the_lock(file, tmp_path):
    with exclusive(file):
        shutil.copytree(tmp_path, f"{tmp_path}-copy")
        file.read_bytes()
        assert "in use" in another_process(file)
        assert another_process(f"{tmp_path}-copy/.lock") == "held"


def test_this_process_is_refused_in_every_thread_and_by_every_name_of_the_folder(file, tmp_path):
    link = tmp_path.with_name(f"{tmp_path.name}-link")
    link.symlink_to(tmp_path)
    errors = []

    def enter(path):
        with pytest.raises(ValueError, match="another sweep of this process") as error, exclusive(path):
            pass
        errors.append(error)

    with exclusive(file):
        enter(file)
        enter(link / ".lock")
        thread = threading.Thread(target=enter, args=[file])
        thread.start()
        thread.join()
    assert len(errors) == 3
    with exclusive(file):
        pass


@needs_fork
def test_a_forked_child_does_not_keep_the_lock_of_a_killed_parent(file):
    read, write = os.pipe()
    parent = os.fork()
    if parent == 0:
        with exclusive(file):
            # As the workers of a data loader or of an executor are made.
            if os.fork() == 0:
                os.write(write, b"%d" % os.getpid())
                time.sleep(60)
                os._exit(0)
            time.sleep(60)
    child = int(os.read(read, 20))
    try:
        assert f"(process {parent} on " in another_process(file)
        os.kill(parent, signal.SIGKILL)
        os.waitpid(parent, 0)
        assert another_process(file) == "held"
    finally:
        os.kill(child, signal.SIGKILL)


@needs_fork
def test_a_forked_child_that_ends_does_not_release_the_lock(file):
    with exclusive(file):
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        assert "in use" in another_process(file)


def test_a_file_system_without_locks_is_an_error(file, monkeypatch):
    import errno

    fcntl = pytest.importorskip("fcntl")

    def flock(descriptor, how):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OSError, match="cannot be written to or locked"), exclusive(file):
        pass
