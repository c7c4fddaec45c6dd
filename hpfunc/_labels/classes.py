"""Hold the classes of pairs as arrays of integers or strings."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import xarray as xr

__all__ = ["ClassArray", "as_classes", "as_query", "listed", "read_only"]

ClassArray = np.ndarray[Any, Any]

# Errors list the classes up to this many, then say how many there are.
_LISTED = 30


def as_classes(values: Any, name: Hashable) -> ClassArray:
    """Copy classes to int64, to uint64 where they exceed it, or to strings; files give object arrays of strings."""
    array = np.asarray(values)
    if array.dtype.kind == "T" or (array.dtype == object and all(isinstance(v, str) for v in array.flat)):
        array = _as_strings(array)
    if array.dtype.kind not in "iuU":
        raise TypeError(f"{name} has dtype {array.dtype}; expected classes that are integers or strings")
    if array.dtype.kind == "u" and array.size and array.max() > np.iinfo(np.int64).max:
        return array.astype(np.uint64)
    return array.astype(np.int64) if array.dtype.kind in "iu" else array.copy()


def _as_strings(array: ClassArray) -> ClassArray:
    """Return strings of any dtype in one of fixed width, which NumPy's StringDType cannot be cast to directly."""
    return np.array(array.tolist(), dtype=np.str_).reshape(array.shape)


def as_query(label: Any) -> ClassArray:
    """Return one label or several as an array; labels of mixed or unknown types stay objects and match nothing."""
    if isinstance(label, (xr.DataArray, xr.Variable)):
        label = label.values
    array = np.asarray(label)
    if array.dtype.kind == "S":
        return np.char.decode(array)
    if array.dtype.kind == "T" or (array.dtype == object and all(isinstance(v, str) for v in array.flat)):
        return _as_strings(array)
    return array if array.size else array.astype(np.int64)


def read_only(array: ClassArray) -> ClassArray:
    """Return a view that cannot be written to, so that nobody changes the coords under the index."""
    view = array.view()
    view.flags.writeable = False
    return view


def listed(classes: ClassArray) -> str:
    """Write classes as text for an error: the first few, and how many there are."""
    shown = ", ".join(repr(label) for label in classes[:_LISTED].tolist())
    return shown if classes.size <= _LISTED else f"{shown}, ... ({classes.size} in all)"
