"""Compare the first real batch with the probe, and keep its rows on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from hpfunc._torch.observe.names import OUTPUT, matches
from hpfunc._torch.observe.recorder import MASK
from hpfunc._torch.probe.look import Probe, Sighting
from hpfunc._torch.probe.order import follows, sample_axes, sketch
from hpfunc._torch.probe.plan import MIXED, PARTIAL, REORDERED, TABLE, UNDEFINED, UNPOOLED, LayerPlan
from hpfunc._torch.reduction import Form, NotPooledError, dense_entries

__all__ = ["FirstBatch", "Keep"]

# A function that is given the plan of a layer and its rows in the batch.
Keep = Callable[[LayerPlan, torch.Tensor], None]


class FirstBatch:
    """Compare the first real batch with the probe: keep the layers that were asked for, note what is left out.

    Each attribute is a mapping from the name of a tensor: ``calls`` to its call, ``shapes`` to its shape, ``plan`` to
    its plan, ``reasons`` to why it is left out, and ``axes`` to the axes that may count the samples.
    """

    def __init__(
        self,
        probe: Probe,
        count: int,
        layers: Sequence[str] | None,
        form: Form,
        keep: Keep,
        axes: Mapping[str, list[int]],
    ) -> None:
        self.probe, self.count, self.axes = probe, count, dict(axes)
        self.calls: dict[str, str] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.plan: dict[str, LayerPlan] = {}
        self.reasons: dict[str, str] = {}
        self._layers, self._form, self._keep = layers, form, keep
        # For each call: whether it, or a call inside it, gave rows of samples or a tensor that a warning names.
        self._counts: dict[str, bool] = {}
        self._mask: torch.Tensor | None = None

    def emit(self, call: str, value: Any, inner: Sequence[str]) -> None:
        """Keep the tensors in what a call returned, or note why they are left out."""
        if call is MASK:
            self._mask = value
            return
        leaf = not any(self._counts.get(name, False) for name in inner)
        self._counts[call] = not leaf
        for name, tensor in dense_entries(call, value):
            self.calls[name], self.shapes[name] = call, () if tensor is None else tuple(tensor.shape)
            found = UNDEFINED if tensor is None else self._judge(name, tensor)
            self._counts[call] |= found not in (TABLE, PARTIAL)
            if _is_wanted(name, call, leaf, self._layers):
                # A snapshot may give the input once more, as the model sees it: the last counts.
                self.plan.pop(name, None)
                self.reasons.pop(name, None)
                if tensor is None or isinstance(found, str):
                    self.reasons[name] = str(found)
                else:
                    self._plan(name, tensor, found)

    def left_out(self, reason: str) -> list[str]:
        """List the tensors that are left out for a reason."""
        return [name for name, why in self.reasons.items() if why == reason]

    def leave_out_unseen(self) -> None:
        """Leave out what only the probe saw."""
        for name, seen in self.probe.seen.items():
            if seen.call not in self._counts and _is_wanted(name, seen.call, True, self._layers):
                self.calls[name], self.shapes[name] = seen.call, tuple(seen.shape)
                self.reasons[name] = PARTIAL

    def _plan(self, name: str, tensor: torch.Tensor, axis: int) -> None:
        """Plan a tensor whose samples are counted by an axis, and keep its rows."""
        try:
            rows = self._form.rows(name, tensor, axis, self._mask)
        except NotPooledError:
            self.reasons[name] = UNPOOLED
            return
        dtype = self._form.stored_dtype(rows.dtype)
        self.plan[name] = LayerPlan(name, self.calls[name], axis, tuple(rows.shape[1:]), dtype, rows.device)
        self._keep(self.plan[name], rows)

    def _judge(self, name: str, tensor: torch.Tensor) -> int | str:
        """Return the axis of a tensor that counts the samples, or why there is none."""
        seen, index = self.probe.seen.get(name), self.probe.index
        if seen is None:
            return PARTIAL
        axes = self.axes.setdefault(name, sample_axes(tensor.shape, seen.shape, self.count, len(index)))
        verdicts = []
        for axis in axes:
            there = seen.sketches.get(axis)
            same = there is not None and follows(
                sketch(tensor, axis), there, index, tensor.dtype, random=self.probe.random
            )
            verdicts.append((axis, same))
        for wanted in (True, None):
            for axis, verdict in verdicts:
                if verdict is wanted:
                    return axis
        if axes:
            return REORDERED
        # A tensor that keeps its shape when the batch grows, such as the mean of a batch, holds no rows of samples.
        unchanged = tensor.shape == seen.shape and (tensor.ndim < 2 or _is_unchanged(seen, tensor))
        return TABLE if unchanged else MIXED


def _is_unchanged(seen: Sighting, tensor: torch.Tensor) -> bool:
    """Tell whether a tensor has the values that the probe saw, in the same places."""
    return all(torch.equal(values, sketch(tensor, axis)) for axis, values in seen.sketches.items())


def _is_wanted(name: str, call: str, leaf: bool, layers: Sequence[str] | None) -> bool:
    """Tell whether a tensor was asked for.

    A glob matches the output of the whole model only by that name, since it is usually the output of the last layer.
    """
    if layers is None:
        return leaf
    return any(
        matches(pattern, (call, name)) and (pattern.startswith(OUTPUT) or call != OUTPUT or leaf) for pattern in layers
    )
