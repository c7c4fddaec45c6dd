"""Observe a model by forward hooks: every call of every module, its value taken the moment it exists."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from torch import nn

from hpfunc._torch.observe.names import OUTPUT, CallNames, clean
from hpfunc._torch.observe.recorder import Emit, Forward, Record

__all__ = ["hooked"]


@contextlib.contextmanager
def hooked(model: nn.Module, forward: Forward) -> Iterator[Record]:
    """A recorder that runs ``forward`` and emits each module call as it returns, with its name."""
    trace = _Trace(module_names(model))
    with contextlib.ExitStack() as stack:
        for module in trace.names:
            stack.callback(module.register_forward_pre_hook(trace.enter).remove)
            stack.callback(module.register_forward_hook(trace.leave).remove)

        def record(inputs: Any, emit: Emit) -> Any:
            trace.begin(emit)
            return forward(model, inputs)

        yield record


def module_names(model: nn.Module) -> dict[nn.Module, str]:
    """Each module's first name.

    Left out are modules that compute a parameter, which see no samples, and the wrappers of compiled ones.
    """
    names = {}
    for path, module in model.named_modules():
        parts = [part for part in path.split(".") if part != "_orig_mod"]
        if "parametrizations" not in parts and "_orig_mod" not in module._modules:
            names[module] = clean(".".join(parts)) or OUTPUT
    return names


class _Trace:
    """The calls of one forward pass: which are open, and which of those had another call inside."""

    def __init__(self, names: dict[nn.Module, str]) -> None:
        self.names = names
        self.begin(lambda name, value, leaf: None)

    def begin(self, emit: Emit) -> None:
        self._emit = emit
        self._calls = CallNames(self.names.values())
        self._open: list[bool] = []

    def enter(self, module: nn.Module, args: Any) -> None:
        if self._open:
            self._open[-1] = True
        self._open.append(False)

    def leave(self, module: nn.Module, args: Any, value: Any) -> None:
        # Returns None: any other value would replace what the module returned.
        had_calls = self._open.pop()
        self._emit(self._calls.next(self.names[module]), value, not had_calls)
