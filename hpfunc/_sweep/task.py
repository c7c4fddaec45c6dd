"""One piece of a sweep, which can run in another thread, process or machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import xarray as xr

from hpfunc._labels.schema import Label
from hpfunc._store import concat
from hpfunc._support.warn import kept_warnings
from hpfunc._sweep.folds import with_groups
from hpfunc.pairwise import pairwise_hp

__all__ = ["Measured", "Task", "is_factory", "measure", "named", "samples_of"]


class Task(NamedTuple):
    """A checkpoint, and the data sets (or functions that make them) on which to measure it."""

    label: Label
    source: Any
    build: Callable[[], Any] | None
    data: Mapping[str, Any]
    collecting: Mapping[str, Any]
    pairing: Mapping[str, Any]
    part: str | None = None

    def __str__(self) -> str:
        return " and ".join(named(self.label, split) for split in self.data)


class Measured(NamedTuple):
    """The result of one checkpoint on one data set, digests of what it came from, and what was warned of."""

    label: Label
    split: str
    result: xr.Dataset
    samples: str
    weights: str
    warnings: tuple[str, ...]


def named(label: Label, split: str | None = None) -> str:
    """Return what errors call a part of a sweep."""
    return f"checkpoint {label!r}" + ("" if split is None else f" on data {split!r}")


def measure(task: Task) -> list[Measured]:
    """Load the checkpoint, and measure it on each data set."""
    from hpfunc._torch.digest import weights_digest
    from hpfunc._torch.model.checkpoint import load_module, load_source
    from hpfunc._torch.model.process import run_alone

    source = load_source(task.source, named(task.label))
    weights = weights_digest(source)
    model = load_module(source, task.build, named(task.label), task.part)
    measured = []
    for split, data in task.data.items():
        with kept_warnings() as warnings:
            try:
                result, samples = _measure(model, run_alone(data) if is_factory(data) else data, task, split)
            except Exception as error:
                error.add_note(f"in sweep, at {named(task.label, split)}")
                for warning in dict.fromkeys(warnings):
                    error.add_note(f"after the warning: {warning}")
                raise
        # Layers that are collected in groups warn again with each group.
        measured.append(Measured(task.label, split, result, samples, weights, tuple(dict.fromkeys(warnings))))
    return measured


def samples_of(data: Any, options: Mapping[str, Any]) -> str:
    """Digest the samples that a sweep would take; the data set is read once."""
    from hpfunc._torch.digest import samples_digest
    from hpfunc._torch.options import check_options

    return samples_digest(data if is_factory(data) else lambda: data, check_options(**options))


def is_factory(data: Any) -> bool:
    """Whether this makes a data set rather than being one."""
    return isinstance(data, type) or (
        callable(data) and not hasattr(data, "__getitem__") and not hasattr(data, "__iter__")
    )


def _measure(model: Any, data: Any, task: Task, split: str) -> tuple[xr.Dataset, str]:
    """Return the result on one data set, and a digest of which samples it saw."""
    from hpfunc._torch.collect import Collection
    from hpfunc._torch.options import check_options

    collection = Collection(model, data, check_options(**task.collecting))
    results = []
    for activations in collection.in_groups():
        results.append(pairwise_hp(activations, **with_groups(task.pairing, activations, split)))
        # Gone before the next group is collected.
        del activations
    index = collection.samples.index
    taken = [collection.samples.labels.tolist(), None if index is None else index.tolist()]
    digest = hashlib.sha256(json.dumps(taken).encode()).hexdigest()
    return results[0] if len(results) == 1 else concat(results, "layer"), digest
