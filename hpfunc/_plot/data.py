"""What a picture is drawn from: values, the words for them, and one series for each checkpoint and split."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from hpfunc._plot.style import DASHES, ordered_colours, ordered_markers

__all__ = [
    "Series", "label_of", "mean_and_range", "names_of", "observations", "series_of", "short_names",
    "title_of", "values_of",
]  # fmt: skip

_DESCRIBES_A_SLICE = ("checkpoint", "split", "layer", "step")


class Series(NamedTuple):
    """The values of one checkpoint (or layer, or step) and split, and how to draw them."""

    values: xr.DataArray
    name: str
    split: str
    colour: Any
    marker: str
    dash: Any
    main_split: bool
    end: bool


def values_of(
    results: object,
    dims: Iterable[str],
    *,
    needs: Iterable[str] = (),
    variable: str = "hp",
    argument: str = "results",
) -> xr.DataArray:
    """Find the values to draw: a DataArray itself, or ``variable`` of a Dataset.

    Raises
    ------
    TypeError
        Unless ``results`` is an xarray Dataset or DataArray.
    ValueError
        For a Dataset without ``variable``, a dim that cannot be shown, a missing dim, or nothing finite.
    """
    if isinstance(results, xr.Dataset):
        if variable not in results:
            raise ValueError(f"{argument} has no variable {variable!r}; it holds {list(results.data_vars)}")
        values = results[variable]
    elif isinstance(results, xr.DataArray):
        values = results
    else:
        kind = type(results).__name__
        raise TypeError(f"{argument} is a {kind}; pass the Dataset of a function of hpfunc, or a DataArray")
    allowed, missing = tuple(dims), [dim for dim in needs if dim not in values.dims]
    unknown = [dim for dim in values.dims if dim not in allowed]
    if unknown:
        raise ValueError(
            f"{argument} has dims {values.dims}, and this picture shows {allowed}; select one entry of "
            f"{unknown} with .sel(...), or average over it with .mean(...)"
        )
    if missing:
        raise ValueError(f"{argument} has dims {values.dims}, and this picture needs {missing} as well")
    if not np.isfinite(values.values).any():
        raise ValueError(f"{argument} holds no finite value to draw (shape {values.shape})")
    return values


def observations(values: xr.DataArray) -> str:
    """Name the dim over which values are summarised."""
    return "class" if "class" in values.dims else "pair"


def label_of(values: xr.DataArray, default: str = "") -> str:
    """Make an axis label from the attrs: ``long_name [units]``; the unit 1 is not written."""
    words = str(values.attrs.get("long_name", default if values.name is None else values.name))
    units = str(values.attrs.get("units", "1"))
    return words if units in ("", "1") else f"{words} [{units}]"


def title_of(values: xr.DataArray) -> str:
    """Say what was selected before the picture was drawn: ``split = test, layer = conv1``."""
    scalars = [name for name in _DESCRIBES_A_SLICE if name in values.coords and values.coords[name].ndim == 0]
    return ", ".join(f"{name} = {values.coords[name].item()}" for name in scalars)


def short_names(names: Iterable[object], width: int = 24) -> list[str]:
    """Cut long names to their ends, where dotted paths differ; not if that would make two of them alike."""
    full = [str(name) for name in names]
    cut = [name if len(name) <= width else "…" + name[-(width - 1) :] for name in full]
    return cut if len(set(cut)) == len(set(full)) else full


def names_of(values: xr.DataArray, dim: str) -> list[str]:
    """Name the entries of a dim; a step by what it joins."""
    if dim == "step" and {"before", "after"} <= set(values.coords):
        ends = (values[end].values.tolist() for end in ("before", "after"))
        return [f"{before} → {after}" for before, after in zip(*map(short_names, ends), strict=True)]
    return short_names(np.asarray(values[dim].values).tolist())


def series_of(values: xr.DataArray, by: str = "checkpoint") -> list[Series]:
    """Make a series for each entry of ``by`` (colour, marker) and split (dash; ``train`` is always solid)."""
    prefix = "checkpoint " if by == "checkpoint" else ""
    names = [prefix + name for name in names_of(values, by)] if by in values.dims else [""]
    splits = names_of(values, "split") if "split" in values.dims else [""]
    colours, markers = ordered_colours(len(names)), ordered_markers(len(names))
    # Stable, so that splits of other names keep their order.
    by_style = sorted(range(len(splits)), key=lambda s: splits[s] != "train")
    return [
        Series(
            values=values.isel({by: i, "split": s}, missing_dims="ignore"),
            name=names[i],
            split=splits[s],
            colour=colours[i],
            marker=markers[i],
            dash=DASHES[style % len(DASHES)],
            main_split=style == 0,
            end=i in (0, len(names) - 1),
        )
        for i in range(len(names))
        for style, s in enumerate(by_style)
    ]


def mean_and_range(values: xr.DataArray, dim: str, spread: tuple[float, float]) -> tuple[Any, Any, Any]:
    """Take the mean and two quantiles over ``dim`` of what is not NaN."""
    mean = values.mean(dim, skipna=True)
    low, high = (values.quantile(q, dim=dim, skipna=True) for q in spread)
    return mean.values, low.values, high.values
