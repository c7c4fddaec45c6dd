"""Measure one part of a sweep, in this process or wherever the part was sent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import xarray as xr

from hpfunc._labels.schema import Label
from hpfunc._measure.folds import SampleOptions
from hpfunc._measure.pairs import GraphOptions
from hpfunc._measure.results import measure_layers
from hpfunc._store import concat
from hpfunc._support.warn import kept_warnings
from hpfunc._sweep.folds import with_groups
from hpfunc._tree.threads import StageClock

__all__ = ["Measured", "Task", "is_factory", "measure", "named", "samples_of"]


class Task(NamedTuple):
    """Hold a checkpoint, and the data sets (or functions that make them) on which to measure it."""

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
    """Hold the result of one checkpoint on one data set, digests of what it came from, its warnings and its times."""

    label: Label
    split: str
    result: xr.Dataset
    samples: str
    weights: str
    warnings: tuple[str, ...]
    seconds: Mapping[str, float]  # of each stage; loading stands with the first data set


def named(label: Label, split: str | None = None) -> str:
    """Return what errors call a part of a sweep."""
    return f"checkpoint {label!r}" + ("" if split is None else f" on data {split!r}")


def measure(task: Task) -> list[Measured]:
    """Load the checkpoint, and measure it on each data set."""
    from hpfunc._torch.digest import weights_digest
    from hpfunc._torch.model.checkpoint import load_module, load_source
    from hpfunc._torch.model.process import run_alone

    clock = StageClock()
    with clock("loading"):
        source = load_source(task.source, named(task.label))
        weights = weights_digest(source)
        model = load_module(source, task.build, named(task.label), task.part)
    measured = []
    for split, data in task.data.items():
        with kept_warnings() as warnings:
            try:
                dataset = run_alone(data) if is_factory(data) else data
                result, samples = _measure(model, dataset, task, split, clock)
            except Exception as error:
                error.add_note(f"in sweep, at {named(task.label, split)}")
                for warning in dict.fromkeys(warnings):
                    error.add_note(f"after the warning: {warning}")
                raise
        # If layers are collected in groups, every group issues the same warnings; keep one of each.
        warned = tuple(dict.fromkeys(warnings))
        measured.append(Measured(task.label, split, result, samples, weights, warned, _stages(clock.seconds)))
        clock = StageClock()
    return measured


def samples_of(data: Any, options: Mapping[str, Any]) -> str:
    """Digest the samples that a sweep would take; the data set is read once."""
    from hpfunc._torch.digest import samples_digest
    from hpfunc._torch.options import check_options

    return samples_digest(data if is_factory(data) else lambda: data, check_options(options))


def is_factory(data: Any) -> bool:
    """Tell whether a value is a function that makes a data set, rather than a data set."""
    return isinstance(data, type) or (
        callable(data) and not hasattr(data, "__getitem__") and not hasattr(data, "__iter__")
    )


def _stages(seconds: Mapping[str, float]) -> dict[str, float]:
    """Return the seconds of each stage: trees are what the statistic takes beside the stages inside it."""
    inside = {stage: seconds.get(stage, 0.0) for stage in ("reduction", "exact distances")}
    before = {stage: seconds[stage] for stage in ("loading", "forward") if stage in seconds}
    return {**before, **inside, "trees": max(0.0, seconds["statistic"] - sum(inside.values()))}


def _measure(model: Any, data: Any, task: Task, split: str, clock: StageClock) -> tuple[xr.Dataset, str]:
    """Return the result on one data set, and a digest of which samples it saw; tell the clock each stage."""
    from hpfunc._torch.collect import Collection
    from hpfunc._torch.options import check_options

    collection = Collection(model, data, check_options(task.collecting))
    results, groups = [], collection.in_groups()
    while True:
        with clock("forward"):
            activations = next(groups, None)
        if activations is None:
            break
        with clock("statistic"):
            results.append(_measure_group(activations, with_groups(task.pairing, activations, split), clock))
        # The activations are freed before the next group is collected.
        del activations
    index = collection.samples.index
    taken = [collection.samples.labels.tolist(), None if index is None else index.tolist()]
    digest = hashlib.sha256(json.dumps(taken).encode()).hexdigest()
    return results[0] if len(results) == 1 else concat(results, "layer"), digest


def _measure_group(activations: xr.Dataset, options: Mapping[str, Any], clock: StageClock) -> xr.Dataset:
    """Measure some layers by the options of `hpfunc.pairwise_hp`, and tell the clock the stages of it."""
    names = ("metric", "graph", "k", "exact", "max_memory")
    groups = options.get("groups")
    return measure_layers(
        activations,
        None,
        GraphOptions(**{name: options[name] for name in names}, clock=clock),
        SampleOptions(None, options.get("folds"), options.get("repeats", 1), options.get("key"), groups is not None),
        pairs=options["pairs"],
        groups=groups,
    )
