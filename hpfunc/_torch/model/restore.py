"""Run a model in eval mode, and leave it and the process as they were."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import nn

from hpfunc._torch.model.process import mark_process, run_alone
from hpfunc._torch.model.state import ModelState

__all__ = ["Mark", "run_unchanged", "unwrap"]

Result = TypeVar("Result")
Mark = Callable[[], Callable[[], None]]


def unwrap(model: Any) -> nn.Module:
    """Return the module inside ``torch.compile``, ``DataParallel`` and ``DistributedDataParallel`` wrappers.

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


def run_unchanged(
    model: nn.Module, work: Callable[[Mark], Result], generators: Sequence[torch.Generator] = ()
) -> Result:
    """Run ``work`` with ``model`` in eval mode without gradients, and return its result; leave no trace of it.

    Restored, also after an error or an interrupt, are all that `ModelState` keeps of the model and all that `run_alone`
    keeps of the process and of further ``generators``. ``work`` receives a function that marks the state of both;
    calling it returns a function that restores that state.
    """

    def guarded() -> Result:
        before = ModelState(model)
        restored = []
        try:
            try:
                return _run_in_eval_mode(model, lambda: work(lambda: _mark(model, before)))
            finally:
                before.restore()
                restored.append(True)
        finally:
            # Comparing the values of a large model takes seconds, so repeat it only if the first time was interrupted.
            if not restored:
                before.restore()

    def alone() -> Result:
        if not torch.is_inference_mode_enabled():
            return guarded()
        # The tensors of inference mode break later autograd.
        with torch.inference_mode(False):
            return guarded()

    return run_alone(alone, generators)


def _mark(model: nn.Module, before: ModelState) -> Callable[[], None]:
    """Return a function that puts back what the model and the process are now; the values are those of ``before``."""
    state, put_process_back = ModelState(model, before.copies), mark_process()

    def put_back() -> None:
        state.restore()
        put_process_back()

    return put_back


def _run_in_eval_mode(model: nn.Module, work: Callable[[], Result]) -> Result:
    """Run ``work`` with everything switched as it is needed; the caller of this function puts it back."""
    # The fused transformer kernels would skip the modules inside, depending on who has hooks.
    torch.backends.mha.set_fastpath_enabled(False)
    # Compiled parts run uncompiled, so that their hooks fire.
    if "torch._dynamo" in sys.modules:
        torch.compiler.set_stance("force_eager")
    for module in model.modules():
        # eval() is often overridden to keep some part frozen or to merge weights; the flag itself is not.
        module.training = False
    torch.set_grad_enabled(False)
    # The caller's default dtype and device do not change what the model gives.
    parameters = list(model.parameters())
    torch.set_default_dtype(torch.float64 if {p.dtype for p in parameters} == {torch.float64} else torch.float32)
    place = torch.get_default_device()
    if place.type == "cpu" or place.type in {p.device.type for p in parameters}:
        return work()
    with torch.device("cpu"):
        return work()
