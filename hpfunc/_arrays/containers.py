"""Read what a container says of its entries: masks, the dim of the samples, and labels along samples and features.

Labels along an axis come from the coords of an xarray object, from the index and columns of a pandas object, and from
the columns of a polars frame. Where two containers both label an axis, the same labels in another order are aligned and
different labels are an error.
"""

from __future__ import annotations

import sys
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from hpfunc._arrays.tensors import is_tensor

__all__ = ["align_features", "align_labels", "contents", "is_pandas", "sample_dim", "samples_first"]

_LISTED = 5


class AxisKeys(NamedTuple):
    """Hold the labels along one axis, by the names of the coords or the index that they come from."""

    columns: Mapping[Hashable, list[Any]]
    # The kind is "default" if the labels only count from 0, as those that pandas and polars give by themselves.
    kind: Literal["xarray", "pandas", "polars", "default"]


def contents(x: Any, name: str) -> Any:
    """Return the array inside a container.

    Raises
    ------
    TypeError
        For a sparse matrix, and for columns of pandas that are not numbers.
    ValueError
        For masked entries: as NaN, they are no values.
    """
    if is_xarray(x):
        return contents(x.data, name)
    if is_pandas(x):
        return _numbers(x, name)
    if isinstance(x, np.ma.MaskedArray):
        _check_mask(np.ma.getmaskarray(x), name)
        return np.asarray(x.data)
    if is_tensor(x) and hasattr(x, "get_mask"):
        # A MaskedTensor marks with True what is there.
        _check_mask(~x.get_mask().cpu().numpy(), name)
        return x.get_data()
    if isinstance(x, (list, tuple)) and any(isinstance(row, np.ma.MaskedArray) for row in x):
        return contents(np.ma.stack([np.ma.asarray(row) for row in x]), name)
    if hasattr(x, "nnz") and (hasattr(x, "toarray") or hasattr(x, "todense")):
        remedy = "toarray" if hasattr(x, "toarray") else "todense"
        raise TypeError(f"{name} is a sparse {type(x).__name__}, and distances need every entry; pass .{remedy}()")
    return x


def is_xarray(x: object) -> bool:
    """Tell whether ``x`` is a DataArray."""
    xarray = sys.modules.get("xarray")
    return xarray is not None and isinstance(x, xarray.DataArray)


