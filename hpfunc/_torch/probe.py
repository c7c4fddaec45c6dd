"""Find out which layers a model has, where in them the samples are, and how large they are, from two passes or three.

The first pass runs the first batch as it is, and never fewer samples: models squeeze a batch of one, and some have a
batch size built in. The second pass runs one sample more, in another order. So the axis that grows is the axis of the
samples, and rows that do not move with their samples show. A model that refuses one sample more is given the same
number in another order. The passes leave no trace: each begins where the first began.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
import torch

from hpfunc._support.warn import warn
from hpfunc._torch.model.process import random_states, run_alone, seed_all
from hpfunc._torch.nested import leaves, map_leaves, members
from hpfunc._torch.observe.names import OUTPUT, entries, is_glob, matches
from hpfunc._torch.observe.recorder import MASK, Emit, Record
from hpfunc._torch.order import follows, sample_axes, sketch
from hpfunc._torch.reduction import Form, dense_entries

__all__ = ["LayerPlan", "report_left_out", "survey"]

# Why a tensor is left out, in the words of the warning. A table has no rows of samples, and is passed over in silence.
_TABLE = "table"
MIXED = "where no axis counts the samples alone; method= with a function can give one row for each sample"
REORDERED = (
    "whose rows do not stand in the order of the samples, because the model reorders or mixes its batch inside; "
    "method= with a function can give the rows in the order of the samples"
)
UNDEFINED = "whose dtype or layout has no dense values (nested, masked or packed tensors)"
PARTIAL = "which do not run for every batch, or give rows for some samples only"


@dataclasses.dataclass(frozen=True)
class LayerPlan:
    """One variable of the result: a tensor in what a call returned, and the form of one stored sample."""

    name: str
    call: str
    axis: int
    shape: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device

    @property
    def nbytes(self) -> int:
        """Count the bytes of one sample."""
        return int(torch.Size(self.shape).numel()) * self.dtype.itemsize


@dataclasses.dataclass(frozen=True)
class _Seen:
    """A tensor that the first pass met: its shape, and a sketch of its rows along each axis that may count samples."""

    name: str
    call: str
    shape: torch.Size
    sketches: Mapping[int | None, torch.Tensor]


def survey(
    record: Record, reset: Callable[[], None], inputs: Any, count: int, layers: Sequence[str] | None, form: Form
) -> list[LayerPlan]:
    """Return the layers that are meant, in execution order, measured on a batch of ``count`` samples.

    By default they are the calls inside which no other call gave rows of samples. A value that does not change with
    the batch (the table of a positional embedding) is no activation of samples, and is left out.
    """
    first = _First(count)
    output, random = _run(record, reset, _take(inputs, torch.arange(count), count), first.emit)
    _check_output(output)
    _check_patterns(list(first.seen.values()), layers)
    second = _second_pass(record, reset, inputs, first, layers, form, random)
    plan = [second.plan[name] for name in first.seen if name in second.plan]
    _check_planned(first, second, layers)
    for reason in (MIXED, REORDERED, UNDEFINED, PARTIAL):
        report_left_out(second.left_out(reason), reason)
    form.check([layer.name for layer in plan])
    return plan


def report_left_out(names: Sequence[str], reason: str) -> None:
    """Warn of layers that are left out, if there are any."""
    if names:
        warn(f"left out: {', '.join(names[:5])}{', ...' if len(names) > 5 else ''} ({len(names)} in all), {reason}")


class _First:
    """What the first pass meets."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.seen: dict[str, _Seen] = {}

    def emit(self, call: str, value: Any, inner: Sequence[str]) -> None:
        """Note the shapes, and some values, of what a call returned."""
        for name, tensor in dense_entries(call, value) if call is not MASK else ():
            if tensor is None:
                self.seen[name] = _Seen(name, call, torch.Size(), {})
                continue
            axes: list[int | None] = [axis for axis, size in enumerate(tensor.shape) if size == self.count]
            sketches = {axis: sketch(tensor, axis) for axis in axes or [None]}
            self.seen[name] = _Seen(name, call, tensor.shape, sketches)


