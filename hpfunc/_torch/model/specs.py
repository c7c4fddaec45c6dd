"""Describe what a pickle would make: storages, tensors, containers, and marks of what is skipped."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["LARGEST_NUMBER", "Container", "Name", "Skipped", "StorageSpec", "TensorSpec", "entries_of"]

_DEEPEST = 100
_MOST_DIMS = 64
LARGEST_NUMBER = 2**62


class Record:
    """Hold what an opcode makes; few and fixed attributes keep a hostile file's memory small."""

    __slots__ = ()


class Skipped(Record):
    """Stand for an object that is not made, and name it."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Name(Skipped):
    """Stand for a class or function that the file names; it is not looked up."""

    __slots__ = ()


class StorageSpec(Record):
    """Describe a storage: its key in the file, the dtype of its elements, and how many there are."""

    __slots__ = ("count", "dtype", "key")

    def __init__(self, key: str, dtype: torch.dtype, count: int) -> None:
        self.key, self.dtype, self.count = key, dtype, count

    @property
    def nbytes(self) -> int:
        """Return the bytes that the storage takes."""
        return self.count * self.dtype.itemsize


class TensorSpec(Record):
    """Describe a tensor: a view of a storage."""

    __slots__ = ("dtype", "offset", "shape", "storage", "stride")

    def __init__(self, storage: Any, offset: Any, shape: Any, stride: Any, dtype: Any = None) -> None:
        if not isinstance(storage, StorageSpec):
            raise ValueError(
                "it has a tensor without a storage, as pickle.dump writes; save model.state_dict() by torch.save"
            )
        self.storage, self.offset = storage, offset
        self.shape, self.stride = entries_of(shape), entries_of(stride)
        numbers = (offset, *self.shape, *self.stride)
        if len(self.shape) != len(self.stride) or len(self.shape) > _MOST_DIMS:
            raise ValueError("it has a tensor whose shape and strides do not fit together")
        if not all(type(number) is int and 0 <= number < LARGEST_NUMBER for number in numbers):
            raise ValueError("it has a tensor whose shape, strides or offset are no sizes")
        self.dtype = _dtype_named(dtype) if isinstance(dtype, Name) else storage.dtype
        last = offset + sum((size - 1) * step for size, step in zip(self.shape, self.stride, strict=True))
        if 0 not in self.shape and (last + 1) * self.dtype.itemsize > storage.nbytes:
            raise ValueError("it has a tensor that is larger than its storage")


class Container(Record):
    """Hold the entries of a dict (key, value pairs), list, tuple or set."""

    __slots__ = ("depth", "entries", "kind", "state")

    def __init__(self, kind: str, entries: list[Any]) -> None:
        self.kind, self.depth = kind, 1
        self.entries: list[Any] = []
        self.state: Any = None
        self.extend(entries)

    def extend(self, entries: list[Any]) -> None:
        """Add entries; raise ValueError if containers lie too deep inside each other."""
        for entry in entries:
            for part in entry if self.kind == "dict" else (entry,):
                if isinstance(part, Container) and part.depth >= self.depth:
                    self.depth = part.depth + 1
        if self.depth > _DEEPEST:
            raise ValueError(f"its pickle holds containers more than {_DEEPEST} deep")
        self.entries += entries


def entries_of(value: Any) -> list[Any]:
    """Return the entries of a tuple or list."""
    if not isinstance(value, Container) or value.kind == "dict":
        raise ValueError("its pickle has a call without arguments")
    return value.entries


def _dtype_named(name: Name) -> torch.dtype:
    dtype = getattr(torch, name.name.removeprefix("torch."), None) if name.name.startswith("torch.") else None
    if not isinstance(dtype, torch.dtype):
        raise ValueError(f"it has a tensor of the dtype {name.name!r:.50}, which this torch does not have")
    return dtype
