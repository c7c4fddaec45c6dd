"""Collect the activations of all layers of a model for a data set, together or in groups of layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import torch
import xarray as xr

from hpfunc._support.progress import ProgressBar
from hpfunc._support.warn import warn
from hpfunc._torch.buffers import DeviceMemory, Rows, as_dataset, check_fits, split_layers, why_not_shared
from hpfunc._torch.data.open import generators_of
from hpfunc._torch.data.selection import ChosenSamples, SampleBatch, choose_samples
from hpfunc._torch.filling import Filling, FirstRows
from hpfunc._torch.model.device import as_device, device_of, dtype_of, moved, on_device
from hpfunc._torch.model.restore import run_unchanged, unwrap
from hpfunc._torch.observe.fx import traced
from hpfunc._torch.observe.hooks import hooked
from hpfunc._torch.observe.names import INPUT, entries
from hpfunc._torch.observe.recorder import MASK, Emit, Record, mask_in, plain_forward
from hpfunc._torch.observe.snapshot import called, snapshots
from hpfunc._torch.options import CollectOptions
from hpfunc._torch.probe import LayerPlan, survey

__all__ = ["Collection", "choose"]

Result = TypeVar("Result")


class Collection:
    """Hold what a model gives for chosen samples of a data set: the samples, the plan of its layers, and their values.

    The samples are chosen and the layers measured once, however many groups of layers are then collected.
    """

    samples: ChosenSamples
    plan: list[LayerPlan]

    def __init__(self, model: Any, data: Any, options: CollectOptions, *, progress: bool = False) -> None:
        self._model, self._data, self._options, self._progress = model, data, options, progress
        self._memory = DeviceMemory()

    def whole(self) -> xr.Dataset:
        """Collect all layers; raise ValueError if they do not fit, or cannot be shared on their device."""
        return next(self._groups(in_groups=False))

    def in_groups(self) -> Iterator[xr.Dataset]:
        """Collect the layers in groups that fit in ``max_memory``, by default in half of what is free.

        Layers whose arrays cannot be shared on their device are copied to the host, with a warning.
        """
        return self._groups(in_groups=True)

    def _groups(self, *, in_groups: bool) -> Iterator[xr.Dataset]:
        """Choose samples, measure layers and collect the first group in one pass; then collect each further group."""

        def begin(record: Record, reset: Callable[[], None]) -> tuple[list[list[LayerPlan]], xr.Dataset]:
            self.samples = choose(self._data, self._options)
            batches = self.samples.batches()
            # The batch is taken out of this list, so that it is freed before the next one is loaded.
            first = [next(batches)]
            rows = FirstRows(first[0].rows, len(self.samples.labels), self._host(), self._room(in_groups))
            inputs, count = first[0].filled(), first[0].count
            self.plan = survey(record, reset, inputs, count, self._options.layers, self._options.form, rows.keep)
            del inputs
            self._store = self._where_to_store(move_to_host=in_groups)
            groups = self._split() if in_groups else [self.plan]
            kept = rows.taken_for(groups[0], self._store)
            if kept is not None:
                first.clear()
            return groups, self._collect(record, groups[0], _chained(first, batches), kept)

        groups, activations = self._observe(begin)
        yield activations
        for group in groups[1:]:
            del activations
            activations = self._observe(self._go_on_with(group))
            yield activations

    def _go_on_with(self, layers: Sequence[LayerPlan]) -> Callable[[Record, Callable[[], None]], xr.Dataset]:
        """Return work that collects a further group of layers."""
        return lambda record, reset: self._collect(record, layers, self.samples.batches(), None)

    def _observe(self, work: Callable[[Record, Callable[[], None]], Result]) -> Result:
        options = self._options
        return observe(
            self._model,
            work,
            method=options.method,
            forward=options.forward,
            device=options.device,
            generators=generators_of(self._data),
        )

    def _host(self) -> torch.device | None:
        """Return the host if the caller wants the layers there."""
        return torch.device("cpu") if self._options.store == "cpu" else None

    def _where_to_store(self, *, move_to_host: bool) -> torch.device | None:
        """Return the host, or None for the device of each layer; raise ValueError if arrays cannot be shared there."""
        why = None if self._options.store == "cpu" else why_not_shared(self.plan)
        if why is not None and not move_to_host:
            raise ValueError(f'store="device": {why}; here: pass store="cpu"')
        if why is not None:
            warn(f"layers are brought to the host: {why}")
        return torch.device("cpu") if why is not None else self._host()

    def _room(self, in_groups: bool) -> Callable[[torch.device], float]:
        """Return a function that tells how many bytes the layers of one pass may take on a device."""

        def room(device: torch.device) -> float:
            if self._options.max_bytes is not None:
                return self._options.max_bytes
            most = self._memory.half(device) if in_groups else self._memory.free(device)
            return float("inf") if most is None else most

        return room

    def _split(self) -> list[list[LayerPlan]]:
        """Divide the layers into groups that fit."""
        devices = {self._store or layer.device for layer in self.plan}
        most = int(min(map(self._room(True), devices)))
        return split_layers(self.plan, len(self.samples.labels), most)

    def _collect(
        self, record: Record, layers: Sequence[LayerPlan], batches: Iterable[SampleBatch], kept: FirstRows | None
    ) -> xr.Dataset:
        """Run the model over batches, and keep the rows of some layers; those of the first batch may be there."""
        count = len(self.samples.labels)
        check_fits(layers, count, self._store, self._options.max_bytes, self._memory)
        filling = Filling(layers, Rows(count, self._store) if kept is None else kept.rows, self._options)
        with ProgressBar(self._progress, "activations", total=count) as bar:
            bar.update(0 if kept is None else kept.count)
            for batch in batches:
                filling.fill(record, batch)
                bar.update(len(batch.rows))
                # Free the batch before the next one is loaded.
                del batch
        return as_dataset(filling.tensors(), self.samples.labels, self.samples.index)


def choose(data: Any, options: CollectOptions) -> ChosenSamples:
    """Choose the samples that the options select."""
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
    generators: Sequence[torch.Generator] = (),
) -> Result:
    """Run ``work`` with a recorder for the model, and return its result; restore the model and ``generators``.

    The recorder moves the inputs to the model's device, and emits them before a layer can change them in place.
    ``work`` also receives a function that restores the model to its state when the work began.
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
                if isinstance(inputs, list) and forward is None and not callable(method):
                    error.add_note(
                        f"the batch is a list, whose {len(inputs)} entries were passed as inputs one by one; where the "
                        "model takes the list itself, pass forward=lambda model, x: model(x)"
                    )
                raise

        return work(record, mark())

    return run_unchanged(module, inside, generators)


class _Tracked:
    """Forward what is emitted, and remember the last call for the note of an error."""

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


def _chained(first: list[SampleBatch], batches: Iterator[SampleBatch]) -> Iterator[SampleBatch]:
    """Remove the batch from the list ``first``, if it holds one, and yield it; then yield the other batches."""
    if first:
        yield first.pop()
    yield from batches
