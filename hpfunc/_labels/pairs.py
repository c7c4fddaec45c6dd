"""Attach the index that selects a pair of classes in either order."""

from __future__ import annotations

from typing import TypeVar

import xarray as xr

from hpfunc._labels.pair_index import PairIndex

__all__ = ["Labelled", "label_pairs"]

Labelled = TypeVar("Labelled", xr.Dataset, xr.DataArray)


def label_pairs(dataset: Labelled, /) -> Labelled:
    """Make the pairs of classes selectable in either order.

    Every result of hpfunc has this already. Use it for pairs that come from elsewhere: from a Zarr store
    (``label_pairs(xarray.open_zarr(path))``), a plain ``xarray.open_dataset``, or a table of your own.

    Parameters
    ----------
    dataset : xarray.Dataset or xarray.DataArray
        Values with the coords ``class_a`` and ``class_b`` (integers or strings) on the dim ``pair``, and any other
        dims.

    Returns
    -------
    xarray.Dataset or xarray.DataArray
        The same values, of which ``sel(class_a=3, class_b=8)`` and ``sel(class_a=8, class_b=3)`` select the same entry.
        Values are not copied. A dataset that has the index already is returned unchanged.

    Raises
    ------
    TypeError
        If ``dataset`` is not an xarray object, or the classes are neither integers nor strings.
    ValueError
        If one of the coords is missing or is not on ``pair``, or pairs a class with itself.

    Notes
    -----
    Zarr stores are opened by xarray and not checked by hpfunc. Some of Zarr's codecs run code that the store names:
    open a Zarr store only if you trust its source. `open_results` reads netCDF files from anywhere.

    Examples
    --------
    >>> import xarray as xr
    >>> import hpfunc as hp
    >>> values = xr.DataArray([0.9, 0.8, 0.7], dims="pair", coords={
    ...     "class_a": ("pair", [0, 0, 1]), "class_b": ("pair", [1, 2, 2])})
    >>> float(hp.label_pairs(values).sel(class_a=2, class_b=0))
    0.8
    """
    if not isinstance(dataset, (xr.Dataset, xr.DataArray)):
        raise TypeError(f"dataset is a {type(dataset).__name__}; expected an xarray Dataset or DataArray")
    for name in ("class_a", "class_b"):
        if name not in dataset.coords:
            raise ValueError(f"dataset has no coord {name!r}; it has {sorted(map(str, dataset.coords))}")
        if dataset.coords[name].dims != ("pair",):
            dims = dataset.coords[name].dims
            raise ValueError(f"coord {name!r} has the dims {dims}; expected ('pair',), one class for each pair")
    indexes = [dataset.xindexes.get(name) for name in ("class_a", "class_b")]
    if isinstance(indexes[0], PairIndex) and indexes[0] is indexes[1]:
        return dataset
    plain = dataset.drop_indexes([n for n in ("class_a", "class_b") if n in dataset.xindexes])
    return plain.set_xindex(["class_a", "class_b"], PairIndex)
