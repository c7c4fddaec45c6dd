"""One file of results, checked and labelled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from hpfunc._files import open_dataset
from hpfunc._labels.pairs import label_pairs
from hpfunc._labels.schema import no_results, strange_names

__all__ = ["read_results"]


def read_results(file: Path, *, lazy: bool = False) -> xr.Dataset:
    """Read a netCDF file or a Zarr folder of results; if ``lazy`` the labels only, and values as dask arrays.

    Raises
    ------
    ValueError
        If there is nothing, or it is damaged, declares more than it can hold, or holds something else.
    ImportError
        For a Zarr folder where the package ``zarr`` is not installed.
    """
    # Not by `with`: lazy arrays read the file after this function has returned.
    stored = open_dataset(file)
    try:
        why = no_results(stored)
        if why is None:
            _load(stored, file, lazy=lazy)
            why = strange_names(stored)
        if why is not None:
            raise ValueError(f"{file} holds no results of hpfunc: {why}")
    except BaseException:
        stored.close()
        raise
    if not lazy:
        stored.close()
    # Only now, since labels are read faster without dask.
    results = _plain_types((stored.chunk() if lazy else stored).drop_encoding())
    try:
        for name, coord in results.coords.items():
            if coord.dtype == object:
                raise TypeError(f"coord {name!r} is neither of numbers nor of strings")
        results = label_pairs(results) if "pair" in results.dims else results
    except (TypeError, ValueError) as error:
        raise ValueError(f"{file} holds no results of hpfunc: {error}") from error
    if lazy:
        # New Datasets do not know the file that they read.
        results.set_close(stored._close)
    return results


def _load(stored: xr.Dataset, file: Path, *, lazy: bool) -> None:
    try:
        for variable in (stored.coords if lazy else stored).variables.values():
            variable.load()
    except Exception as error:
        # Damaged files make the libraries raise anything: OSError, RuntimeError, KeyError, ...
        raise ValueError(f"{file} cannot be read; it may be cut short or damaged: {error!r}") from error


def _plain_types(results: xr.Dataset) -> xr.Dataset:
    """Strings as fixed-width NumPy strings and attrs as Python numbers, whatever the file made of them."""
    strings = {
        name: coord.astype(str)
        for name, coord in results.coords.items()
        if coord.dtype.kind in "TO" and all(isinstance(v, str) for v in coord.values.flat)
    }
    results = results.assign_coords(strings)
    holders: list[Any] = [results, *results.variables.values()]
    for holder in holders:
        holder.attrs = {k: v.item() if isinstance(v, np.generic) else v for k, v in holder.attrs.items()}
    return results
