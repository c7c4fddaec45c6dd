"""Manage what all threads of the process share: random state and torch's switches, changed by one thread at a time."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import torch

__all__ = ["mark_process", "random_states", "run_alone", "seed_all"]

Result = TypeVar("Result")

# Threads that saved and restored the shared state in turn would end with the state of some other thread.
_OWNER = threading.RLock()


def run_alone(work: Callable[[], Result], generators: Sequence[torch.Generator] = ()) -> Result:
    """Run ``work`` while no other thread runs such work, and return its result; put the shared state back.

    Restored, also after an error or an interrupt, are the random state of torch (on each device in use), NumPy and
    Python, that of further ``generators``, and torch's switches: default dtype and device, gradient mode, autocast,
    anomaly detection, deterministic algorithms, threads, precision of products, cuDNN's and oneDNN's flags, the fused
    kernels of transformers and attention, hooks of all modules, modes that were entered and the stance of the compiler,
    and what NumPy does at errors of floating point. Calls may be nested.

    This is a function that takes a function, not a context manager: an interrupt that comes while a context manager is
    being entered or left skips what it would have put back. Here each change happens inside a ``try``, and an interrupt
    of the first ``finally`` is followed by the second.
    """
    with _OWNER:
        restore = mark_process(generators)
        try:
            try:
                return work()
            finally:
                restore()
        finally:
            restore()


def mark_process(generators: Sequence[torch.Generator] = ()) -> Callable[[], None]:
    """Return a function that puts the shared state back to what it is now; for work inside `run_alone`."""
    kept = _read_all()
    kept += [(generator.set_state, generator.get_state(), None) for generator in generators]
    return lambda: _write_back(kept)


Switch = tuple[Callable[[], Any], Callable[[Any], Any]]


def _read_all() -> list[tuple[Callable[[Any], Any], Any, Callable[[], Any] | None]]:
    """List each part of the shared state: how to write it, its value, and how to read it where that is cheap."""
    kept: list[tuple[Callable[[Any], Any], Any, Callable[[], Any] | None]] = [
        (write, read(), read) for read, write in _switches()
    ]
    kept += [(write, read(), None) for read, write in _generators()]
    return kept


def _write_back(kept: list[tuple[Callable[[Any], Any], Any, Callable[[], Any] | None]]) -> None:
    """Write each part that differs, or whose value cannot be compared."""
    for write, value, read in kept:
        if read is None or read() != value:
            write(value)


def _switches() -> list[Switch]:
    """List how to read and write each switch of torch."""
    switches: list[Switch] = [
        (torch.get_default_dtype, torch.set_default_dtype),
        (torch.get_default_device, _set_default_device),
        (torch.is_grad_enabled, torch.set_grad_enabled),
        (torch.get_num_threads, torch.set_num_threads),
        (_get_deterministic, _set_deterministic),
        (_get_precision, _set_precision),
        (_get_flags, _set_flags),
        (torch.backends.mha.get_fastpath_enabled, torch.backends.mha.set_fastpath_enabled),
        (_get_cudnn, _set_cudnn),
        (_get_autocast, _set_autocast),
        (_get_anomaly, _set_anomaly),
        (_get_attention, _set_attention),
        (_get_hooks, _set_hooks),
        (_get_modes, _set_modes),
        (np.geterr, lambda errors: np.seterr(**errors)),
    ]
    # A compiler that is not loaded has no stance, and loading it takes seconds.
    frames = sys.modules.get("torch._dynamo.eval_frame")
    if frames is not None:
        switches.append((lambda: frames._stance, frames._set_stance))
    return switches


def _generators() -> list[Switch]:
    """List how to read and write the state of each random generator that data sets, samplers and models draw from."""
    generators: list[Switch] = [
        (random.getstate, random.setstate),
        (np.random.get_state, np.random.set_state),
        (torch.get_rng_state, torch.set_rng_state),
    ]
    # A CUDA that nobody has used yet has no state to keep, and asking for it would start it.
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        generators.append((torch.cuda.get_rng_state_all, torch.cuda.set_rng_state_all))
    if torch.backends.mps.is_available():
        generators.append((torch.mps.get_rng_state, torch.mps.set_rng_state))
    return generators


def random_states() -> Any:
    """Return the states of all random generators, to be compared with those of another moment."""
    return [_as_plain(read()) for read, _ in _generators()]


def _as_plain(state: Any) -> Any:
    """Return a state with its tensors and arrays as bytes, so that two states can be compared."""
    if isinstance(state, (tuple, list)):
        return [_as_plain(member) for member in state]
    if isinstance(state, torch.Tensor):
        return state.cpu().numpy().tobytes()
    return state.tobytes() if isinstance(state, np.ndarray) else state


def seed_all(seed: int) -> None:
    """Seed all random generators; inside `run_alone`, which puts them back."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)


def _set_default_device(device: torch.device) -> None:
    # None, unlike the CPU, leaves torch's functions without a wrapper.
    torch.set_default_device(None if device.type == "cpu" else device)


