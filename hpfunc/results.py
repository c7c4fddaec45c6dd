"""Labelled results: pairs of classes by name, square tables, files."""

from __future__ import annotations

from typing import TypeVar

import xarray as xr

from hpfunc._pair_index import PairIndex

__all__ = ["PairIndex", "label_pairs"]

Labelled = TypeVar("Labelled", xr.Dataset, xr.DataArray)


def label_pairs(values: Labelled, /) -> Labelled:
    """Make the pairs of classes selectable in either order.

    Parameters
    ----------
    values : xarray.Dataset or xarray.DataArray
        With the coords ``class_a`` and ``class_b`` (integers or strings) on the dim ``pair``.

    Returns
    -------
    xarray.Dataset or xarray.DataArray
        The same values under a `PairIndex`. Nothing is copied; what has the index already comes back as
        it is.

    Raises
    ------
    TypeError
        If ``values`` is not an xarray object, or the classes are neither integers nor strings.
    ValueError
        If one of the coords is missing or is not on ``pair``, or pairs a class with itself.

    Examples
    --------
    >>> import xarray as xr
    >>> hp = xr.DataArray([0.9, 0.8, 0.7], dims="pair", coords={
    ...     "class_a": ("pair", [0, 0, 1]), "class_b": ("pair", [1, 2, 2])})
    >>> float(label_pairs(hp).sel(class_a=2, class_b=0))
    0.8
    """
    if not isinstance(values, (xr.Dataset, xr.DataArray)):
        raise TypeError(f"values is a {type(values).__name__}; expected an xarray Dataset or DataArray")
    for name in ("class_a", "class_b"):
        if name not in values.coords:
            raise ValueError(f"values has no coord {name!r}; it has {sorted(map(str, values.coords))}")
        if values.coords[name].dims != ("pair",):
            dims = values.coords[name].dims
            raise ValueError(
                f"coord {name!r} has the dims {dims}; expected ('pair',), one class for each pair"
            )
    indexes = [values.xindexes.get(name) for name in ("class_a", "class_b")]
    if isinstance(indexes[0], PairIndex) and indexes[0] is indexes[1]:
        return values
    plain = values.drop_indexes([n for n in ("class_a", "class_b") if n in values.xindexes])
    return plain.set_xindex(["class_a", "class_b"], PairIndex)
