"""Observe a model by forward hooks: every call of every module, its value taken the moment it exists."""

from __future__ import annotations

import contextlib
import inspect
from typing import Any

from torch import nn

from hpfunc._torch.observe.names import OUTPUT, CallNames, clean
from hpfunc._torch.observe.recorder import MASK, Emit, Forward, Record, mask_in

__all__ = ["hooked"]


def hooked(model: nn.Module, forward: Forward) -> Record:
    """Register hooks on each module, and return a recorder that runs ``forward`` and emits each call as it returns.

    The hooks stay: they go when the state of the model is restored.
    """
    trace = _Trace(module_names(model))
    for module in trace.names:
        module.register_forward_pre_hook(trace.enter, with_kwargs=True)
        module.register_forward_hook(trace.leave)

    def record(inputs: Any, emit: Emit) -> Any:
        trace.begin(emit)
        return forward(model, inputs)

    return record


def module_names(model: nn.Module) -> dict[nn.Module, str]:
    """Map each module to its first name.

    Modules that compute a parameter are left out, since they see no samples; so are the wrappers of compiled modules.
    """
    names = {}
    for path, module in model.named_modules():
        parts = [part for part in path.split(".") if part != "_orig_mod"]
        if "parametrizations" not in parts and "_orig_mod" not in module._modules:
            names[module] = clean(".".join(parts)) or OUTPUT
    return names


class _Trace:
    """Follow the calls of one forward pass: which are open, and which calls happened inside each."""

    def __init__(self, names: dict[nn.Module, str]) -> None:
        self.names = names
        self.begin(lambda name, value, inner: None)

    def begin(self, emit: Emit) -> None:
        """Begin a forward pass whose calls go to ``emit``."""
        self._emit = emit
        self._calls = CallNames(self.names.values())
        self._inner: list[list[str]] = [[]]

    def enter(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        """Note that a call began; emit the attention mask that an outermost call is given."""
        if len(self._inner) == 1:
            with contextlib.suppress(TypeError, ValueError):
                given = inspect.signature(module.forward).bind(*args, **kwargs).arguments
                mask = mask_in(given | given.get("kwargs", {}))
                if mask is not None:
                    self._emit(MASK, mask, ())
        self._inner.append([])

    def leave(self, module: nn.Module, args: Any, value: Any) -> None:
        """Name a call that returned, and emit its value."""
        # Returns None: any other value would replace what the module returned.
        inner = self._inner.pop()
        name = self._calls.next(self.names[module])
        self._inner[-1].append(name)
        self._emit(name, value, inner)
