"""Check HDF5 files in a process of its own.

On some damaged files the HDF5 library crashes or runs without end, which nothing in the same process can stop.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from hpfunc._files import hdf5_script

__all__ = ["check_apart"]

# The process stops itself after two seconds of work for each file; this is for systems where it cannot.
_SECONDS = 120
_OUT_OF_TIME = getattr(signal, "SIGXCPU", 24)


def check_apart(files: Sequence[Path]) -> dict[Path, str]:
    """Check files of results by `hpfunc._files.hdf5`, and say of each that is refused why.

    Raises
    ------
    RuntimeError
        If the process cannot be started.
    """
    refused: dict[Path, str] = {}
    waiting = list(files)
    while waiting:
        answers, end = _ask(waiting)
        refused |= {file: why for file, why in zip(waiting, answers, strict=False) if why is not None}
        if len(answers) < len(waiting):
            refused[waiting[len(answers)]] = end
        waiting = waiting[len(answers) + 1 :]
    return refused


def _ask(files: Sequence[Path]) -> tuple[list[str | None], str]:
    """Run the check over files until one of them ends the process; return the answers and what that file does."""
    # -P keeps the folder of the script off the import path: its modules have names of the standard library.
    command = [sys.executable, "-P", "-W", "ignore", hdf5_script.__file__]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONUTF8": "1"}
    # The process multiplies no matrices, and starting BLAS threads would take a fifth of its time.
    environment |= {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    names = json.dumps([str(file.absolute()) for file in files])
    try:
        done = subprocess.run(
            command, input=names.encode(), capture_output=True, env=environment, timeout=_SECONDS, check=False
        )
        output, errors, code = done.stdout, done.stderr, done.returncode
    except subprocess.TimeoutExpired as stopped:
        output, errors, code = stopped.stdout or b"", b"it took too long", None
    except (OSError, TypeError) as error:
        raise RuntimeError(f"a process to check files in cannot be started by {sys.executable!r}: {error}") from error
    ready, *lines = output.decode().splitlines() or [""]
    if ready != hdf5_script.READY:
        raise RuntimeError(f"the process that checks files did not start: {errors.decode(errors='replace')[-500:]}")
    too_long = "checking it takes more than two seconds of work; on some files the HDF5 library runs without end"
    end = too_long if code in (None, -_OUT_OF_TIME) else "the HDF5 library crashes on it"
    return [json.loads(line) for line in lines], end
