"""The way from a model and a data set to filled rows."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch

from hpfunc._support.progress import ProgressBar
from hpfunc._torch.buffers import Rows
from hpfunc._torch.data.selection import ChosenSamples, SampleBatch
from hpfunc._torch.model.device import as_device, device_of, dtype_of, moved, on_device
from hpfunc._torch.model.restore import as_it_was, unwrap
from hpfunc._torch.observe.fx import traced
from hpfunc._torch.observe.hooks import hooked
from hpfunc._torch.observe.names import INPUT, entries
from hpfunc._torch.observe.recorder import Emit, Forward, Record, plain_forward
from hpfunc._torch.observe.snapshot import called, snapshots
from hpfunc._torch.probe import Layer, survey
from hpfunc._torch.reduction import Form

__all__ = ["collect_rows", "layer_sizes", "observed"]


@contextlib.contextmanager
def observed(
    model: Any, *, method: Any = "hooks", forward: Forward | None = None, device: Any = None
) -> Iterator[Record]:
    """A recorder for the model, which leaves this context as it was.

    The recorder brings the inputs to the model's device, and emits them before a layer can change them in place.
    """
    module = unwrap(model)
    place = device_of(module) if device is None else as_device(device)
    dtype = dtype_of(module)
    if not callable(method):
        module = on_device(module, place)
    with as_it_was(module), _recorder(module, method, forward) as run:

        def record(inputs: Any, emit: Emit) -> Any:
            inputs = moved(inputs, place, dtype)
            with _telling_where(inputs, emit) as tracked:
                tracked(INPUT, inputs, True)
                return run(inputs, tracked)

        yield record


@contextlib.contextmanager
def _telling_where(inputs: Any, emit: Emit) -> Iterator[Emit]:
    """Add to an error of the model what it was given, and how far it came."""
    last = INPUT

    def tracked(call: str, value: Any, leaf: bool) -> None:
        nonlocal last
        last = call
        emit(call, value, leaf)

    try:
        yield tracked
    except Exception as error:
        shapes = ", ".join(str(tuple(tensor.shape)) for _, tensor in entries("", inputs))
        error.add_note(f"while the model ran on a batch of shape {shapes}; the last layer seen was {last!r}")
        raise


def _recorder(module: Any, method: Any, forward: Forward | None) -> AbstractContextManager[Record]:
    if method == "hooks":
        return hooked(module, forward or plain_forward)
    if forward is not None:
        raise ValueError(f'forward= goes with method="hooks" only, and method is {method!r}')
    if method == "fx":
        return traced(module)
    return snapshots(module) if method == "snapshot" else called(method)


def layer_sizes(record: Record, chosen: ChosenSamples, layers: Sequence[str] | None, form: Form) -> dict[str, int]:
    """Bytes that each layer would take for all chosen samples, measured on a few of them."""
    few = next(chosen.batches()).inputs
    return {layer.name: layer.nbytes * len(chosen.labels) for layer in survey(record, few, layers, form)}


def collect_rows(
    record: Record,
    chosen: ChosenSamples,
    *,
    layers: Sequence[str] | None,
    form: Form,
    store: str,
    max_memory: int | None,
    progress: bool,
) -> dict[str, torch.Tensor]:
    """One tensor for each layer, a row for each chosen sample; ``store="device"`` keeps them where they arise."""
    batches = chosen.batches()
    first = next(batches)
    plan = survey(record, first.inputs, layers, form)
    rows = Rows(plan, len(chosen.labels), torch.device("cpu") if store == "cpu" else None, max_memory)
    both = itertools.chain([first], batches)
    # Not held while the next one is loaded.
    del first
    with ProgressBar(progress, "activations", total=len(chosen.labels)) as bar:
        for batch in both:
            _fill(rows, plan, form, record, batch)
            bar.update(len(batch.rows))
            del batch
    return rows.tensors


def _fill(rows: Rows, plan: Sequence[Layer], form: Form, record: Record, batch: SampleBatch) -> None:
    """Run the model on a batch, and copy what is wanted of it."""
    by_name = {layer.name: layer for layer in plan}
    calls = {layer.call for layer in plan}
    missing = set(by_name)

    def keep(call: str, value: Any, leaf: bool) -> None:
        for name, tensor in entries(call, value) if call in calls else ():
            if name in by_name:
                rows.write(name, form.rows(name, tensor, by_name[name].axis), batch.rows)
                missing.discard(name)

    record(batch.inputs, keep)
    if missing:
        raise ValueError(
            f"layers: {', '.join(layer for layer in by_name if layer in missing)} ran for the first samples but not "
            "for every batch; name layers that run for every sample"
        )
