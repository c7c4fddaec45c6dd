"""Share the memory of arrays between libraries: torch, CuPy, NumPy and whatever speaks DLPack."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import numpy as np

__all__ = ["from_dlpack", "from_tensor", "is_tensor", "namespace", "on_device", "to_host"]


def namespace(array: Any) -> Any:
    """Return NumPy or CuPy: the module whose functions work where ``array`` lives."""
    cupy = sys.modules.get("cupy")
    return cupy if cupy is not None and isinstance(array, cupy.ndarray) else np


def on_device(array: Any) -> AbstractContextManager[Any]:
    """Return a context in which CuPy works on the device of ``array``; for a host array it does nothing."""
    return nullcontext() if namespace(array) is np else cast("AbstractContextManager[Any]", array.device)


def is_tensor(x: object) -> bool:
    """Tell whether ``x`` is a torch tensor; torch is not imported to find out."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def to_host(array: Any, name: str = "array") -> np.ndarray[Any, Any]:
    """Return an array or a tensor as a NumPy array; only what lives on a device is copied."""
    if is_tensor(array):
        return np.asarray(from_tensor(array.detach().cpu(), name))
    return np.asarray(array if namespace(array) is np else array.get())


def from_tensor(tensor: Any, name: str = "array") -> Any:
    """Share a torch tensor as a NumPy array, or as a CuPy array when it lives on a CUDA device.

    bfloat16 becomes float32, because NumPy has no bfloat16. A gradient, a conjugate bit or a negative bit, which
    DLPack cannot express, is resolved first.
    """
    if tensor.layout is not sys.modules["torch"].strided:
        raise TypeError(f"{name}: a {tensor.layout} tensor is not supported; pass tensor.to_dense()")
    if tensor.device.type == "meta":
        raise TypeError(f"{name}: a meta tensor holds no values; materialise the model or tensor first")
    tensor = tensor.detach().resolve_conj().resolve_neg()
    if str(tensor.dtype) == "torch.bfloat16":
        tensor = tensor.float()
    if tensor.device.type == "cuda":
        return _from_cuda(tensor, name)
    if tensor.device.type != "cpu":
        raise TypeError(f"{name}: device {tensor.device} is not supported; pass tensor.cpu()")
    return np.from_dlpack(tensor)


def from_dlpack(x: Any, name: str) -> Any:
    """Share an array of another library as a NumPy or CuPy array, by where it lives."""
    # 1 is the host, 2 CUDA, 3 pinned host memory, 13 CUDA managed memory (DLPack's DLDeviceType).
    return _from_cuda(x, name) if int(x.__dlpack_device__()[0]) in (2, 13) else _from_host(x)


def _from_cuda(x: Any, name: str) -> Any:
    """Share a CUDA array as a CuPy array on the same memory, device and stream."""
    remedy = "install hpfunc[cuda12] or hpfunc[cuda13] to match your driver, or pass a host copy (tensor.cpu())"
    try:
        import cupy
    except ImportError as error:
        raise TypeError(
            f"{name} lives on a CUDA device, and CuPy, which works there, cannot be imported ({error}); {remedy}"
        ) from None
    try:
        return cupy.from_dlpack(x)
    except (RuntimeError, ImportError, BufferError) as error:
        # The CUDA of this CuPy does not fit the driver, or there is no driver.
        raise TypeError(
            f"{name} lives on a CUDA device, where CuPy {cupy.__version__} fails ({error}); {remedy}"
        ) from None


def _from_host(x: Any) -> np.ndarray[Any, Any]:
    """Share a host array; what DLPack or NumPy cannot express goes through ``__array__``."""
    try:
        return np.from_dlpack(x)
    except (BufferError, RuntimeError, TypeError, ValueError):
        return np.asarray(x)
