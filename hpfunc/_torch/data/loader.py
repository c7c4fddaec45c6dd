"""Samples from a DataLoader, with its own batches, order, collation and workers."""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset

from hpfunc._torch.data.labels import Label, as_label_list, known_labels
from hpfunc._torch.data.sources import (
    LabelledSource,
    Sample,
    StreamedSource,
    check_label,
    enumerate_items,
    item_at,
    split_item,
)

__all__ = ["open_loader"]


def open_loader(loader: DataLoader[Any]) -> LabelledSource | StreamedSource:
    """The source for a loader: of known labels where its data set has them, and is read by position."""
    sampler = loader.batch_sampler
    in_one_pass = isinstance(loader.dataset, IterableDataset) or type(loader).__iter__ is not DataLoader.__iter__
    if sampler is None or in_one_pass:
        return _StreamedLoader(loader, None)
    with _same_draws(loader):
        try:
            groups = [[operator.index(k) for k in group] for group in sampler]
        except TypeError:
            # The data set goes by keys, not by positions.
            return _StreamedLoader(loader, None)
    labels = known_labels(loader.dataset)
    return _StreamedLoader(loader, groups) if labels is None else _LabelledLoader(loader, groups, labels)


class _LabelledLoader(LabelledSource):
    """A loader over a data set with labels at hand: only the chosen samples of each batch are loaded."""

    def __init__(self, loader: DataLoader[Any], groups: list[list[int]], labels: list[Label]) -> None:
        self._loader = loader
        self._index = [k for group in groups for k in group]
        self._bounds = [0]
        for group in groups:
            self._bounds.append(self._bounds[-1] + len(group))
        self.labels = [labels[k] for k in self._index]

    def index(self, position: int) -> int:
        return self._index[position]

    def groups(self, positions: Sequence[int]) -> list[list[int]]:
        return [list(range(*bounds)) for bounds in zip(self._bounds, self._bounds[1:], strict=False)]

    def load(self, groups: Sequence[Sequence[int]]) -> Iterator[Any]:
        batches = _read(self._loader, [[self._index[p] for p in group] for group in groups])
        for group, (_, batch) in zip(groups, batches, strict=True):
            inputs, found = _split_batch(batch)
            if len(found) != len(group):
                raise ValueError(f"data: the loader's collate_fn made {len(found)} labels of {len(group)} samples")
            for position, label in zip(group, found, strict=True):
                check_label(label, self.labels[position], self._index[position])
            yield inputs


class _StreamedLoader:
    """A loader whose batches must be loaded to learn the labels."""

    def __init__(self, loader: DataLoader[Any], groups: list[list[int]] | None) -> None:
        self._loader, self._groups = loader, groups
        self._largest = 1

    def samples(self) -> Generator[Sample]:
        loader, groups = self._loader, self._groups
        batches = enumerate_items(loader, "batch") if groups is None else _read(loader, groups)
        delivered = 0
        with _same_draws(loader):
            for k, batch in batches:
                inputs, labels = _split_batch(batch)
                self._largest = max(self._largest, len(labels))
                index = range(delivered, delivered + len(labels)) if groups is None else groups[k]
                delivered += len(labels)
                for row, label in enumerate(labels):
                    yield index[row], label, _row(inputs, row, len(labels))

    def batch_size(self) -> int:
        return int(self._loader.batch_size or self._largest)


class _Located(Dataset[Any]):
    """A data set whose failures name the item, also out of a worker process."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __getitem__(self, k: int) -> Any:
        return item_at(self.dataset, k)


def _read(loader: DataLoader[Any], groups: list[list[int]]) -> Generator[tuple[int, Any]]:
    """The batches of given positions, loaded and collated as ``loader`` would."""
    same = DataLoader(
        _Located(loader.dataset),
        batch_sampler=groups,
        collate_fn=loader.collate_fn,
        num_workers=loader.num_workers,
        pin_memory=loader.pin_memory,
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
    samplers = (loader, loader.sampler, loader.batch_sampler, getattr(loader.batch_sampler, "sampler", None))
    found = {id(g): g for g in (getattr(s, "generator", None) for s in samplers) if isinstance(g, torch.Generator)}
    states = {name: generator.get_state() for name, generator in found.items()}
    try:
        yield
    finally:
        for name, generator in found.items():
            generator.set_state(states[name])


def _split_batch(batch: Any) -> tuple[Any, list[Label]]:
    """Inputs and labels of a batch."""
    inputs, labels = split_item(batch, "a batch of data")
    if getattr(labels, "ndim", 1) == 0 or isinstance(labels, (int, str)):
        raise ValueError("data: the loader delivers single samples (batch_size=None); pass its data set instead")
    return inputs, as_label_list(labels, "data: labels")


def _row(inputs: Any, row: int, size: int) -> Any:
    """One sample of a batch, as memory of its own: a view would keep the whole batch."""
    if isinstance(inputs, Mapping):
        return {name: _row(value, row, size) for name, value in inputs.items()}
    if isinstance(inputs, (tuple, list)):
        return tuple(_row(value, row, size) for value in inputs)
    if len(inputs) != size:
        raise ValueError(
            f"data: a batch of {size} labels has inputs of shape {tuple(inputs.shape)}; the first axis must count the "
            "samples"
        )
    return torch.as_tensor(inputs[row]).clone()
