"""Measure time and memory of ``pairwise_hp`` on whole layers: ``python -m benchmarks.pairwise``.

The yardstick is one float32 matrix product of all points with a copy of themselves, on the same data in the same
run: score = time of pairwise_hp / time of the product, medians of runs that take turns.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hpfunc as hp
from benchmarks import peers
from benchmarks.cases import CASES, FAMILIES, Case, Sources, chosen_cases, points_of
from benchmarks.growth import draw_growth, growth_table, measure_growth
from benchmarks.machine import cores, describe_machine, when
from benchmarks.measure import FirstRun, in_a_new_process, interleaved, median, other_work, product
from benchmarks.points import around_means, labels_of
from benchmarks.store import open_store, save_store
from benchmarks.tables import pairwise_table


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    sources = Sources(tuple(options.mnist or ()), options.checkpoint)
    store = open_store(options.json, "pairwise", "tiny" if options.size == "tiny" else "full", describe_machine())
    measured, failed = {}, 0
    for case in chosen_cases(options.size, options.row, sources):
        print(f"{case.name} ...", file=sys.stderr, flush=True)
        try:
            row = in_a_new_process(measure_case, case, sources, options.repeat, options.peers, options.peer_seconds)
        except (ValueError, MemoryError) as error:
            print(f"{case.name}: {error}", file=sys.stderr)
            failed = 1
            continue
        measured[case.name] = store["rows"][case.name] = row
        save_store(options.json, store)
    if measured:
        print(pairwise_table(measured))
    if options.growth is not None:
        store["growth"] = in_a_new_process(measure_growth, options.size, options.repeat)
        save_store(options.json, store)
        draw_growth(store["growth"], options.growth)
        print(growth_table(store["growth"]))
    return failed


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pairwise", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--mnist", type=Path, nargs="+", metavar="PLACE",
        help="the folder of MNIST's test images, or the two files of images and labels; else synthetic points",
    )  # fmt: skip
    parser.add_argument("--checkpoint", type=Path, help="weights of the network whose fc2 and softmax are measured")
    parser.add_argument("--size", choices=CASES, default="standard", help="default: %(default)s (large adds two rows)")
    parser.add_argument(
        "--row", nargs="*", choices=FAMILIES, metavar="NAME",
        help=f"only these rows, of {', '.join(FAMILIES)}; no name: none (for --growth alone)",
    )  # fmt: skip
    parser.add_argument("--repeat", type=int, default=5, help="runs of each, of which the median counts (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows here, or add them to those there")
    parser.add_argument(
        "--peers", action=argparse.BooleanOptionalAction, default=True,
        help="measure DataEval and SmartSVM too, where they are installed (SciPy always is)",
    )  # fmt: skip
    parser.add_argument(
        "--peer-seconds", type=float, default=60, metavar="S",
        help="a peer does as many pairs as fit in this time, and at least one (%(default)s)",
    )  # fmt: skip
    parser.add_argument("--growth", type=Path, metavar="PNG", help="measure growth with K, n and d too, and draw it")
    options = parser.parse_args(arguments)
    if options.mnist and len(options.mnist) > 2:
        parser.error("--mnist takes a folder, or the two files of images and labels")
    if options.repeat < 1:
        parser.error("--repeat takes a number of 1 or more")
    return options


def measure_case(case: Case, sources: Sources, repeat: int, others: bool, peer_seconds: float) -> dict[str, Any]:
    """Measure one row. Call this in a new process, so that the peak memory is that of the row."""
    x, origin = points_of(case, sources)
    labels = labels_of(case.n_classes, case.n_samples)
    # A first small call imports and loads what later calls use, so that no measured run pays for it.
    hp.pairwise_hp(around_means(2, 20, 8), labels_of(2, 20))
    results: list[Any] = []

    def ours() -> None:
        results[:] = [hp.pairwise_hp(x, labels, max_memory=case.max_memory)]

    watched, others_busy = FirstRun(ours), other_work()
    seconds = interleaved({"ours": watched, "product": product(x)}, repeat)
    busy = others_busy()
    counts = {name: results[0][name].values for name in ("cross_edges_min", "cross_edges_max")}
    return {
        "origin": origin,
        "n_classes": case.n_classes,
        "n_samples": case.n_samples,
        "n_features": x.shape[1],
        "n_pairs": results[0].sizes["pair"],
        "max_memory": case.max_memory,
        "cores": cores(),
        "others_busy_cores": busy,
        "seconds": seconds,
        "score": median(seconds["ours"]) / median(seconds["product"]),
        "input_bytes": x.nbytes,
        "peak_beyond_input_bytes": None if watched.peak is None else watched.peak[1] - watched.peak[0],
        "mean_hp": float(results[0].hp.mean()),
        "peers": {
            name: peers.measure_peer(count, x, case.n_classes, counts, peer_seconds)
            for name, count in peers.installed(others).items()
            if _fits(name, case)
        },
        **when(),
    }


def _fits(peer: str, case: Case) -> bool:
    """Tell whether a peer's tables fit in memory: several tables of float64 distances of a pair."""
    return peer == "DataEval" or (2 * case.n_samples) ** 2 * 8 * 3 < 8 * 2**30


if __name__ == "__main__":
    sys.exit(main())
