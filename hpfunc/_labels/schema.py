"""Say what a Dataset of results holds: its dims, its variables and their dtypes, its labels."""

from __future__ import annotations

from collections.abc import Collection, Hashable

import numpy as np
import xarray as xr

__all__ = [
    "DIMS",
    "SWEEP_DIMS",
    "Label",
    "bad_name",
    "check_labels",
    "check_results",
    "why_not_numbers",
    "why_not_results",
    "why_strange_names",
]

Label = int | str

# The dims of a sweep without folds, which are all that the older tool knows.
SWEEP_DIMS = ("checkpoint", "split", "layer", "pair")
# The dims of results, in this order; each result has those that apply.
DIMS = ("checkpoint", "split", "repeat", "fold", "layer", "pair")

_MEASURES = ("cross_edges", "cross_edges_min", "cross_edges_max", "hp", "z", "pvalue")
_COUNTS = ("n_a", "n_b")

_LONGEST_NAME = 1000


def check_labels(labels: Collection[object], name: str, *, kinds: tuple[type, ...] = (int, str)) -> None:
    """Raise unless ``labels`` are at least one, and all integers or all strings (as a coord needs).

    Raises
    ------
    TypeError
        For labels that are of another type, or of both.
    ValueError
        For no labels at all.
    """
    if not labels:
        raise ValueError(f"{name} is empty; pass at least one")
    wanted = " or ".join({int: "integers", str: "strings"}[kind] for kind in kinds)
    for label in labels:
        integer = isinstance(label, (int, np.integer)) and not isinstance(label, bool)
        if not (isinstance(label, str) or (integer and int in kinds)):
            raise TypeError(f"{name} has the label {label!r} ({type(label).__name__}); labels are {wanted}")
    if len({isinstance(label, str) for label in labels}) > 1:
        raise TypeError(f"{name} has labels of two types, {list(labels)!r}; pass all integers or all strings")


def bad_name(name: str, kind: str) -> str | None:
    """Say why ``name`` cannot name a ``kind`` (a dim, or class) in a file of results, or None if it can.

    Layers have no slash (it becomes an underscore when they are collected), since they name variables.
    """
    if len(name) > _LONGEST_NAME:
        return f"the {kind} {name[:50]!r}... has {len(name):,} characters in its name; the limit is {_LONGEST_NAME:,}"
    try:
        name.encode()
    except UnicodeEncodeError:
        return f"the {kind} {name!r:.100} has a lone surrogate in its name, which no file can hold"
    if "\0" in name:
        return f"the {kind} {name!r:.100} has a NUL character in its name, which NumPy would drop"
    if kind == "layer" and "/" in name:
        return f"the layer {name!r:.100} has a slash in its name, which names of layers do not have"
    return None


def why_not_numbers(values: xr.Dataset) -> str | None:
    """Say why a Dataset holds more than labelled numbers, or None if it does not. Data are not read."""
    for name, variable in values.data_vars.items():
        if variable.dtype.kind not in "biufmM":
            return f"variable {name!r} has dtype {variable.dtype}; expected numbers"
    if not values.data_vars:
        return "it holds no variable"
    return None


def why_not_results(values: object) -> str | None:
    """Say why ``values`` is not a Dataset as `pairwise_hp` and `sweep` make it, or None if it is. Data are not read."""
    if not isinstance(values, xr.Dataset):
        return f"it is a {type(values).__name__}, not an xarray Dataset"
    known = [name for name in (*_MEASURES, *_COUNTS) if name in values.data_vars]
    if not known:
        found = ", ".join(map(repr, values.data_vars)) or "none"
        return f"it has none of the variables {', '.join((*_MEASURES, *_COUNTS))}; its variables: {found}"
    strange = [str(dim) for dim in values.dims if dim not in DIMS]
    if strange:
        return f"it has the dims {strange}; results have {', '.join(DIMS)}"
    for name in known:
        array = values[name]
        if name in _COUNTS and array.dtype.kind not in "iu":
            return f"variable {name!r} has dtype {array.dtype}; expected integers"
        if name in _MEASURES and array.dtype != np.float64:
            return f"variable {name!r} has dtype {array.dtype}; expected float64"
        if array.dims != tuple(dim for dim in DIMS if dim in array.dims):
            return f"variable {name!r} has the dims {array.dims}; the order is {', '.join(DIMS)}"
    return why_not_numbers(values) or _why_strange_coords(values)


def check_results(values: object, name: str) -> None:
    """Raise TypeError or ValueError unless ``values`` is a Dataset as `pairwise_hp` and `sweep` make it."""
    why = why_not_results(values)
    if why is not None:
        error = ValueError if isinstance(values, xr.Dataset) else TypeError
        raise error(f"{name} is no results Dataset: {why}")


def why_strange_names(values: xr.Dataset) -> str | None:
    """Say which label along a dim cannot be one (see `bad_name`), or None. The labels are read."""
    kinds = {"checkpoint": "checkpoint", "split": "split", "layer": "layer", "class_a": "class", "class_b": "class"}
    for name, kind in kinds.items():
        if name in values.coords and values.coords[name].dtype.kind in "UTO":
            for label in np.unique(values.coords[name].values.astype(str)).tolist():
                why = bad_name(label, kind)
                if why is not None:
                    return why
    return None


def _why_strange_coords(values: xr.Dataset) -> str | None:
    expected: dict[Hashable, tuple[tuple[str, ...], str]] = {dim: ((dim,), "iuUTO") for dim in DIMS[:4]}
    expected["layer"] = ("layer",), "UTO"
    if "pair" in values.dims:
        expected |= dict.fromkeys(("class_a", "class_b"), (("pair",), "iuUTO"))
    for name, (dims, kinds) in expected.items():
        needed = dims[0] in values.dims
        if name not in values.coords:
            if needed:
                return f"it has the dim {dims[0]!r} and no coord {name!r}"
            continue
        coord = values.coords[name]
        if needed and coord.dims != dims:
            return f"coord {name!r} has the dims {coord.dims}; expected {dims}"
        if coord.dtype.kind not in kinds:
            wanted = "strings" if kinds == "UTO" else "integers or strings"
            return f"coord {name!r} has dtype {coord.dtype}; expected {wanted}"
    return None
