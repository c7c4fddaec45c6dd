"""Find samples that come more than once: by their place in the data set, or else by their values."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import ConcatDataset, Subset

from hpfunc._arrays import Label, to_host
from hpfunc._support.warn import warn
from hpfunc._torch.nested import leaves

__all__ = ["base_item", "first_places", "warn_of_repeats"]

_log = logging.getLogger("hpfunc")

# Columns from which the chance of equal samples is estimated: few enough to be quick, and fewer only raise the chance.
_COLUMNS = 64
# Equal pairs exceed chance if they are this many times as many as expected, and at least this many more.
_TIMES, _MORE = 10, 3


def base_item(dataset: Any, position: int) -> Hashable:
    """Identify the item of the innermost data set at a position; two positions may share an item."""
    if isinstance(dataset, Subset):
        return base_item(dataset.dataset, int(dataset.indices[position]))
    if isinstance(dataset, ConcatDataset):
        position = position + len(dataset) if position < 0 else position
        part = int(np.searchsorted(dataset.cumulative_sizes, position, side="right"))
        start = dataset.cumulative_sizes[part - 1] if part else 0
        return base_item(dataset.datasets[part], position - start)
    return id(dataset), position


def first_places(dataset: Any, positions: Sequence[int]) -> list[int]:
    """Return the places in ``positions`` of items that did not come before, and log how many did."""
    seen: set[Hashable] = set()
    places = []
    for place, position in enumerate(positions):
        item = base_item(dataset, position)
        if item not in seen:
            seen.add(item)
            places.append(place)
    if len(places) < len(positions):
        repeated = len(positions) - len(places)
        _log.info("data delivers %d of %d samples again; each sample counts once", repeated, len(positions))
    return places


def warn_of_repeats(samples: Sequence[Any], label: Label) -> None:
    """Warn if samples of a class equal others beyond chance: they were drawn with replacement, as it seems.

    Equal samples lie at distance 0, so that each repetition joins two samples of one class and raises the statistic.
    """
    digests = [_digest(sample) for sample in samples]
    counts = np.unique(digests, return_counts=True)[1] if digests else np.zeros(0, int)
    equal_pairs = float((counts * (counts - 1) // 2).sum())
    if equal_pairs > _MORE and equal_pairs > _TIMES * _expected_pairs(samples) + _MORE:
        warn(
            f"data: {len(samples) - len(counts)} of {len(samples)} samples of class {label!r} equal another one, more "
            "than chance explains, and where each came from is not known; samples that come more than once make "
            "classes look better separated than they are: pass the data set itself, or a loader without replacement"
        )


def _digest(sample: Any) -> str:
    digest = hashlib.sha256()
    for leaf in leaves(sample):
        value = to_host(leaf) if isinstance(leaf, torch.Tensor) else leaf
        digest.update(np.ascontiguousarray(value).tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
    return digest.hexdigest()


def _expected_pairs(samples: Sequence[Any]) -> float:
    """Return how many pairs would be equal if the entries of a sample were independent of each other."""
    chance = 1.0
    for column in zip(*map(_some_entries, samples), strict=False):
        share = np.unique(column, return_counts=True)[1] / len(samples)
        chance *= float((share**2).sum())
    return chance * len(samples) * (len(samples) - 1) / 2


def _some_entries(sample: Any) -> list[str]:
    """Return up to `_COLUMNS` evenly spaced entries of each leaf of a sample, as text."""
    entries = []
    for leaf in leaves(sample):
        value = to_host(leaf) if isinstance(leaf, torch.Tensor) else leaf
        flat = [value] if isinstance(value, (str, bytes)) else np.asarray(value).ravel()
        if len(flat):
            places = np.unique(np.linspace(0, len(flat) - 1, min(len(flat), _COLUMNS)).astype(int))
            entries += [repr(flat[place]) for place in places]
    return entries
