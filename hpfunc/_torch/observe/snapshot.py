"""Observe a model through the values that it returns itself: the snapshot protocol, or a function of the caller's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hpfunc._torch.observe.names import INPUT, CallNames, clean
from hpfunc._torch.observe.recorder import Emit, Record, apply

__all__ = ["called", "snapshots"]


def snapshots(model: Any) -> Record:
    """Return a recorder that emits ``model.snapshot`` after ``refresh()`` and ``snapshot_forward(x)``.

    The entry ``initial``, the protocol's name for the input, becomes ``input``.
    """
    missing = [name for name in ("refresh", "snapshot_forward") if not callable(getattr(model, name, None))]
    if missing:
        raise TypeError(
            f'method="snapshot" needs a model with refresh(), snapshot_forward(x) and the dict snapshot; '
            f'{type(model).__name__} has no {" and no ".join(missing)}; method="hooks" needs neither'
        )
    # A refresh() that empties the dict in place empties this stand-in, not the caller's.
    if isinstance(getattr(model, "snapshot", None), dict):
        model.snapshot = {k: list(v) if isinstance(v, list) else v for k, v in model.snapshot.items()}

    def record(inputs: Any, emit: Emit) -> Any:
        model.refresh()
        apply(model.snapshot_forward, inputs)
        taken = model.snapshot
        if not isinstance(taken, Mapping):
            raise TypeError(f"model.snapshot is a {type(taken).__name__} after refresh(); expected a dict of lists")
        names = {key: clean(str(key)) for key in taken}
        if "initial" in names and INPUT not in names:
            names["initial"] = INPUT
        values = [(names[key], value) for key, entry in taken.items() for value in _members(key, entry)]
        # Let the model drop the values of this batch.
        model.refresh()
        return _emit_all(values, emit)

    return record


def called(function: Callable[[Any], Any]) -> Record:
    """Return a recorder that emits the dict that ``function(inputs)`` returns."""

    def record(inputs: Any, emit: Emit) -> Any:
        taken = function(inputs)
        if not isinstance(taken, Mapping):
            raise TypeError(
                f"method: the callable returned a {type(taken).__name__}; expected a dict name -> tensor, one entry "
                "for each layer"
            )
        return _emit_all([(clean(str(key)), value) for key, value in taken.items()], emit)

    return record


def _members(key: Any, entry: Any) -> list[Any]:
    """List what was appended to an entry of the snapshot, or the value that stands in place of a list."""
    if isinstance(entry, list) and not entry:
        raise ValueError(f"snapshot entry {key!r} stayed empty: snapshot_forward(x) appended nothing to it")
    return entry if isinstance(entry, list) else [entry]


def _emit_all(values: Sequence[tuple[str, Any]], emit: Emit) -> list[Any]:
    """Emit values in their order, and return them; a name that comes again is another call."""
    calls = CallNames([name for name, _ in values])
    for name, value in values:
        # An entry `input` is the model's input, and takes the place of what was emitted before.
        emit(INPUT if name == INPUT else calls.next(name), value, ())
    return [value for _, value in values]
