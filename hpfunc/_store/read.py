"""Read one file of results, check it and label it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from hpfunc._files import open_dataset
from hpfunc._labels.pairs import label_pairs
from hpfunc._labels.schema import why_not_numbers, why_strange_names

__all__ = ["read_results"]


def read_results(
    file: Path,
    *,
    lazy: bool = False,
    checked: bool = False,
    why_not: Callable[[xr.Dataset], str | None] = why_not_numbers,
) -> xr.Dataset:
    """Read a netCDF file of labelled numbers; if ``lazy`` only its labels, and its values as dask arrays.

    Parameters
    ----------
    file : pathlib.Path
        The file.
    lazy : bool
        Leave the values in the file, which stays open.
    checked : bool
        Say that `check_apart` has seen the file already.
    why_not : callable
        Says why a Dataset whose values are not read yet is refused, or None.

    Raises
    ------
    ValueError
        If the file is missing or damaged, declares more than it can hold, or holds something else.
    """
    # Not by `with`: lazy arrays read the file after this function has returned.
    stored = open_dataset(file, checked=checked)
    try:
        why = why_not(stored)
        if why is None:
            _load(stored, file, lazy=lazy)
            why = why_strange_names(stored)
        if why is not None:
            raise ValueError(f"{file} holds no results of hpfunc: {why}")
    except BaseException:
        stored.close()
        raise
    if not lazy:
        stored.close()
    # dask comes in only now, because labels are read faster without it.
    results = _plain_types((stored.chunk() if lazy else stored).drop_encoding())
    try:
        for name, coord in results.coords.items():
            if coord.dtype == object:
                raise TypeError(f"coord {name!r} is neither of numbers nor of strings")
        results = label_pairs(results) if "pair" in results.dims else results
    except (TypeError, ValueError) as error:
        raise ValueError(f"{file} holds no results of hpfunc: {error}") from error
    if lazy:
        # The new Dataset does not know the file; closing the Dataset must close the file.
        results.set_close(stored._close)
    return results


def _load(stored: xr.Dataset, file: Path, *, lazy: bool) -> None:
    """Read all values into memory, or those of the coords alone."""
    try:
        for variable in (stored.coords if lazy else stored).variables.values():
            variable.load()
    except Exception as error:
        # Damaged files make the libraries raise anything: OSError, RuntimeError, KeyError, ...
        raise ValueError(f"{file} cannot be read; it may be cut short or damaged: {error!r}") from error


def _plain_types(results: xr.Dataset) -> xr.Dataset:
    """Give strings as fixed-width NumPy strings and attrs as Python numbers, whatever the file made of them."""
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
