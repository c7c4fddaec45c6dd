"""Draw which classes a layer separates (`plot_pairs`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from hpfunc._plot.class_tables import Table, class_tables
from hpfunc._plot.parts.finish import finish_axes, inches_of, name_ticks
from hpfunc._plot.parts.scale import HpScale
from hpfunc._plot.parts.style import NARROW, PAGE, check_figsize, new_figure, open_axes
from hpfunc._plot.parts.values import read_values
from hpfunc._plot.parts.words import fold_lines, label_of, names_of, title_of
from hpfunc._support.checks import check_option

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_pairs"]

# More numbers than this no longer fit into their cells.
_MOST_NUMBERS = 12
_PANELS = ("checkpoint", "split", "layer")
_MOST_COLUMNS = 3


@np.errstate(all="ignore")
def plot_pairs(
    results: xr.Dataset | xr.DataArray,
    /,
    *,
    lower: xr.Dataset | xr.DataArray | None = None,
    triangle: str = "both",
    order: str = "class",
    vmin: float | None = None,
    vmax: float | None = None,
    over: str | None = None,
    scale: str = "linear",
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Axes | Figure:
    """Draw HP of every pair of classes as a table of colours.

    Parameters
    ----------
    results : Dataset or DataArray
        One layer of what `pairwise_hp`, `sweep` or `hp_estimate` returned, such as ``runs.sel(checkpoint=6,
        split="test", layer="fc1")``: the dim ``pair``, perhaps with ``repeat`` and ``fold``. Of a Dataset, ``hp`` is
        drawn. One further dim (``checkpoint``, ``split`` or ``layer``) makes a grid with a panel for each entry, on one
        scale of colours: before and after training.
    lower : Dataset or DataArray, optional
        Further results of the same classes, drawn below the diagonal; ``results`` then stand above it: training images
        above, test images below.
    triangle : {"both", "upper", "lower"}, optional
        The half of the table that is drawn, since both halves show the same values.
    order : {"class", "similarity"}, optional
        The order of the classes: their own; or one in which classes that are hard to tell apart stand side by
        side (leaves of an average-linkage tree in which HP is the distance; of the last panel of a grid).
    vmin, vmax : float, optional
        HP at the ends of the scale of colours, so that several pictures can share it; by default the smallest and
        largest value of all panels.
    over : str, optional
        A further dim of repeated measurements, such as ``run`` or ``seed``; ``fold`` by default where results have
        folds. Cells show the mean over it, and for up to 8 classes the half width of its 95 % interval.
    scale : {"linear", "log"}, optional
        "log" colours the overlap, 1 - HP, on a logarithmic scale, and writes overlaps into the cells.
    title : str, optional
        By default what was selected before, such as ``layer = fc1``.
    figsize : pair of float, optional
        Width and height of a new figure in inches; by default at most 6.5 wide.
    ax : matplotlib.axes.Axes, optional
        Where to draw, for one picture; a new figure by default. A grid makes its own figure.

    Returns
    -------
    matplotlib.axes.Axes or matplotlib.figure.Figure
        The Axes, or the Figure of a grid. The values stand in the cells for up to 12 classes.

    Raises
    ------
    TypeError
        If ``results`` is not of xarray, or ``ax`` is not an Axes.
    ValueError
        If ``results`` has other dims, no classes on ``pair``, or no finite value; for an unknown ``order``,
        ``triangle`` or ``scale``; if ``lower`` has other classes or panels, or comes with one triangle only; for
        ``order="similarity"`` where a pair is missing or NaN; if ``vmin`` is not below ``vmax``, ``over`` is not a
        further dim, ``ax`` is given for a grid, or ``figsize`` together with ``ax``.

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
    check_option("triangle", triangle, ("both", "upper", "lower"))
    check_figsize(figsize, ax)
    if lower is not None and triangle != "both":
        raise ValueError(f"lower= fills the other half of the table; leave triangle={triangle!r} out")
    values = read_values(results, (*_PANELS, "pair"), needs=("pair",), over=over)
    below = (
        None if lower is None else read_values(lower, (*_PANELS, "pair"), needs=("pair",), over=over, argument="lower")
    )
    panel = _panel_of(values, below, ax)
    tables, names = class_tables(values, below, panel=panel, over=over, triangle=triangle, order=order)
    hp_scale = HpScale(scale, [table.hp[np.isfinite(table.hp)] for table in tables])
    norm = _norm(tables, hp_scale, vmin, vmax)
    words = hp_scale.label(label_of(values, "hp"))
    heading = _title(values, below) if title is None else title
    if panel is None:
        few = len(names) <= _MOST_NUMBERS
        axes = open_axes(ax, figsize, (5.2, 4.4) if few else (PAGE, 5.6))
        _draw_single(axes, tables[0], names, norm, hp_scale, words, heading, own=ax is None)
        return axes
    titles = [f"{panel} {name}" for name in names_of(values, panel)]
    columns = min(len(tables), _MOST_COLUMNS)
    # A grid of one row is low: its heading, and the label of the colours, which is folded, need room.
    height = -(-len(tables) // columns) * (PAGE / columns + 0.2) + 0.25 * len(heading.split("\n")) * bool(heading)
    figure = _draw_grid(tables, names, titles, norm, hp_scale, words, figsize or (PAGE, height))
    if heading:
        figure.suptitle(heading, fontsize="medium")
    return figure


def _panel_of(values: xr.DataArray, below: xr.DataArray | None, ax: Axes | None) -> str | None:
    """Name the dim that has a panel for each entry, if there is one."""
    found = [dim for dim in _PANELS if dim in values.dims]
    if len(found) > 1:
        raise ValueError(
            f"results has dims {values.dims}, and a grid shows one dim beside pair; select one entry of {found[1:]} "
            "with .sel(...)"
        )
    if found and ax is not None:
        raise ValueError(
            f"ax was given, and results has the dim {found[0]!r}: a grid makes its own figure; leave ax out"
        )
    if below is not None and [dim for dim in _PANELS if dim in below.dims] != found:
        raise ValueError(
            f"lower has dims {below.dims} and results has dims {values.dims}; select the same panels of both"
        )
    if below is not None and found and values[found[0]].values.tolist() != below[found[0]].values.tolist():
        raise ValueError(
            f"lower and results differ in {found[0]}: {below[found[0]].values.tolist()} and "
            f"{values[found[0]].values.tolist()}"
        )
    return found[0] if found else None


def _title(values: xr.DataArray, below: xr.DataArray | None) -> str:
    """Say what was selected; with two halves, say what stands in each."""
    if below is None:
        return title_of(values)
    above_words, below_words = (title_of(half).split(", ") for half in (values, below))
    common = ", ".join(word for word in above_words if word in below_words)
    halves = [
        f"{place}: {', '.join(word for word in words if word not in common.split(', '))}"
        for place, words in (("above", above_words), ("below", below_words))
    ]
    return "\n".join(filter(None, [common, "; ".join(h for h in halves if not h.endswith(": "))]))


def _norm(tables: list[Table], hp_scale: HpScale, vmin: float | None, vmax: float | None) -> Any:
    """Make the scale of colours, common to all panels."""
    from matplotlib.colors import LogNorm, Normalize

    finite = np.concatenate([table.hp[np.isfinite(table.hp)] for table in tables])
    low = float(finite.min()) if vmin is None else float(vmin)
    high = float(finite.max()) if vmax is None else float(vmax)
    if vmin is not None and vmax is not None and not low < high:
        raise ValueError(f"vmin={vmin!r} is not below vmax={vmax!r}")
    if not low < high:
        # A single value has no scale of its own.
        low, high = min(low, 0.0), max(high, 1.0)
    if hp_scale.log:
        return LogNorm(float(hp_scale(high)), float(hp_scale(low)))
    return Normalize(low, high)


def _draw_single(
    axes: Axes, table: Table, names: list[str], norm: Any, hp_scale: HpScale, words: str, heading: str, *, own: bool
) -> None:
    """Draw one table with its scale of colours."""
    image = _draw(axes, table, names, norm, hp_scale)
    figure = axes.get_figure(root=True)
    assert figure is not None
    if figure.get_layout_engine() is None:
        # Without a layout, a label of the colour bar would run into the axes beside it.
        heading, words = f"{words}\n{heading}".strip(), ""
    _add_colorbar(figure, image, [axes], words, hp_scale)
    finish_axes(axes, own=own, xlabel="class", ylabel="class", title=heading, names=names, table=True)


def _draw_grid(
    tables: list[Table],
    names: list[str],
    titles: list[str],
    norm: Any,
    hp_scale: HpScale,
    words: str,
    size: tuple[float, float],
) -> Figure:
    """Draw a grid of tables with one scale of colours."""
    n = len(tables)
    columns = min(n, _MOST_COLUMNS)
    rows = -(-n // columns)
    figure = new_figure(size)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    room = 0.8 * 72 * size[0] / columns
    letters = min(10.0, room / (0.56 * max(map(len, titles))))
    for axes, table, title in zip(panels, tables, titles, strict=False):
        image = _draw(axes, table, names, norm, hp_scale)
        axes.set_title(title, fontsize=letters)
        axes.set_xlabel("class", fontsize="small")
        axes.set_ylabel("class", fontsize="small")
        name_ticks(axes, names, largest=8.0)
        name_ticks(axes, names, axis="y", largest=8.0)
    for axes in panels[n:]:
        axes.remove()
    _add_colorbar(figure, image, panels[:n].tolist(), words, hp_scale)
    return figure


def _draw(axes: Axes, table: Table, names: list[str], norm: Any, hp_scale: HpScale) -> Any:
    """Draw one table, with bright colours for well separated classes."""
    drawn = hp_scale(table.hp)
    image = axes.imshow(drawn, cmap="cividis_r" if hp_scale.log else "cividis", interpolation="nearest", norm=norm)
    # The scale of colours will take a fifth of the width.
    room = 0.8 * 72 * min(inches_of(axes)) / len(names)
    if len(names) <= _MOST_NUMBERS and room >= 9:
        _write_values(axes, drawn, table.half, image, room, hp_scale.log)
    return image


def _add_colorbar(figure: Figure, image: Any, axes: list[Axes], words: str, hp_scale: HpScale) -> None:
    """Add the scale of colours, with plain numbers beside it."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    # In a tall figure the scale stays as wide as in others.
    slim = max(20.0, 5 * figure.get_size_inches()[1])
    bar = figure.colorbar(image, ax=axes, shrink=0.8 if len(axes) > 1 else 1.0, aspect=slim)
    narrow = figure.get_size_inches()[0] < NARROW
    letters = 8.0 if narrow or len(axes) > 1 else 10.0
    # The scale takes about two thirds of the height.
    bar.set_label(fold_lines(words, 0.66 * 72 * figure.get_size_inches()[1], letters), fontsize=letters)
    bar.ax.tick_params(labelsize=7.0 if narrow else 10.0)
    if hp_scale.log:
        bar.ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        bar.ax.yaxis.set_minor_formatter(NullFormatter())
        # Well separated classes stand at the top, as in the linear scale.
        bar.ax.invert_yaxis()


def _write_values(
    axes: Axes, drawn: np.ndarray[Any, Any], half: np.ndarray[Any, Any] | None, image: Any, room: float, log: bool
) -> None:
    """Write each value into its cell of ``room`` points, in white on dark and black on light.

    Half of the interval stands below the value, where it is known and there is room.
    """
    with_half = half is not None and not log and len(drawn) <= 8
    for (row, column), value in np.ndenumerate(drawn):
        if not np.isfinite(value):
            continue
        red, green, blue, _ = image.cmap(image.norm(value))
        ink = "black" if 0.3 * red + 0.59 * green + 0.11 * blue > 0.5 else "white"
        words = f"{value:.2g}".removeprefix("0") if log else f"{value:.2f}"
        size = min(9.0, room / (0.66 * max(4, len(words))))
        if with_half and half is not None and np.isfinite(half[row, column]):
            words += f"\n±{half[row, column]:.2f}"
        axes.text(column, row, words, ha="center", va="center", color=ink, fontsize=size)
