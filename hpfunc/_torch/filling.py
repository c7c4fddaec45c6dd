"""Fill the rows of layers batch by batch, and leave out layers that are not the same in every batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from hpfunc._torch.buffers import Rows
from hpfunc._torch.data.selection import SampleBatch
from hpfunc._torch.observe.recorder import MASK, Record
from hpfunc._torch.options import CollectOptions
from hpfunc._torch.probe import PARTIAL, UNPOOLED, VARYING, LayerPlan, report_left_out
from hpfunc._torch.reduction import NotPooledError, dense_entries

__all__ = ["Filling", "FirstRows"]

_REMEDY = "name layers that are the same in every batch; layers=None leaves out the others with a warning"


class FirstRows:
    """Keep the rows of each layer in the first batch, until a layer does not fit in memory beside those before it."""

    def __init__(
        self,
        places: np.ndarray[Any, Any],
        count: int,
        store: torch.device | None,
        room: Callable[[torch.device], float],
    ) -> None:
        self.rows, self.count = Rows(count, store), len(places)
        self._places, self._total, self._store, self._room = places, count, store, room
        self._plans: dict[str, LayerPlan] = {}
        self._full = False

    def keep(self, layer: LayerPlan, values: torch.Tensor) -> None:
        """Copy the rows of a layer; a later call replaces an earlier one."""
        self._plans[layer.name] = layer
        needed = sum(plan.nbytes for plan in self._plans.values()) * self._total
        self._full = self._full or needed > self._room(self._store or layer.device)
        if not self._full:
            # In a batch that was filled up, its own samples come first.
            self.rows.write(layer, values[: len(self._places)], self._places)

    def taken_for(self, layers: Sequence[LayerPlan], store: torch.device | None) -> FirstRows | None:
        """Keep the rows of these layers alone and return self, or None unless all are held on the right device."""
        tensors = {layer.name: self.rows.tensors.get(layer.name) for layer in layers}
        for layer in layers:
            tensor = tensors[layer.name]
            if tensor is None or tensor.shape[1:] != layer.shape or tensor.device != (store or layer.device):
                self.rows.tensors.clear()
                return None
        self.rows.tensors = {name: tensor for name, tensor in tensors.items() if tensor is not None}
        return self


class Filling:
    """Fill the rows of layers batch by batch, and leave out layers that are not the same in every batch."""

    def __init__(self, layers: Sequence[LayerPlan], rows: Rows, options: CollectOptions) -> None:
        self._layers = {layer.name: layer for layer in layers}
        self._calls = {layer.call for layer in layers}
        self._rows, self._options = rows, options
        self._left_out: dict[str, str] = {}
        self._found: dict[str, tuple[int, ...]] = {}

    def fill(self, record: Record, batch: SampleBatch) -> None:
        """Run the model on a batch, and copy the rows of the wanted layers."""
        # The reason why a layer has no rows in this batch: it did not run, until another reason is found.
        reasons = dict.fromkeys(self._layers, PARTIAL)
        mask: torch.Tensor | None = None

        def keep(call: str, value: Any, inner: Sequence[str]) -> None:
            nonlocal mask
            if call is MASK:
                mask = value
            for name, tensor in dense_entries(call, value) if call in self._calls else ():
                layer = self._layers.get(name)
                # A value whose number of rows is not that of the batch counts as missing.
                if layer is None or tensor is None or tensor.ndim <= layer.axis:
                    continue
                if tensor.shape[layer.axis] == batch.count:
                    reasons[name] = self._write(layer, tensor, mask, batch.rows)

        record(batch.filled(), keep)
        for name, reason in reasons.items():
            if reason:
                self._drop(name, reason)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the rows of all layers that were the same in every batch, and warn of the others."""
        for reason in (PARTIAL, VARYING, UNPOOLED):
            report_left_out([name for name, why in self._left_out.items() if why == reason], reason)
        return self._rows.tensors

    def _write(
        self, layer: LayerPlan, value: torch.Tensor, mask: torch.Tensor | None, rows: np.ndarray[Any, Any]
    ) -> str:
        """Write the rows of a layer; return an empty text, or the reason why they cannot be written."""
        try:
            values = self._options.form.rows(layer.name, value, layer.axis, mask)
        except NotPooledError:
            return UNPOOLED
        if tuple(values.shape[1:]) != layer.shape:
            self._found[layer.name] = tuple(values.shape[1:])
            return VARYING
        self._rows.write(layer, values[: len(rows)], rows)
        return ""

    def _drop(self, name: str, reason: str) -> None:
        """Forget a layer, or raise ValueError if it was asked for by its name or no other is left."""
        layer = self._layers.pop(name)
        asked = self._options.layers or ()
        if name in asked or layer.call in asked or len(self._layers) == 0:
            shapes = ""
            if reason == VARYING:
                shapes = f" (a sample has the shape {self._found[name]} here, and {layer.shape} in the first batch)"
            raise ValueError(f"layers: {name!r} is one of the layers {reason}{shapes}; {_REMEDY}")
        self._rows.tensors.pop(name, None)
        self._left_out[name] = reason
