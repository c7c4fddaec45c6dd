"""One piece of a sweep, which can run in another thread, process or machine."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import xarray as xr

from hpfunc._labels.schema import Label
from hpfunc._store import concat
from hpfunc._support.warn import kept_warnings
from hpfunc.activations import collect_activations
from hpfunc.pairwise import pairwise_hp

__all__ = ["Measured", "Task", "is_factory", "measure", "named", "samples_of"]

# Gradient mode, random state and fast paths are switched for the process: two threads would undo each other's.
_FORWARD = threading.Lock()


class Task(NamedTuple):
    """A checkpoint, and the data sets (or functions that make them) on which to measure it."""

    label: Label
    source: Any
    build: Callable[[], Any] | None
    data: Mapping[str, Any]
    collecting: Mapping[str, Any]
    pairing: Mapping[str, Any]
    keyed: bool

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
    """What errors call a part of a sweep."""
    return f"checkpoint {label!r}" + ("" if split is None else f" on data {split!r}")


def measure(task: Task) -> list[Measured]:
    """Load the checkpoint, and measure it on each data set."""
    from hpfunc._torch.digest import weights_digest
    from hpfunc._torch.model.checkpoint import load_module

    weights = weights_digest(task.source) if task.keyed else ""
    with _FORWARD:
        model = load_module(task.source, task.build, named(task.label))
    measured = []
    for split, data in task.data.items():
        with kept_warnings() as warnings:
            try:
                result, samples = _measure(model, data() if is_factory(data) else data, task)
            except Exception as error:
                error.add_note(f"in sweep, at {named(task.label, split)}")
                for warning in dict.fromkeys(warnings):
                    error.add_note(f"after the warning: {warning}")
                raise
        # Layers that are collected in groups warn again with each group.
        measured.append(Measured(task.label, split, result, samples, weights, tuple(dict.fromkeys(warnings))))
    return measured


def samples_of(data: Any, options: Mapping[str, Any]) -> str:
    """A digest of the samples that a sweep would take; reads the data set once."""
    from hpfunc._torch.digest import samples_digest

    with _FORWARD:
        return samples_digest(data() if is_factory(data) else data, options)


def is_factory(data: Any) -> bool:
    """Whether this makes a data set rather than being one."""
    return isinstance(data, type) or (
        callable(data) and not hasattr(data, "__getitem__") and not hasattr(data, "__iter__")
    )


def _measure(model: Any, data: Any, task: Task) -> tuple[xr.Dataset, str]:
    """The result on one data set, and which samples it saw."""
    from hpfunc._torch.groups import layer_groups

    with _FORWARD:
        groups = layer_groups(model, data, task.collecting)
    results, samples = [], set()
    for options in groups:
        result, digest = _measure_group(model, data, {**task.collecting, **options}, task.pairing)
        results.append(result)
        samples.add(digest)
    if len(samples) > 1:
        raise ValueError(
            "the data set gave different samples when it was read again, for the next group of layers; pass one that "
            "gives the same each time, or a larger max_memory"
        )
    return results[0] if len(results) == 1 else concat(results, "layer"), samples.pop()


def _measure_group(
    model: Any, data: Any, collecting: Mapping[str, Any], pairing: Mapping[str, Any]
) -> tuple[xr.Dataset, str]:
    """The result of some layers; their activations are gone when it returns."""
    with _FORWARD:
        activations = collect_activations(model, data, **collecting)
    taken = [activations.coords[name].values.tolist() for name in ("label", "index")]
    return pairwise_hp(activations, **pairing), hashlib.sha256(json.dumps(taken).encode()).hexdigest()
