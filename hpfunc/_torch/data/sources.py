"""Read samples from a pair of arrays, from a data set by position, or from a data set in one pass."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch

from hpfunc._arrays import Label, align_labels, as_array, as_label, is_tensor, label_array, namespace, samples_first
from hpfunc._torch.data.items import LabelPlace, collate, split_item
from hpfunc._torch.nested import leaves, map_leaves

__all__ = [
    "ArraySource", "IndexedSource", "ItemSource", "LabelledSource", "Loaded", "Sample", "StreamedSource", "check_label",
    "chunks", "enumerate_items", "item_at", "reading",
]  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Sample:
    """Hold a sample that was read to learn its label."""

    # The place in the data set, or None where it cannot be known.
    index: int | None
    label: Label
    # Its inputs, or the item as the data set gave it.
    content: Any


class Loaded(NamedTuple):
    """Hold the inputs of a batch; its row i is the sample ``places[i]`` of those asked for."""

    inputs: Any
    places: Sequence[int]


class LabelledSource:
    """Deliver samples whose labels are known before any is loaded; positions count them as they are delivered."""

    labels: list[Label]
    batch_size: int
    # The model receives no smaller batch than this, since those of the caller are no smaller.
    least: int = 1

    def index(self, position: int) -> int:
        """Return the place in the data set of the sample at ``position``."""
        return position

    def groups(self, positions: Sequence[int]) -> list[list[int]]:
        """Divide sorted positions into batches."""
        return chunks(positions, self.batch_size)

    def load(self, groups: Sequence[Sequence[int]]) -> Iterator[Loaded]:
        """Load the inputs of each batch of positions."""
        raise NotImplementedError


class StreamedSource(Protocol):
    """Deliver samples that must be loaded to learn their labels."""

    # Whether the data set is read by position, so that an index names an item of it.
    by_position: bool
    # As in `LabelledSource`; known when all samples have been read.
    least: int

    def samples(self) -> Generator[Sample]:
        """Yield each sample once."""
        ...

    def batches(self, chosen: Sequence[Sample]) -> Iterator[Loaded]:
        """Make batches of chosen samples; called when all have been read."""
        ...


class ArraySource(LabelledSource):
    """Deliver rows of arrays, with an array of labels; several inputs are a tuple or a dict of arrays."""

    def __init__(self, data: Any, place: LabelPlace, batch_size: int) -> None:
        inputs, labels = split_item(data, place, "data")
        self.inputs = map_leaves(_as_rows, _lists_as_arrays(inputs))
        [first, *_] = [*leaves(_lists_as_arrays(inputs))]
        self.labels = label_array(align_labels(labels, first, ("data: x", "data: labels")), "data: labels").tolist()
        self.batch_size = batch_size
        for array in leaves(self.inputs):
            if len(array) != len(self.labels):
                shape = tuple(getattr(array, "shape", (len(array),)))
                raise ValueError(
                    f"data: x has shape {shape} and there are {len(self.labels)} labels; expected one label for each "
                    "sample"
                )

    def load(self, groups: Sequence[Sequence[int]]) -> Iterator[Loaded]:
        for group in groups:
            first, last = group[0], group[-1]
            rows = slice(first, last + 1) if last - first + 1 == len(group) else list(group)
            yield Loaded(map_leaves(functools.partial(_copy_rows, rows=rows), self.inputs), range(len(group)))


class IndexedSource(LabelledSource):
    """Deliver items of a data set by position, with known labels."""

    def __init__(
        self, data: Any, labels: list[Label], first: Sequence[int], place: LabelPlace, batch_size: int
    ) -> None:
        self._data, self._first, self._place = data, first, place
        self.labels, self.batch_size = [labels[k] for k in first], batch_size

    def index(self, position: int) -> int:
        return self._first[position]

    def load(self, groups: Sequence[Sequence[int]]) -> Iterator[Loaded]:
        for group in groups:
            index = [self._first[position] for position in group]
            inputs = [self._inputs(position) for position in group]
            yield Loaded(collate(inputs, index), range(len(group)))

    def _inputs(self, position: int) -> Any:
        k = self._first[position]
        inputs, label = split_item(item_at(self._data, k), self._place, f"item {k} of data")
        check_label(as_label(label, f"item {k} of data"), self.labels[position], k)
        return inputs


class ItemSource:
    """Deliver items whose labels are known only when they are loaded."""

    def __init__(
        self, items: Iterable[tuple[int, Any]], place: LabelPlace, batch_size: int, *, in_one_pass: bool
    ) -> None:
        self._items, self._place, self._batch_size = items, place, batch_size
        self.by_position, self.least = not in_one_pass, 1

    def samples(self) -> Generator[Sample]:
        for k, item in self._items:
            inputs, label = split_item(item, self._place, f"item {k} of data")
            yield Sample(k, as_label(label, f"item {k} of data"), inputs)

    def batches(self, chosen: Sequence[Sample]) -> Iterator[Loaded]:
        for places in chunks(range(len(chosen)), self._batch_size):
            index, inputs = zip(*((chosen[place].index, chosen[place].content) for place in places), strict=True)
            yield Loaded(collate(inputs, index), places)


class LoadError(ValueError):
    """Say which item could not be loaded, and why."""


@contextlib.contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn an error of the data set into one that names the item, once."""
    try:
        yield
    except LoadError:
        raise
    except Exception as error:
        raise LoadError(f"data: {what} could not be loaded: {type(error).__name__}: {error}") from error


