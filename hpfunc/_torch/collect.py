"""The way from a model and a data set to the activations of all its layers, together or in groups."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import torch
import xarray as xr

from hpfunc._support.memory import free_device_bytes, max_bytes
from hpfunc._support.progress import ProgressBar
from hpfunc._support.warn import warn
from hpfunc._torch.buffers import Rows, as_dataset, check_fits, split_layers, why_not_shared
from hpfunc._torch.data.selection import ChosenSamples, SampleBatch, choose_samples
from hpfunc._torch.model.device import as_device, device_of, dtype_of, moved, on_device
from hpfunc._torch.model.restore import run_unchanged, unwrap
from hpfunc._torch.observe.fx import traced
from hpfunc._torch.observe.hooks import hooked
from hpfunc._torch.observe.names import INPUT, entries
from hpfunc._torch.observe.recorder import MASK, Emit, Record, mask_in, plain_forward
from hpfunc._torch.observe.snapshot import called, snapshots
from hpfunc._torch.options import CollectOptions
from hpfunc._torch.probe import PARTIAL, LayerPlan, report_left_out, survey
from hpfunc._torch.reduction import dense_entries

__all__ = ["Collection", "choose"]

Result = TypeVar("Result")


class Collection:
    """What a model gives for chosen samples of a data set: the samples, the plan of its layers, and their values.

    The samples are chosen and the layers measured once, however many groups of layers are then collected.
    """

    samples: ChosenSamples
    plan: list[LayerPlan]

    def __init__(self, model: Any, data: Any, options: CollectOptions, *, progress: bool = False) -> None:
        self._model, self._data, self._options, self._progress = model, data, options, progress

    def whole(self) -> xr.Dataset:
        """Collect all layers; raise ValueError if they do not fit, or cannot be shared from where they arise."""
        return next(self._groups(lambda: None))

    def in_groups(self) -> Iterator[xr.Dataset]:
        """Collect the layers in groups that fit in ``max_memory``, by default in half of what is free.

        Layers of a device whose arrays cannot be shared are brought to the host, with a warning.
        """
        return self._groups(self._group_bytes, move_to_host=True)

    def _groups(self, group_bytes: Callable[[], int | None], *, move_to_host: bool = False) -> Iterator[xr.Dataset]:
        """Choose, measure and collect the first group in one go, then each further group."""

        def begin(record: Record, reset: Callable[[], None]) -> tuple[list[list[LayerPlan]], xr.Dataset]:
            self.samples = choose(self._data, self._options)
            batches = self.samples.batches()
            # In a list, from which it is taken: it is not held while the next batch is loaded.
            first = [next(batches)]
            self.plan = survey(
                record, reset, first[0].inputs, len(first[0].rows), self._options.layers, self._options.form
            )
            self._store = self._where_to_store(move_to_host)
            most = group_bytes()
            groups = [self.plan] if most is None else split_layers(self.plan, len(self.samples.labels), most)
            return groups, self._collect(record, groups[0], _chained(first, batches))

        groups, activations = self._observe(begin)
        yield activations
        for group in groups[1:]:
            del activations
            activations = self._observe(self._go_on_with(group))
            yield activations

    def _go_on_with(self, layers: Sequence[LayerPlan]) -> Callable[[Record, Callable[[], None]], xr.Dataset]:
        """Return work that collects a further group of layers."""
        return lambda record, reset: self._collect(record, layers, self.samples.batches())

    def _observe(self, work: Callable[[Record, Callable[[], None]], Result]) -> Result:
        options = self._options
        return observe(self._model, work, method=options.method, forward=options.forward, device=options.device)

    def _where_to_store(self, move_to_host: bool) -> torch.device | None:
        """Return the host, or None for wherever each layer arises; raise ValueError if arrays cannot be had there."""
        why = None if self._options.store == "cpu" else why_not_shared(self.plan)
        if why is not None and not move_to_host:
            raise ValueError(f'store="device": {why}; here: pass store="cpu"')
        if why is not None:
            warn(f"layers are brought to the host: {why}")
        return torch.device("cpu") if why is not None or self._options.store == "cpu" else None

    def _group_bytes(self) -> int:
        """Return how many bytes a group of layers may take."""
        if self._options.max_bytes is not None:
            return self._options.max_bytes
        devices = {self._store or layer.device for layer in self.plan}
        return min(
            free_device_bytes(device.index) // 2 if device.type == "cuda" else max_bytes(None) for device in devices
        )

    def _collect(self, record: Record, layers: Sequence[LayerPlan], batches: Iterable[SampleBatch]) -> xr.Dataset:
        """Run the model over batches, and keep the rows of some layers."""
        count = len(self.samples.labels)
        check_fits(layers, count, self._store, self._options.max_bytes)
        filling = _Filling(layers, Rows(layers, count, self._store), self._options)
        with ProgressBar(self._progress, "activations", total=count) as bar:
            for batch in batches:
                filling.fill(record, batch)
                bar.update(len(batch.rows))
                # Not held while the next batch is loaded.
                del batch
        return as_dataset(filling.tensors(), self.samples.labels, self.samples.index)


def choose(data: Any, options: CollectOptions) -> ChosenSamples:
    """Choose the samples that the options mean."""
    return choose_samples(
        data,
        classes=options.classes,
        per_class=options.samples_per_class,
        key=options.key,
        batch_size=options.batch_size,
        label=options.label,
    )


def observe(
    model: Any,
    work: Callable[[Record, Callable[[], None]], Result],
    *,
    method: Any,
    forward: Callable[[Any, Any], Any] | None,
    device: Any,
) -> Result:
    """Give ``work`` a recorder for the model, and return its result; leave the model as it was.

    The recorder brings the inputs to the model's device, and emits them before a layer can change them in place.
    ``work`` is also given a function that puts the model back to where it stood when the work began.
    """
    module = unwrap(model)
    place = device_of(module) if device is None else as_device(device)
    dtype = dtype_of(module)
    if not callable(method):
        module = on_device(module, place)

    def inside(mark: Callable[[], Callable[[], None]]) -> Result:
        run = _recorder(module, method, forward)

        def record(inputs: Any, emit: Emit) -> Any:
            inputs = moved(inputs, place, dtype)
            tracked = _Tracked(emit)
            try:
                tracked(MASK, mask_in(inputs), ())
                tracked(INPUT, inputs, ())
                return run(inputs, tracked)
            except Exception as error:
                shapes = ", ".join(str(tuple(tensor.shape)) for _, tensor in entries("", inputs))
                error.add_note(
                    f"while the model ran on a batch of shape {shapes}; the last layer seen was {tracked.last!r}"
                )
                raise

        return work(record, mark())

    return run_unchanged(module, inside)


class _Tracked:
    """Pass on what is emitted, and remember the last call: it goes into the note of an error."""

    def __init__(self, emit: Emit) -> None:
        self._emit, self.last = emit, INPUT

    def __call__(self, call: str, value: Any, inner: Sequence[str]) -> None:
        if call is not MASK:
            self.last = call
        self._emit(call, value, inner)


def _recorder(module: Any, method: Any, forward: Callable[[Any, Any], Any] | None) -> Record:
    if method == "hooks":
        return hooked(module, forward or plain_forward)
    if method == "fx":
        return traced(module)
    return snapshots(module) if method == "snapshot" else called(method)


class _Filling:
    """Fill the rows of layers batch by batch, and drop what not every batch gives."""

    def __init__(self, layers: Sequence[LayerPlan], rows: Rows, options: CollectOptions) -> None:
        self._layers = {layer.name: layer for layer in layers}
        self._calls = {layer.call for layer in layers}
        self._rows, self._options = rows, options
        self._partial: list[str] = []

    def fill(self, record: Record, batch: SampleBatch) -> None:
        """Run the model on a batch, and copy what is wanted of it."""
        missing = set(self._layers)
        mask: torch.Tensor | None = None

        def keep(call: str, value: Any, inner: Sequence[str]) -> None:
            nonlocal mask
            if call is MASK:
                mask = value
            for name, tensor in dense_entries(call, value) if call in self._calls else ():
                layer = self._layers.get(name)
                # A value of other rows than the batch's is counted as missing.
                if layer is None or tensor is None or tensor.ndim <= layer.axis:
                    continue
                if tensor.shape[layer.axis] == len(batch.rows):
                    self._rows.write(name, self._options.form.rows(name, tensor, layer.axis, mask), batch.rows)
                    missing.discard(name)

        record(batch.inputs, keep)
        for name in [name for name in self._layers if name in missing]:
            self._drop(name)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the rows of all layers that every batch gave, and warn of the others."""
        report_left_out(self._partial, PARTIAL)
        return self._rows.tensors

    def _drop(self, name: str) -> None:
        """Forget a layer, or raise ValueError if it was asked for by its name."""
        layer = self._layers.pop(name)
        asked = self._options.layers or ()
        if name in asked or layer.call in asked or len(self._layers) == 0:
            raise ValueError(
                f"layers: {name!r} ran for the first samples but not for every batch, or gave rows for some samples "
                "only; name layers that run for every sample"
            )
        del self._rows.tensors[name]
        self._partial.append(name)


def _chained(first: list[SampleBatch], batches: Iterator[SampleBatch]) -> Iterator[SampleBatch]:
    """Yield the batch in a list, which is emptied, and then other batches."""
    yield first.pop()
    yield from batches
