"""Measure what files that mean harm cost before they are refused, with a row for each kind."""

from __future__ import annotations

import json
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import hpfunc as hp
from benchmarks.forks import in_a_fork
from benchmarks.hostile import JSON_KINDS, NETCDF_KINDS, Kind

__all__ = ["pieces"]


def pieces(found: Sequence[dict[str, Any]]) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """Open a file of each kind, and tell what it cost: seconds, seconds of work, and megabytes beyond a good file's.

    Memory is that of this process and, for netCDF, of the one that checks the file.
    """
    for what, kinds, read in (
        ("netCDF", NETCDF_KINDS, hp.open_results),
        ("JSON", JSON_KINDS, lambda path: hp.read_seed_results({0: path})),
    ):
        for name, kind in kinds.items():
            yield f"{what}: {name}", partial(_row, what, name, kind, read)


def _row(what: str, name: str, kind: Kind, read: Callable[[Path], Any]) -> dict[str, Any]:
    return {"file": what, "kind": name, **_cost(kind, read)}


def _cost(kind: Kind, read: Callable[[Path], Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = kind.make(Path(folder))
        good = Path(folder, "a good file.nc")
        xr.Dataset({"hp": ("layer", np.ones(3))}, {"layer": list("abc")}).to_netcdf(good, engine="h5netcdf")
        cost: dict[str, Any] = json.loads(in_a_fork(lambda: _measure(path, good, read)))
    return cost


def _measure(path: Path, good: Path, read: Callable[[Path], Any]) -> bytes:
    hp.open_results(good)
    checked = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    # From here on the peak of this process is counted anew.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before, begin, work = _status("VmRSS"), time.perf_counter(), sum(os.times()[:4])
    try:
        read(path)
        refused = False
    except ValueError:
        refused = True
    seconds, work = time.perf_counter() - begin, sum(os.times()[:4]) - work
    own = _status("VmHWM") - before
    checker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss - checked
    row = {
        "refused": refused,
        "seconds": round(seconds, 2),
        "work_seconds": round(work, 2),
        "megabytes": round(max(own, checker) * 1024 / 1e6),
    }
    return json.dumps(row).encode()


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


if __name__ == "__main__":
    for _, make in pieces([]):
        print(make())
