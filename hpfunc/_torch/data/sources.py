"""Where samples come from: a pair of arrays, a data set by position, a data set in one pass, a loader."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils.data import default_collate

from hpfunc._arrays import as_array, namespace
from hpfunc._torch.data.labels import Label, as_label, as_label_list

__all__ = [
    "ArraySource",
    "IndexedSource",
    "ItemSource",
    "LabelledSource",
    "Sample",
    "StreamedSource",
    "check_label",
    "collate",
    "enumerate_items",
    "item_at",
    "split_item",
]

Sample = tuple[int, Label, Any]


class LabelledSource:
    """Samples whose labels are known before any is loaded. Positions count the samples as they are delivered."""

    labels: list[Label]
    batch_size: int

    def index(self, position: int) -> int:
        """The place in the data set of the sample at ``position``."""
        return position

    def groups(self, positions: Sequence[int]) -> list[list[int]]:
        """Sorted positions by batches."""
        size = self.batch_size
        return [list(positions[start : start + size]) for start in range(0, len(positions), size)]

    def load(self, groups: Sequence[Sequence[int]]) -> Iterator[Any]:
        """The inputs of each batch of positions."""
        raise NotImplementedError


class StreamedSource(Protocol):
    """Samples that must be loaded to learn their labels."""

    def samples(self) -> Generator[Sample]:
        """Each sample once: its place in the data set, its label, its inputs."""
        ...

    def batch_size(self) -> int:
        """How many samples the model takes at a time; asked for when all have been read."""
        ...


class ArraySource(LabelledSource):
    """ArraySource of samples and of labels. Several inputs are a tuple or a dict of arrays."""

    def __init__(self, data: Sequence[Any], batch_size: int) -> None:
        if len(data) != 2:
            raise ValueError(f"data is a tuple of {len(data)}; expected a pair of arrays, (x, labels)")
        inputs, labels = data
        self.inputs = _map(_as_rows, inputs)
        self.labels = as_label_list(labels, "data: labels")
        self.batch_size = batch_size
        for array in _leaves(self.inputs):
            if len(array) != len(self.labels):
                raise ValueError(
                    f"data: x has shape {tuple(array.shape)} and there are {len(self.labels)} labels; expected one "
                    "label for each sample"
                )

    def load(self, groups: Sequence[Sequence[int]]) -> Iterator[Any]:
        for group in groups:
            first, last = group[0], group[-1]
            rows = slice(first, last + 1) if last - first + 1 == len(group) else list(group)
            yield _map(lambda array, rows=rows: _copy_rows(array, rows), self.inputs)


class IndexedSource(LabelledSource):
    """A data set by position, with labels at hand."""

    def __init__(self, data: Any, labels: list[Label], batch_size: int) -> None:
        self.data, self.labels, self.batch_size = data, labels, batch_size

    def load(self, groups: Sequence[Sequence[int]]) -> Iterator[Any]:
        for group in groups:
            yield collate([self._inputs(k) for k in group], group)

    def _inputs(self, k: int) -> Any:
        where = f"item {k} of data"
        inputs, label = split_item(item_at(self.data, k), where)
        check_label(as_label(label, where), self.labels[k], k)
        return inputs


class ItemSource:
    """ItemSource that tell their labels only when they are loaded."""

    def __init__(self, items: Iterable[tuple[int, Any]], batch_size: int) -> None:
        self._items, self._batch_size = items, batch_size

    def samples(self) -> Generator[Sample]:
        for k, item in self._items:
            inputs, label = split_item(item, f"item {k} of data")
            yield k, as_label(label, f"item {k} of data"), inputs

    def batch_size(self) -> int:
        return self._batch_size


class LoadError(ValueError):
    """An item could not be loaded: which one, and why."""


@contextlib.contextmanager
def reading(what: str) -> Iterator[None]:
    """Say which item could not be loaded, and why, once."""
    try:
        yield
    except LoadError:
        raise
    except Exception as error:
        raise LoadError(f"data: {what} could not be loaded: {type(error).__name__}: {error}") from error


def item_at(data: Any, k: int) -> Any:
    """Item k of a data set."""
    with reading(f"item {k}"):
        return data[k]


def enumerate_items(data: Iterable[Any], what: str = "item") -> Generator[tuple[int, Any]]:
    """Each item with its number."""
    k = 0
    with reading(f"{what} {k}"):
        iterator = iter(data)
    while True:
        with reading(f"{what} {k}"):
            try:
                item = next(iterator)
            except StopIteration:
                return
        yield k, item
        k += 1


def split_item(item: Any, where: str) -> tuple[Any, Any]:
    """Inputs and label."""
    if not isinstance(item, (tuple, list)) or len(item) != 2:
        what = f"a {type(item).__name__}" + (f" of {len(item)}" if isinstance(item, (tuple, list)) else "")
        raise TypeError(
            f"{where} is {what}; expected (x, label), where several inputs are a tuple or a dict: ((a, b), label)"
        )
    return item[0], item[1]


def check_label(found: Label, known: Label, k: int) -> None:
    """Raise ValueError if a sample's own label is not the one its data set told beforehand."""
    if found != known:
        raise ValueError(
            f"data tells the label {known!r} for item {k} in its list of labels, but the item itself has {found!r}; "
            "make the two agree, or hide the list in a wrapping data set"
        )


def collate(inputs: Sequence[Any], index: Sequence[int]) -> Any:
    """Samples stacked to a batch; tuples and dicts are stacked by their entries."""
    first = _shapes(inputs[0])
    for k, sample in zip(index, inputs, strict=True):
        if _shapes(sample) != first:
            raise ValueError(
                f"data: item {k} has shape {_shapes(sample)}, and item {index[0]} has {first}; bring all samples to "
                "one size (for images, a Resize and a CenterCrop in the data set's transform)"
            )
    try:
        return default_collate(list(inputs))
    except TypeError:
        raise TypeError(
            f"data: item {index[0]} is of type {type(inputs[0]).__name__}, not a tensor; for images give the data "
            "set a transform, such as torchvision.transforms.ToTensor()"
        ) from None


def _shapes(value: Any) -> Any:
    """The shape of each tensor in a nested value."""
    return _map(lambda leaf: tuple(getattr(leaf, "shape", ())), value)


def _map(function: Any, value: Any) -> Any:
    """``function`` of each leaf of a tuple or a dict of arrays."""
    if isinstance(value, Mapping):
        return {key: _map(function, member) for key, member in value.items()}
    if isinstance(value, tuple):
        return tuple(_map(function, member) for member in value)
    return function(value)


def _leaves(value: Any) -> list[Any]:
    leaves: list[Any] = []
    _map(leaves.append, value)
    return leaves


def _as_rows(x: Any) -> Any:
    """An array of samples as a torch tensor or a NumPy array, its memory shared."""
    if isinstance(x, torch.Tensor):
        array = x.detach()
    else:
        array = as_array(x, "data: x")
        if namespace(array) is not np:
            array = torch.utils.dlpack.from_dlpack(array)
    if array.ndim == 0:
        raise ValueError("data: x is a scalar; expected an array whose first axis counts the samples")
    return array


def _copy_rows(array: Any, rows: slice | list[int]) -> torch.Tensor:
    """Some samples as a tensor of their own: a model that works in place must not write to the caller's."""
    if isinstance(array, torch.Tensor):
        return array[rows].clone()
    return torch.from_numpy(np.array(array[rows], order="C"))
