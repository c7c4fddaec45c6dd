"""Measure the promise of ``max_memory``: a call uses what it was allowed, or is refused with the bytes it needs.

Every shape runs in a process of its own. It is asked with one byte first; the error names the bytes that are needed.
It is asked again with those bytes, with 3 and with 10 times as many, and the growth of the resident memory is measured.
`rows` returns a row for each, of the run that comes closest to breaking the promise.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import hpfunc as hp

__all__ = ["FLOOR", "SHAPES", "SLACK", "MemoryUse", "bits_rows", "measure", "rows"]

# A call may use this much more than it was allowed, and this floor for libraries and the buffers of threads.
SLACK, FLOOR = 1.25, 64 * 2**20


def _classes(n_classes: int, n: int, d: int, dtype: str = "f4", kind: str = "normal") -> tuple[Any, Any]:
    """Make points class by class, and their labels."""
    rng, label = np.random.default_rng(0), np.repeat(np.arange(n_classes), n)
    if kind == "one-hot":
        return np.eye(len(label), max(d, len(label)), dtype=dtype), label
    if kind == "grid":
        return rng.integers(0, 3, (len(label), d)).astype(dtype), label
    points = rng.normal(size=(len(label), d)).astype(dtype)
    points += (label[:, None] * rng.normal(size=d) / d**0.5).astype(dtype)
    return points, label


def _shuffled(points: Any, label: Any) -> tuple[Any, Any]:
    """Put the samples in random order."""
    order = np.random.default_rng(1).permutation(len(label))
    return points[order], label[order]


def _pairs(points: Any, label: Any, **options: Any) -> Any:
    return hp.pairwise_hp(points, label, **options)


def _tree(points: Any, label: Any, **options: Any) -> Any:
    return hp.euclidean_mst(points, **options)


def _all_classes(points: Any, label: Any, **options: Any) -> Any:
    return hp.multiclass_hp(points, label, **options)


# Name -> the call, its options, and what makes the points.
SHAPES: dict[str, tuple[Callable[..., Any], dict[str, Any], Callable[[], tuple[Any, Any]]]] = {
    "pairs, float32": (_pairs, {}, lambda: _classes(4, 300, 784)),
    "pairs, float64": (_pairs, {}, lambda: _classes(4, 300, 784, "f8")),
    "pairs, samples in random order": (_pairs, {}, lambda: _shuffled(*_classes(4, 300, 784))),
    "pairs, cosine": (_pairs, {"metric": "cosine"}, lambda: _classes(4, 300, 784)),
    "pairs, thin": (_pairs, {}, lambda: _classes(6, 500, 10)),
    "many classes": (_pairs, {}, lambda: _classes(30, 30, 256)),
    "5 nearest neighbours": (_pairs, {"graph": "knn", "k": 5}, lambda: _classes(2, 1000, 300)),
    "3 orthogonal trees": (_pairs, {"k": 3}, lambda: _classes(2, 800, 300)),
    "one-hot, all distances tie": (_pairs, {}, lambda: _classes(2, 500, 1000, kind="one-hot")),
    "grid, many distances tie": (_pairs, {}, lambda: _classes(2, 1500, 8, kind="grid")),
    "one tree": (_tree, {}, lambda: _classes(4, 1000, 100)),
    "one tree over all classes": (_all_classes, {}, lambda: _classes(10, 300, 300, "f8")),
    "a small job": (_pairs, {}, lambda: _classes(2, 40, 10)),
}


class MemoryUse(NamedTuple):
    """Hold what a call was allowed and what it used, in bytes."""

    shape: str
    asked: int
    used: int

    @property
    def kept(self) -> bool:
        """Tell whether the call kept to what it was allowed, up to slack and floor."""
        return self.used <= SLACK * self.asked + FLOOR


def rows() -> list[dict[str, Any]]:
    """Measure every shape: what was asked, what was used, and whether that keeps the promise."""
    found = [measure(shape) for shape in SHAPES]
    return [use._asdict() | {"kept": use.kept} for use in found] + bits_rows()


# Small calls with ties, whose averages are sums of fractions.
_BITS = """
import hashlib, json, warnings
import numpy as np
import hpfunc as hp
warnings.simplefilter("ignore")
label, rng = np.repeat([0, 1, 2], 60), np.random.default_rng(3)
points = {"one-hot": np.eye(180, 200), "grid": rng.integers(0, 3, (180, 5)).astype(float)}
calls = {
    "pairs": hp.pairwise_hp,
    "neighbours": lambda x, y: hp.pairwise_hp(x, y, graph="knn", k=3),
    "one tree over all classes": hp.multiclass_hp,
}
def digest(found):
    return hashlib.sha256(b"".join(found[name].values.tobytes() for name in sorted(found.data_vars))).hexdigest()
print(json.dumps({f"{kind}, {name}": [digest(call(x, label)) for _ in range(2)]
                  for kind, x in points.items() for name, call in calls.items()}))
"""


def bits_rows() -> list[dict[str, Any]]:
    """Compare the bits of first and second calls, in processes with the default, 1 and 7 BLAS threads."""
    environments: list[dict[str, str]] = [{}, {"OPENBLAS_NUM_THREADS": "1"}, {"OPENBLAS_NUM_THREADS": "7"}]
    digests = [json.loads(_run_python(["-c", _BITS], environment)) for environment in environments]
    same = {name: len({d for found in digests for d in found[name]}) == 1 for name in digests[0]}
    return [{"shape": f"bits of 6 calls: {name}", "kept": kept} for name, kept in same.items()]


def measure(shape: str) -> MemoryUse:
    """Measure one shape in a new process."""
    return MemoryUse(shape, *json.loads(_run_python(["-m", "benchmarks.promises_memory", shape], {})))


def _run_python(arguments: list[str], environment: dict[str, str]) -> str:
    """Run Python in a new process that finds this package; return what it prints."""
    environment = os.environ | {"PYTHONPATH": str(Path(hp.__file__).parents[1])} | environment
    command, folder = [sys.executable, *arguments], Path(__file__).parents[1]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder, env=environment).stdout


def _measure_here(shape: str) -> tuple[int, int]:
    """Run one shape in this process: return the bytes that it was allowed and those that it used, of the worst run."""
    call, options, make = SHAPES[shape]
    # A small call loads the libraries, which belong to the floor.
    call(*_classes(2, 60, 40, kind="grid"), **options)
    points, label = make()
    asked, before = 1, _peak(reset=True)
    while True:
        try:
            call(points, label, max_memory=asked, **options)
        except ValueError as error:
            needed = re.search(r"about ([\d,]+) bytes", str(error))
            if needed is None or int(needed[1].replace(",", "")) <= asked:
                raise
            asked = int(needed[1].replace(",", ""))
        else:
            break
    uses = [(asked, _peak() - before)]
    # Given more memory, a call takes a faster way, which must keep to it as well.
    for more in (3 * asked, 10 * asked):
        before = _peak(reset=True)
        call(points, label, max_memory=more, **options)
        uses.append((more, _peak() - before))
    return max(uses, key=lambda use: use[1] - SLACK * use[0])


def _peak(*, reset: bool = False) -> int:
    """Return the largest resident memory so far in bytes, counted from now on after a reset where Linux allows it."""
    if reset and sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if len(sys.argv) > 1:
        print(json.dumps(_measure_here(sys.argv[1])))
    else:
        for name in SHAPES:
            found = measure(name)
            print(json.dumps(found._asdict() | {"kept": found.kept}), flush=True)
        for row in bits_rows():
            print(json.dumps(row), flush=True)
