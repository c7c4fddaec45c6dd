"""What belongs to the caller comes back as it was: the model, its modes, its buffers, the random state."""

from __future__ import annotations

import contextlib
import random
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

__all__ = ["as_it_was", "random_state", "unwrap"]

# Threads share the random state and torch's switches: put back in turn, they would end as some other thread's.
_ONE_AT_A_TIME = threading.RLock()


def unwrap(model: Any) -> nn.Module:
    """The module inside ``torch.compile``, ``DataParallel`` and ``DistributedDataParallel`` wrappers.

    Hooks that are registered after the first compiled call never fire, and replicas run in other threads: what
    is observed is the original module.
    """
    while isinstance(model, nn.Module):
        if "_orig_mod" in model._modules:
            model = model._modules["_orig_mod"]
        elif isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            model = model.module
        else:
            break
    if not isinstance(model, nn.Module):
        raise TypeError(f"model is a {type(model).__name__}; pass a torch.nn.Module")
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            what = f"model has the layer {name!r}, which" if name else "model"
            raise TypeError(f"{what} is a TorchScript module, and those cannot be observed; use the Python module")
    if any(nn.parameter.is_lazy(p) for p in (*model.parameters(), *model.buffers())):
        raise ValueError("model has lazy parameters that have no shape yet; run it on one batch first")
    return model


@contextlib.contextmanager
def as_it_was(model: nn.Module) -> Iterator[None]:
    """Run ``model`` in eval mode without gradients, and leave no trace of it, whatever happens.

    Restored are the ``training`` flag of every module (one by one: ``train()`` would destroy mixed modes), every
    attribute of every module, the values of the buffers, and the random state.
    """
    with _ONE_AT_A_TIME, contextlib.ExitStack() as stack:
        stack.enter_context(random_state())
        # The fused transformer kernels would skip the modules inside, depending on who has hooks.
        stack.callback(torch.backends.mha.set_fastpath_enabled, torch.backends.mha.get_fastpath_enabled())
        torch.backends.mha.set_fastpath_enabled(False)
        # What is compiled runs as it is written, so that its hooks fire. Without the compiler loaded, which takes
        # seconds, nothing is.
        if "torch._dynamo" in sys.modules:
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        # Not inference_mode, and out of it if the caller is in it: its tensors break later autograd.
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.no_grad())
        modules = list(model.modules())
        for module in modules:
            stack.callback(_restore, module, *_state(module))
        for module in modules:
            # eval() is often overridden to keep some part frozen or to merge weights; the flag itself is not.
            module.training = False
        yield


@contextlib.contextmanager
def random_state() -> Iterator[None]:
    """Keep the random state of torch, NumPy and Python: data sets and samplers draw from all three."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    # A CUDA that nobody has used yet has no state to keep, and asking for it would start it.
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()  # type: ignore[no-untyped-call]
    with torch.random.fork_rng(devices=devices):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002


_State = tuple[dict[str, Any], list[tuple[dict[str, Any], dict[str, Any]]], list[tuple[torch.Tensor, Any, int]]]


def _state(module: nn.Module) -> _State:
    """The attributes of a module, its dicts of parameters, buffers and children, and its buffers' values."""
    tables = [(d, dict(d)) for d in (module._parameters, module._buffers, module._modules)]
    # Tensors made in inference mode count no versions, and cannot be written to outside it.
    buffers = [b for b in module._buffers.values() if b is not None and not b.is_inference()]
    return dict(module.__dict__), tables, [(b, b.clone(), b._version) for b in buffers]


def _restore(
    module: nn.Module,
    attributes: dict[str, Any],
    tables: list[tuple[dict[str, Any], dict[str, Any]]],
    buffers: list[tuple[torch.Tensor, Any, int]],
) -> None:
    """Put back what `_state` saw."""
    module.__dict__.clear()
    module.__dict__.update(attributes)
    for table, entries in tables:
        table.clear()
        table.update(entries)
    for buffer, value, version in buffers:
        if buffer._version != version:
            buffer.copy_(value)
