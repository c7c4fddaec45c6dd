"""Run every check and measurement that wants a GPU, in one command: ``python -m benchmarks.gpu --json FILE``.

Checks: counts equal to those of the host engine on points of many kinds, denormal numbers among them; arrays that share
memory with tensors; little memory. All checks run, even if one fails. Measurements: score = time of pairwise_hp / time
of one float32 product of all points with a copy of themselves, by events on the device, medians after a warm-up; peak
memory; the full job of the older tool; few large trees, grown all at once and one after the other. It needs torch,
CuPy, NumPy, SciPy and xarray, and hpfunc to be importable.
Without a GPU it says so and measures nothing.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import hpfunc as hp
from benchmarks import gpu_checks
from benchmarks.cases import Case, Sources, points_of
from benchmarks.machine import describe_machine, when
from benchmarks.points import labels_of
from hpfunc._tree.device import pairs

SIZES = {
    "standard": (
        Case("mnist", 10, 1000, 784),
        Case("conv", 10, 1000, 32768),
        Case("classes-100", 100, 500, 512),
        Case("classes-1000", 1000, 50, 2048),
    ),
    "tiny": (Case("mnist", 3, 20, 784), Case("classes-1000", 8, 5, 64)),
}
# Classes, samples of each, and pixels of a side, of the full job.
_JOB = {"standard": (10, 892, 28), "tiny": (3, 8, 12)}
# Samples of each class where few large trees are measured, and how many classes there are.
_FEW = {"standard": ((500, 2000, 8000), (2, 4, 8)), "tiny": ((6,), (2, 3))}
# Classes whose pairs are counted again on the host.
_AGAIN = 10


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    reason = why_not()
    if reason:
        print(f"no GPU to measure on: {reason}", file=sys.stderr)
        return 2
    import cupy

    result: dict[str, Any] = {"machine": describe_machine(), "device": describe_device(cupy), **when()}
    result["checks"] = {name: outcome(check, cupy) for name, check in gpu_checks.CHECKS.items()}
    result["rows"] = {case.name: outcome(measure_case, cupy, case, options.repeat) for case in SIZES[options.size]}
    result["full_job"] = outcome(measure_job, cupy, options.size)
    result["few_trees"] = outcome(measure_few_trees, cupy, options.size, options.repeat)
    text = json.dumps(result, indent=2)
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")
    parts = (*result["checks"].values(), *result["rows"].values(), result["full_job"], result["few_trees"])
    return int(any("error" in part for part in parts))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=SIZES, default="standard", help="default: %(default)s")
    parser.add_argument("--repeat", type=int, default=5, help="runs of each, of which the median counts (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here too")
    return parser.parse_args(arguments)


def why_not() -> str | None:
    """Return why nothing can be measured here, or None."""
    try:
        import cupy
        import torch

        if cupy.cuda.runtime.getDeviceCount() == 0 or not torch.cuda.is_available():
            return "CuPy or torch finds no CUDA device"
        float(cupy.ones((2, 2)).sum())
    except Exception as error:  # whatever CuPy raises: a missing driver, library or device
        return f"{type(error).__name__}: {error}"
    return None


def describe_device(cupy: Any) -> dict[str, Any]:
    properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
    return {
        "name": properties["name"].decode(),
        "memory": f"{properties['totalGlobalMem'] / 2**30:.0f} GiB",
        "driver": cupy.cuda.runtime.driverGetVersion(),
        "cuda": cupy.cuda.runtime.runtimeGetVersion(),
        "cupy": cupy.__version__,
    }


def outcome(function: Callable[..., Any], *given: Any) -> dict[str, Any]:
    """Return what a check or measurement found, or its error: one that fails does not keep the others from running."""
    started = time.perf_counter()
    try:
        found: dict[str, Any] = function(*given) or {}
    except Exception as error:
        traceback.print_exc()
        found = {"error": f"{type(error).__name__}: {error}"}
    return {**found, "took_seconds": time.perf_counter() - started}


def seconds_on_device(cupy: Any, job: Callable[[], Any], repeat: int) -> list[float]:
    """Return the times of a job by events, after a run that warms up."""
    job()
    times = []
    for _ in range(repeat):
        begin, end = cupy.cuda.Event(), cupy.cuda.Event()
        begin.record()
        job()
        end.record()
        end.synchronize()
        times.append(cupy.cuda.get_elapsed_time(begin, end) / 1000)
    return times


def measure_case(cupy: Any, case: Case, repeat: int) -> dict[str, Any]:
    """Measure one row of the table."""
    from cupy import cublas

    points, origin = points_of(case, Sources())
    labels = labels_of(case.n_classes, case.n_samples)
    x, y = cupy.asarray(points), cupy.asarray(points)
    pool = cupy.get_default_memory_pool()
    pool.free_all_blocks()
    before = pool.total_bytes()
    results: list[Any] = []

    def ours() -> None:
        results[:] = [hp.pairwise_hp(x, labels)]

    seconds = {"ours": seconds_on_device(cupy, ours, repeat)}
    peak = pool.total_bytes() - before
    pool.free_all_blocks()
    seconds["product"] = seconds_on_device(cupy, lambda: cublas.gemm("N", "T", x, y), repeat)
    median = {name: statistics.median(times) for name, times in seconds.items()}
    rows = slice(0, min(_AGAIN, case.n_classes) * case.n_samples)
    host = hp.pairwise_hp(points[rows], labels[rows])
    some = hp.pairwise_hp(x[rows], labels[rows])
    gpu_checks.assert_equal(host, some)
    pairs = list(zip(host.class_a.values.tolist(), host.class_b.values.tolist(), strict=True))
    whole = np.array([float(results[0].cross_edges.sel(class_a=a, class_b=b)) for a, b in pairs])
    np.testing.assert_array_equal(whole, host.cross_edges)
    return {
        "origin": origin, "n_classes": case.n_classes, "n_samples": case.n_samples, "n_features": x.shape[1],
        "seconds": seconds, "score": median["ours"] / median["product"], "peak_beyond_input_bytes": peak,
        "pairs_equal_to_host": len(pairs),
    }  # fmt: skip


def measure_job(cupy: Any, size: str, device: str = "cuda") -> dict[str, Any]:
    """Measure a sweep: two checkpoints, two splits, all layers, every pair, forward passes included."""
    from benchmarks.network import LAYERS, builder, untrained

    n_classes, n_samples, side = _JOB[size]
    labels = labels_of(n_classes, n_samples)
    random = np.random.default_rng(0)
    data = {
        split: (random.random((len(labels), 1, side, side), np.float32) + labels[:, None, None, None] / 20, labels)
        for split in ("train", "test")
    }
    after = {name: 1.1 * value for name, value in untrained(side).items()}
    started = time.perf_counter()
    results = hp.sweep(
        {0: untrained(side), 198: after}, data, build=builder(side), device=device, samples_per_class=n_samples
    )
    seconds = time.perf_counter() - started
    assert results.sizes["layer"] == LAYERS
    return {"seconds": seconds, "sizes": {str(name): size for name, size in results.sizes.items()}}


def measure_few_trees(cupy: Any, size: str, repeat: int) -> dict[str, Any]:
    """Measure few large pairs, all at once and one after the other, and one tree over all points, in seconds."""
    rows = {}
    samples, classes = _FEW[size]
    for n_samples, n_classes in itertools.product(samples, classes):
        labels = labels_of(n_classes, n_samples)
        x = cupy.asarray(np.random.default_rng(0).normal(size=(len(labels), 64)).astype(np.float32))
        row = {}
        for way, places in (("all at once", 2**30), ("one after the other", 1)):
            with mock.patch.object(pairs, "_PLACES_PER_TREE", places):
                row[way] = statistics.median(
                    seconds_on_device(cupy, functools.partial(hp.pairwise_hp, x, labels), repeat)
                )
        row["one tree"] = statistics.median(seconds_on_device(cupy, functools.partial(hp.euclidean_mst, x), repeat))
        rows[f"{n_classes} x {n_samples}"] = row
    return rows


if __name__ == "__main__":
    sys.exit(main())
