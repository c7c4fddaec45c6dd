"""From a file of arrays to a Dataset that has read nothing but its labels."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import xarray as xr

from hpfunc._files.netcdf import check_netcdf
from hpfunc._files.path import check_path
from hpfunc._files.zarr import check_zarr

__all__ = ["open_dataset"]


def open_dataset(file: Path) -> xr.Dataset:
    """Open a netCDF file or a Zarr folder after what it declares was checked; values are read when asked for.

    Raises
    ------
    ValueError
        If there is nothing, or something else, or it is damaged, or declares more than it can hold.
    ImportError
        For a Zarr folder where the package ``zarr`` is not installed.
    """
    zarr = _is_zarr(file)
    if not zarr:
        check_path(file)
    try:
        (check_zarr if zarr else check_netcdf)(file)
        # Results hold no times; a foreign file's are not worth an error of their own.
        options: dict[str, Any] = {"decode_times": False, "cache": False}
        if zarr:
            # The copy of all metadata in one place was not checked, so it is not used.
            return xr.open_dataset(file, engine="zarr", consolidated=False, **options)
        return xr.open_dataset(file, engine="netcdf4", **options)
    except Exception as error:
        # Damaged files make the libraries raise anything: OSError, RuntimeError, KeyError, ...
        why = str(error) if type(error) is ValueError else repr(error)
        raise ValueError(f"{file} cannot be read; it may be cut short or damaged: {why:.500}") from error


def _is_zarr(file: Path) -> bool:
    """Whether Zarr or netCDF lies at ``file``, by its first bytes rather than by its name."""
    if file.is_dir():
        if not any((file / name).is_file() for name in ("zarr.json", ".zgroup", ".zmetadata")):
            raise ValueError(f"{file} is a folder, neither of a sweep nor Zarr; expected one of these or a netCDF file")
        if find_spec("zarr") is None:
            raise ImportError(f"{file} is a Zarr store, which needs the package zarr: pip install zarr")
        return True
    if not file.exists():
        raise ValueError(f"{file} does not exist")
    if not file.is_file():
        raise ValueError(f"{file} is not a file")
    try:
        with file.open("rb") as stream:
            start = stream.read(8)
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error}") from error
    if start[:3] != b"CDF" and start != b"\x89HDF\r\n\x1a\n":
        raise ValueError(f"{file} is not a netCDF file (it starts with {start!r})")
    return False
