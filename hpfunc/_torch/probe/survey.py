"""Plan the layers of a model from its first batch, and check that what was asked for is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import torch

from hpfunc._torch.nested import take_samples
from hpfunc._torch.observe.names import entries, is_glob, matches
from hpfunc._torch.observe.recorder import Record
from hpfunc._torch.probe.first import FirstBatch, Keep
from hpfunc._torch.probe.look import Probe, look, probe_batch
from hpfunc._torch.probe.plan import MIXED, PARTIAL, REORDERED, TABLE, UNDEFINED, UNPOOLED, LayerPlan, report_left_out
from hpfunc._torch.reduction import Form

__all__ = ["survey"]


def survey(
    record: Record,
    reset: Callable[[], None],
    inputs: Any,
    count: int,
    layers: Sequence[str] | None,
    form: Form,
    keep: Keep,
) -> list[LayerPlan]:
    """Run the first batch, of ``count`` samples, and return the plan of the requested layers in execution order.

    By default they are the calls inside which no other call gave rows of samples. A value that does not change with the
    batch (the table of a positional embedding) is no activation of samples, and is left out. ``keep`` receives the rows
    of each layer in the form in which they are stored; a later call for a layer replaces an earlier one.
    """

    def run(probe: Probe, axes: Mapping[str, list[int]]) -> FirstBatch:
        batch = FirstBatch(probe, count, layers, form, keep, axes)
        # The model may change its inputs in place, and they may be needed again.
        _check_output(record(take_samples(inputs, torch.arange(count, device="cpu"), count), batch.emit))
        batch.leave_out_unseen()
        return batch

    batch = run(probe_batch(record, reset, inputs, count), {})
    if batch.left_out(REORDERED) and count > 1 and len(batch.probe.index) > count:
        # A repeated sample changes what a model computes over its whole batch; another order of the same samples does
        # not.
        reset()
        batch = run(look(record, reset, inputs, count, count), batch.axes)
    _check_patterns(batch, layers)
    _check_planned(batch, layers)
    for reason in (MIXED, REORDERED, UNDEFINED, PARTIAL, UNPOOLED):
        report_left_out(batch.left_out(reason), reason)
    plan = [batch.plan[name] for name in batch.calls if name in batch.plan]
    form.check([layer.name for layer in plan])
    return plan


def _check_output(output: Any) -> None:
    if not list(entries("", output)):
        raise ValueError(
            f"the model returned a {type(output).__name__} that holds no tensors; pass forward=, a function "
            "(model, x) that runs it and returns tensors"
        )


def _check_patterns(batch: FirstBatch, layers: Sequence[str] | None) -> None:
    """Raise ValueError for a pattern that matches no call and no entry of what a call returned."""
    for pattern in layers or ():
        if not any(True for _ in _meant(batch, pattern)):
            ran = list(batch.calls)
            what = "matches none" if is_glob(pattern) else "is none"
            near = [] if is_glob(pattern) else get_close_matches(pattern, ran, n=1)
            meant = "".join(f"did you mean {name!r}? " for name in near)
            raise ValueError(
                f"layers: {pattern!r} {what} of the layers that ran and gave tensors; {meant}these did: "
                f"{', '.join(ran)}"
            )


def _check_planned(batch: FirstBatch, layers: Sequence[str] | None) -> None:
    """Raise ValueError if something that was asked for gives no rows."""
    for pattern in ["*"] if layers is None else layers:
        hits = list(_meant(batch, pattern))
        if any(name in batch.plan for name in hits):
            continue
        why = {batch.reasons[name] for name in hits if name in batch.reasons} - {MIXED, TABLE}
        shapes = ", ".join(f"{name} {batch.shapes[name]}" for name in hits)
        if why:
            raise ValueError(f"layers: {pattern!r} means tensors {', and '.join(sorted(why))} ({shapes})")
        raise ValueError(
            f"layers: {pattern!r} has no axis that counts the samples; for a batch of {batch.count} the shape is "
            f"{shapes}"
        )


def _meant(batch: FirstBatch, pattern: str) -> Iterator[str]:
    """Yield the tensors that a pattern matches, by their own name or that of their call."""
    return (name for name, call in batch.calls.items() if matches(pattern, (call, name)))
