"""Open results that are larger than memory: ``python -m benchmarks.long_results [--folder DISK] [--json FILE]``.

Writes the store of a sweep with made-up values (200 checkpoints, 2 data sets, 20 layers and 4,950 pairs: 2.5 GB), opens
it in a new process, takes one pair of one layer, reduces one variable, and then all of them. Seconds, and the most
memory of the whole process.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import hpfunc as hp
from benchmarks.machine import describe_machine, when
from benchmarks.measure import in_a_new_process
from benchmarks.store import open_store, save_store
from hpfunc._store import Store, assemble, locked

SIZES = {"full": (200, 20, 100), "tiny": (4, 3, 5)}
SPLITS = ["train", "test"]
MOST_MEMORY = 10**9


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where the store is written, by default the folder for such files")
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument("--json", type=Path, help="keep the rows in this file")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        store = Path(folder, "store")
        begin = time.perf_counter()
        size = write_store(store, *SIZES[options.size])
        rows = {"write": {"seconds": time.perf_counter() - begin, "bytes": size, **when()}}
        rows |= in_a_new_process(read_store, store)
    for name, row in rows.items():
        peak = row.get("peak_bytes")
        print(f"{name:32} {row['seconds']:8.2f} s" + (f" {peak / 1e6:8.0f} MB at most" if peak else ""))
    kept = open_store(options.json, "long_results", options.size, describe_machine())
    kept["rows"] |= rows
    save_store(options.json, kept)
    return int(any((row.get("peak_bytes") or 0) > MOST_MEMORY for row in rows.values()))


def write_store(folder: Path, checkpoints: int, layers: int, classes: int) -> int:
    """Write made-up results as a sweep writes them; return the bytes on disk."""
    labels = list(range(checkpoints))
    with locked(folder) as store:
        store.register(labels)
        for label in labels:
            write_checkpoint(store, label, layers, classes)
    return sum(path.stat().st_size for path in folder.iterdir())


def write_checkpoint(store: Store, label: int, layers: int, classes: int) -> None:
    generator = np.random.default_rng(label)
    first, second = np.triu_indices(classes, 1)
    dims = ("layer", "pair")
    coords = {
        "layer": [f"layer{number}" for number in range(layers)],
        "n_features": ("layer", np.arange(layers)),
        "class_a": ("pair", first),
        "class_b": ("pair", second),
    }
    splits = []
    for _ in SPLITS:
        values = generator.uniform(size=(6, layers, len(first)))
        names = ("cross_edges", "cross_edges_min", "cross_edges_max", "hp", "z", "pvalue")
        counts = {name: (dims, np.full((layers, len(first)), 500)) for name in ("n_a", "n_b")}
        splits.append(xr.Dataset({n: (dims, v) for n, v in zip(names, values, strict=True)} | counts, coords))
    store.save(label, assemble(splits, label, SPLITS), {"format": "1", "weights": str(label), "model": "made up"})


def read_store(folder: Path) -> dict[str, Any]:
    """Read the store step by step; return the seconds of each step, and the peak memory of the process up to then."""
    rows: dict[str, Any] = {}

    def step(name: str, work: Callable[[], Any]) -> Any:
        begin = time.perf_counter()
        result = work()
        rows[name] = {"seconds": time.perf_counter() - begin, "peak_bytes": peak(), **when()}
        return result

    runs = step("open", lambda: hp.open_results(folder))
    layer = runs.layer.values[1].item()
    step("one pair of a layer", lambda: runs.hp.sel(layer=layer, class_a=3, class_b=2).load())
    step("a layer", lambda: runs.hp.sel(layer=layer).load())
    step("mean of hp over pairs", lambda: runs.hp.mean("pair").load())
    step("mean of everything over pairs", lambda: runs.mean("pair").load())
    return rows


def peak() -> int | None:
    """Return the most memory of this process in bytes, or None where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    sys.exit(main())
