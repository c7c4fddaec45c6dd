"""Make square tables of HP by class and class, one for each panel of a picture (`plot_pairs`)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from hpfunc._plot.parts.summary import mean_interval
from hpfunc._plot.parts.values import pair_means, replicates_of
from hpfunc._plot.parts.words import names_of
from hpfunc.results import to_square

__all__ = ["Table", "class_tables"]


class Table(NamedTuple):
    """Hold what one panel shows: HP by class and class, and half widths of intervals (or None)."""

    hp: np.ndarray[Any, Any]
    half: np.ndarray[Any, Any] | None


def class_tables(
    values: xr.DataArray, below: xr.DataArray | None, *, panel: str | None, over: str | None, triangle: str, order: str
) -> tuple[list[Table], list[str]]:
    """Make the table of each panel, and name the classes in the order in which they are drawn.

    Parameters
    ----------
    values, below : DataArray
        The values above and below the diagonal; without ``below``, both halves show ``values``.
    panel : str, optional
        The dim that has a panel for each entry.
    over : str, optional
        The dim of repeated measurements.
    triangle, order : str
        Options of `plot_pairs`.
    """
    tables, names = _tables(values, panel, over)
    under = tables
    if below is not None:
        under, names_below = _tables(below, panel, over)
        if names != names_below:
            raise ValueError(f"lower has the classes {names_below} and results has {names}; select the same of both")
    if order == "similarity":
        by_likeness = _similarity_order((tables[-1].hp + under[-1].hp) / 2)
        tables, under = ([_reorder(table, by_likeness) for table in half] for half in (tables, under))
        names = [names[i] for i in by_likeness]
    return [_join(*halves, triangle) for halves in zip(tables, under, strict=True)], names


def _tables(values: xr.DataArray, panel: str | None, over: str | None) -> tuple[list[Table], list[str]]:
    """Make the square table of each panel, and name the classes."""
    mean, half = _squares(values, over)
    at: list[dict[str, int]] = [{}] if panel is None else [{panel: i} for i in range(mean.sizes[panel])]
    tables = [Table(mean.isel(i).values, None if half is None else half.isel(i).values) for i in at]
    return tables, names_of(mean, "class_a")


def _join(upper: Table, lower: Table, triangle: str) -> Table:
    """Take the first result above the diagonal and the second below it, and hide a half that is not asked for."""
    above = np.triu(np.ones(upper.hp.shape, dtype=bool))
    hp = np.where(above, upper.hp, lower.hp)
    if triangle != "both":
        hp = np.where(above if triangle == "upper" else ~above, hp, np.nan)
    if upper.half is None or lower.half is None:
        return Table(hp, None)
    return Table(hp, np.where(above, upper.half, lower.half))


def _squares(values: xr.DataArray, over: str | None) -> tuple[xr.DataArray, xr.DataArray | None]:
    """Average over repeated measurements and make square tables of the mean and of half of its interval."""
    over = replicates_of(values, over)
    mean = to_square(pair_means(values, over)).transpose(..., "class_a", "class_b")
    if over is None:
        return mean, None
    inner = [dim for dim in ("repeat", "fold") if over != "fold" and dim in values.dims]
    low, high = mean_interval(values.mean(inner), over)
    return mean, to_square((high - low) / 2).transpose(..., "class_a", "class_b")


def _reorder(table: Table, order: Any) -> Table:
    """Put rows and columns into another order."""
    at = np.ix_(order, order)
    return Table(table.hp[at], None if table.half is None else table.half[at])


def _similarity_order(table: np.ndarray[Any, Any]) -> Any:
    """Order the classes so that small values come to stand near the diagonal."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(table) < 3:
        return np.arange(len(table))
    distances = np.where(np.eye(len(table), dtype=bool), 0.0, table)
    missing = int(np.isnan(distances).sum()) // 2
    if missing:
        raise ValueError(f'order="similarity" needs every pair; {missing} are missing or NaN: use order="class"')
    # Unclipped HP can be negative, which no distance is; a common offset does not change the tree.
    condensed = squareform(distances, checks=False)
    return leaves_list(linkage(condensed - min(0.0, condensed.min()), "average", optimal_ordering=True))
