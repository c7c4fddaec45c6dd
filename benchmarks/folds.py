"""Compare ten partitions into ten folds with a run without folds and a product: ``python -m benchmarks.folds``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hpfunc as hp
from benchmarks.cases import Case, Sources, points_of
from benchmarks.machine import describe_machine, when
from benchmarks.measure import in_a_new_process, interleaved, median, other_work, product
from benchmarks.points import around_means, labels_of
from benchmarks.store import open_store, save_store
from benchmarks.tables import in_cores, in_seconds, markdown

__all__ = ["main"]

CASES = {
    "standard": (
        Case("mnist", 10, 892, 784),
        Case("logits", 10, 892, 10),
        Case("conv2", 10, 892, 16384),
        Case("relu", 10, 892, 32768),
    ),
    "tiny": (
        Case("mnist", 3, 20, 784),
        Case("logits", 3, 20, 10),
        Case("conv2", 3, 20, 128),
        Case("relu", 3, 20, 256),
    ),
}


def measure_case(case: Case, sources: Sources, repeat: int) -> dict[str, Any]:
    """Time folds, one run and one product in turns."""
    x = around_means(*case[1:4]) if case.family == "logits" else points_of(case, sources)[0]
    labels = labels_of(case.n_classes, case.n_samples)
    # A first small call imports and loads what later calls use, so that no measured run pays for it.
    hp.pairwise_hp(around_means(2, 20, 8), labels_of(2, 20), folds=2, key=0)
    others_busy = other_work()
    works = {
        "folds": lambda: hp.pairwise_hp(x, labels, folds=min(10, case.n_samples // 5), repeats=10, key=0),
        "one run": lambda: hp.pairwise_hp(x, labels),
        "product": product(x),
    }
    seconds = interleaved(works, repeat)
    sizes = {"name": case.name, "n_classes": case.n_classes, "n_samples": case.n_samples, "n_features": x.shape[1]}
    return {**sizes, "seconds": seconds, "others_busy_cores": others_busy(), **when()}


def table_of(rows: dict[str, Any]) -> str:
    """Lay out one line for each layer."""
    lines = []
    for row in rows.values():
        folds, whole, products = (median(row["seconds"][name]) for name in ("folds", "one run", "product"))
        sizes = [f"{row[key]:,}" for key in ("n_classes", "n_samples", "n_features")]
        times = [in_seconds(folds), in_seconds(whole), in_seconds(products)]
        ratios = [f"{folds / products:.2f}", f"{folds / whole:.2f}"]
        lines.append([row["name"], *sizes, str(len(row["seconds"]["folds"])), *times, *ratios, in_cores(row)])
    return markdown(
        ["points", "K", "n", "d", "runs", "10 x 10 folds", "one run", "X·Yᵀ", "folds / X·Yᵀ", "folds / run", "others"],
        lines,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.folds", description=__doc__)
    parser.add_argument("--mnist", type=Path, nargs="+", metavar="PLACE", help="as of benchmarks.pairwise")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="as of benchmarks.pairwise, for wide layers")
    parser.add_argument("--row", nargs="+", metavar="NAME", help="measure these rows only, such as mnist or relu")
    parser.add_argument("--size", choices=CASES, default="standard", help="default: %(default)s")
    parser.add_argument("--repeat", type=int, default=5, help="runs of each, of which the median counts (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows here, or add them to those there")
    options = parser.parse_args(arguments)
    store = open_store(options.json, "folds", options.size, describe_machine())
    sources = Sources(tuple(options.mnist or ()), options.checkpoint)
    for case in CASES[options.size]:
        if options.row is not None and case.name not in options.row:
            continue
        store["rows"][case.name] = in_a_new_process(measure_case, case, sources, options.repeat)
        save_store(options.json, store)
    print(table_of(store["rows"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