def item_at(data: Any, k: int) -> Any:
    """Load item k of a data set."""
    with reading(f"item {k}"):
        return data[k]


def enumerate_items(data: Iterable[Any], what: str = "item") -> Generator[tuple[int, Any]]:
    """Yield each item with its number."""
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


def check_label(found: Label, known: Label, k: int) -> None:
    """Raise ValueError if a sample's own label differs from the one that its data set lists."""
    if found != known:
        raise ValueError(
            f"data tells the label {known!r} for item {k} in its list of labels, but the item itself has {found!r}; "
            "make the two agree, or hide the list in a wrapping data set"
        )


def chunks(values: Sequence[int], size: int) -> list[list[int]]:
    """Divide a sequence into parts of ``size``; the last may be smaller."""
    return [list(values[start : start + size]) for start in range(0, len(values), size)]


def _lists_as_arrays(inputs: Any) -> Any:
    """Return inputs whose nested lists of numbers are arrays, so that they are not taken for several inputs."""
    if isinstance(inputs, Mapping):
        return {key: _lists_as_arrays(value) for key, value in inputs.items()}
    if isinstance(inputs, tuple) and not all(isinstance(value, str) for value in inputs):
        return tuple(_lists_as_arrays(value) for value in inputs)
    return as_array(inputs, "data: x") if isinstance(inputs, list) and _as_texts(inputs) is None else inputs


def _as_texts(values: Any) -> list[str] | None:
    """Return texts, one for each sample, as a list; None for anything else."""
    if not isinstance(values, (list, tuple)):
        # An array of strings, a column of pandas or of polars.
        if is_tensor(values) or len(getattr(values, "shape", ())) != 1 or namespace(values) is not np:
            return None
        array = np.asarray(values)
        values = array.tolist() if array.dtype.kind in "UTO" else []
    return [str(text) for text in values] if values and all(isinstance(text, str) for text in values) else None


def _as_rows(x: Any) -> Any:
    """Return an array of samples as a torch tensor or a NumPy array that shares its memory; texts as a list."""
    texts = _as_texts(x)
    if texts is not None:
        return texts
    if is_tensor(x) and x.layout is torch.strided and not hasattr(x, "get_mask"):
        array = x.detach()
    else:
        array = as_array(samples_first(x), "data: x")
        if namespace(array) is not np:
            array = torch.utils.dlpack.from_dlpack(array)
    if array.ndim == 0:
        raise ValueError("data: x is a scalar; expected an array whose first axis counts the samples")
    return array


def _copy_rows(array: Any, rows: slice | list[int]) -> Any:
    """Copy some samples, so that a model that works in place does not change the caller's array."""
    if isinstance(array, list):
        return array[rows] if isinstance(rows, slice) else [array[k] for k in rows]
    if isinstance(array, torch.Tensor):
        return array[rows].clone()
    return torch.from_numpy(np.array(array[rows], order="C"))
