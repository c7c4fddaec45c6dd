"""Read samples from a DataLoader, with its own batches, order, collation and workers."""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, default_collate

from hpfunc._arrays import Label, as_label
from hpfunc._torch.data.items import LabelPlace, collate, split_item
from hpfunc._torch.data.labels import known_labels
from hpfunc._torch.data.order import split_batch, traced_collate
from hpfunc._torch.data.repeats import first_places
from hpfunc._torch.data.sources import (
    LabelledSource,
    Loaded,
    Sample,
    StreamedSource,
    check_label,
    chunks,
    enumerate_items,
    item_at,
    reading,
)
from hpfunc._torch.nested import holds_samples, leaves, members

__all__ = ["loader_generators", "open_loader"]


def open_loader(loader: DataLoader[Any], place: LabelPlace) -> LabelledSource | StreamedSource:
    """Make the source for a loader: with known labels where its data set has them and is read by position."""
    sampler = loader.batch_sampler
    in_one_pass = isinstance(loader.dataset, IterableDataset) or type(loader).__iter__ is not DataLoader.__iter__
    if sampler is None or in_one_pass:
        return _BatchStream(loader, place)
    with _same_draws(loader):
        try:
            groups = [[operator.index(k) for k in group] for group in sampler]
        except TypeError:
            # The data set is indexed by keys, not by positions.
            return _BatchStream(loader, place)
    least = min((len(group) for group in groups), default=1)
    groups, largest = _each_once(loader.dataset, groups)
    labels = known_labels(loader.dataset, place)
    source: LabelledSource | StreamedSource
    if labels is None:
        source = _ItemLoader(loader, groups, largest, place)
    else:
        source = _LabelledLoader(loader, groups, largest, labels, place)
    source.least = least
    return source


def _each_once(dataset: Any, groups: list[list[int]]) -> tuple[list[list[int]], int]:
    """Return batches in which each item comes once, and the size of the largest batch."""
    positions = [k for group in groups for k in group]
    places = first_places(dataset, positions)
    largest = max((len(group) for group in groups), default=1)
    return groups if len(places) == len(positions) else chunks([positions[k] for k in places], largest), largest


class _LabelledLoader(LabelledSource):
    """Deliver samples of a loader over a data set with known labels; only the chosen ones are loaded."""

    def __init__(
        self, loader: DataLoader[Any], groups: list[list[int]], largest: int, labels: list[Label], place: LabelPlace
    ) -> None:
        self._loader, self._place = loader, place
        self.batch_size = largest
        self._index = [k for group in groups for k in group]
        self._sizes = [len(group) for group in groups]
        self.labels = [labels[k] for k in self._index]

    def index(self, position: int) -> int:
        return self._index[position]

    def groups(self, positions: Sequence[int]) -> list[list[int]]:
        if len(positions) < len(self._index):
            return chunks(positions, self.batch_size)
        remaining = iter(positions)
        return [[next(remaining) for _ in range(size)] for size in self._sizes]

    def load(self, groups: Sequence[Sequence[int]]) -> Iterator[Loaded]:
        collation = _Traced(self._loader.collate_fn, self._place)
        batches = _read(self._loader, [[self._index[p] for p in group] for group in groups], collation)
        for group, (_, (inputs, labels, places)) in zip(groups, batches, strict=True):
            index = [self._index[position] for position in group]
            if places is None and len(labels) == len(group):
                raise ValueError(
                    "data: which item each row of a batch came from is not known, since the loader's collate_fn sorts "
                    "by the labels or reads them; pass the data set itself, or hide its list of labels in a wrapping "
                    "data set"
                )
            for k, label in zip(index if places is None else [index[p] for p in places], labels, strict=False):
                check_label(label, self.labels[group[index.index(k)]], k)
            if places is None or sorted(places) != list(range(len(group))):
                missing = sorted(set(range(len(group))) - set(places or ()))
                raise ValueError(
                    f"data: the loader's collate_fn made {len(labels)} rows of {len(group)} samples"
                    + (f" and left out item {index[missing[0]]}" if places is not None and missing else "")
                    + "; where labels are listed beforehand each sample must give one row: take such items out by "
                    "torch.utils.data.Subset, or hide the list of labels in a wrapping data set"
                )
            yield Loaded(inputs, places)


class _ItemLoader:
    """Deliver samples of a loader whose items must be loaded to learn their labels.

    Chosen items are held as the data set gave them, and collated when the choice is complete.
    """

    def __init__(self, loader: DataLoader[Any], groups: list[list[int]], largest: int, place: LabelPlace) -> None:
        self._loader, self._groups, self._largest = loader, groups, largest
        self.by_position, self.least = True, 1
        self._traced = _Traced(loader.collate_fn, place)

    def samples(self) -> Generator[Sample]:
        for k, delivered in _read(self._loader, self._groups, _Delivering(self._traced)):
            for row, label in enumerate(delivered.labels):
                if delivered.places is None:
                    yield Sample(None, label, _row(delivered.contents, row, len(delivered.labels)))
                else:
                    yield Sample(self._groups[k][delivered.places[row]], label, delivered.contents[row])

    def batches(self, chosen: Sequence[Sample]) -> Iterator[Loaded]:
        if any(sample.index is None for sample in chosen):
            return _stacked([self._row(sample) for sample in chosen], self._largest)
        return self._collated(chosen)

    def _collated(self, chosen: Sequence[Sample]) -> Iterator[Loaded]:
        """Collate items, and find the row of each."""
        for group in chunks(range(len(chosen)), self._largest):
            items, index = [chosen[place].content for place in group], [chosen[place].index for place in group]
            if self._traced.collate_fn is default_collate:
                yield Loaded(collate([split_item(item, self._traced.place, "data")[0] for item in items], index), group)
                continue
            with reading(f"a batch of the items {index[0]}, ..., {index[-1]}"):
                inputs, labels, places = self._traced(items)
            if places is None or sorted(places) != list(range(len(group))):
                raise ValueError(
                    f"data: the loader's collate_fn made {len(labels)} rows of {len(group)} samples that gave one row "
                    "each in another batch; pass the data set itself"
                )
            yield Loaded(inputs, [group[place] for place in places])

    def _row(self, sample: Sample) -> Any:
        """Return the inputs of a sample, which may have been cut out of a batch already."""
        if sample.index is None:
            return sample.content
        inputs, labels = split_batch(self._traced.collate_fn([sample.content]), self._traced.place)
        return _row(inputs, 0, len(labels))


