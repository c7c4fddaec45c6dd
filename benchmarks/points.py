"""Make the points of a benchmark from MNIST files, or from random numbers of a known structure."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.intp]

_IMAGES, _LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def read_mnist(places: Sequence[Path]) -> tuple[Floats, Ints]:
    """Read images ``(n, 1, 28, 28)``, pixels from 0 to 1, and labels ``(n,)`` from a folder or from the two files."""
    images, labels = places if len(places) == 2 else (_find(places, _IMAGES), _find(places, _LABELS))
    return read_idx(images)[:, None].astype(np.float32) / np.float32(255), read_idx(labels).astype(np.intp)


def _find(places: Sequence[Path], name: str) -> Path:
    folders = [folder for place in places for folder in (place, place / "raw", place / "MNIST" / "raw")]
    files = [folder / file for folder in folders for file in (name, f"{name}.gz")]
    found = [file for file in files if file.is_file()]
    if not found:
        raise SystemExit(f"No {name}, as it is or with .gz, in any of {', '.join(map(str, folders))}.")
    return found[0]


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """Read the array in a file of MNIST's format, plain or compressed by gzip."""
    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as stream:
        data = stream.read()
    # The header: two zero bytes, the type (8: unsigned bytes), the number of axes, and the length of each axis.
    if data[:3] != b"\0\0\x08":
        raise SystemExit(f"{path} is not a file of bytes in MNIST's idx format.")
    shape = np.frombuffer(data, ">u4", count=data[3], offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


def first_of_each_class(labels: Ints, n_classes: int, n_samples: int) -> Ints:
    """Return the positions of the first samples of each class, class by class."""
    rows = [np.flatnonzero(labels == k)[:n_samples] for k in range(n_classes)]
    if min(map(len, rows)) < n_samples:
        raise SystemExit(f"A class has {min(map(len, rows))} samples only; {n_samples} of each are needed.")
    return np.concatenate(rows)


def moved_images(images: Floats, labels: Ints, n_samples: int) -> Floats:
    """Move images (n, 1, height, width) by up to one pixel, until digits 0-4 and digits 5-9 are n_samples images each.

    All images are moved by whole pixels first, row by row and column by column, then by half a pixel.
    """
    padded = np.pad(images[:, 0], ((0, 0), (1, 1), (1, 1)))
    height, width = images.shape[2:]

    def moved(rows: Ints, down: float, right: float) -> Floats:
        # Half a pixel is the mean of no pixel and one.
        corners = {(int(f(down)), int(f(right))) for f in (np.floor, np.ceil)}
        parts = [padded[rows, 1 - y : 1 - y + height, 1 - x : 1 - x + width] for y, x in sorted(corners)]
        return np.mean(parts, axis=0, dtype=np.float32).reshape(len(rows), height * width)

    whole = [(y, x) for y in (0, -1, 1) for x in (0, -1, 1)]
    moves = [*whole, (0, 0.5), (0, -0.5), (0.5, 0), (-0.5, 0)]
    points = np.empty((2 * n_samples, height * width), np.float32)
    for half, chosen in zip(np.split(points, 2), (labels < 5, labels >= 5), strict=True):
        rows, filled = np.flatnonzero(chosen), 0
        for down, right in moves:
            part = moved(rows[: n_samples - filled], down, right)
            half[filled : filled + len(part)] = part
            filled += len(part)
        if filled < n_samples:
            raise SystemExit(f"{len(rows)} images give {filled} moved ones only; {n_samples} are needed.")
    return points


def labels_of(n_classes: int, n_samples: int) -> Ints:
    return np.repeat(np.arange(n_classes), n_samples)


def around_means(n_classes: int, n_samples: int, n_features: int) -> Floats:
    """Draw normal noise of full rank around the means of classes that overlap."""
    random = np.random.default_rng(0)
    points = random.standard_normal((n_classes * n_samples, n_features), dtype=np.float32)
    points += np.repeat(_means(random, n_classes, n_features), n_samples, axis=0)
    return points


def low_rank(n_classes: int, n_samples: int, n_features: int, rank: int = 1000) -> Floats:
    """Draw points like those of a wide convolution: few directions, a little noise, cut off below zero."""
    random = np.random.default_rng(0)
    latent = around_means(n_classes, n_samples, rank)
    spread = random.standard_normal((rank, n_features), dtype=np.float32) / np.float32(np.sqrt(rank))
    points: Floats = latent @ spread
    for rows in in_strips(points, n_features):
        rows += 0.1 * random.standard_normal(rows.shape, dtype=np.float32)
    return np.maximum(points, 0, out=points)


def images_like(n_classes: int, n_samples: int, n_features: int) -> Floats:
    """Draw points of overlapping classes that are like pixels: values from 0 to 1, many of them equal to 0 or 1."""
    return np.clip(low_rank(n_classes, n_samples, n_features, rank=30), 0, 1)


def logits(n_classes: int, n_samples: int, n_features: int) -> Floats:
    """Draw points like the last layer of a trained classifier: each class is high in its own feature."""
    points = around_means(n_classes, n_samples, n_features)
    own = labels_of(n_classes, n_samples) % n_features
    points[np.arange(len(points)), own] += 5
    return points


def softmax(points: Floats) -> Floats:
    powers: Floats = np.exp(points - points.max(axis=1, keepdims=True))
    powers /= powers.sum(axis=1, keepdims=True)
    return powers


def in_strips(array: npt.NDArray[Any], width: int, most: int = 2**26) -> Iterator[npt.NDArray[Any]]:
    """Give views of rows, so that a table of as many rows and ``width`` columns has at most ``most`` entries."""
    step = max(1, most // width)
    for start in range(0, len(array), step):
        yield array[start : start + step]


def _means(random: np.random.Generator, n_classes: int, n_features: int) -> Floats:
    return 0.2 * random.standard_normal((n_classes, n_features), dtype=np.float32)
