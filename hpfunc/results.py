"""Labelled results: pairs of classes by name, square tables, files."""

from __future__ import annotations

from os import PathLike

import numpy as np
import xarray as xr

from hpfunc._files import as_path
from hpfunc._labels.pair_index import PairIndex
from hpfunc._labels.pairs import Labelled, label_pairs
from hpfunc._older_tool.convert import read_seed_results, write_seed_results
from hpfunc._store import is_store, open_store, read_results

__all__ = ["label_pairs", "open_results", "read_seed_results", "to_square", "write_seed_results"]

# On the other side of the diagonal the row's class is the column's, and so are their numbers of samples.
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


def _table(index: PairIndex) -> tuple[xr.DataArray, xr.DataArray]:
    """For each row and column the position of their pair (-1: none), and whether row is ``class_b`` there."""
    first, second = index.first, index.second
    stored = [frozenset(pair) for pair in zip(first.tolist(), second.tolist(), strict=True)]
    if len(set(stored)) < len(stored):
        raise ValueError("values holds a pair of classes more than once; a table has one place for it")
    classes = np.unique(np.concatenate([first, second]))
    if np.any(first > second):
        # Not in sorted order, so the order of the classes is the one in which they come.
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
        A netCDF file (``results.to_netcdf(path)``), a Zarr folder (``results.to_zarr(path)``), or the folder
        ``store`` of a `sweep`, which may be still at work.

    Returns
    -------
    xarray.Dataset
        With the dims that apply of ``(checkpoint, split, layer, pair)``. Either order of the
        classes selects a pair (see `label_pairs`). The encodings of the file are dropped: they would cut
        longer names off when the results are written again. Files are read into memory. A store gives all
        checkpoints that are finished; where dask is installed its values are dask arrays, read when they are needed
        (``.load()`` reads all).

    Raises
    ------
    TypeError
        If ``path`` is not a path.
    ValueError
        If there is nothing at ``path``, or it is damaged, or holds something other than results.
    ImportError
        For a Zarr folder where the package ``zarr`` is not installed.

    Notes
    -----
    Files may come from anywhere: before values are read, dims and dtypes are checked, and the declared sizes. These may
    be at most 16 GiB, and at most 1,032 times the size of the file (which is what compression can do) plus 16 MiB; in
    the classic netCDF format no more than the file. Labels may have 1,000 characters each and 64 MiB together. A Zarr
    folder may hold a million files, no links, metadata of 16 MiB each, no chunk less than it declares, and only
    these codecs: blosc, gzip, lz4, zlib, zstd, and those that only arrange bytes. The files of a store carry checksums,
    which are verified when it is opened: that reads each file once.

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
