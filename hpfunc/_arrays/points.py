"""Read points: any array in, a plain ``(n, d)`` array of real numbers out."""

from __future__ import annotations

from typing import Any

import numpy as np

from hpfunc._arrays.containers import contents, is_pandas, samples_first
from hpfunc._arrays.tensors import from_dlpack, from_tensor, is_tensor, namespace, on_device, to_host

__all__ = ["as_array", "as_points", "check_directions", "check_finite"]

# Every integer of at most this magnitude is exact in float64.
_LARGEST_EXACT_INTEGER = 2**53


def as_array(x: Any, name: str = "array") -> Any:
    """Return anything array-like as a NumPy or CuPy array of real numbers, its memory shared where possible.

    Parameters
    ----------
    x : array-like
        A torch, CuPy, JAX or NumPy array, anything with ``__dlpack__``, an xarray or pandas object, or a nested
        sequence of numbers.
    name : str
        What errors call it.

    Returns
    -------
    numpy.ndarray or cupy.ndarray
        Of a boolean, integer or floating dtype of at most 64 bits, in the machine's byte order.

    Raises
    ------
    TypeError
        For complex, object, string, sparse or extended-precision data.
    ValueError
        For masked entries, for integers too large to be exact in float64, and for ragged sequences.
    """
    x = contents(x, name)
    if is_tensor(x):
        array = from_tensor(x, name)
    elif namespace(x) is not np:
        array = x
    elif hasattr(x, "__dlpack_device__") and not isinstance(x, (np.ndarray, np.generic)):
        array = from_dlpack(x, name)
    else:
        try:
            array = np.asarray(x)
        except ValueError as error:
            raise ValueError(f"{name} is not a rectangular array of numbers: {error}") from None
    with on_device(array):
        return _check_dtype(array, name)


def as_points(x: Any, name: str = "points") -> Any:
    """Return ``x`` as points ``(n, d)``: the samples first, all other axes flattened in C order.

    A one-dimensional ``x`` holds n points of one feature. Of a DataArray the dim that counts the samples comes first;
    see `sample_dim`.

    Raises
    ------
    TypeError, ValueError
        As from `as_array`; also for a scalar, and for zero points or zero features.
    """
    array = as_array(samples_first(x), name)
    if array.ndim == 0:
        raise ValueError(f"{name} is a scalar; expected an array whose first axis counts the samples")
    if array.size == 0:
        raise ValueError(f"{name} has shape {array.shape}: no samples or no features; pass at least one of each")
    with on_device(array):
        return array.reshape(array.shape[0], -1)


def check_finite(points: Any, where: str, labels: np.ndarray[Any, Any] | None = None, source: Any = None) -> None:
    """Raise ValueError if ``(n, d)`` points hold NaN or infinity, saying where and how many.

    ``source`` is what the points were read from: a DataFrame names its row and column.
    """
    if points.dtype.kind == "f":
        with on_device(points):
            _check_finite(points, where, labels, source)


def _check_finite(points: Any, where: str, labels: np.ndarray[Any, Any] | None, source: Any) -> None:
    """Do the work of `check_finite` on the device of the points."""
    xp = namespace(points)
    # The sum is finite for all but a few clean arrays, and needs no array of flags as large as the data.
    with np.errstate(all="ignore"):
        if bool(xp.isfinite(xp.sum(points, dtype=xp.float64))):
            return
    finite = xp.isfinite(points)
    rows = xp.flatnonzero(~finite.all(axis=1))
    if rows.size == 0:
        return
    count, row = int((~finite).sum()), int(rows[0])
    column = int(xp.flatnonzero(~finite[row])[0])
    frame = is_pandas(source) and hasattr(source, "columns")
    named = f" (row {source.index[row]!r}, column {source.columns[column]!r})" if frame else ""
    of_class = "" if labels is None else f" (class {labels[row].item()!r})"
    raise ValueError(
        f"{where} holds {count} values that are NaN or infinite, in {int(rows.size)} of {points.shape[0]} "
        f"samples; the first is {float(points[row, column])} in sample {row}{of_class}, feature {column}{named}. "
        "Remove these samples or mend the model that made them"
    )


def check_directions(points: Any, where: str) -> None:
    """Raise ValueError if a row of ``(n, d)`` points is all zeros, so that it has no direction (no cosine)."""
    with on_device(points):
        zero = to_host(~_nonzero(points).any(axis=1))
    if zero.any():
        raise ValueError(
            f"{where} holds {int(zero.sum())} samples that are all zeros, the first is sample {int(zero.argmax())}: "
            'metric="cosine" is undefined for them; drop them or use metric="euclidean"'
        )


def _nonzero(points: Any) -> Any:
    """Return an array of the points' shape that is zero where they are.

    CuPy takes denormal float32 numbers for zeros, so there the bits are looked at, all but the sign.
    """
    if namespace(points) is np or points.dtype != np.float32:
        return points
    return points.view(np.uint32) << np.uint32(1)


def _check_dtype(array: Any, name: str) -> Any:
    """Return the array if its dtype is real and fits float64; bfloat16 of other libraries becomes float32."""
    dtype = array.dtype
    if dtype.name == "bfloat16":
        return array.astype(np.float32)
    if dtype.kind == "O" and array.ndim == 0:
        kind = type(array.item()).__name__
        raise TypeError(f"{name} is a {kind}, which is no array; collect_activations gives the arrays of a model")
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise TypeError(f"{name} has dtype {dtype}; expected real numbers of at most 64 bits (convert with astype)")
    if dtype.kind in "iu" and dtype.itemsize == 8 and array.size:
        largest = max(abs(int(array.min())), abs(int(array.max())))
        if largest > _LARGEST_EXACT_INTEGER:
            raise ValueError(
                f"{name} has dtype {dtype} and holds {largest}, which float64 cannot hold exactly (2**53 is the "
                "limit); subtract a common offset or divide by a common factor first"
            )
    return array if dtype.isnative else array.astype(dtype.newbyteorder("="))
