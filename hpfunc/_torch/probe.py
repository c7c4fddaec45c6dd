"""Which layers a model has, and how large they are, from two small forward passes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import torch

from hpfunc._support.warn import warn
from hpfunc._torch.model.restore import random_state
from hpfunc._torch.observe.names import OUTPUT, entries, is_glob, matches
from hpfunc._torch.observe.recorder import Emit, Record
from hpfunc._torch.reduction import Form

__all__ = ["Layer", "survey"]

# Two sizes tell the axis that counts the samples from all others. Not 1: models that squeeze() lose it there.
_FEW, _MORE = 2, 3


@dataclasses.dataclass(frozen=True)
class Layer:
    """One variable of the result: a tensor in what a call returned, and the form of one stored sample."""

    name: str
    call: str
    axis: int
    shape: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device

    @property
    def nbytes(self) -> int:
        """Bytes of one sample."""
        return int(torch.Size(self.shape).numel()) * self.dtype.itemsize


@dataclasses.dataclass(frozen=True)
class _Found:
    """A tensor that the first pass met."""

    name: str
    call: str
    leaf: bool
    shape: torch.Size


def survey(record: Record, inputs: Any, layers: Sequence[str] | None, form: Form) -> list[Layer]:
    """The layers that are meant, in execution order, measured on a few samples of ``inputs``.

    By default they are the calls inside which no other module was called. A value that does not change with the
    size of the batch (the table of a positional embedding) is no activation of samples, and is left out.
    """
    found: dict[str, _Found] = {}
    measured: dict[str, Layer] = {}
    mixed: list[str] = []

    def find(call: str, value: Any, leaf: bool) -> None:
        for name, tensor in entries(call, value):
            found[name] = _Found(name, call, leaf, tensor.shape)

    def measure(call: str, value: Any, leaf: bool) -> None:
        for name, tensor in entries(call, value):
            if name in wanted:
                axis = _sample_axis(found[name].shape, tensor.shape)
                if axis is not None:
                    measured[name] = _layer(name, call, tensor, axis, form)
                elif tensor.shape != found[name].shape:
                    mixed.append(name)

    _check_output(_run(record, inputs, _FEW, find))
    wanted = _select(list(found.values()), layers)
    _run(record, inputs, _MORE, measure)
    _check_measured(found, measured, layers)
    if mixed:
        warn(
            f"left out: {', '.join(mixed[:5])}{', ...' if len(mixed) > 5 else ''} ({len(mixed)} in all), where no axis "
            "counts the samples alone; method= with a function can give one row for each sample"
        )
    plan = [measured[name] for name in found if name in measured]
    form.check([layer.name for layer in plan])
    return plan


def _check_measured(found: Mapping[str, _Found], measured: Mapping[str, Layer], layers: Sequence[str] | None) -> None:
    """Raise ValueError if something that was asked for gives no rows."""
    for pattern in ["*"] if layers is None else layers:
        hits = [one for one in found.values() if _is_meant(pattern, one)]
        if not any(one.name in measured for one in hits):
            shapes = ", ".join(f"{one.name} {tuple(one.shape)}" for one in hits)
            raise ValueError(
                f"layers: {pattern!r} has no axis that counts the samples; for a batch of {_FEW} the shape is {shapes}"
            )


def _run(record: Record, inputs: Any, size: int, emit: Emit) -> Any:
    """Record a few samples, drawing no random numbers that the collection would then lack."""
    with random_state():
        return record(_take(inputs, size), emit)


def _take(inputs: Any, size: int) -> Any:
    """The first ``size`` samples of a batch, from the start again where it has fewer; copied."""
    if isinstance(inputs, Mapping):
        return {name: _take(value, size) for name, value in inputs.items()}
    if isinstance(inputs, (tuple, list)):
        return tuple(_take(value, size) for value in inputs)
    if not isinstance(inputs, torch.Tensor):
        raise TypeError(f"data: x is a {type(inputs).__name__}; expected a tensor, or a tuple or dict of tensors")
    return inputs[torch.arange(size, device=inputs.device) % len(inputs)]


def _check_output(output: Any) -> None:
    if not list(entries("", output)):
        raise ValueError(
            f"the model returned a {type(output).__name__} that holds no tensors; pass forward=, a function "
            "(model, x) that runs it and returns tensors"
        )


def _select(found: Sequence[_Found], layers: Sequence[str] | None) -> set[str]:
    """The names of the tensors that are meant: each pattern means calls, or single entries of what they return."""
    if layers is None:
        return {one.name for one in found if one.leaf}
    wanted: set[str] = set()
    for pattern in layers:
        hits = {one.name for one in found if _is_meant(pattern, one)}
        if not hits:
            ran = [one.name for one in found]
            what = "matches none" if is_glob(pattern) else "is none"
            near = [] if is_glob(pattern) else get_close_matches(pattern, ran, n=1)
            meant = "".join(f"did you mean {name!r}? " for name in near)
            raise ValueError(
                f"layers: {pattern!r} {what} of the layers that ran and gave tensors; {meant}these did: "
                f"{', '.join(ran)}"
            )
        wanted |= hits
    return wanted


def _is_meant(pattern: str, one: _Found) -> bool:
    """A glob means no output of the whole model: as a rule that is the last layer's."""
    return matches(pattern, (one.call, one.name)) and (pattern == OUTPUT or one.call != OUTPUT or one.leaf)


def _sample_axis(few: torch.Size, more: torch.Size) -> int | None:
    """The one axis along which the two passes differ, if it is as long as their batches."""
    if len(few) != len(more):
        return None
    differing = [axis for axis in range(len(few)) if few[axis] != more[axis]]
    if len(differing) == 1 and (few[differing[0]], more[differing[0]]) == (_FEW, _MORE):
        return differing[0]
    return None


def _layer(name: str, call: str, tensor: torch.Tensor, axis: int, form: Form) -> Layer:
    rows = form.rows(name, tensor, axis)
    return Layer(name, call, axis, tuple(rows.shape[1:]), form.stored_dtype(rows.dtype), rows.device)
