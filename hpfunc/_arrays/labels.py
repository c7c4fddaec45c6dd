"""Read class labels of any kind as integers or strings, or raise an error that says what to pass instead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hpfunc._arrays.containers import contents, is_pandas
from hpfunc._arrays.tensors import is_tensor, namespace, to_host

__all__ = ["Label", "as_label", "as_labels", "label_array", "stack_labels"]

Label = int | str

# Every integer of at most this magnitude is exact in float64.
_LARGEST_EXACT_INTEGER = 2**53


def as_labels(labels: Any, n: int, name: str = "labels") -> np.ndarray[Any, Any]:
    """Return the class labels of ``n`` samples, as `label_array` does.

    Raises
    ------
    TypeError, ValueError
        As from `label_array`; ValueError also for another number of labels.
    """
    array = label_array(labels, name)
    if array.shape != (n,):
        raise ValueError(f"{name} has shape {array.shape}; expected ({n},), one label for each sample")
    return array


def label_array(labels: Any, name: str) -> np.ndarray[Any, Any]:
    """Return class labels as an array ``(n,)`` of int64, of uint64 where they exceed int64, or of strings.

    Parameters
    ----------
    labels : array-like (n,) or (n, 1)
        Integers, whole floats, booleans, strings or bytes (as UTF-8), in an array, tensor, Series or sequence.
    name : str
        What errors call them.

    Raises
    ------
    TypeError
        For labels that are neither, or of both kinds; for fractions.
    ValueError
        For a missing or masked label, for rows such as one-hot codes, and for integers that no dtype holds.
    """
    array = _as_read(labels, name)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 2 and array.shape[0] == 1:
        raise ValueError(f"{name} has shape {array.shape}; pass one label for each sample, as in labels.ravel()")
    if array.ndim == 2:
        raise ValueError(f"{name} has shape {array.shape}; {_rows_remedy()}")
    if array.ndim == 0:
        kind = type(labels).__name__
        raise ValueError(
            f"{name} is of type {kind} and has shape (); pass a list or an array, one label for each sample"
        )
    if array.ndim != 1:
        raise ValueError(f"{name} has shape {array.shape}; expected one label for each sample")
    kind = array.dtype.kind
    if kind in "biu":
        return _as_integers(array)
    if kind == "f":
        return _whole(array, name)
    if kind == "U":
        return array
    if kind in "SOT":
        rows = [f", row {row!r}" for row in labels.index] if is_pandas(labels) and hasattr(labels, "index") else None
        of_sample = (f"sample {i}{rows[i] if rows else ''} of {name}" for i in range(len(array)))
        return stack_labels([as_label(*value) for value in zip(array.tolist(), of_sample, strict=True)], name)
    raise TypeError(f"{name} has dtype {array.dtype}; expected integers or strings, one for each sample")


def as_label(value: Any, where: str) -> Label:
    """Return one label as a Python int or str.

    Raises
    ------
    TypeError
        Unless it is an integer, a whole float, a boolean, a string, bytes (as UTF-8), or an array or tensor of one of
        these.
    """
    if isinstance(value, np.generic) or ((is_tensor(value) or isinstance(value, np.ndarray)) and value.ndim <= 1):
        if tuple(value.shape) not in ((), (1,)):
            kind = f"{type(value).__name__} of shape {tuple(value.shape)}"
            raise TypeError(f"{where} has a label of type {kind}; {_rows_remedy()}")
        value = contents(value, where).item()
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise TypeError(f"{where} has the label {value!r}, which is no text in UTF-8; decode it first") from None
    if isinstance(value, str):
        # A member of a string enumeration would otherwise print the name of the member.
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float) and value.is_integer() and abs(value) <= _LARGEST_EXACT_INTEGER:
        return int(value)
    if isinstance(value, (list, tuple)) and len(value) > 1:
        kind = f"{type(value).__name__} of {len(value)} entries"
        raise TypeError(f"{where} has a label of type {kind}; {_rows_remedy()}")
    what = f"a label of type {type(value).__name__}" + (f" ({value!r})" if isinstance(value, float) else "")
    shape = f" of shape {tuple(value.shape)}" if hasattr(value, "shape") else ""
    raise TypeError(f"{where} has {what}{shape}; expected an int or a str")


def stack_labels(labels: Sequence[Label], name: str) -> np.ndarray[Any, Any]:
    """Return labels as an array of int64, of uint64 where they exceed int64, or of strings.

    Raises
    ------
    TypeError
        For labels of both int and str.
    ValueError
        For integers that neither dtype holds.
    """
    kinds = {type(label) for label in labels}
    if len(kinds) > 1:
        raise TypeError(f"{name} has labels of both int and str; make them all one or the other")
    if kinds == {str}:
        return np.array(labels, dtype=np.str_)
    for dtype in (np.int64, np.uint64):
        try:
            return np.array(labels, dtype=dtype)
        except OverflowError:
            continue
    raise ValueError(f"{name} has labels from {min(labels)} to {max(labels)}, which no dtype holds; use strings")


def _as_read(labels: Any, name: str) -> np.ndarray[Any, Any]:
    """Return labels as an array of any dtype, in which NumPy has not changed the type of any label."""
    if is_pandas(labels):
        # Nullable columns show missing values only as objects.
        return np.asarray(labels.to_numpy(dtype=object))
    labels = contents(labels, name)
    if is_tensor(labels):
        return to_host(labels, name)
    if namespace(labels) is not np or isinstance(labels, np.ndarray):
        return to_host(labels)
    array = np.asarray(labels)
    # In a list NumPy would turn 1 beside "a" into "1", and integers beyond int64 into floats.
    return array if array.dtype.kind in "biu" or array.ndim == 0 else np.asarray(labels, dtype=object)


def _as_integers(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return integers as int64, or as uint64 where they are too large for it."""
    if array.dtype.kind == "u" and array.size and array.max() > np.iinfo(np.int64).max:
        return array.astype(np.uint64)
    return array.astype(np.int64)


def _whole(array: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
    """Return floats that are whole numbers as int64."""
    with np.errstate(all="ignore"):
        strange = ~((np.abs(array) <= _LARGEST_EXACT_INTEGER) & (np.floor(array) == array))
    if strange.any():
        first = int(strange.argmax())
        raise TypeError(
            f"{name} has dtype {array.dtype} and holds {float(array[first])} for sample {first}; labels are integers "
            "or strings: probabilities become labels by argmax, measurements by numpy.digitize"
        )
    return array.astype(np.int64)


def _rows_remedy() -> str:
    return "one-hot rows and probabilities are no labels: pass their argmax, as in labels.argmax(-1)"
