"""Lay labelled values out as a table, one row for each entry."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

__all__ = ["as_frame"]

_Dims = tuple[Hashable, ...]


def as_frame(dataset: xr.Dataset) -> pd.DataFrame:
    """Make one table of all variables; those of other dims stand in rows of their own, below each other."""
    tables = [_table(dataset, dims, names) for dims, names in _groups(dataset).items()]
    columns = list(dict.fromkeys(name for table in tables for name in table))
    ordered = [name for name in columns if name not in dataset.data_vars] + list(dataset.data_vars)
    if len(tables) == 1:
        return tables[0][ordered]
    # Integers stay integers where another table has no values in their column.
    missing = [name for name in columns if any(name not in table for table in tables)]
    tables = [
        table.astype({name: "Int64" for name in missing if name in table and table[name].dtype.kind in "iu"})
        for table in tables
    ]
    return pd.concat(tables, ignore_index=True)[ordered]


def _groups(dataset: xr.Dataset) -> dict[_Dims, list[Hashable]]:
    """Group each variable with the smallest table that has all its dims; a variable that none fits begins a table."""
    by_size = sorted(dataset.data_vars, key=lambda name: -dataset[name].ndim)
    groups: dict[_Dims, list[Hashable]] = {}
    for name in by_size:
        dims = dataset[name].dims
        fitting = [group for group in groups if set(dims) <= set(group)]
        # Choose the smallest table that fits: values of a layer go beside classes rather than beside pairs of classes.
        groups.setdefault(min(fitting, key=len) if fitting else dims, []).append(name)
    return groups


def _table(dataset: xr.Dataset, dims: _Dims, names: list[Hashable]) -> pd.DataFrame:
    """Make the table of variables whose dims are among ``dims``: coords first, in the order of the dims."""
    shape = tuple(dataset.sizes[dim] for dim in dims)
    columns: dict[Hashable, Any] = {}
    for dim in dims:
        along = [name for name, coord in dataset.coords.items() if coord.dims == (dim,)]
        if not along:
            columns[dim] = _spread(xr.Variable((dim,), np.arange(dataset.sizes[dim])), dims, shape)
        for name in sorted(along, key=lambda name: name != dim):
            columns[name] = _spread(dataset[name].variable, dims, shape)
    for name, coord in dataset.coords.items():
        if name not in columns and set(coord.dims) <= set(dims):
            columns[name] = _spread(coord.variable, dims, shape)
    for name in names:
        columns[name] = _spread(dataset[name].variable, dims, shape)
    return pd.DataFrame(columns)


def _spread(variable: xr.Variable, dims: _Dims, shape: tuple[int, ...]) -> Any:
    """Repeat a variable along the dims that it lacks, and list its values in the order of ``dims``."""
    own = variable.transpose(*(dim for dim in dims if dim in variable.dims))
    missing = tuple(axis for axis, dim in enumerate(dims) if dim not in variable.dims)
    return np.broadcast_to(np.expand_dims(own.values, missing), shape).ravel()
