"""Check HDF5 files as a script, which limits its own time and memory.

It imports nothing of hpfunc, so that it starts in a moment: see `hpfunc._files.apart`.
"""

from __future__ import annotations

import contextlib
import json
import runpy
import sys
from pathlib import Path

__all__ = ["READY"]

# The first line that the script writes.
READY = "ready"

# Bytes of memory that checking a file may take, beside as many as the file has.
_MAX_MEMORY = 2**28


def main() -> None:
    """Read a list of files from standard input, and write for each why it is refused, or null."""
    import h5netcdf  # noqa: F401

    check_hdf5 = runpy.run_path(str(Path(__file__).with_name("hdf5.py")))["check_hdf5"]
    files = json.loads(sys.stdin.buffer.read())
    print(READY, flush=True)
    for file in files:
        why = None
        try:
            _limit_work(Path(file).stat().st_size)
            check_hdf5(Path(file))
        except MemoryError:
            why = f"checking it takes more than {_MAX_MEMORY:,} bytes of memory"
        except Exception as error:
            # Damaged files make the libraries raise anything: OSError, RuntimeError, KeyError, ...
            why = (str(error) if type(error) is ValueError else repr(error))[:500]
        print(json.dumps(why), flush=True)


def _limit_work(size: int) -> None:
    """Let the system end this process after two more seconds of work, and limit its memory; more for a large file."""
    with contextlib.suppress(ImportError):
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        seconds = int(used.ru_utime + used.ru_stime) + 2 + size // 2**24
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.getrlimit(resource.RLIMIT_CPU)[1]))
        # Only Linux tells in this way how much memory the process has already.
        with contextlib.suppress(OSError, ValueError):
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
            most = pages * resource.getpagesize() + _MAX_MEMORY + size
            resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


if __name__ == "__main__":
    main()
