"""Observe a model through what it hands out itself: the snapshot protocol, or a function of the caller's."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hpfunc._torch.names import INPUT, CallNames, clean
from hpfunc._torch.record import Emit, Record, apply

__all__ = ["called", "snapshots"]


@contextlib.contextmanager
def snapshots(model: Any) -> Iterator[Record]:
    """A recorder that emits ``model.snapshot`` after ``refresh()`` and ``snapshot_forward(x)``.

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
        output = apply(model.snapshot_forward, inputs)
        taken = model.snapshot
        if not isinstance(taken, Mapping):
            raise TypeError(f"model.snapshot is a {type(taken).__name__} after refresh(); expected a dict of lists")
        _emit_all(taken, emit)
        # Not kept for longer than this batch.
        model.refresh()
        return output

    yield record


@contextlib.contextmanager
def called(function: Callable[[Any], Any]) -> Iterator[Record]:
    """A recorder that emits the dict that ``function(inputs)`` returns."""

    def record(inputs: Any, emit: Emit) -> Any:
        taken = function(inputs)
        if not isinstance(taken, Mapping):
            raise TypeError(
                f"method: the callable returned a {type(taken).__name__}; expected a dict name -> tensor, one entry "
                "for each layer"
            )
        _emit_all(taken, emit)
        return taken

    yield record


def _emit_all(taken: Mapping[Any, Any], emit: Emit) -> None:
    """Emit entries in the dict's order; a list of several values is several calls."""
    names = {key: clean(str(key)) for key in taken}
    if "initial" in names and INPUT not in names:
        names["initial"] = INPUT
    calls = CallNames(names.values())
    for key, value in taken.items():
        for member in value if isinstance(value, list) else [value]:
            # The entry `input` is the model's input: it takes the place of the one that was emitted before.
            name = INPUT if names[key] == INPUT else calls.next(names[key])
            emit(name, member, True)
        if isinstance(value, list) and not value:
            raise ValueError(f"snapshot entry {key!r} stayed empty: snapshot_forward(x) appended nothing to it")
