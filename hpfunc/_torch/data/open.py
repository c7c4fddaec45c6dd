"""Open what the caller passed as ``data``: a pair of arrays, a data set, or a loader."""

from __future__ import annotations

from typing import Any

from torch.utils.data import DataLoader, IterableDataset

from hpfunc._torch.data.labels import known_labels
from hpfunc._torch.data.loader import open_loader
from hpfunc._torch.data.sources import (
    ArraySource,
    IndexedSource,
    ItemSource,
    LabelledSource,
    StreamedSource,
    enumerate_items,
    item_at,
)

__all__ = ["open_source"]


def open_source(data: Any, batch_size: int) -> LabelledSource | StreamedSource:
    """The source for what the caller passed as ``data``."""
    if isinstance(data, DataLoader):
        return open_loader(data)
    if isinstance(data, tuple) or (isinstance(data, list) and len(data) == 2 and not _is_item(data[0])):
        return ArraySource(data, batch_size)
    if isinstance(data, IterableDataset):
        return ItemSource(enumerate_items(data), batch_size)
    if not (hasattr(data, "__getitem__") and hasattr(data, "__len__")):
        raise TypeError(
            f"data is a {type(data).__name__}; pass a torch Dataset or DataLoader of (x, label), or a pair of "
            "arrays (x, labels)"
        )
    labels = known_labels(data)
    if labels is None:
        return ItemSource(((k, item_at(data, k)) for k in range(len(data))), batch_size)
    return IndexedSource(data, labels, batch_size)


def _is_item(value: Any) -> bool:
    """Whether ``value`` looks like (x, label) rather than like an array."""
    return isinstance(value, (tuple, list)) and len(value) == 2
