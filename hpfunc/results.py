"""Labelled results: pairs of classes by name, square tables, files."""

from __future__ import annotations

from os import PathLike

import numpy as np
import pandas as pd
import xarray as xr

from hpfunc._files import as_path
from hpfunc._labels.frame import as_frame
from hpfunc._labels.pair_index import PairIndex
from hpfunc._labels.pairs import Labelled, label_pairs
from hpfunc._older_tool.convert import read_seed_results, write_seed_results
from hpfunc._store import is_store, open_store, read_results

__all__ = ["label_pairs", "open_results", "read_seed_results", "to_frame", "to_square", "write_seed_results"]

# Across the diagonal, row and column change classes, and with them their numbers of samples.
_OTHER_HALF = {"n_a": "n_b", "n_b": "n_a"}


def to_square(values: Labelled, /) -> Labelled:
    """Lay the pairs out as a table, class by class.

    Parameters
    ----------
    values : xarray.Dataset or xarray.DataArray
        With the coords ``class_a`` and ``class_b`` on the dim ``pair``, and any other dims.

    Returns
    -------
    xarray.Dataset or xarray.DataArray
        With the dims ``class_a`` and ``class_b`` last, in place of ``pair``. The table is symmetric: row 8,
        column 3 is row 3, column 8. The exceptions are ``n_a`` and ``n_b``, which count the samples of the
        row's and of the column's class. The diagonal, and pairs that ``values`` does not hold, are NaN, so
        integers become float64. Variables without the dim ``pair`` stay as they are; other coords on
        ``pair`` have no place in the table and are left out.

    Raises
    ------
    TypeError
        If ``values`` is not an xarray object.
    ValueError
        If it has no pairs of classes, or one of them twice; if it holds only one of ``n_a`` and ``n_b``,
        each of which is half of the other's table.

    Examples
    --------
    >>> import xarray as xr
    >>> hp = xr.DataArray([0.9, 0.8, 0.7], dims="pair", coords={
    ...     "class_a": ("pair", [0, 0, 1]), "class_b": ("pair", [1, 2, 2])})
    >>> to_square(hp).values
    array([[nan, 0.9, 0.8],
           [0.9, nan, 0.7],
           [0.8, 0.7, nan]])
    """
    values = label_pairs(values)
    index = values.xindexes["class_a"]
    assert isinstance(index, PairIndex)
    grid, mirrored = _table(index)
    if isinstance(values, xr.DataArray):
        if values.name in _OTHER_HALF:
            raise ValueError(f"{values.name} alone is half a table; pass the Dataset that holds n_a and n_b")
        return _lay_out(values, grid)
    tables = {name: _lay_out(v, grid) for name, v in values.data_vars.items() if "pair" in v.dims}
    for name, other in _OTHER_HALF.items():
        if name in tables and other not in tables:
            raise ValueError(f"values holds {name!r} without {other!r}, the other half of its table")
    turned = {name: tables[name].where(~mirrored, tables[_OTHER_HALF[name]]) for name in tables if name in _OTHER_HALF}
    rest = values.drop_vars([name for name, v in values.variables.items() if "pair" in v.dims])
    return rest.assign({**tables, **turned})[list(values.data_vars)]


def to_frame(results: xr.Dataset | xr.DataArray, /) -> pd.DataFrame:
    """Make a tidy table: one row for each entry, with all labels as columns.

    Parameters
    ----------
    results : xarray.Dataset or xarray.DataArray
        Any result of hpfunc, or what was computed from one, with any dims.

    Returns
    -------
    pandas.DataFrame
        A column for each coord (the classes of a pair among them), in the order of the dims, then a column for each
        variable; a dim without coords gives a column of positions. A variable with fewer dims is repeated. Where each
        of two variables has dims that the other lacks (`multiclass_hp`: pairs of classes, and single classes), each
        kind of entry has its own rows, and the columns of the other kind are missing (NaN) there.

    Raises
    ------
    TypeError
        If ``results`` is not an xarray object.
    ValueError
        If it is a Dataset without variables.

    Notes
    -----
    ``to_dataframe()`` of xarray leaves the classes out from version 2026.9 on.

    Examples
    --------
    >>> import hpfunc as hp
    >>> results = hp.pairwise_hp({"input": [0.0, 1.0, 8.0, 9.0]}, ["cat", "cat", "dog", "dog"])
    >>> hp.to_frame(results[["hp", "n_a"]])  # doctest: +SKIP
       layer  n_features class_a class_b   hp  n_a
    0  input           1     cat     dog  0.5    2
    >>> hp.to_frame(results.hp).columns.tolist()
    ['layer', 'n_features', 'class_a', 'class_b', 'hp']
    """
    if not isinstance(results, (xr.Dataset, xr.DataArray)):
        raise TypeError(f"results is a {type(results).__name__}; expected an xarray Dataset or DataArray")
    if isinstance(results, xr.DataArray):
        results = results.to_dataset(name=results.name if results.name is not None else "value")
    if not results.data_vars:
        raise ValueError("results holds no variable; pass what pairwise_hp or sweep returned")
    return as_frame(results)