def _get_deterministic() -> tuple[bool, bool]:
    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


def _set_deterministic(value: tuple[bool, bool]) -> None:
    torch.use_deterministic_algorithms(value[0], warn_only=value[1])


def _backends() -> list[Any]:
    """List what has a precision of its own in torch, the general before the special."""
    general: Any = torch.backends
    found = [general, general.cuda.matmul]
    for library in (general.cudnn, general.mkldnn):
        found += [library, library.conv, library.rnn]
    return [*found, general.mkldnn.matmul]


def _get_precision() -> tuple[list[Any], list[str]]:
    """Return the values of torch's older switches of precision, None for an unreadable one, and of its newer ones."""
    older: list[Any] = []
    for read in (torch.get_float32_matmul_precision, lambda: torch.backends.cudnn.allow_tf32):
        try:
            older.append(read())
        except RuntimeError:
            # Torch does not read the older switches after a newer one was set to something else.
            older.append(None)
    return older, [backend.fp32_precision for backend in _backends()]


def _set_precision(value: tuple[list[Any], list[str]]) -> None:
    (products, cudnn), newer = value
    older = _get_precision()[0]
    if products not in (None, older[0]):
        torch.set_float32_matmul_precision(products)
    if cudnn not in (None, older[1]):
        torch.backends.cudnn.allow_tf32 = cudnn
    for backend, precision in zip(_backends(), newer, strict=True):
        if backend.fp32_precision != precision:
            backend.fp32_precision = precision


def _get_flags() -> list[bool]:
    products: Any = torch.backends.cuda.matmul
    return [
        products.allow_fp16_reduced_precision_reduction, products.allow_bf16_reduced_precision_reduction,
        torch._C._get_mkldnn_enabled(), torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
        torch.is_warn_always_enabled(), torch.is_autocast_cache_enabled(),
    ]  # fmt: skip


def _set_flags(value: list[bool]) -> None:
    products: Any = torch.backends.cuda.matmul
    products.allow_fp16_reduced_precision_reduction, products.allow_bf16_reduced_precision_reduction = value[:2]
    torch._C._set_mkldnn_enabled(value[2])
    torch.utils.deterministic.fill_uninitialized_memory = value[3]  # type: ignore[attr-defined]
    torch.set_warn_always(value[4])
    torch.set_autocast_cache_enabled(value[5])


def _get_modes() -> tuple[int, int]:
    """Return how many modes of functions and of operators the program is in."""
    return torch._C._len_torch_function_stack(), torch._C._len_torch_dispatch_stack()


def _set_modes(value: tuple[int, int]) -> None:
    """Leave the modes that were entered since."""
    while torch._C._len_torch_function_stack() > value[0]:
        torch._C._pop_torch_function_stack()
    while torch._C._len_torch_dispatch_stack() > value[1]:
        torch._C._pop_torch_dispatch_stack(None)


def _get_cudnn() -> tuple[bool, bool, bool]:
    cudnn = torch.backends.cudnn
    return cudnn.enabled, cudnn.benchmark, cudnn.deterministic


def _set_cudnn(value: tuple[bool, bool, bool]) -> None:
    cudnn = torch.backends.cudnn
    cudnn.enabled, cudnn.benchmark, cudnn.deterministic = value


def _get_autocast() -> list[tuple[str, bool, torch.dtype]]:
    return [(kind, torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)) for kind in ("cpu", "cuda")]


def _set_autocast(value: list[tuple[str, bool, torch.dtype]]) -> None:
    for kind, enabled, dtype in value:
        torch.set_autocast_enabled(kind, enabled)
        torch.set_autocast_dtype(kind, dtype)


def _get_anomaly() -> tuple[bool, bool]:
    return torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()


def _set_anomaly(value: tuple[bool, bool]) -> None:
    torch.set_anomaly_enabled(*value)


def _get_attention() -> tuple[bool, bool, bool]:
    cuda: Any = torch.backends.cuda
    return cuda.flash_sdp_enabled(), cuda.mem_efficient_sdp_enabled(), cuda.math_sdp_enabled()


def _set_attention(value: tuple[bool, bool, bool]) -> None:
    cuda: Any = torch.backends.cuda
    cuda.enable_flash_sdp(value[0])
    cuda.enable_mem_efficient_sdp(value[1])
    cuda.enable_math_sdp(value[2])


def _get_hooks() -> list[tuple[dict[Any, Any], dict[Any, Any]]]:
    """Return each table of the hooks that torch calls for all modules, with a copy of it."""
    tables = [table for name, table in vars(torch.nn.modules.module).items() if name.startswith("_global_")]
    return [(table, dict(table)) for table in tables if isinstance(table, dict)]


def _set_hooks(value: list[tuple[dict[Any, Any], dict[Any, Any]]]) -> None:
    for table, entries in value:
        for number in [number for number in table if number not in entries]:
            del table[number]
        table.update(entries)
