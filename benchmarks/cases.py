"""Define the layers that are measured: numbers of classes, samples and features, and the source of the points."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import points


class Sources(NamedTuple):
    """Hold the paths of real data, if the user has them."""

    mnist: tuple[Path, ...] = ()
    checkpoint: Path | None = None


class Case(NamedTuple):
    """Describe one row of the table."""

    name: str
    n_classes: int
    n_samples: int
    n_features: int
    max_memory: int | None = None

    @property
    def family(self) -> str:
        """Return the name of the row without the name of its checkpoint."""
        return self.name.partition(" ")[0]


# Layers of the older tool's network, wide and thin; those with "-shuffled" have their labels shuffled.
NETWORK = ("relu", "conv2", "conv2-shuffled", "maxpool_1", "fc2", "softmax")

_STANDARD = (
    Case("mnist", 10, 892, 784),
    Case("relu", 10, 892, 32768),
    Case("conv2", 10, 892, 16384),
    Case("conv2-shuffled", 10, 892, 16384),
    Case("maxpool_1", 10, 892, 4096),
    Case("conv", 10, 1000, 32768),
    Case("classes-100", 100, 500, 512, max_memory=2 * 10**9),
    Case("classes-1000", 1000, 50, 2048),
    Case("small-100", 100, 100, 512),
    Case("small-200", 200, 50, 1024),
    Case("fc2", 10, 892, 10),
    Case("softmax", 10, 892, 10),
)
CASES = {
    "tiny": (
        Case("mnist", 3, 20, 784),
        Case("relu", 3, 20, 256),
        Case("conv2", 3, 20, 128),
        Case("conv2-shuffled", 3, 20, 128),
        Case("maxpool_1", 3, 20, 64),
        Case("conv", 3, 20, 256),
        Case("classes-100", 8, 10, 16, max_memory=2 * 10**9),
        Case("classes-1000", 20, 5, 32),
        Case("small-100", 10, 6, 16),
        Case("small-200", 12, 5, 16),
        Case("fc2", 10, 8, 10),
        Case("softmax", 10, 8, 10),
        Case("two-large", 2, 100, 16, max_memory=3 * 10**9),
        Case("shifted", 2, 100, 784, max_memory=3 * 10**9),
    ),
    "standard": _STANDARD,
    "large": (
        *_STANDARD,
        Case("two-large", 2, 50_000, 512, max_memory=3 * 10**9),
        Case("shifted", 2, 50_000, 784, max_memory=3 * 10**9),
    ),
}
FAMILIES = tuple(case.name for case in CASES["large"])


def chosen_cases(size: str, families: Sequence[str] | None, sources: Sources) -> list[Case]:
    """Choose the requested rows, by default all rows of this size; rows of a checkpoint carry its name."""
    if families is None:
        cases = list(CASES[size])
    else:
        known = {case.name: case for case in (*CASES["large"], *CASES[size])}
        cases = [known[name] for name in families]
    if sources.mnist and sources.checkpoint is not None:
        stem = sources.checkpoint.stem
        return [case._replace(name=f"{case.name} {stem}") if case.name in NETWORK else case for case in cases]
    return cases


def points_of(case: Case, sources: Sources) -> tuple[Any, str]:
    """Return points (n_classes * n_samples, n_features) in float32, class by class, and a note of their source."""
    if case.family == "mnist" and sources.mnist:
        images, labels = points.read_mnist(sources.mnist)
        rows = points.first_of_each_class(labels, case.n_classes, case.n_samples)
        return images[rows].reshape(len(rows), -1), "MNIST test images"
    if case.family == "shifted" and sources.mnist:
        moved = points.moved_images(*points.read_mnist(sources.mnist), case.n_samples)
        return moved, "MNIST test images, moved by up to 1 pixel"
    if case.family in NETWORK and sources.mnist and sources.checkpoint is not None:
        from benchmarks.network import layer_points

        images, labels = points.read_mnist(sources.mnist)
        rows = points.first_of_each_class(labels, case.n_classes, case.n_samples)
        layer, _, shuffled = case.family.partition("-")
        found = layer_points(sources.checkpoint, images[rows], labels[rows], [layer])[layer]
        if shuffled:
            found = found[np.random.default_rng(0).permutation(len(found))]
        return found, f"MNIST test images through {sources.checkpoint.name}"
    make = {
        **dict.fromkeys(NETWORK, points.low_rank),
        **dict.fromkeys(("mnist", "shifted"), points.images_like),
        "conv": points.low_rank,
        "fc2": points.logits,
        "softmax": lambda *shape: points.softmax(points.logits(*shape)),
    }.get(case.family, points.around_means)
    return make(case.n_classes, case.n_samples, case.n_features), "synthetic"
