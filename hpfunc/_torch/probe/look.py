"""Run a model on a batch in another order, sketch its values, and restore everything."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from hpfunc._torch.model.process import random_states, seed_all
from hpfunc._torch.nested import take_samples
from hpfunc._torch.observe.recorder import MASK, Record
from hpfunc._torch.probe.order import sketch
from hpfunc._torch.reduction import dense_entries

__all__ = ["Probe", "Sighting", "look", "probe_batch"]


@dataclasses.dataclass(frozen=True)
class Sighting:
    """Hold the shape of a tensor that the probe saw, and sketches of its rows along axes that may count samples."""

    call: str
    shape: torch.Size
    sketches: Mapping[int | None, torch.Tensor]


@dataclasses.dataclass(frozen=True)
class Probe:
    """Hold what a pass over the samples ``index`` saw, and whether the model drew random numbers."""

    index: torch.Tensor
    seen: dict[str, Sighting]
    random: bool


def probe_batch(record: Record, reset: Callable[[], None], inputs: Any, count: int) -> Probe:
    """Run one sample more in another order, or the same number where the model refuses more."""
    refused: list[Exception] = []
    for size in (count + 1, count):
        try:
            return look(record, reset, inputs, count, size)
        except Exception as error:
            refused.append(error)
    # A model that also fails on the unchanged batch raises its own error here.
    record(take_samples(inputs, torch.arange(count, device="cpu"), count), lambda call, value, inner: None)
    refused[-1].add_note(f"tried were the first {count} samples, {count + 1} of them, and {count} in another order")
    raise refused[-1]


def look(record: Record, reset: Callable[[], None], inputs: Any, count: int, size: int) -> Probe:
    """Record ``size`` of the ``count`` samples in another order, and put everything back."""
    index, seen = _shuffled(size) % count, {}

    def emit(call: str, value: Any, inner: Sequence[str]) -> None:
        for name, tensor in dense_entries(call, value) if call is not MASK else ():
            if tensor is None:
                seen[name] = Sighting(call, torch.Size(), {})
                continue
            axes: list[int | None] = [axis for axis, length in enumerate(tensor.shape) if length == size]
            seen[name] = Sighting(call, tensor.shape, {axis: sketch(tensor, axis) for axis in axes or [None]})

    try:
        # Draw other random numbers than the real pass will draw.
        seed_all(1)
        before = random_states()
        record(take_samples(inputs, index, count), emit)
        return Probe(index, seen, random_states() != before)
    finally:
        reset()


def _shuffled(count: int) -> torch.Tensor:
    """Return a fixed order of ``count`` samples that differs from 0, 1, ..."""
    order = torch.from_numpy(np.random.default_rng(0).permutation(count))
    return order.roll(1) if bool((order == torch.arange(count, device="cpu")).all()) else order