class _BatchStream:
    """Deliver rows of batches that can be read only once; their position is the order of delivery."""

    def __init__(self, loader: DataLoader[Any], place: LabelPlace) -> None:
        self._loader, self._place = loader, place
        self._largest = 1
        self.by_position, self.least = False, 1

    def samples(self) -> Generator[Sample]:
        delivered, sizes = 0, []
        with _same_draws(self._loader):
            for _, batch in enumerate_items(self._loader, "batch"):
                inputs, labels = split_batch(batch, self._place)
                sizes.append(len(labels))
                self._largest, self.least = max(sizes), min(sizes)
                for row, label in enumerate(labels):
                    yield Sample(delivered, label, _row(inputs, row, len(labels)))
                    delivered += 1

    def batches(self, chosen: Sequence[Sample]) -> Iterator[Loaded]:
        return _stacked([sample.content for sample in chosen], int(self._loader.batch_size or self._largest))


class _Delivered(NamedTuple):
    """Hold the labels of a batch, and its items, or the whole batch where it is unknown which item gave which row."""

    labels: list[Label]
    places: list[int] | None
    contents: Any


class _Traced:
    """Collate as the loader does, and tell where each row came from."""

    def __init__(self, collate_fn: Any, place: LabelPlace) -> None:
        self.collate_fn, self.place = collate_fn, place

    def __call__(self, items: list[Any]) -> tuple[Any, list[Label], list[int] | None]:
        return traced_collate(self.collate_fn, items, self.place)


class _Delivering:
    """Read the labels of items, and return them with the items, also in a worker process."""

    def __init__(self, traced: _Traced) -> None:
        self._traced = traced

    def __call__(self, items: list[Any]) -> _Delivered:
        if self._traced.collate_fn is default_collate:
            # This collation sorts and drops nothing, so the labels can be read from the items.
            labels = [as_label(split_item(item, self._traced.place, "an item of data")[1], "data") for item in items]
            return _Delivered(labels, list(range(len(items))), items)
        inputs, labels, places = self._traced(items)
        return _Delivered(labels, places, inputs if places is None else [items[place] for place in places])


class _Located(Dataset[Any]):
    """Name the item in an error that a data set raises, also from a worker process."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __getitem__(self, k: int) -> Any:
        return item_at(self.dataset, k)


def _read(loader: DataLoader[Any], groups: list[list[int]], collation: Any) -> Generator[tuple[int, Any]]:
    """Load the batches of given positions with the loader's workers and another collation."""
    same = DataLoader(
        _Located(loader.dataset),
        batch_sampler=groups,
        collate_fn=collation,
        num_workers=loader.num_workers,
        timeout=loader.timeout,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context,
        prefetch_factor=loader.prefetch_factor,
        generator=loader.generator,
    )
    with _same_draws(loader):
        yield from enumerate_items(same, "batch")


@contextlib.contextmanager
def _same_draws(loader: DataLoader[Any]) -> Iterator[None]:
    """Leave the loader's own generators as they were: reading it twice gives the same samples."""
    states = [(generator, generator.get_state()) for generator in loader_generators(loader)]
    try:
        yield
    finally:
        for generator, state in states:
            generator.set_state(state)


def loader_generators(loader: DataLoader[Any]) -> list[torch.Generator]:
    """List the generators of random numbers that a loader and its samplers hold."""
    samplers = (loader, loader.sampler, loader.batch_sampler, getattr(loader.batch_sampler, "sampler", None))
    found = (getattr(sampler, "generator", None) for sampler in samplers)
    return list({id(generator): generator for generator in found if isinstance(generator, torch.Generator)}.values())


def _stacked(rows: Sequence[Any], size: int) -> Iterator[Loaded]:
    """Stack rows into batches of one shape: a loader pads each of its batches to the longest sample in it."""
    by_shape: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        by_shape.setdefault(str([tuple(getattr(leaf, "shape", ())) for leaf in leaves(row)]), []).append(place)
    for places in by_shape.values():
        for group in chunks(places, size):
            yield Loaded(collate([rows[place] for place in group], group), group)


def _row(inputs: Any, row: int, size: int) -> Any:
    """Copy one sample out of a batch, since a view would keep the whole batch in memory."""
    if isinstance(inputs, Mapping):
        return {name: _row(value, row, size) for name, value in inputs.items()}
    if isinstance(inputs, (tuple, list)) and members(inputs) is not None:
        # A list with one entry for each sample is not a list of inputs if an entry has another length than the batch.
        if holds_samples(inputs, size) or (len(inputs) == size and not all(len(value) == size for value in inputs)):
            return inputs[row]
        return tuple(_row(value, row, size) for value in inputs)
    if len(inputs) != size:
        shape = tuple(getattr(inputs, "shape", (len(inputs),)))
        raise ValueError(
            f"data: a batch of {size} labels has inputs of shape {shape}; the first axis must count the samples"
        )
    return inputs[row] if isinstance(inputs, list) else torch.as_tensor(inputs[row], device="cpu").clone()
