"""Compare collecting activations with a plain forward pass in time and memory: ``python -m benchmarks.activations``.

The limits: 1.15 times the plain pass, and 200 MB of memory beside it and what is returned. The two take turns in one
process, and the best run of each counts; the peaks are of a new process for each. The layers are learnt from one
pass more over the first batch: two passes for a single batch, 33 for 32 batches.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

from benchmarks.measure import in_a_new_process, interleaved, peak_memory
from benchmarks.tables import in_megabytes, in_seconds, markdown

LIMIT_RATIO = 1.15
LIMIT_BYTES = 200_000_000


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    shape = (options.model, options.size, options.images, options.batch_size)
    row = {
        "model": options.model,
        "size": options.size,
        "images": options.images,
        "batch_size": options.batch_size,
        "seconds": in_a_new_process(measure_seconds, *shape, options.repeat),
        "peak": {way: in_a_new_process(measure_peak, way, *shape) for way in WAYS},
    }
    row |= compared(row)
    print(json.dumps(row) if options.json else table(row))
    return 0 if row["within_limits"] else 1


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.activations",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", default="resnet18", help="a model of torchvision (%(default)s)")
    parser.add_argument("--size", type=int, default=224, help="pixels of a side (%(default)s)")
    parser.add_argument("--images", type=int, default=1024, help="how many images (%(default)s)")
    parser.add_argument("--batch-size", type=int, default=32, help="images in one pass (%(default)s)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each, of which the best counts (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON, not a table")
    return parser.parse_args(arguments)


def plain(model: Any, images: Any, labels: Any, batch_size: int) -> int:
    """Run the forward pass and keep nothing."""
    import torch

    with torch.no_grad():
        for start in range(0, len(images), batch_size):
            model(images[start : start + batch_size])
    return 0


def collect(model: Any, images: Any, labels: Any, batch_size: int) -> int:
    """Collect all layers, each averaged over space, and return their size in bytes."""
    import hpfunc as hp

    return int(hp.collect_activations(model, (images, labels), reduce="mean", batch_size=batch_size).nbytes)


WAYS = {"plain": plain, "collect": collect}


def ways(model: str, size: int, images: int, batch_size: int) -> dict[str, partial[int]]:
    """Return the two functions to compare, on random images; load beforehand what is loaded only once."""
    import numpy as np
    import torch
    import torchvision

    torch.manual_seed(0)
    network = torchvision.models.get_model(model, weights=None).eval()
    pixels = torch.randn(images, 3, size, size)
    labels = np.arange(images) % 2
    collect(network, pixels[:2], labels[:2], 2)
    return {name: partial(way, network, pixels, labels, batch_size) for name, way in WAYS.items()}


def measure_seconds(model: str, size: int, images: int, batch_size: int, repeat: int) -> dict[str, list[float]]:
    return interleaved(ways(model, size, images, batch_size), repeat)


def measure_peak(way: str, *shape: Any) -> dict[str, int] | None:
    """Measure the bytes that a function needs at its peak beyond what was there, and the bytes that it returns."""
    work, returned = ways(*shape)[way], []
    peak = peak_memory(lambda: returned.append(work()))
    return None if peak is None else {"bytes": peak[1] - peak[0], "returned": returned[0]}


def compared(row: dict[str, Any]) -> dict[str, Any]:
    """Measure what collecting costs."""
    best = {way: min(seconds) for way, seconds in row["seconds"].items()}
    ratio = best["collect"] / best["plain"]
    peak = row["peak"]
    extra = None
    if peak["plain"] and peak["collect"]:
        extra = peak["collect"]["bytes"] - peak["plain"]["bytes"] - peak["collect"]["returned"]
    within = ratio <= LIMIT_RATIO and (extra is None or extra <= LIMIT_BYTES)
    return {"ratio": ratio, "extra_bytes": extra, "within_limits": within}


def table(row: dict[str, Any]) -> str:
    header = ["model", "size", "images", "batch", "plain pass", "collect", "ratio", "memory beside it and the result"]
    shape = [str(row[name]) for name in ("model", "size", "images", "batch_size")]
    seconds = [in_seconds(min(row["seconds"][way])) for way in WAYS]
    line = [*shape, *seconds, f"{row['ratio']:.2f}", in_megabytes(row["extra_bytes"])]
    return markdown(header, [line])


if __name__ == "__main__":
    sys.exit(main())
