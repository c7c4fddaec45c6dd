"""Open a file of results as a Dataset whose values stay in the file until they are used."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from hpfunc._files.apart import check_apart

__all__ = ["open_dataset"]

_HDF5 = b"\x89HDF\r\n\x1a\n"


def open_dataset(file: Path, *, checked: bool = False) -> xr.Dataset:
    """Open a netCDF file; its values are read when they are asked for.

    Parameters
    ----------
    file : pathlib.Path
        The file.
    checked : bool
        Say that `check_apart` has seen the file already.

    Raises
    ------
    ValueError
        If the file is missing, is of another kind, is damaged, or declares more than it can hold.
    """
    if not checked:
        _check_file(file)
        why = check_apart([file]).get(file)
        if why is not None:
            raise ValueError(f"{file} cannot be read; it may be cut short or damaged: {why}")
    try:
        return xr.open_dataset(file, engine="h5netcdf", cache=False)
    except Exception as error:
        # Damaged files make the libraries raise anything: OSError, RuntimeError, KeyError, ...
        raise ValueError(f"{file} cannot be read; it may be cut short or damaged: {error!r:.500}") from error


def _check_file(file: Path) -> None:
    """Raise ValueError unless ``file`` is a regular file that begins as HDF5 does."""
    if file.is_dir():
        zarr = any((file / name).exists() for name in ("zarr.json", ".zgroup", ".zmetadata"))
        what = "a Zarr store; if you trust its source, write hpfunc.label_pairs(xarray.open_zarr(path))"
        raise ValueError(f"{file} is {what if zarr else 'a folder that no sweep has written; expected a netCDF file'}")
    if not file.exists():
        older = "; read_seed_results({label: path}) reads the older tool's files" if file.suffix == ".json" else ""
        raise ValueError(f"{file} does not exist{older}")
    # The kind of file is checked first, because opening a pipe would wait for a writer.
    if not file.is_file():
        raise ValueError(f"{file} is not a regular file; expected a netCDF file")
    try:
        with file.open("rb") as stream:
            start = stream.read(len(_HDF5))
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error}") from error
    if start == _HDF5:
        return
    if start[:3] == b"CDF":
        raise ValueError(f"{file} is of the classic netCDF format; write it with format='NETCDF4', xarray's default")
    if start[:1] in (b"{", b"["):
        raise ValueError(f"{file} looks like JSON; read_seed_results({{label: path}}) reads the older tool's files")
    raise ValueError(f"{file} is not a netCDF file (it starts with {start!r})")
