"""Split what a data set delivers into inputs and label, and stack the inputs of several samples to a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from hpfunc._arrays import as_array
from hpfunc._torch.nested import leaves, map_leaves, members

__all__ = ["LABEL_KEYS", "LabelPlace", "collate", "label_place", "put_label", "split_item"]

# Where the label is: a position, a key, a function of an item or batch that returns (inputs, label), or None for the
# usual places.
LabelPlace = int | str | Callable[[Any], Any] | None

# Keys under which a mapping usually holds the label.
LABEL_KEYS = ("label", "labels", "label_ids", "target", "targets", "y")


def split_item(item: Any, place: LabelPlace, where: str) -> tuple[Any, Any]:
    """Split an item or a batch into inputs and label.

    Parameters
    ----------
    item : tuple, list, mapping, named tuple or dataclass
        In a tuple the inputs are the entries before the label, or after it where the label comes first; other entries
        (a file name, a position) are ignored. In a mapping the inputs are all entries but the label.
    place : int, str, callable or None
        Where the label is. None: the second entry of a tuple; of a mapping the one key of `LABEL_KEYS` that it has.
    where : str
        What errors call the item.

    Raises
    ------
    TypeError
        If the item has no such place.
    """
    if callable(place):
        split = place(item)
        if not isinstance(split, tuple) or len(split) != 2:
            raise TypeError(f"label: the function returned {_named(split)} for {where}; expected (inputs, label)")
        return split
    place = label_place(item, place, where)
    if isinstance(place, str):
        fields = dict(members(item) or ())
        label = fields.pop(place)
        return fields, label
    inputs = item[:place] or item[place + 1 :]
    return inputs[0] if len(inputs) == 1 else tuple(inputs), item[place]


def label_place(item: Any, place: int | str | None, where: str) -> int | str:
    """Find the position or key of the label in an item.

    Raises
    ------
    TypeError
        If it has none there, or if several keys could be meant.
    """
    fields = members(item)
    if isinstance(item, (tuple, list)) and not hasattr(item, "_fields"):
        position = 1 if place is None else place
        if not isinstance(position, int) or not -len(item) <= position < len(item) or len(item) < 2:
            raise TypeError(_no_label(item, place, where))
        return position % len(item)
    if fields is None:
        raise TypeError(_no_label(item, place, where))
    keys = [key for key, _ in fields]
    if place is None:
        found = [key for key in LABEL_KEYS if key in keys]
        if len(found) > 1:
            raise TypeError(
                f"{where} has the keys {found}, and each may be the label; say which, such as label={found[0]!r}"
            )
        if not found and isinstance(item, tuple) and len(item) > 1:
            return 1
        place = found[0] if found else None
    if isinstance(place, int) and isinstance(item, tuple) and -len(item) <= place < len(item):
        return place % len(item)
    if place not in keys or len(keys) < 2:
        raise TypeError(_no_label(item, place, where))
    return keys.index(place) if isinstance(item, tuple) else str(place)


def put_label(item: Any, place: int | str, label: Any) -> Any:
    """Return a copy of an item with another label."""
    if isinstance(place, str):
        fields = dict(members(item) or ())
        fields[place] = label
        kind: Any = type(item)
        return fields if isinstance(item, Mapping) else kind(**fields)
    changed = [*item[:place], label, *item[place + 1 :]]
    if hasattr(item, "_fields"):
        return type(item)(*changed)
    return tuple(changed) if isinstance(item, tuple) else changed


def collate(inputs: Sequence[Any], index: Iterable[int | None]) -> Any:
    """Stack the inputs of samples to a batch.

    Parameters
    ----------
    inputs : sequence
        The inputs of each sample, all nested in the same way. Arrays and numbers become tensors; texts become a list of
        texts.
    index : iterable of int or None
        What errors call each sample.

    Raises
    ------
    ValueError
        If the samples differ in their shapes.
    TypeError
        For an input that is neither numbers nor text.
    """
    numbers = list(index)
    first = _shapes(inputs[0])
    for number, sample in zip(numbers, inputs, strict=True):
        if _shapes(sample) != first:
            raise ValueError(
                f"data: item {number} has shape {_shapes(sample)}, and item {numbers[0]} has {first}; bring all "
                "samples to one size (for images, a Resize and a CenterCrop in the data set's transform; for texts, "
                "padding to one length)"
            )
    columns = zip(*(leaves(sample) for sample in inputs), strict=True)
    stacked = iter([_stack(column, numbers) for column in columns])
    return map_leaves(lambda leaf: next(stacked), inputs[0])


def _stack(values: Sequence[Any], numbers: Sequence[int | None]) -> Any:
    """Stack one input of several samples: tensors on a new first axis, texts in a list."""
    first = values[0]
    if isinstance(first, (str, bytes)):
        return list(values)
    if isinstance(first, torch.Tensor) and not hasattr(first, "get_mask"):
        return torch.stack([value.detach() for value in values])
    try:
        if isinstance(first, (list, tuple)) and any(isinstance(entry, str) for entry in first):
            return list(values)
        if not (isinstance(first, (bool, int, float, list, tuple)) or hasattr(first, "shape")):
            raise TypeError
        # NumPy finds a common dtype, in the machine's byte order, and makes one copy in C order.
        array = np.stack([as_array(x, f"data: item {k}") for k, x in zip(numbers, values, strict=True)])
        return torch.from_numpy(np.ascontiguousarray(array))
    except (TypeError, ValueError):
        # For masked and sparse items the error already says what to pass.
        if any(hasattr(first, name) for name in ("get_mask", "mask", "nnz")):
            raise
        raise TypeError(
            f"data: item {numbers[0]} is of type {type(first).__name__}, not a tensor; for images give the data set a "
            "transform, such as torchvision.transforms.ToTensor()"
        ) from None


def _shapes(value: Any) -> Any:
    """Return the shape of each leaf in a nested value."""

    def shape(leaf: Any) -> tuple[int, ...]:
        return (len(leaf),) if isinstance(leaf, (list, tuple)) else tuple(getattr(leaf, "shape", ()))

    return map_leaves(shape, value)


def _no_label(item: Any, place: int | str | None, where: str) -> str:
    """Say that an item has no label where it should be, and what to pass."""
    wanted = "expected (x, label), or a mapping with the key " + " or ".join(map(repr, LABEL_KEYS[:2]))
    if place is not None:
        wanted = f"it has no label at {place!r}"
    remedy = "label= says where the label is: a position, a key, or a function that returns (inputs, label)"
    return f"{where} is {_named(item)}; {wanted}. {remedy}"


def _named(value: Any) -> str:
    """Name the type of a value, and how many entries or which keys it has."""
    if isinstance(value, Mapping):
        return f"a {type(value).__name__} with the keys {list(value)}"
    return f"a {type(value).__name__}" + (f" of {len(value)}" if isinstance(value, (tuple, list)) else "")