def is_pandas(x: object) -> bool:
    """Tell whether ``x`` is a Series, a DataFrame or an Index of pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(x, (pandas.Series, pandas.DataFrame, pandas.Index))


def is_polars(x: object) -> bool:
    """Tell whether ``x`` is a DataFrame of polars, which labels its columns."""
    polars = sys.modules.get("polars")
    return polars is not None and isinstance(x, polars.DataFrame)


def sample_dim(x: Any, labels: Any = None) -> Hashable:
    """Tell which dim of a DataArray or Dataset counts the samples.

    It is the dim of ``labels``, if these are a DataArray along one dim of ``x``; else the dim of the coord ``label``;
    else ``"sample"``; else the first dim.
    """
    given = labels.dims if is_xarray(labels) else ()
    own = x.coords["label"].dims if "label" in x.coords else ()
    for dims in (given, own, ("sample",)):
        if len(dims) == 1 and set(dims) <= set(x.dims):
            return next(iter(dims))
    return next(iter(x.dims), "sample")


def samples_first(x: Any, dim: Hashable | None = None) -> Any:
    """Return a DataArray with the dim of its samples first; anything else as it is."""
    if not is_xarray(x) or x.ndim == 0:
        return x
    return x.transpose(sample_dim(x) if dim is None else dim, ...)


def align_features(x: Any, y: Any, names: tuple[str, str]) -> tuple[Any, Any]:
    """Return two groups of points with the samples first, the features of the second in the order of the first.

    Parameters
    ----------
    x, y : array-like
        Points ``(n, ...)`` and ``(m, ...)``. Where both label an axis of their features, these labels are matched.
    names : tuple of two str
        What errors call them.

    Raises
    ------
    ValueError
        If the two do not hold the same features, or if it is not clear which dim counts the samples.
    """
    x, y = samples_first(x), samples_first(y)
    if is_xarray(x) and is_xarray(y):
        if y.ndim and y.dims[0] in x.dims[1:]:
            raise ValueError(
                f"{names[1]} has the dims {y.dims}, of which the first counts features in {names[0]}, whose dims are "
                f"{x.dims}; transpose {names[1]} so that its samples come first"
            )
        if set(x.dims[1:]) == set(y.dims[1:]):
            y = y.transpose(y.dims[0], *x.dims[1:]) if y.ndim else y
    keys_x, keys_y = _axis_keys(x), _axis_keys(y)
    for axis in range(1, min(len(keys_x), len(keys_y))):
        order = _order(keys_x[axis], keys_y[axis], names, f"the features (axis {axis})")
        if order is not None:
            y = _take(y, order, axis)
    return x, y


def align_labels(labels: Any, points: Any, names: tuple[str, str] = ("activations", "labels")) -> Any:
    """Return labels in the order of the samples of ``points``, where both label their samples; else as they are.

    Parameters
    ----------
    labels : array-like (n,)
        The label of each sample.
    points : array-like (n, ...)
        The samples, first.
    names : tuple of two str
        What errors call the points and the labels.

    Raises
    ------
    ValueError
        If the two do not hold the same samples.
    """
    keys_points, keys_labels = _axis_keys(points), _axis_keys(labels)
    if not keys_points or not keys_labels:
        return labels
    order = _order(keys_points[0], keys_labels[0], names, "the samples")
    return labels if order is None else _take(labels, order, 0)


def _check_mask(mask: np.ndarray[Any, Any], name: str) -> None:
    """Raise ValueError if an entry is masked, and say where."""
    if mask.any():
        first = tuple(int(place) for place in np.argwhere(mask)[0])
        raise ValueError(
            f"{name} has {int(mask.sum())} masked entries, the first at position {first}; drop these samples, or fill "
            "them by a value that is meant"
        )


def _numbers(x: Any, name: str) -> np.ndarray[Any, Any]:
    """Return a pandas object as a NumPy array of its common dtype; missing numbers become NaN."""
    columns = list(x.dtypes.items()) if hasattr(x, "columns") else [(x.name, x.dtype)]
    # Nullable, Arrow and sparse columns name the NumPy dtype of their values.
    dtypes = [getattr(dtype, "numpy_dtype", getattr(dtype, "subtype", dtype)) for _, dtype in columns]
    for (column, _), dtype in zip(columns, dtypes, strict=True):
        if getattr(dtype, "kind", "O") not in "biuf":
            raise TypeError(f"{name} has the column {column!r} of dtype {dtype}; expected real numbers in each column")
    if not columns:
        return np.asarray(x)
    missing = np.asarray(x.isna()).any()
    common = np.result_type(*dtypes, *([np.float64] if missing else []))
    if missing:
        return np.asarray(x.to_numpy(dtype=common, na_value=np.nan))
    return np.asarray(x.to_numpy(dtype=common))


def _axis_keys(x: Any) -> list[AxisKeys]:
    """Return the labels along each axis of a container; an empty list for a plain array."""
    if is_xarray(x):
        keys = []
        for dim in x.dims:
            along = {name: coord for name, coord in x.coords.items() if coord.dims == (dim,) and name != "label"}
            # The coordinate of the dim is enough: the levels of a MultiIndex and other coords repeat its order.
            own = {dim: along[dim]} if dim in along else along
            keys.append(AxisKeys({name: coord.values.tolist() for name, coord in own.items()}, "xarray"))
        return keys
    if is_pandas(x) and hasattr(x, "index"):
        axes = [x.index, x.columns] if hasattr(x, "columns") else [x.index]
        return [_pandas_keys(axis) for axis in axes]
    if is_polars(x):
        # Rows of polars have no labels.
        columns = list(x.columns)
        counts = columns == [f"column_{k}" for k in range(len(columns))]
        return [AxisKeys({}, "polars"), AxisKeys({None: columns}, "default" if counts else "polars")]
    return []


def _pandas_keys(index: Any) -> AxisKeys:
    """Return the labels of an index."""
    labels = index.tolist()
    counts = index.name is None and labels == list(range(len(labels)))
    return AxisKeys({index.name: labels}, "default" if counts else "pandas")


def _order(first: AxisKeys, second: AxisKeys, names: tuple[str, str], what: str) -> list[int] | None:
    """Return where each label of the first stands in the second; None if it needs no other order.

    Raises
    ------
    ValueError
        If the two hold different labels, or labels that come twice and stand in another order.
    """
    if {first.kind, second.kind} in ({"xarray", "default"}, {"polars", "default"}):
        # An index that only counts from 0 cannot be compared with the labels of another library.
        return None
    shared = [name for name in first.columns if name in second.columns]
    if shared or len(first.columns) != 1 or len(second.columns) != 1:
        columns = [[keys.columns[name] for name in shared] for keys in (first, second)]
    else:
        # Two indexes of different names still label the same axis.
        columns = [list(keys.columns.values()) for keys in (first, second)]
    if not columns[0]:
        return None
    mine, theirs = (list(zip(*part, strict=True)) for part in columns)
    if mine == theirs:
        return None
    places = {label: place for place, label in enumerate(theirs)}
    only = [[label for label in mine if label not in places], [label for label in theirs if label not in set(mine)]]
    if any(only):
        found = " and ".join(f"{_listed(some)} in {name} only" for some, name in zip(only, names, strict=True) if some)
        raise ValueError(
            f"{names[0]} and {names[1]} label {what} differently: {found}. Select what both have, or pass plain arrays "
            "(.to_numpy(), .values) to go by position"
        )
    if len(places) < len(theirs) or len(mine) != len(theirs):
        raise ValueError(
            f"{names[0]} and {names[1]} label {what} in another order, and some labels come more than once, so that "
            "they cannot be matched; pass plain arrays (.to_numpy(), .values) to go by position"
        )
    return [places[label] for label in mine]


def _take(x: Any, order: Sequence[int], axis: int) -> Any:
    """Return a container with the entries along one axis in another order."""
    if is_xarray(x):
        return x.isel({x.dims[axis]: list(order)})
    if is_polars(x):
        return x[:, list(order)]
    return x.iloc[list(order)] if axis == 0 else x.iloc[:, list(order)]


def _listed(labels: list[tuple[Any, ...]]) -> str:
    shown = ", ".join(repr(label[0] if len(label) == 1 else label) for label in labels[:_LISTED])
    return shown if len(labels) <= _LISTED else f"{shown} and {len(labels) - _LISTED} more"
