"""Open what the caller passed as ``data``: a pair of arrays, a data set, or a loader."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Generator
from torch.utils.data import DataLoader, IterableDataset

from hpfunc._torch.data.items import LabelPlace
from hpfunc._torch.data.labels import known_labels
from hpfunc._torch.data.loader import loader_generators, open_loader
from hpfunc._torch.data.repeats import first_places
from hpfunc._torch.data.sources import (
    ArraySource,
    IndexedSource,
    ItemSource,
    LabelledSource,
    StreamedSource,
    enumerate_items,
    item_at,
)

__all__ = ["generators_of", "open_source"]


def generators_of(data: Any) -> list[Generator]:
    """List the generators of random numbers that the caller's data draws its order from."""
    return loader_generators(data) if isinstance(data, DataLoader) else []


def open_source(data: Any, place: LabelPlace, batch_size: int) -> LabelledSource | StreamedSource:
    """Make the source of samples for what the caller passed as ``data``; ``place`` tells where a label is."""
    if isinstance(data, DataLoader):
        return open_loader(data, place)
    if isinstance(data, (tuple, Mapping)) or (isinstance(data, list) and len(data) == 2 and not _is_item(data[0])):
        return ArraySource(data, place, batch_size)
    if isinstance(data, IterableDataset):
        return ItemSource(enumerate_items(data), place, batch_size, in_one_pass=True)
    if not (hasattr(data, "__getitem__") and hasattr(data, "__len__")) or isinstance(data, (str, bytes)):
        raise TypeError(
            f"data is a {type(data).__name__}; pass a torch Dataset or DataLoader of (x, label), or a pair of "
            "arrays (x, labels)"
        )
    # A Subset may name an item more than once.
    first = first_places(data, range(len(data)))
    labels = known_labels(data, place)
    if labels is None:
        return ItemSource(((k, item_at(data, k)) for k in first), place, batch_size, in_one_pass=False)
    return IndexedSource(data, labels, first, place, batch_size)


def _is_item(value: Any) -> bool:
    """Tell whether ``value`` looks like (x, label) rather than like an array."""
    return isinstance(value, Mapping) or (isinstance(value, (tuple, list)) and len(value) == 2)
