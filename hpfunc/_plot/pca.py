"""`plot_pca`: samples in the plane of their two main components, and the tree that joins them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from hpfunc._plot.data import names_of, short_names, title_of
from hpfunc._plot.style import axes_for, class_colours, new_figure

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_pca"]

_MOST_ENTRIES = 20
_PANELS = ("checkpoint", "split", "layer")
_MOST_COLUMNS = 4


def plot_pca(results: xr.Dataset, /, *, tree: xr.Dataset | None = None, ax: Axes | None = None) -> Axes | Figure:
    """Draw samples in the plane of their first two principal components, by class, with the tree that joins them.

    Parameters
    ----------
    results : Dataset
        What `pca2d` returned: ``scores (sample, component)``, ``explained_variance_ratio (component)``
        and, where there are classes, the coord ``label`` on ``sample``. Several of them, joined by ``xr.concat``
        along ``checkpoint``, ``split`` or ``layer``, make a grid with a panel for each: before and after.
    tree : Dataset, optional
        What `euclidean_mst` returned for the same samples (for a grid: several, joined along the same dim). Its
        edges are drawn: thin and grey within a class, strong between classes. The legend says how many those are.
    ax : matplotlib.axes.Axes, optional
        Where to draw, for one picture; a new figure by default. A grid makes its own figure.

    Returns
    -------
    matplotlib.axes.Axes or matplotlib.figure.Figure
        The Axes, or the Figure of a grid. Both axes have one scale, so that distances in the plane are what they
        seem. Each panel has its own plane: its axes are not those of its neighbour.

    Raises
    ------
    TypeError
        If ``results`` or ``tree`` is not a Dataset, or ``ax`` is not an Axes.
    ValueError
        If ``results`` does not hold the two components, or has other dims; if ``tree`` holds no edges, joins other
        samples, or comes with results without classes; if ``ax`` is given for a grid.

    Notes
    -----
    The plane shows the share of the variance that its axis labels state. Classes that overlap in it may
    be apart in the space where HP is measured, and edges that seem long may be short there: the tree is the one
    of the points, not of their projection.

    Examples
    --------
    >>> import hpfunc as hp
    >>> points, label = [[0.0, 0.0], [1.0, 0.1], [3.0, 0.0], [4.0, 0.2]], [3, 3, 8, 8]
    >>> ax = plot_pca(hp.pca2d(points, labels=label), tree=hp.euclidean_mst(points))
    >>> ax.get_xlabel()
    'component 1 (99.8 % of the variance)'
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['3', '8', '1 of 3 edges join classes']
    """
    panels = _panels(results)
    if tree is not None:
        _check_tree(tree, results, panels)
    if panels is None:
        axes = axes_for(ax, (5.6, 5.0))
        _draw(axes, results, tree)
        axes.set_title(title_of(results["scores"]))
        return axes
    if ax is not None:
        raise ValueError(
            f"ax was given, and results has the dim {panels!r}: a grid has a figure of its own; leave ax out"
        )
    names = names_of(results["scores"], panels)
    columns = min(len(names), _MOST_COLUMNS)
    rows = -(-len(names) // columns)
    figure = new_figure((max(5.6, 4.4 * columns), 4.4 * rows))
    axs = figure.subplots(rows, columns, squeeze=False).ravel()
    for i, name in enumerate(names):
        at = {panels: i}
        _draw(axs[i], results.isel(at), None if tree is None else tree.isel(at, missing_dims="ignore"))
        axs[i].set_title(f"{panels} {name}")
    for left in axs[len(names) :]:
        left.remove()
    return figure


def _panels(results: object) -> str | None:
    """Check the results, and name the dim that has a panel for each entry, if there is one."""
    if not isinstance(results, xr.Dataset):
        raise TypeError(f"results is a {type(results).__name__}; pass the Dataset that pca2d returned")
    absent = [name for name in ("scores", "explained_variance_ratio") if name not in results]
    if absent:
        raise ValueError(f"results has no {absent}; pass the Dataset that pca2d returned")
    sizes = results["scores"].sizes
    rest = [dim for dim in sizes if dim not in ("sample", "component")]
    if sizes.get("component") != 2 or "sample" not in sizes:
        raise ValueError(f"results has scores of the sizes {dict(sizes)}; expected samples and two components")
    if len(rest) > 1 or any(dim not in _PANELS for dim in rest):
        raise ValueError(
            f"results has scores with the dims {tuple(sizes)}; beside sample and component one of {_PANELS}"
        )
    return str(rest[0]) if rest else None


def _check_tree(tree: object, results: xr.Dataset, panels: str | None) -> None:
    """Raise unless the tree joins the samples of the results."""
    if not isinstance(tree, xr.Dataset):
        raise TypeError(f"tree is a {type(tree).__name__}; pass the Dataset that euclidean_mst returned")
    absent = [name for name in ("source", "target") if name not in tree]
    if absent:
        raise ValueError(f"tree has no {absent}; pass the Dataset that euclidean_mst returned")
    if "label" not in results.coords:
        raise ValueError("tree is given and results has no coord 'label'; pass labels to pca2d")
    n, sizes = results.sizes["sample"], tree["source"].sizes
    if sizes.get("edge") != n - 1 or not set(sizes) <= {"edge", panels}:
        raise ValueError(f"tree has edges of the sizes {dict(sizes)} for {n} samples; pass the tree of the same points")
    if panels in sizes and not np.array_equal(tree[panels].values, results[panels].values):
        raise ValueError(f"tree and results differ in {panels}: {tree[panels].values} and {results[panels].values}")


def _draw(axes: Axes, results: xr.Dataset, tree: xr.Dataset | None) -> None:
    """Draw one plane."""
    scores = results["scores"].transpose("sample", "component").values
    labels = results["label"].values if "label" in results.coords else np.zeros(len(scores), dtype=int)
    classes = list(dict.fromkeys(np.sort(labels).tolist()))
    looks = zip(classes, short_names(classes), class_colours(len(classes)), strict=True)
    for one, name, (colour, marker) in looks:
        x, y = scores[labels == one].T
        # The edge keeps points of a light colour visible, and apart where they overlap.
        axes.scatter(
            x,
            y,
            s=22,
            color=colour,
            marker=marker,
            edgecolor="0.15",
            linewidth=0.4,
            alpha=0.8,
            label=name,
        )
    few = 1 < len(classes) <= _MOST_ENTRIES
    entries: list[Artist] = list(axes.collections) if few else []
    if tree is not None:
        entries += _draw_tree(axes, scores, labels, tree)
    for which, share in zip("xy", results["explained_variance_ratio"].values.tolist(), strict=True):
        number = 1 if which == "x" else 2
        known = f" ({100 * share:.1f} % of the variance)" if np.isfinite(share) else ""
        axes.set(**{f"{which}label": f"component {number}{known}"})
    axes.set_aspect("equal", adjustable="datalim")
    if entries:
        title = "class" if few else None
        axes.legend(handles=entries, title=title, framealpha=0.7, fontsize="small", title_fontsize="small")


def _draw_tree(axes: Axes, scores: Any, labels: Any, tree: xr.Dataset) -> Sequence[Artist]:
    """Draw the edges below the points, those between classes stronger; give the entry of the legend."""
    from matplotlib.collections import LineCollection

    ends = np.stack([tree["source"].values, tree["target"].values], axis=1)
    crosses = labels[ends[:, 0]] != labels[ends[:, 1]]
    kinds: tuple[tuple[Any, Mapping[str, Any]], ...] = (
        (~crosses, {"colors": "0.6", "linewidths": 0.6, "zorder": 0.5}),
        (crosses, {"colors": "black", "linewidths": 1.5, "zorder": 0.6}),
    )
    drawn = []
    for which, look in kinds:
        drawn.append(LineCollection(list(scores[ends[which]]), **look))
        axes.add_collection(drawn[-1])
    drawn[-1].set_label(f"{int(crosses.sum())} of {len(ends)} edges join classes")
    return drawn[1:]
