"""Measure a layer that is larger than memory: ``python -m benchmarks.on_disk --folder FOLDER``.

The ReLU of the older tool's network over MNIST's test images, twice as large and in a frame, has 131,072 features. Its
values for images of each digit in ten places (a class is a digit in a place) are written to a file, which is mapped
into memory and measured with little room to work in. Counted are the pairs of digits in each of two places. Memory is
what the process itself holds; pages of the file in the system's cache can be dropped at any time.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks import points
from benchmarks.machine import describe_machine, when
from benchmarks.measure import in_a_new_process, other_work, seconds_of
from benchmarks.store import open_store, save_store
from benchmarks.tables import in_cores, in_megabytes, in_seconds, markdown

__all__ = ["main", "on_disk_table"]

# Pixels of a side around images of twice their size, for which the first layer has 64 x 64 places in 32 channels.
_SIDE, _FEATURES = 60, 131_072
_PLACES = tuple(itertools.product((0, 1, 2, 3, 4), (1, 3)))
_COUNTED_PLACES = 2
_MAX_MEMORY = 10**9
# Pairs that are counted again from a copy in memory.
_CHECKED = 3


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.on_disk", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mnist", type=Path, nargs="+", metavar="PLACE", help="as of benchmarks.pairwise")
    parser.add_argument("--checkpoint", type=Path, help="weights of the network; else untrained ones")
    parser.add_argument("--samples", type=int, default=381, help="samples of each class (%(default)s: 20 GB)")
    parser.add_argument("--folder", type=Path, help="where the file is written, which is deleted afterwards")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the row here, or add it to those there")
    options = parser.parse_args(arguments)
    store = open_store(options.json, "on_disk", "full", describe_machine())
    with TemporaryDirectory(dir=options.folder) as folder:
        file = Path(folder) / "points.f32"
        given = (tuple(options.mnist or ()), options.checkpoint, options.samples)
        labels = in_a_new_process(write_points, file, *given)
        row = in_a_new_process(measure_file, file, labels)
    store["rows"][f"{row['input_bytes'] / 1e9:.1f} GB"] = row
    save_store(options.json, store)
    print(on_disk_table(store["rows"]))
    return 0


def write_points(file: Path, mnist: tuple[Path, ...], checkpoint: Path | None, n_samples: int) -> Any:
    """Write the points class by class, and return their labels."""
    import torch

    from benchmarks.network import Network

    if mnist:
        images, digits = points.read_mnist(mnist)
    else:
        images = points.images_like(10, n_samples, 784).reshape(-1, 1, 28, 28)
        digits = points.labels_of(10, n_samples)
    model = Network()
    if checkpoint is not None:
        model.load_state_dict(torch.load(checkpoint, weights_only=True))
    labels = []
    with torch.no_grad(), file.open("wb") as stream:
        for place, (down, right) in enumerate(_PLACES):
            for digit in range(10):
                chosen = images[points.first_of_each_class(np.where(digits == digit, 0, 1), 1, n_samples)]
                large = np.zeros((n_samples, 1, _SIDE, _SIDE), np.float32)
                large[:, :, down : down + 56, right : right + 56] = chosen.repeat(2, axis=2).repeat(2, axis=3)
                for lo in range(0, n_samples, 64):
                    model.relu(model.conv1(torch.from_numpy(large[lo : lo + 64]))).numpy().tofile(stream)
                labels.append(np.full(n_samples, 10 * place + digit))
    return np.concatenate(labels)


def measure_file(file: Path, labels: Any, n_features: int = _FEATURES) -> dict[str, Any]:
    """Measure pairs of digits in the same place from the file, and some of them again from a copy in memory."""
    import hpfunc as hp

    x = np.memmap(file, np.float32, "r").reshape(len(labels), n_features)
    classes = np.unique(labels)
    counted = range(10 * _COUNTED_PLACES)
    pairs = [(a, b) for a, b in itertools.combinations(counted, 2) if a // 10 == b // 10]
    hp.pairwise_hp(points.around_means(2, 20, 8), points.labels_of(2, 20))
    found: list[Any] = []
    others_busy = other_work()
    with _own_memory() as peak:
        seconds = seconds_of(lambda: found.append(hp.pairwise_hp(x, labels, pairs=pairs, max_memory=_MAX_MEMORY)))
    busy, equal = others_busy(), 0
    for a, b in pairs[:: max(1, len(pairs) // _CHECKED)][:_CHECKED]:
        rows = np.flatnonzero((labels == a) | (labels == b))
        alone = hp.pairwise_hp(np.array(x[rows]), labels[rows]).cross_edges.values[0]
        equal += alone == found[0].cross_edges.sel(class_a=a, class_b=b).item()
    return {
        "n_classes": len(classes),
        "n_samples": len(labels) // len(classes),
        "n_features": n_features,
        "n_pairs": len(pairs),
        "input_bytes": x.nbytes,
        "max_memory": _MAX_MEMORY,
        "seconds": seconds,
        "peak_beyond_input_bytes": None if peak[0] is None else peak[1] - peak[0],
        "equal": int(equal),
        "checked": min(_CHECKED, len(pairs)),
        "mean_hp": float(found[0].hp.mean()),
        "others_busy_cores": busy,
        **when(),
    }


@contextmanager
def _own_memory() -> Iterator[list[Any]]:
    """Watch the bytes that this process holds itself: at the start, and the most of them; None if not on Linux."""
    peak, ended = [_anonymous(), 0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            peak[1] = max(peak[1], _anonymous() or 0)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        ended.set()
        watcher.join()


def _anonymous() -> int | None:
    """Return the bytes in memory that are not pages of files."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:")), None)


def on_disk_table(rows: dict[str, Any]) -> str:
    """Write one line for each file."""
    lines = []
    for name, row in rows.items():
        sizes = [f"{row[key]:,}" for key in ("n_classes", "n_samples", "n_features", "n_pairs")]
        memory = [in_megabytes(row["max_memory"]), in_megabytes(row["peak_beyond_input_bytes"])]
        checked = f"{row['equal']} of {row['checked']}"
        lines.append([name, *sizes, in_seconds(row["seconds"]), *memory, checked, in_cores(row)])
    header = ["points on disk", "K", "n", "d", "pairs", "pairwise_hp", "max_memory", "memory beyond the points"]
    return markdown([*header, "counts equal to those in memory", "others"], lines)


if __name__ == "__main__":
    sys.exit(main())