class _Second:
    """What a pass over the samples ``index`` meets: the plan of the layers that are meant, and what is left out."""

    def __init__(
        self, first: _First, index: torch.Tensor, layers: Sequence[str] | None, form: Form, random: bool
    ) -> None:
        self.first, self.index = first, index
        self.plan: dict[str, LayerPlan] = {}
        self.reasons: dict[str, str] = {}
        # The axes that grew in a pass of more samples, where there was one.
        self.axes: dict[str, list[int]] = {}
        self._layers, self._form, self._random = layers, form, random
        # Whether a call, or a call inside it, gave rows of samples or something that is left out aloud.
        self._counts: dict[str, bool] = {}
        self._mask: torch.Tensor | None = None

    def emit(self, call: str, value: Any, inner: Sequence[str]) -> None:
        """Plan the tensors in what a call returned, or note why they are left out."""
        if call is MASK:
            self._mask = value
            return
        leaf = not any(self._counts.get(name, False) for name in inner)
        self._counts[call] = not leaf
        for name, tensor in dense_entries(call, value):
            seen = self.first.seen.get(name)
            if seen is None:
                continue
            found = UNDEFINED if tensor is None else self._judge(seen, tensor)
            self._counts[call] |= found != _TABLE
            if not _is_wanted(seen, leaf, self._layers):
                continue
            # A snapshot may give the input once more, as the model sees it.
            self.reasons.pop(name, None)
            if isinstance(found, str):
                self.reasons[name] = found
            elif tensor is not None:
                rows = self._form.rows(name, tensor, found, self._mask)
                kept = self._form.stored_dtype(rows.dtype)
                self.plan[name] = LayerPlan(name, call, found, tuple(rows.shape[1:]), kept, rows.device)

    def left_out(self, reason: str) -> list[str]:
        """List the tensors that are left out for a reason."""
        return [name for name, why in self.reasons.items() if why == reason]

    def leave_out_unseen(self) -> None:
        """Leave out what only the first pass met."""
        for name, seen in self.first.seen.items():
            if seen.call not in self._counts and _is_wanted(seen, True, self._layers):
                self.reasons[name] = PARTIAL

    def _judge(self, seen: _Seen, tensor: torch.Tensor) -> int | str:
        """Return the axis of a tensor that counts the samples, or why there is none."""
        axes = self.axes.setdefault(seen.name, sample_axes(seen.shape, tensor.shape, self.first.count, len(self.index)))
        verdicts = [
            (axis, follows(seen.sketches[axis], sketch(tensor, axis), self.index, tensor.dtype, random=self._random))
            for axis in axes
        ]
        for wanted in (True, None):
            for axis, verdict in verdicts:
                if verdict is wanted:
                    return axis
        if axes:
            return REORDERED
        # What has the same shape and no rows, such as the mean of a batch, is nothing of its samples.
        unchanged = tensor.shape == seen.shape and (tensor.ndim < 2 or self._is_unchanged(seen, tensor))
        return _TABLE if unchanged else MIXED

    def _is_unchanged(self, seen: _Seen, tensor: torch.Tensor) -> bool:
        """Tell whether both passes gave the same values in the same places."""
        return all(torch.equal(values, sketch(tensor, axis)) for axis, values in seen.sketches.items())


def _second_pass(
    record: Record,
    reset: Callable[[], None],
    inputs: Any,
    first: _First,
    layers: Sequence[str] | None,
    form: Form,
    random: bool,
) -> _Second:
    """Run one sample more in another order, or the same samples where the model refuses more or doubt remains."""
    count = first.count

    def run(index: torch.Tensor, axes: Mapping[str, list[int]]) -> _Second:
        second = _Second(first, index, layers, form, random)
        second.axes |= axes
        _run(record, reset, _take(inputs, index, count), second.emit, seed=1)
        second.leave_out_unseen()
        return second

    try:
        grown = run(_shuffled(count + 1) % count, {})
    except Exception:
        try:
            return run(_shuffled(count), {})
        except Exception as error:
            error.add_note(f"tried were the first {count} samples, {count + 1} of them, and {count} in another order")
            raise
    # A sample that comes twice changes what a model takes from its whole batch; the same samples alone do not.
    return run(_shuffled(count), grown.axes) if grown.left_out(REORDERED) and count > 1 else grown


