"""Measure the full job of the older tool by checkpoint and split: ``python -m benchmarks.sweep``.

Its network has eleven layers of up to 32,768 features; 892 samples of each of ten classes make 45 pairs. Timed is
``sweep`` with loading and all forward passes, against the float32 products X.Y^T of the layers (Y a copy of X) in the
same process. The peak is that of the process up to the end of its first sweep, which comes before all products. Where
the time goes is what the sweep itself says in its log.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import points
from benchmarks.machine import cores, describe_machine, when
from benchmarks.measure import FirstRun, in_a_new_process, median, other_work, product, seconds_of
from benchmarks.store import open_store, save_store
from benchmarks.tables import stage_table, sweep_layer_table, sweep_table

# Classes, samples of each, and pixels of a side.
_SHAPES = {"tiny": (3, 8, 12), "standard": (10, 892, 28)}


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    store = open_store(options.json, "sweep", "tiny" if options.size == "tiny" else "full", describe_machine())
    measured = {}
    for checkpoint in options.checkpoint or [None]:
        name = "untrained" if checkpoint is None else checkpoint.stem
        print(f"{name} ...", file=sys.stderr, flush=True)
        given = (options.size, tuple(options.mnist or ()), checkpoint, options.max_memory)
        row = in_a_new_process(measure_checkpoint, *given, options.repeat, options.product_repeat)
        measured[name] = store["rows"][name] = row
        save_store(options.json, store)
    print(f"{sweep_table(measured)}\n\n{stage_table(measured)}")
    for name, row in measured.items():
        print(f"\n{name}\n{sweep_layer_table(row)}")
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sweep", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--mnist", type=Path, nargs="+", metavar="PLACE",
        help="the folder of MNIST's test images, or the two files of images and labels; else synthetic images",
    )  # fmt: skip
    parser.add_argument("--checkpoint", type=Path, nargs="+", help="weights of the network; else untrained ones")
    parser.add_argument("--size", choices=_SHAPES, default="standard", help="default: %(default)s")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each, of which the median counts (%(default)s)")
    parser.add_argument("--product-repeat", type=int, default=1, help="runs of each product, at most (%(default)s)")
    parser.add_argument("--max-memory", type=int, default=15 * 10**8, metavar="BYTES", help="of sweep (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows here, or add them to those there")
    options = parser.parse_args(arguments)
    if options.repeat < 1:
        parser.error("--repeat takes a number of 1 or more")
    return options


def images_of(size: str, mnist: Sequence[Path]) -> tuple[Any, Any, str]:
    """Return images (n, 1, side, side), their labels, and a description of their source."""
    n_classes, n_samples, side = _SHAPES[size]
    if not mnist:
        images = points.images_like(n_classes, n_samples, side * side).reshape(-1, 1, side, side)
        return images, points.labels_of(n_classes, n_samples), "synthetic"
    images, labels = points.read_mnist(mnist)
    rows = np.sort(points.first_of_each_class(labels, n_classes, n_samples))
    middle = slice((28 - side) // 2, (28 + side) // 2)
    return np.ascontiguousarray(images[rows, :, middle, middle]), labels[rows], "MNIST test images"


def run_sweep(images: Any, labels: Any, checkpoint: Path | None, max_memory: int) -> Any:
    import hpfunc as hp
    from benchmarks.network import builder, untrained

    side = images.shape[-1]
    weights = untrained(side) if checkpoint is None else checkpoint
    build = builder(side)
    return hp.sweep({0: weights}, {"test": (images, labels)}, build=build, max_memory=max_memory)


class StageReports(logging.Handler):
    """Keep the seconds of each stage that every sweep writes to the log."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.reports: list[dict[str, float]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what a record says of seconds."""
        seconds = getattr(record, "seconds", None)
        if seconds is not None:
            self.reports.append(seconds)

    def __enter__(self) -> StageReports:
        """Listen to the log."""
        log = logging.getLogger("hpfunc")
        self._level = log.level
        log.setLevel(logging.INFO)
        log.addHandler(self)
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the log as it was."""
        log = logging.getLogger("hpfunc")
        log.removeHandler(self)
        log.setLevel(self._level)


def warm_up() -> None:
    """Import and load, on a few samples, what every run needs."""
    images = points.images_like(2, 4, 144).reshape(-1, 1, 12, 12)
    run_sweep(images, points.labels_of(2, 4), None, 10**9)


def measure_checkpoint(
    size: str, mnist: Sequence[Path], checkpoint: Path | None, max_memory: int, repeat: int, product_repeat: int
) -> dict[str, Any]:
    """Measure seconds of the sweep and of each layer's product, in turns, and the peak of the first sweep."""
    images, labels, origin = images_of(size, mnist)
    warm_up()
    sweeps: list[float] = []
    results: list[Any] = []
    stages: list[dict[str, float]] = []
    products: dict[str, list[float]] = {}
    watched = FirstRun(lambda: results.append(run_sweep(images, labels, checkpoint, max_memory)))
    others_busy = other_work()
    for number in range(repeat):
        with StageReports() as log:
            sweeps.append(seconds_of(watched))
        stages.append(log.reports[-1])
        # One product of each wide layer takes longer than the sweep, and varies little.
        for name in results[-1].layer.values.tolist() if number < product_repeat else ():
            products.setdefault(name, []).append(seconds_of(product_of(checkpoint, images, labels, name)))
    busy, result = others_busy(), results[-1]
    total = sum(map(median, products.values()))
    mean_hp = result.hp.mean(("checkpoint", "split", "pair"))
    return {
        "origin": origin,
        "n_classes": len(np.unique(labels)),
        "n_samples": int(np.bincount(labels).min()),
        "n_features": {name: int(result.n_features.sel(layer=name)) for name in products},
        "max_memory": max_memory,
        "cores": cores(),
        "others_busy_cores": busy,
        "seconds": {"sweep": sweeps, "products": products, "stages": stages},
        "score": median(sweeps) / total,
        "before_bytes": None if watched.peak is None else watched.peak[0],
        "peak_bytes": None if watched.peak is None else watched.peak[1],
        "mean_hp": {name: float(mean_hp.sel(layer=name)) for name in products},
        **when(),
    }


def product_of(checkpoint: Path | None, images: Any, labels: Any, layer: str) -> Any:
    """Time the product of one layer; making its points is not part of it."""
    from benchmarks.network import layer_points

    return product(layer_points(checkpoint, images, labels, [layer])[layer])


if __name__ == "__main__":
    sys.exit(main())
