"""Read the values to draw from results, and refuse results that the picture cannot show."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import xarray as xr

__all__ = ["items_of", "pair_means", "read_values", "replicates_of", "require_dims"]

_MOST_ENTRIES_NAMED = 6


# The functions whose results hold the variable that a picture shows.
_MAKERS = {"hp": "pairwise_hp or sweep", "pvalue": "fisher_permutation or fisher_steps", "estimate": "fold_interval"}


def read_values(
    results: object,
    dims: Iterable[str],
    *,
    needs: Iterable[str] = (),
    over: str | None = None,
    variable: str = "hp",
    argument: str = "results",
) -> xr.DataArray:
    """Find the values to draw: a DataArray itself, or ``variable`` of a Dataset.

    Checkpoints that are numbers are put into the order of their values, so that a picture does not depend on the order
    in which they were given. Folds and repeats are always accepted; ``over`` names one further dim.

    Raises
    ------
    TypeError
        If ``results`` is not an xarray Dataset or DataArray.
    ValueError
        For a Dataset without ``variable``, a dim that the picture cannot show, a missing dim, or no finite value.
    """
    if isinstance(results, xr.Dataset):
        if variable not in results:
            held, maker = list(results.data_vars), _MAKERS.get(variable, "a function of hpfunc")
            raise ValueError(f"{argument} has no variable {variable!r}; it holds {held}. Pass what {maker} returned")
        values = results[variable]
    elif isinstance(results, xr.DataArray):
        values = results
    else:
        kind = type(results).__name__
        raise TypeError(f"{argument} is a {kind}; pass the Dataset of a function of hpfunc, or a DataArray")
    shown = tuple(dims)
    _check_over(values, over, shown, argument)
    _check_dims(values, (*shown, "repeat", "fold", over), shown, argument)
    require_dims(values, needs, argument)
    if not np.isfinite(values.values).any():
        raise ValueError(f"{argument} holds no finite value to draw (shape {values.shape})")
    if "checkpoint" in values.dims and values["checkpoint"].dtype.kind in "iuf":
        return values.isel(checkpoint=np.argsort(values["checkpoint"].values, kind="stable"))
    return values


def require_dims(values: xr.DataArray, needs: Iterable[str], argument: str = "results") -> None:
    """Raise ValueError unless the values have all dims that the picture needs."""
    missing = [dim for dim in needs if dim not in values.dims]
    if missing:
        named = "; measure a mapping of names to arrays, to have layers" if missing == ["layer"] else ""
        raise ValueError(f"{argument} has dims {values.dims}, and this picture needs {missing} as well{named}")


def items_of(values: xr.DataArray) -> str:
    """Name the dim over which a picture takes its mean: ``class`` for results of `multiclass_hp`, else ``pair``."""
    return "class" if "class" in values.dims else "pair"


def replicates_of(values: xr.DataArray, over: str | None) -> str | None:
    """Name the dim whose entries are repeated measurements: ``over``, else ``fold`` where results have folds."""
    return over or ("fold" if "fold" in values.dims else None)


def pair_means(values: xr.DataArray, over: str | None) -> xr.DataArray:
    """Average each pair over its repeated measurements."""
    averaged = dict.fromkeys(dim for dim in ("repeat", "fold", over) if dim in values.dims)
    return values.mean(list(averaged), keep_attrs=True)


def _check_over(values: xr.DataArray, over: str | None, shown: tuple[str, ...], argument: str) -> None:
    if over is None:
        return
    if over in shown or over == "repeat":
        raise ValueError(f"over={over!r} names a dim that this picture uses in another way; name a further dim")
    if over not in values.dims:
        raise ValueError(f"over={over!r} is not a dim of {argument}, which has dims {values.dims}")
    if values.sizes[over] < 2:
        raise ValueError(f"over={over!r} needs at least two entries; {argument} has {values.sizes[over]}")


def _check_dims(values: xr.DataArray, allowed: tuple[str | None, ...], shown: tuple[str, ...], argument: str) -> None:
    further = [str(dim) for dim in values.dims if dim not in allowed]
    if further:
        entries = "; ".join(f"{dim}: {_entries(values, dim)}" for dim in further)
        raise ValueError(
            f"{argument} has dims {values.dims}, and this picture shows {shown}. For each further dim, select one "
            f"entry, as in .sel({further[0]}=...), or average over it with .mean(...); pictures of HP also accept "
            f"over={further[0]!r}. Further dims and their entries: {entries}"
        )


def _entries(values: xr.DataArray, dim: str) -> str:
    """List the entries of a dim, at most six of them."""
    entries = [str(entry) for entry in values[dim].values.tolist()]
    return ", ".join(entries[:_MOST_ENTRIES_NAMED]) + (", ..." if len(entries) > _MOST_ENTRIES_NAMED else "")
