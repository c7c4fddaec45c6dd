"""Measure the promise of ``max_memory``: a call uses what it was allowed, or is refused with the bytes it needs.

Every shape runs in a process of its own. It is asked with one byte first; the error names the bytes that are needed.
It is asked again with those bytes, with 3 and with 10 times as many, and the growth of the resident memory is measured,
that of calls that are refused too. Where many distances tie, this is known only then, and the second refusal names the
bytes that are enough for any ties. A row for each shape shows the call that comes closest to breaking the promise.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

import hpfunc as hp

__all__ = ["FLOOR", "LONG_SHAPES", "SHAPES", "SLACK", "MemoryUse", "bits_rows", "measure", "pieces"]

# A call may use this much more than it was allowed, and this floor for libraries and the buffers of threads.
SLACK, FLOOR = 1.25, 64 * 2**20


def _classes(n_classes: int, n: int, d: int, dtype: str = "f4", kind: str = "normal") -> tuple[Any, Any]:
    """Make points class by class, and their labels."""
    rng, label = np.random.default_rng(0), np.repeat(np.arange(n_classes), n)
    if kind == "one-hot":
        return np.eye(len(label), max(d, len(label)), dtype=dtype), label
    if kind == "grid":
        return rng.integers(1, 4, (len(label), d)).astype(dtype), label
    if kind == "far outliers":
        # Float32 does not tell the distances of the other points apart.
        points = (1e-5 * rng.normal(size=(len(label), d))).astype(dtype)
        points[::n] = 1000
        return points, label
    points = rng.normal(size=(len(label), d)).astype(dtype)
    points += (label[:, None] * rng.normal(size=d) / d**0.5).astype(dtype)
    return points, label


def _shuffled(points: Any, label: Any) -> tuple[Any, Any]:
    """Put the samples in random order."""
    order = np.random.default_rng(1).permutation(len(label))
    return points[order], label[order]


def _mapped(points: Any, label: Any) -> tuple[Any, Any]:
    """Put the points into a file that is mapped into memory."""
    with tempfile.TemporaryFile() as file:
        mapped = np.memmap(file, points.dtype, "w+", shape=points.shape)
    mapped[:] = points
    return mapped, label


def _labelled(points: Any, label: Any) -> tuple[Any, Any]:
    """Put the points into a DataArray whose first dim does not count the samples."""
    layers = xr.DataArray(points.reshape(len(label), -1, 4), dims=("sample", "place", "channel"))
    return layers.transpose("channel", "sample", "place"), xr.DataArray(label, dims="sample")


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
    "one-hot, 4 classes": (_pairs, {}, lambda: _classes(4, 250, 1000, kind="one-hot")),
    "one-hot, 5 nearest neighbours": (_pairs, {"graph": "knn", "k": 5}, lambda: _classes(2, 500, 1000, kind="one-hot")),
    "one-hot, 3 orthogonal trees": (_pairs, {"k": 3}, lambda: _classes(2, 500, 1000, kind="one-hot")),
    "one-hot, one tree over all classes": (_all_classes, {}, lambda: _classes(2, 500, 1000, kind="one-hot")),
    "far outliers, float32 undecided": (_pairs, {}, lambda: _classes(4, 700, 100, kind="far outliers")),
    "mapped file": (_pairs, {}, lambda: _mapped(*_classes(4, 300, 784))),
    "mapped file, samples in random order": (_pairs, {}, lambda: _mapped(*_shuffled(*_classes(4, 300, 784, "f8")))),
    "xarray over a mapped file": (_pairs, {}, lambda: _labelled(*_mapped(*_classes(4, 300, 784)))),
    "one tree": (_tree, {}, lambda: _classes(4, 1000, 100)),
    "one tree over all classes": (_all_classes, {}, lambda: _classes(10, 300, 300, "f8")),
    "a small job": (_pairs, {}, lambda: _classes(2, 40, 10)),
}

# Shapes that take minutes: they are not asked again with more memory.
LONG_SHAPES: dict[str, tuple[Callable[..., Any], dict[str, Any], Callable[[], tuple[Any, Any]]]] = {
    "one-hot 2 x 1,500": (_pairs, {}, lambda: _classes(2, 1500, 3000, kind="one-hot")),
}


class MemoryUse(NamedTuple):
    """Hold how often a shape was refused, and what calls were allowed and used, in bytes."""

    shape: str
    refused: int  # calls, the first with one byte
    used_when_refused: int
    asked: int
    used: int

    @property
    def kept(self) -> bool:
        """Tell whether the call kept to what it was allowed, up to slack and floor."""
        return self.used_when_refused <= FLOOR and self.used <= SLACK * self.asked + FLOOR


def pieces(found: Sequence[dict[str, Any]]) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """Measure every shape: what was asked, what was used, and whether that keeps the promise; then compare bits."""
    for shape in SHAPES | LONG_SHAPES:
        yield shape, partial(_row, shape)
    compared = cache(bits_rows)
    for number in range(_BITS_ROWS):
        yield f"bits {number}", lambda number=number: compared()[number]  # type: ignore[misc]


def _row(shape: str) -> dict[str, Any]:
    use = measure(shape)
    return use._asdict() | {"kept": use.kept}


# Small calls with ties, whose averages are sums of fractions; two kinds of points and three calls.
_BITS_ROWS = 6
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


def _measure_here(shape: str) -> tuple[int, int, int, int]:
    """Run one shape in this process.

    Returns
    -------
    refused : int
        How many calls were refused.
    used_when_refused : int
        The most bytes that a refused call used beyond what it was allowed and the slack.
    asked, used : int
        The bytes that the worst of the other calls was allowed and used.
    """
    call, options, make = (SHAPES | LONG_SHAPES)[shape]
    # Small calls load the libraries, which belong to the floor.
    for d in (40, 4):
        call(*_classes(2, 60, d, kind="grid"), **options)
    points, label = make()
    # The pages of a mapped file are the data themselves.
    mapped = points.nbytes if "mapped" in shape else 0
    asked, uses = 1, []

    def use(asked: int) -> ValueError | None:
        before, refusal = _peak(reset=True), None
        try:
            call(points, label, max_memory=asked, **options)
        except ValueError as error:
            refusal = error
        uses.append((asked, _peak() - before - mapped))
        return refusal

    while (refusal := use(asked)) is not None:
        needed = re.search(r"about ([\d,]+) bytes", str(refusal))
        if needed is None or int(needed[1].replace(",", "")) <= asked:
            raise refusal
        asked = int(needed[1].replace(",", ""))
    *refused, _ = uses
    # Given more memory, a call takes a faster way, which must keep to it as well.
    for more in (3 * asked, 10 * asked) if shape in SHAPES else ():
        if (refusal := use(more)) is not None:
            raise refusal
    beyond = max(0, *(int(used - SLACK * allowed) for allowed, used in refused))
    return len(refused), beyond, *max(uses[len(refused) :], key=lambda use: use[1] - SLACK * use[0])


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
        for name in SHAPES | LONG_SHAPES:
            found = measure(name)
            print(json.dumps(found._asdict() | {"kept": found.kept}), flush=True)
        for row in bits_rows():
            print(json.dumps(row), flush=True)
