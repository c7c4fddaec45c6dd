"""The classes of pairs as arrays: integers or strings, and nothing else."""

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
    """Copy classes to int64 or fixed-width strings; object arrays of strings are what files give."""
    array = np.asarray(values)
    if array.dtype.kind == "T" or (array.dtype == object and all(isinstance(v, str) for v in array.flat)):
        array = array.astype(str)
    if array.dtype.kind not in "iuU":
        raise TypeError(f"{name} has dtype {array.dtype}; expected classes that are integers or strings")
    return array.astype(np.int64) if array.dtype.kind in "iu" else array.copy()


def as_query(label: Any) -> ClassArray:
    """One label or several as an array; labels of mixed or odd types stay objects and so match nothing."""
    if isinstance(label, (xr.DataArray, xr.Variable)):
        label = label.values
    array = np.asarray(label)
    if array.dtype.kind == "T" or (array.dtype == object and all(isinstance(v, str) for v in array.flat)):
        return array.astype(str)
    return array if array.size else array.astype(np.int64)


def read_only(array: ClassArray) -> ClassArray:
    """Share an array for reading only, so that nobody changes the coords under the index."""
    view = array.view()
    view.flags.writeable = False
    return view


def listed(classes: ClassArray) -> str:
    shown = ", ".join(repr(label) for label in classes[:_LISTED].tolist())
    return shown if classes.size <= _LISTED else f"{shown}, ... ({classes.size} in all)"
