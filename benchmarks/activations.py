"""Time and memory of collecting activations against the plain forward pass: ``python -m benchmarks.activations``.

The limits are 1.15 times the plain pass, and 200 MB of memory beside it and what is returned.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable

LIMIT_RATIO = 1.15
LIMIT_MB = 200.0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.activations", description=__doc__)
    parser.add_argument("--model", default="resnet18", help="a model of torchvision (default: %(default)s)")
    parser.add_argument("--size", type=int, default=224, help="image size (default: %(default)s)")
    parser.add_argument("--images", type=int, default=256, help="how many images (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=256, help="images in one pass (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="the best of so many runs counts (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--measure", choices=("seconds", "plain", "collect"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.measure:
        print(json.dumps(measure(options)))
        return 0
    row = compare(options)
    print(json.dumps(row) if options.json else as_table(row))
    return 0 if row["within limits"] else 1


def compare(options: argparse.Namespace) -> dict[str, object]:
    """The row: seconds from one process that alternates, peak memory from a process for each way."""
    names = ("model", "size", "images", "batch_size", "repeats")
    words = [word for name in names for word in (f"--{name.replace('_', '-')}", str(getattr(options, name)))]

    def child(what: str) -> dict[str, float]:
        command = [sys.executable, "-m", "benchmarks.activations", "--measure", what, *words]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(done.stdout.splitlines()[-1])

    seconds, plain, collect = child("seconds"), child("plain"), child("collect")
    ratio = seconds["collect"] / seconds["plain"]
    extra = (collect["peak"] - plain["peak"] - collect["returned"]) / 1e6
    return {
        **{name: getattr(options, name) for name in names},
        "plain s": seconds["plain"],
        "collect s": seconds["collect"],
        "ratio": ratio,
        "plain MB": plain["peak"] / 1e6,
        "collect MB": collect["peak"] / 1e6,
        "returned MB": collect["returned"] / 1e6,
        "extra MB": extra,
        "within limits": ratio <= LIMIT_RATIO and extra <= LIMIT_MB,
    }


def measure(options: argparse.Namespace) -> dict[str, float]:
    """What one process measures."""
    plain, collect = ways(options)
    if options.measure == "seconds":
        times: dict[str, list[float]] = {"plain": [], "collect": []}
        for _ in range(options.repeats):
            times["plain"].append(seconds_of(plain))
            times["collect"].append(seconds_of(collect))
        return {way: min(values) for way, values in times.items()}
    returned = (plain if options.measure == "plain" else collect)()
    return {"peak": peak_bytes(), "returned": returned}


def ways(options: argparse.Namespace) -> tuple[Callable[[], int], Callable[[], int]]:
    """The plain forward pass, and the collection of all layers; both tell how many bytes they return."""
    import numpy as np
    import torch
    import torchvision

    from hpfunc.activations import collect_activations

    torch.manual_seed(0)
    model = torchvision.models.get_model(options.model, weights=None).eval()
    images = torch.randn(options.images, 3, options.size, options.size)
    labels = np.arange(options.images) % 2

    def plain() -> int:
        with torch.no_grad():
            for start in range(0, len(images), options.batch_size):
                model(images[start : start + options.batch_size])
        return 0

    def collect(images: torch.Tensor = images) -> int:
        acts = collect_activations(model, (images, labels[: len(images)]), reduce="mean", batch_size=options.batch_size)
        return int(acts.nbytes)

    # What is imported once belongs to neither.
    collect(images[:2])
    return plain, collect


def seconds_of(way: Callable[[], int]) -> float:
    start = time.perf_counter()
    way()
    return time.perf_counter() - start


def peak_bytes() -> int:
    """The most memory that this process has had."""
    import resource

    # In kilobytes, but on macOS in bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def as_table(row: dict[str, object]) -> str:
    shown = {name: f"{value:.3g}" if isinstance(value, float) else str(value) for name, value in row.items()}
    widths = [max(len(name), len(value)) for name, value in shown.items()]
    lines = (shown.keys(), shown.values())
    return "\n".join("  ".join(text.rjust(n) for text, n in zip(line, widths, strict=True)) for line in lines)


if __name__ == "__main__":
    sys.exit(main())
