"""Match labelled values by their labels along a dim, and lay them out as a matrix of series.

The labels along a dim are those of `class_a` and `class_b` together where both are there, where (a, b) and (b, a) are
the same pair, whatever the index; else those of the coordinate named as the dim; else those of all the coordinates
along it. Without any coordinates, entries are matched by position.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from hpfunc._arrays import as_array, is_pandas, namespace, on_device

__all__ = ["Values", "as_series", "read_values", "result_coords"]


class Labels(NamedTuple):
    """Hold one label for each entry along a dim, and the names of the coords that the labels come from."""

    names: tuple[Hashable, ...]
    of: list[Any]


class Values(NamedTuple):
    """Hold a data argument: finite float64 numbers, their dims, the labels along each dim, and all coords."""

    name: str
    array: Any
    dims: tuple[Hashable, ...]
    labels: Mapping[Hashable, Labels]
    coords: xr.Dataset


def read_values(x: Any, dim: str, name: str) -> Values:
    """Read and check a DataArray, or a plain array whose last axis is ``dim``.

    Raises
    ------
    TypeError
        For a Dataset and for data that are not real numbers.
    ValueError
        For a missing dim, an empty array, NaN or infinity.
    """
    if isinstance(x, xr.Dataset):
        variables = ", ".join(repr(v) for v in x.data_vars)
        raise TypeError(f"{name} is a Dataset; pass one of its variables ({variables}) as a DataArray")
    if is_pandas(x):
        x = _from_pandas(x, dim, name)
    array = as_array(x, name)
    dims: tuple[Hashable, ...]
    if isinstance(x, xr.DataArray):
        dims, coords = x.dims, x.coords.to_dataset()
    elif array.ndim == 0:
        raise ValueError(f"{name} is a scalar; expected values along {dim!r}")
    else:
        dims, coords = (*(f"dim_{axis}" for axis in range(array.ndim - 1)), dim), xr.Dataset()
    if dim not in dims:
        raise ValueError(f"dim={dim!r} is not a dim of {name}, whose dims are {dims}")
    if array.size == 0:
        sizes = dict(zip(dims, array.shape, strict=True))
        raise ValueError(f"{name} is empty (sizes {sizes}); a test needs at least one value along each dim")
    labels = {d: _read_labels(coords, d, size) for d, size in zip(dims, array.shape, strict=True)}
    with on_device(array):
        values = Values(name, array.astype(np.float64), dims, labels, coords)
        _check_finite(values)
    return values


def _from_pandas(x: Any, dim: str, name: str) -> xr.DataArray:
    """Turn a Series or DataFrame into a DataArray whose last dim is ``dim``, unless its index has that name."""
    axes = [x.index, x.columns] if x.ndim == 2 else [x.index]
    if x.ndim == 1:
        dims = [dim]
    else:
        dims = [x.index.name or "dim_0", x.columns.name or ("dim_1" if x.index.name == dim else dim)]
    array = xr.DataArray(as_array(x, name), dims=dims)
    for dim_name, axis in zip(dims, axes, strict=True):
        several = hasattr(axis, "levels")
        labels = xr.Coordinates.from_pandas_multiindex(axis, dim_name) if several else {dim_name: axis}
        array = array.assign_coords(labels)
    return array


def as_series(before: Values, after: Values, dim: str, *, paired: bool) -> tuple[Any, Any, dict[Hashable, int]]:
    """Lay out both as ``(series, entries)`` matrices; the third result is the sizes of the other dims.

    Every shared dim is brought into the order of ``before``; entries along ``dim`` then stand sorted by
    label, so that what is drawn for an entry does not depend on where it stands.

    Raises
    ------
    TypeError
        If the two are not on the same device.
    ValueError
        If what has to match does not, naming the labels.
    """
    if before.array.device != after.array.device:
        raise TypeError("before and after are not on the same device; move one of them first")
    with on_device(before.array):
        return _lay_out(before, after, dim, paired)


def _lay_out(before: Values, after: Values, dim: str, paired: bool) -> tuple[Any, Any, dict[Hashable, int]]:
    """Put the entries of two data arguments in one order, and lay both out as matrices."""
    for shared in [d for d in before.dims if d in after.dims]:
        if shared != dim or paired:
            after = _take(after, _matching_order(before, after, shared), shared)
    before_order = _sorted_order(before.labels[dim])
    after_order = before_order if paired else _sorted_order(after.labels[dim])
    before, after = _take(before, before_order, dim), _take(after, after_order, dim)
    sizes: dict[Hashable, int] = {}
    for values in (before, after):
        sizes |= {d: n for d, n in zip(values.dims, values.array.shape, strict=True) if d != dim}
    return _as_matrix(before, dim, sizes), _as_matrix(after, dim, sizes), sizes


def result_coords(before: Values, after: Values, dim: str) -> xr.Coordinates:
    """Join the coords of every dim but ``dim``, without those in which the two differ."""
    shared = [d for d in before.dims if d in after.dims and d != dim]
    order = {d: list(_matching_order(before, after, d)) for d in shared}
    mine = before.coords.drop_dims(dim, errors="ignore")
    theirs = after.coords.drop_dims(dim, errors="ignore")
    labels = {name for d in shared for name in before.labels[d].names}
    for name in [n for n in mine.coords if n in theirs.coords and n not in labels]:
        other = theirs[name].variable.isel(order, missing_dims="ignore")
        if not mine[name].variable.equals(other):  # type: ignore[no-untyped-call]
            mine, theirs = mine.drop_vars([name]), theirs.drop_vars([name])
    theirs = theirs.drop_dims(shared, errors="ignore")
    return mine.assign_coords({n: c for n, c in theirs.coords.items() if n not in mine.coords}).coords


def _read_labels(coords: xr.Dataset, dim: Hashable, size: int) -> Labels:
    along = {name for name, coord in coords.coords.items() if coord.dims == (dim,)}
    if {"class_a", "class_b"} <= along:
        columns = [coords[name].values.tolist() for name in ("class_a", "class_b")]
        pairs = zip(*columns, strict=True)
        return Labels(("class_a", "class_b"), [tuple(sorted(pair, key=_sort_key)) for pair in pairs])
    names = (dim,) if dim in along else tuple(sorted(along, key=str))
    columns = [coords[name].values.tolist() for name in names]
    if not names:
        return Labels((), list(range(size)))
    return Labels(names, columns[0] if len(names) == 1 else list(zip(*columns, strict=True)))


def _sort_key(label: Any) -> Any:
    """Return a sort key for labels of any types: numbers come first, then others by the name of their type."""
    if isinstance(label, tuple):
        return tuple(_sort_key(part) for part in label)
    return ("", label) if isinstance(label, (int, float)) else (type(label).__name__, str(label))


def _sorted_order(labels: Labels) -> Sequence[int]:
    return sorted(range(len(labels.of)), key=lambda i: _sort_key(labels.of[i]))


def _matching_order(before: Values, after: Values, dim: Hashable) -> Sequence[int]:
    """Return, for each entry of ``before`` along ``dim``, where ``after`` has the entry of the same label."""
    (names, labels), (other_names, other_labels) = before.labels[dim], after.labels[dim]
    if names != other_names:
        raise ValueError(
            f"before and after are labelled differently along {dim!r}: before by the coords {names}, after "
            f"by {other_names}; give both the same coords, or drop them from both to go by position"
        )
    if not names and len(labels) != len(other_labels):
        raise ValueError(
            f"before has {len(labels)} entries along {dim!r}, after {len(other_labels)}, and there are no "
            "coords to match them by; pass as many of each (they may differ only along dim with paired=False)"
        )
    places, other_places = _places(before, dim), _places(after, dim)
    if places.keys() != other_places.keys():
        only_before = [label for label in labels if label not in other_places]
        only_after = [label for label in other_labels if label not in places]
        sides = [(only_before, "before"), (only_after, "after")]
        found = " and ".join(f"{_shortened(only)} in {side} only" for only, side in sides if only)
        raise ValueError(f"before and after do not hold the same entries along {dim!r}: {found}; select those in both")
    return [other_places[label] for label in labels]


def _places(values: Values, dim: Hashable) -> dict[Any, int]:
    """Map each label along ``dim`` to its position."""
    labels = values.labels[dim].of
    places = {label: i for i, label in enumerate(labels)}
    if len(places) < len(labels):
        twice = [label for i, label in enumerate(labels) if places[label] != i]
        raise ValueError(f"{values.name} holds {_shortened(twice)} more than once along {dim!r}")
    return places


def _shortened(labels: list[Any]) -> str:
    shown = ", ".join(repr(label) for label in labels[:5])
    return shown if len(labels) <= 5 else f"{shown} and {len(labels) - 5} more"


def _take(values: Values, order: Sequence[int], dim: Hashable) -> Values:
    if list(order) == list(range(len(order))):
        return values
    xp = namespace(values.array)
    names, labels = values.labels[dim]
    return values._replace(
        array=xp.take(values.array, xp.asarray(order), axis=values.dims.index(dim)),
        labels={**values.labels, dim: Labels(names, [labels[i] for i in order])},
    )


def _as_matrix(values: Values, dim: str, sizes: Mapping[Hashable, int]) -> Any:
    """Return a matrix of shape ``(product of sizes, entries)``; values are repeated along dims that they lack."""
    xp = namespace(values.array)
    present = [d for d in sizes if d in values.dims]
    array = values.array.transpose([values.dims.index(d) for d in (*present, dim)])
    n = array.shape[-1]
    array = array.reshape([sizes[d] if d in present else 1 for d in sizes] + [n])
    return xp.ascontiguousarray(xp.broadcast_to(array, [*sizes.values(), n]).reshape(-1, n))


def _check_finite(values: Values) -> None:
    """Raise ValueError naming, by its labels, the place of the first value that is NaN or infinite."""
    xp = namespace(values.array)
    finite = xp.isfinite(values.array)
    if bool(finite.all()):
        return
    first = int(xp.flatnonzero(~finite)[0])
    value = values.array.reshape(-1)[first]
    place = np.unravel_index(first, values.array.shape)
    labels = [values.labels[d].of[i] for d, i in zip(values.dims, place, strict=True)]
    where = ", ".join(f"{d}={label!r}" for d, label in zip(values.dims, labels, strict=True))
    raise ValueError(
        f"{values.name} holds {int((~finite).sum())} values that are NaN or infinite; the first is "
        f"{float(value)} at {where}. Leave these entries out, on both sides if paired"
    )
