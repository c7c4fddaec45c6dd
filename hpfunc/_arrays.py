"""The one door: any array in, plain ``(n, d)`` points out.

Every public function that takes data passes it through `as_points`. What comes out is a NumPy array for
data on the host and a CuPy array for data on a CUDA device, sharing memory with the input through DLPack
where the layout allows it. Frameworks that the caller never imported are never imported here: an array of
theirs cannot exist.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

__all__ = [
    "as_array", "as_labels", "as_points", "check_directions", "check_finite", "from_tensor", "is_tensor",
    "namespace", "to_host",
]  # fmt: skip

# Every integer of at most this magnitude is exact in float64.
_LARGEST_EXACT_INTEGER = 2**53


def namespace(array: Any) -> Any:
    """NumPy or CuPy: the module whose functions work where ``array`` lives."""
    cupy = sys.modules.get("cupy")
    return cupy if cupy is not None and isinstance(array, cupy.ndarray) else np


def to_host(array: Any) -> np.ndarray[Any, Any]:
    """Return an array or a tensor as a NumPy array; only what lives on a device is copied."""
    if is_tensor(array):
        return np.asarray(from_tensor(array.detach().cpu()))
    return np.asarray(array if namespace(array) is np else array.get())


def is_tensor(x: object) -> bool:
    """Whether ``x`` is a torch tensor (torch is not imported to find out)."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def from_tensor(tensor: Any, name: str = "array") -> Any:
    """Share a torch tensor as a NumPy array, or as a CuPy array when it lives on a CUDA device.

    bfloat16 becomes float32 (NumPy has no bfloat16); a gradient, a conjugate bit or a negative bit, which
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
        return _from_cuda_dlpack(tensor, name)
    if tensor.device.type != "cpu":
        raise TypeError(f"{name}: device {tensor.device} is not supported; pass tensor.cpu()")
    return np.from_dlpack(tensor)


def as_array(x: Any, name: str = "array") -> Any:
    """Anything array-like as a NumPy or CuPy array of real numbers, its memory shared where possible.

    Parameters
    ----------
    x : array-like
        A torch, CuPy, JAX or NumPy array, anything with ``__dlpack__``, an xarray DataArray, or a nested
        sequence of numbers.
    name : str
        What errors call it.

    Returns
    -------
    numpy.ndarray or cupy.ndarray
        Of a boolean, integer or floating dtype of at most 64 bits.

    Raises
    ------
    TypeError
        For complex, object, string or extended-precision data.
    ValueError
        For integers too large to be exact in float64, and for ragged sequences.
    """
    xarray = sys.modules.get("xarray")
    if xarray is not None and isinstance(x, xarray.DataArray):
        x = x.data
    if is_tensor(x):
        array = from_tensor(x, name)
    elif namespace(x) is not np:
        array = x
    elif hasattr(x, "__dlpack_device__") and not isinstance(x, (np.ndarray, np.generic)):
        # 1 is the host, 2 CUDA, 3 pinned host memory, 13 CUDA managed memory (DLPack's DLDeviceType).
        on_cuda = int(x.__dlpack_device__()[0]) in (2, 13)
        array = _from_cuda_dlpack(x, name) if on_cuda else _from_host_dlpack(x)
    else:
        try:
            array = np.asarray(x)
        except ValueError as error:
            raise ValueError(f"{name} is not a rectangular array of numbers: {error}") from None
    return _check_dtype(array, name)


def as_points(x: Any, name: str = "points") -> Any:
    """``x`` as points ``(n, d)``: all axes but the first flattened, in C order.

    A one-dimensional ``x`` holds n points of one feature. See `as_array` for what is accepted.

    Raises
    ------
    ValueError
        Also for a scalar, and for zero points or zero features.
    """
    array = as_array(x, name)
    if array.ndim == 0:
        raise ValueError(f"{name} is a scalar; expected an array whose first axis counts the samples")
    if array.size == 0:
        raise ValueError(f"{name} has shape {array.shape}: no samples or no features; pass at least one of each")
    return array.reshape(array.shape[0], -1)


def as_labels(labels: Any, n: int, name: str = "labels") -> np.ndarray[Any, Any]:
    """Class labels, one for each of ``n`` samples: a 1-D NumPy array of integers or strings.

    Raises
    ------
    TypeError
        For labels that are neither integers nor strings.
    ValueError
        For a wrong shape or length.
    """
    array = to_host(labels)
    if array.dtype == object and all(isinstance(v, str) for v in array.flat):
        array = array.astype(str)
    if array.dtype.kind not in "biuUT":
        raise TypeError(f"{name} has dtype {array.dtype}; expected integers or strings, one for each sample")
    if array.shape != (n,):
        raise ValueError(f"{name} has shape {array.shape}; expected ({n},), one label for each sample")
    if array.dtype.kind == "T":
        array = array.astype(str)
    return array.astype(np.int64) if array.dtype.kind in "bi" else array


def check_finite(points: Any, where: str, labels: np.ndarray[Any, Any] | None = None) -> None:
    """Raise ValueError if ``(n, d)`` points hold NaN or infinity, saying where and how many."""
    if points.dtype.kind != "f":
        return
    xp = namespace(points)
    # The sum is finite for all but a few clean arrays, and needs no array of flags as large as the data.
    with np.errstate(over="ignore", invalid="ignore"):
        if bool(xp.isfinite(xp.sum(points, dtype=xp.float64))):
            return
    finite = xp.isfinite(points)
    rows = xp.flatnonzero(~finite.all(axis=1))
    if rows.size == 0:
        return
    count, row = int((~finite).sum()), int(rows[0])
    column = int(xp.flatnonzero(~finite[row])[0])
    of_class = "" if labels is None else f" (class {labels[row].item()!r})"
    raise ValueError(
        f"{where} holds {count} values that are NaN or infinite, in {int(rows.size)} of {points.shape[0]} "
        f"samples; the first is {float(points[row, column])} in sample {row}{of_class}, feature {column}. "
        "Remove these samples or mend the model that made them"
    )


def check_directions(points: Any, where: str) -> None:
    """Raise ValueError if a row of ``(n, d)`` points is all zeros, so that it has no direction (no cosine)."""
    zero = ~points.any(axis=1)
    if zero.any():
        raise ValueError(
            f"{where} holds {int(zero.sum())} samples that are all zeros, the first is sample {int(zero.argmax())}: "
            'metric="cosine" is undefined for them; drop them or use metric="euclidean"'
        )


def _from_cuda_dlpack(x: Any, name: str) -> Any:
    """A CUDA array of another library as a CuPy array on the same memory, device and stream."""
    remedy = "install hpfunc[cuda12] or hpfunc[cuda13] to match your driver, or pass a host copy (tensor.cpu())"
    try:
        import cupy
    except ImportError as error:
        raise TypeError(
            f"{name} lives on a CUDA device, and CuPy, which works there, cannot be imported ({error}); {remedy}"
        ) from None
    try:
        return cupy.from_dlpack(x)
    except (RuntimeError, ImportError, BufferError) as error:  # its CUDA does not fit the driver, or there is none
        raise TypeError(
            f"{name} lives on a CUDA device, where CuPy {cupy.__version__} fails ({error}); {remedy}"
        ) from None


def _from_host_dlpack(x: Any) -> np.ndarray[Any, Any]:
    """A host array of another library; what DLPack or NumPy cannot express goes through ``__array__``."""
    try:
        return np.from_dlpack(x)
    except (BufferError, RuntimeError, TypeError, ValueError):
        return np.asarray(x)


def _check_dtype(array: Any, name: str) -> Any:
    """The array itself if its dtype is real and fits float64; bfloat16 of other libraries as float32."""
    dtype = array.dtype
    if dtype.name == "bfloat16":
        return array.astype(np.float32)
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise TypeError(f"{name} has dtype {dtype}; expected real numbers of at most 64 bits (convert with astype)")
    if dtype.kind in "iu" and dtype.itemsize == 8 and array.size:
        largest = max(abs(int(array.min())), abs(int(array.max())))
        if largest > _LARGEST_EXACT_INTEGER:
            raise ValueError(
                f"{name} has dtype {dtype} and holds {largest}, which float64 cannot hold exactly (2**53 is the "
                "limit); subtract a common offset or divide by a common factor first"
            )
    return array
