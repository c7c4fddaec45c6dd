"""Find which item each row of a collated batch came from, whatever the loader's ``collate_fn`` does.

A collation may sort its items, or leave some out. It is called once with each label replaced by the position of the
item: what it returns as labels are then the positions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import default_collate

from hpfunc._arrays import Label, as_label, label_array
from hpfunc._torch.data.items import LabelPlace, label_place, put_label, split_item
from hpfunc._torch.model.process import run_alone

__all__ = ["split_batch", "traced_collate"]


def split_batch(batch: Any, place: LabelPlace) -> tuple[Any, list[Label]]:
    """Split a batch into its inputs and a list of labels."""
    inputs, labels = split_item(batch, place, "a batch of data")
    if getattr(labels, "ndim", 1) == 0 or isinstance(labels, (int, str, bytes)):
        raise ValueError("data: the loader delivers single samples (batch_size=None); pass its data set instead")
    return inputs, label_array(labels, "data: labels").tolist()


def traced_collate(
    collate_fn: Callable[[list[Any]], Any], items: list[Any], place: LabelPlace
) -> tuple[Any, list[Label], list[int] | None]:
    """Collate items, and find where each row came from.

    Returns
    -------
    inputs : nested
        The inputs of the batch.
    labels : list of int or str
        The label of each row.
    places : list of int or None
        The position in ``items`` of each row; None where the collation hides it.
    """
    # Both calls draw the same random numbers.
    places = run_alone(lambda: _places(collate_fn, items, place))
    inputs, labels = split_batch(collate_fn(items), place)
    if collate_fn is default_collate:
        return inputs, labels, list(range(len(items)))
    if places is None or [_label_of(items[k], place) for k in places] != labels:
        return inputs, labels, None
    return inputs, labels, places


def _places(collate_fn: Callable[[list[Any]], Any], items: Sequence[Any], place: LabelPlace) -> list[int] | None:
    """Return what a collation gives as labels of items labelled by their positions; None where it hides them."""
    if callable(place) or collate_fn is default_collate:
        return None
    tagged = []
    for k, item in enumerate(items):
        try:
            key = label_place(item, place, "")
        except TypeError:
            # The item is broken; the collation may know how to leave it out.
            tagged.append(item)
        else:
            tagged.append(put_label(item, key, _tag(split_item(item, place, "")[1], k)))
    try:
        _, labels = split_batch(collate_fn(tagged), place)
        places = [int(label) for label in labels]
    except Exception:
        # The collation looks labels up, or depends on their values.
        return None
    return places if all(0 <= k < len(items) for k in places) else None


def _tag(label: Any, k: int) -> Any:
    """Return a position as a label of the same kind."""
    if isinstance(label, torch.Tensor):
        return torch.full_like(label, k)
    if isinstance(label, (np.ndarray, np.generic)) and label.dtype.kind not in "USOT":
        return np.full_like(label, k)[()]
    if isinstance(label, (str, np.str_)):
        return str(k)
    if isinstance(label, bytes):
        return str(k).encode()
    return float(k) if isinstance(label, float) else k


def _label_of(item: Any, place: LabelPlace) -> Label:
    return as_label(split_item(item, place, "an item of data")[1], "an item of data")