def _table(index: PairIndex) -> tuple[xr.DataArray, xr.DataArray]:
    """Find, for each row and column, the position of their pair (-1: none), and whether the row is its ``class_b``."""
    first, second = index.first, index.second
    stored = [frozenset(pair) for pair in zip(first.tolist(), second.tolist(), strict=True)]
    if len(set(stored)) < len(stored):
        raise ValueError("values holds a pair of classes more than once; a table has one place for it")
    classes = np.unique(np.concatenate([first, second]))
    if np.any(first > second):
        # The classes keep the order in which they first occur; they are not sorted.
        both = np.stack([first, second], axis=1).ravel()
        classes = both[np.sort(np.unique(both, return_index=True)[1])]
    place = {label: at for at, label in enumerate(classes.tolist())}
    rows = np.array([place[label] for label in first.tolist()], dtype=np.intp)
    columns = np.array([place[label] for label in second.tolist()], dtype=np.intp)
    positions = np.full((classes.size, classes.size), -1, dtype=np.intp)
    mirrored = np.zeros(positions.shape, dtype=bool)
    positions[rows, columns] = positions[columns, rows] = np.arange(rows.size)
    mirrored[columns, rows] = True
    coords = {"class_a": classes, "class_b": classes}
    grid, turned = (xr.DataArray(a, dims=("class_a", "class_b"), coords=coords) for a in (positions, mirrored))
    return grid, turned


def _lay_out(values: xr.DataArray, grid: xr.DataArray) -> xr.DataArray:
    on_pair = [name for name, coord in values.coords.items() if "pair" in coord.dims]
    attrs = {name: values.coords[name].attrs for name in ("class_a", "class_b")}
    table = values.drop_vars(on_pair).isel(pair=grid).where(grid >= 0)
    for name, kept in attrs.items():
        table.coords[name].attrs.update(kept)
    return table.transpose(..., "class_a", "class_b")


def open_results(path: str | PathLike[str], /) -> xr.Dataset:
    """Read results from a file, or from the store of a sweep.

    Parameters
    ----------
    path : str or path-like
        A netCDF file (``results.to_netcdf(path)``), or the folder ``store`` of a `sweep`, which may still be running. A
        ``~`` at its beginning is the home folder.

    Returns
    -------
    xarray.Dataset
        What was written: the result of `pairwise_hp` or `sweep`, or what was computed from it, with further dims
        (``seed``, ``run``), fewer, or others. Where there are pairs, either order of the classes selects one (see
        `label_pairs`). The encodings of the file are dropped: they would cut longer names off when the results are
        written again. Files are read into memory. A store gives all checkpoints that are finished; where dask is
        installed its values are dask arrays, read when they are needed (``.load()`` reads all).

    Raises
    ------
    TypeError
        If ``path`` is not a path.
    ValueError
        If there is nothing at ``path``, or it is damaged, or holds something other than labelled numbers.
    RuntimeError
        If the Python program that checks the file cannot be started.

    Notes
    -----
    Files may come from anywhere. Before a file is read, a separate process checks what the file declares, since the
    HDF5 library itself crashes or never returns on some damaged files (one whose heap of strings has an object of size
    0, for example). That process is stopped after two seconds of work, or more for a file of over 16 MiB; on a busy
    machine these can take longer by the clock. On Linux it may also take no more than 256 MiB of memory beyond the size
    of the file. A file may hold at most 1,000 variables of numbers and strings, in its root group, with at most 16 GiB
    of values, all in the file itself: no groups, no links, no values in other files, no missing chunks, and no
    compression but zlib with or without shuffle. Labels may have 1,000 characters each and 64 MiB together, variables
    of one dim 16,777,216 values together, and attributes 1 MiB. The files of a store carry checksums, which are
    verified when it is opened: that reads each file once.

    Zarr stores are not read, since some of Zarr's codecs run code that the store names. If you trust the source of one,
    write ``hp.label_pairs(xarray.open_zarr(path))``.

    Examples
    --------
    >>> import tempfile, pathlib, xarray as xr
    >>> hp = xr.DataArray([0.9, 0.8, 0.7], dims="pair", name="hp", coords={
    ...     "class_a": ("pair", [0, 0, 1]), "class_b": ("pair", [1, 2, 2])})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "results.nc")
    ...     hp.to_netcdf(path)
    ...     results = open_results(path)
    >>> results.hp.sel(class_a=2, class_b=0).item()
    0.8
    """
    file = as_path(path, "path")
    return open_store(file) if is_store(file) else read_results(file)