def _shuffled(count: int) -> torch.Tensor:
    """Return an order of so many samples, always the same, that is not their own."""
    order = torch.from_numpy(np.random.default_rng(0).permutation(count))
    return order.roll(1) if bool((order == torch.arange(count, device="cpu")).all()) else order


def _run(
    record: Record, reset: Callable[[], None], inputs: Any, emit: Emit, *, seed: int | None = None
) -> tuple[Any, bool]:
    """Record a batch, and tell whether random numbers were drawn; leave the model and the generators as they were."""

    def work() -> tuple[Any, bool]:
        if seed is not None:
            seed_all(seed)
        before = random_states()
        return record(inputs, emit), random_states() != before

    try:
        return run_alone(work)
    finally:
        reset()


def _take(inputs: Any, index: torch.Tensor, count: int) -> Any:
    """Return the samples ``index`` of a batch of ``count``, copied; what is no batch stays as it is."""
    if (
        isinstance(inputs, (list, tuple))
        and len(inputs) == count
        and not any(_counts(x, count) for x in leaves(inputs))
    ):
        # A list of one entry for each sample: texts, or images of different sizes.
        return type(inputs)(inputs[k] for k in index.tolist())
    if isinstance(inputs, Mapping):
        return {name: _take(value, index, count) for name, value in inputs.items()}
    if members(inputs) is not None:
        return map_leaves(lambda leaf: _take(leaf, index, count), inputs)
    if isinstance(inputs, torch.Tensor):
        return inputs[index.to(inputs.device)] if _counts(inputs, count) else inputs.clone()
    return inputs[index.numpy()] if _counts(inputs, count) else inputs


def _counts(leaf: Any, count: int) -> bool:
    """Tell whether the first axis of a tensor or array is as long as the batch."""
    return isinstance(leaf, (torch.Tensor, np.ndarray)) and leaf.ndim > 0 and len(leaf) == count


def _check_output(output: Any) -> None:
    if not list(entries("", output)):
        raise ValueError(
            f"the model returned a {type(output).__name__} that holds no tensors; pass forward=, a function "
            "(model, x) that runs it and returns tensors"
        )


def _check_patterns(found: Sequence[_Seen], layers: Sequence[str] | None) -> None:
    """Raise ValueError for a pattern that means no call and no entry of what a call returned."""
    for pattern in layers or ():
        if not any(matches(pattern, (seen.call, seen.name)) for seen in found):
            ran = [seen.name for seen in found]
            what = "matches none" if is_glob(pattern) else "is none"
            near = [] if is_glob(pattern) else get_close_matches(pattern, ran, n=1)
            meant = "".join(f"did you mean {name!r}? " for name in near)
            raise ValueError(
                f"layers: {pattern!r} {what} of the layers that ran and gave tensors; {meant}these did: "
                f"{', '.join(ran)}"
            )


def _check_planned(first: _First, second: _Second, layers: Sequence[str] | None) -> None:
    """Raise ValueError if something that was asked for gives no rows."""
    for pattern in ["*"] if layers is None else layers:
        hits = [seen for seen in first.seen.values() if matches(pattern, (seen.call, seen.name))]
        if any(seen.name in second.plan for seen in hits):
            continue
        why = {second.reasons[seen.name] for seen in hits if seen.name in second.reasons} - {MIXED, _TABLE}
        shapes = ", ".join(f"{seen.name} {tuple(seen.shape)}" for seen in hits)
        if why:
            raise ValueError(f"layers: {pattern!r} means tensors {', and '.join(sorted(why))} ({shapes})")
        raise ValueError(
            f"layers: {pattern!r} has no axis that counts the samples; for a batch of {first.count} the shape is "
            f"{shapes}"
        )


def _is_wanted(seen: _Seen, leaf: bool, layers: Sequence[str] | None) -> bool:
    """Tell whether a tensor is meant. A glob means no output of the whole model: as a rule that is the last layer's."""
    if layers is None:
        return leaf
    return any(
        matches(pattern, (seen.call, seen.name)) and (pattern == OUTPUT or seen.call != OUTPUT or leaf)
        for pattern in layers
    )
