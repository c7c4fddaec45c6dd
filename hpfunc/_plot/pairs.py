"""`plot_pairs`: which classes a layer keeps apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from hpfunc._plot.data import label_of, names_of, title_of, values_of
from hpfunc._plot.style import axes_for, name_ticks
from hpfunc._support.checks import check_option
from hpfunc.results import to_square

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_pairs"]

# More numbers than this no longer fit into their cells.
_MOST_NUMBERS = 12


def plot_pairs(results: xr.Dataset | xr.DataArray, /, *, order: str = "class", ax: Axes | None = None) -> Axes:
    """Draw HP of every pair of classes of one layer as a table of colours.

    Parameters
    ----------
    results : Dataset or DataArray
        One layer of what `pairwise_hp`, `sweep` or `hp_estimate` returned, such as ``runs.sel(checkpoint=6,
        split="test", layer="fc1")``: the dim ``pair`` and no other. Of a Dataset, ``hp`` is drawn.
    order : {"class", "similarity"}, optional
        The order of the classes: their own; or one in which classes that are hard to tell apart stand side by
        side (leaves of an average-linkage tree in which HP is the distance).
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        The values stand in the cells for up to 12 classes.

    Raises
    ------
    TypeError
        If ``results`` is not of xarray, or ``ax`` is not an Axes.
    ValueError
        If ``results`` has other dims, no classes on ``pair``, or no finite value; for an unknown ``order``;
        for ``order="similarity"`` where a pair is missing or NaN.

    Examples
    --------
    >>> import xarray as xr
    >>> hp = xr.DataArray([0.9, 0.1, 0.7], dims="pair", name="hp", coords={
    ...     "class_a": ("pair", [0, 0, 1]), "class_b": ("pair", [1, 2, 2])})
    >>> ax = plot_pairs(hp, order="similarity")
    >>> [tick.get_text() for tick in ax.get_xticklabels()]
    ['1', '2', '0']
    """
    check_option("order", order, ("class", "similarity"))
    values = values_of(results, ("pair",), needs=("pair",))
    square = to_square(values).transpose("class_a", "class_b")
    if order == "similarity":
        by_likeness = _similarity_order(square.values)
        square = square.isel(class_a=by_likeness, class_b=by_likeness)
    names = names_of(square, "class_a")
    axes = axes_for(ax, (6.2, 5.2) if len(names) <= _MOST_NUMBERS else (9.0, 8.0))
    image = axes.imshow(square.values, cmap="cividis", interpolation="nearest")
    if len(names) <= _MOST_NUMBERS:
        _write_values(axes, square.values, image)
    name_ticks(axes, names)
    name_ticks(axes, names, axis="y")
    axes.set_xlabel("class")
    axes.set_ylabel("class")
    axes.set_title(title_of(values))
    axes.get_figure(root=True).colorbar(image, ax=axes, label=label_of(values, "hp"))  # type: ignore[union-attr]
    return axes


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


def _write_values(axes: Axes, table: np.ndarray[Any, Any], image: Any) -> None:
    """Write each value into its cell, in white on dark and black on light."""
    size = 9 if len(table) <= 8 else 7
    for (row, column), value in np.ndenumerate(table):
        if np.isfinite(value):
            ink = "black" if image.norm(value) > 0.5 else "white"
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=ink, fontsize=size)
