"""Measure two promises of collecting: models come back as they were, and so they do after Ctrl-C at any instant.

Each has a row: what was tried, how often, and how often a trace was left.
"""

from __future__ import annotations

import contextlib
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.promises_changes import CHANGES, Changing, Meter, Slots

__all__ = ["CHANGES", "Changing", "interrupted", "picture", "pieces"]


def picture(value: Any, seen: dict[int, Any] | None = None) -> Any:
    """Describe a value to the last bit, with the identity of each object, so that two moments can be compared."""
    seen = {} if seen is None else seen
    if id(value) in seen:
        return id(value)
    seen[id(value)] = value
    if isinstance(value, torch.Tensor):
        plain = value.detach()
        memory = (plain.data_ptr(), tuple(plain.shape), plain.stride(), str(plain.dtype))
        numbers = plain.cpu().contiguous().numpy().tobytes()
        gradient = picture(value.grad, seen) if value.is_leaf else None
        parts = (picture(vars(value), seen), len(value._backward_hooks or ()), gradient)
        return id(value), type(value), value.is_leaf, memory, numbers, value.requires_grad, parts
    if isinstance(value, np.ndarray):
        numbers = [picture(member, seen) for member in value.flat] if value.dtype == object else value.tobytes()
        return id(value), value.shape, value.flags.writeable, numbers
    if isinstance(value, torch.Generator):
        return id(value), value.get_state().numpy().tobytes()
    if isinstance(value, np.random.Generator):
        return id(value), repr(value.bit_generator.state)
    if isinstance(value, dict):
        members = [(key, picture(member, seen)) for key, member in value.items()]
        return id(value), type(value), members, dict(getattr(value, "__dict__", {}))
    if isinstance(value, (list, tuple, deque)):
        return id(value), [picture(member, seen) for member in value]
    if isinstance(value, (set, bytearray)):
        return id(value), sorted(value)
    if isinstance(value, (nn.Module, Meter, SimpleNamespace)):
        return id(value), type(value), picture(vars(value), seen)
    if isinstance(value, Slots):
        return id(value), [picture(getattr(value, name, None), seen) for name in Slots.__slots__]
    return id(value), repr(value)


def surroundings() -> Any:
    """Describe what all threads of the process share."""
    numbers = torch.get_rng_state().numpy().tobytes(), repr(np.random.get_state())  # noqa: NPY002
    switches = torch.get_default_dtype(), torch.get_default_device(), torch.is_grad_enabled()
    threads = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    calls = nn.Module.__call__, nn.Module.__getattr__
    kernels = torch.backends.mha.get_fastpath_enabled(), torch.backends.cuda.flash_sdp_enabled()
    modes = torch.is_autocast_enabled("cpu"), torch.is_anomaly_enabled(), np.geterr()
    hooks = list(nn.modules.module._global_forward_hooks)
    return numbers, switches, threads, kernels, modes, hooks, calls, _flags()


def _flags() -> Any:
    """Describe torch's precisions and flags, and how many modes it is in."""
    backends: Any = torch.backends
    try:
        older: Any = torch.get_float32_matmul_precision(), backends.cudnn.allow_tf32
    except RuntimeError:
        older = "unreadable"
    parts = backends, backends.cuda.matmul, backends.cudnn.conv, backends.mkldnn.matmul
    precisions = older, [part.fp32_precision for part in parts]
    flags = torch.is_warn_always_enabled(), torch.utils.deterministic.fill_uninitialized_memory
    libraries = torch._C._get_mkldnn_enabled(), backends.cuda.matmul.allow_fp16_reduced_precision_reduction
    return precisions, flags, libraries, torch._C._len_torch_function_stack()


def moment(model: nn.Module) -> Any:
    """Describe a model and its surroundings."""
    return picture(model), surroundings()


def data(count: int = 12) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return samples of four features, and labels."""
    return np.random.default_rng(0).standard_normal((count, 4)).astype(np.float32), np.arange(count) % 2


def collect(model: nn.Module, **options: Any) -> Any:
    """Collect the activations of a model in batches of five."""
    import hpfunc as hp

    return hp.collect_activations(model, data(), batch_size=5, **options)


@contextlib.contextmanager
def interrupted(instant: float, count: list[int]) -> Iterator[None]:
    """Raise KeyboardInterrupt before the given instruction of the package or of torch; count them in ``count``."""
    count[:] = [0]

    def each(frame: Any, event: str, argument: Any) -> Any:
        count[0] += 1
        if count[0] == instant:
            raise KeyboardInterrupt
        return each

    def enter(frame: Any, event: str, argument: Any) -> Any:
        name = frame.f_code.co_filename
        if f"{'hpfunc'}/_" not in name.replace("\\", "/") and "torch" not in name:
            return None
        frame.f_trace_opcodes = True
        return each(frame, event, argument)

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        yield
    finally:
        sys.settrace(before)


def changed_kinds() -> list[str]:
    """List the kinds of change that collecting leaves in a model."""
    left = []
    for kind, change in CHANGES.items():
        model = Changing(change)
        before = moment(model)
        with contextlib.suppress(Exception):
            collect(model)
        if moment(model) != before:
            left.append(kind)
    return left


def traces_of_interrupts(instants: int, **options: Any) -> tuple[int, int]:
    """Interrupt a collection at so many instants, spread evenly; return how many struck, and how many left a trace."""
    model = Changing(CHANGES["functional batch_norm(training=True)"])
    collect(model, **options)
    count: list[int] = []
    with interrupted(float("inf"), count):
        collect(model, **options)
    total, struck, left = count[0], 0, 0
    for instant in np.linspace(1, total, instants).astype(int).tolist():
        before = moment(model)
        try:
            with interrupted(instant, count):
                collect(model, **options)
        except KeyboardInterrupt as stop:
            struck += 1
            # The frames of the error still hold what they held.
            left += moment(model) != before
            del stop
    return struck, left


def pieces(found: Sequence[dict[str, Any]], instants: int = 300) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """Measure both promises, with a row for what was tried, how often, and how often a trace was left."""

    def changes() -> dict[str, Any]:
        count = {"times": len(CHANGES), "left": len(changed_kinds())}
        return {"promise": "models unchanged", "tried": "kinds of change", **count}

    def interrupts(method: str) -> dict[str, Any]:
        struck, left = traces_of_interrupts(instants, method=method)
        return {"promise": "interrupts", "tried": f'method="{method}"', "times": struck, "left": left}

    yield "changes", changes
    for method in ("hooks", "fx"):
        yield method, partial(interrupts, method)


if __name__ == "__main__":
    for _, make in pieces([]):
        print(make())
