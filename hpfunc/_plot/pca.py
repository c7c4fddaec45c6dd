"""Draw samples in the plane of their two main components, and the tree that joins them (`plot_pca`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from hpfunc._plot.parts.finish import finish_axes
from hpfunc._plot.parts.legend import place_legend
from hpfunc._plot.parts.style import PAGE, check_figsize, class_looks, new_figure, open_axes
from hpfunc._plot.parts.words import names_of, short_names, title_of

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_pca"]

_MOST_ENTRIES = 20
_PANELS = ("checkpoint", "split", "layer")
_MOST_COLUMNS = 3
# Where one component reaches further than the other by more than this factor, equal axes would flatten the picture.
_FLAT = 4.0


@np.errstate(all="ignore")
def plot_pca(
    results: xr.Dataset,
    /,
    *,
    tree: xr.Dataset | None = None,
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Axes | Figure:
    """Draw samples in the plane of their first two principal components, by class, with the tree that joins them.

    Parameters
    ----------
    results : Dataset
        What `pca2d` returned: ``scores (sample, component)``, ``explained_variance_ratio (component)``
        and, where there are classes, the coord ``label`` on ``sample``. Several of them, joined by ``xr.concat``
        along ``checkpoint``, ``split`` or ``layer``, make a grid with a panel for each: before and after.
    tree : Dataset, optional
        What `euclidean_mst` returned for the same samples (for a grid: several, joined along the same dim). Its edges
        are drawn: thin and grey within a class, strong between classes. The legend (in a grid, the heading of each
        panel) says how many join classes.
    title : str, optional
        By default what was selected before, such as ``layer = fc1``.
    figsize : pair of float, optional
        Width and height of a new figure in inches; by default at most 6.5 wide.
    ax : matplotlib.axes.Axes, optional
        Where to draw, for one picture; a new figure by default. A grid makes its own figure.

    Returns
    -------
    matplotlib.axes.Axes or matplotlib.figure.Figure
        The Axes, or the Figure of a grid. Both axes have the same scale, so that distances in the plane are what they
        seem, unless one component reaches more than four times as far as the other: then each axis has its own scale,
        and the label says so. Each panel has its own plane: its axes are not those of its neighbour. Up to 20 classes
        are named in a legend; colours and markers repeat after 110 classes.

    Raises
    ------
    TypeError
        If ``results`` or ``tree`` is not a Dataset, or ``ax`` is not an Axes.
    ValueError
        If ``results`` does not hold the two components, or has other dims; if ``tree`` holds no edges, joins other
        samples, or comes with results without classes; if ``ax`` is given for a grid, or ``figsize`` together with
        ``ax``.

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
    >>> ax.get_ylabel()
    'component 2 (0.2 % of the variance)'
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['3', '8', '1 of 3 edges join classes']
    """
    panels = _panels(results)
    check_figsize(figsize, ax)
    if tree is not None:
        _check_tree(tree, results, panels)
    if panels is None:
        axes = open_axes(ax, figsize, (5.6, 4.4))
        classes, edges, words = _draw(axes, results, tree)
        place_legend(axes, classes + edges, own=ax is None, title="class" if classes else None)
        heading = title_of(results["scores"]) if title is None else title
        finish_axes(axes, own=ax is None, xlabel=words[0], ylabel=words[1], title=heading)
        return axes
    if ax is not None:
        raise ValueError(f"ax was given, and results has the dim {panels!r}: a grid makes its own figure; leave ax out")
    names = names_of(results["scores"], panels)
    columns = min(len(names), _MOST_COLUMNS)
    rows = -(-len(names) // columns)
    figure = new_figure(figsize or (PAGE, rows * (PAGE / max(columns, 2) + 0.2) + 0.5))
    axs = figure.subplots(rows, columns, squeeze=False).ravel()
    for i, name in enumerate(names):
        at = {panels: i}
        part = None if tree is None else tree.isel(at, missing_dims="ignore")
        classes, edges, words = _draw(axs[i], results.isel(at), part)
        axs[i].set_xlabel(words[0], fontsize="small")
        axs[i].set_ylabel(words[1], fontsize="small")
        lines = [f"{panels} {name}", *(str(edge.get_label()) for edge in edges)]
        axs[i].set_title("\n".join(lines), fontsize="medium" if columns < 3 else "small")
    for left in axs[len(names) :]:
        left.remove()
    if classes:
        figure.legend(
            handles=classes, title="class", loc="outside lower center", ncols=min(len(classes), 10), frameon=False,
            fontsize="small", title_fontsize="small",
        )  # fmt: skip
    if title:
        figure.suptitle(title, fontsize="medium")
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


def _draw(axes: Axes, results: xr.Dataset, tree: xr.Dataset | None) -> tuple[list[Artist], list[Artist], list[str]]:
    """Draw one plane; return the legend entries of classes, those of edges, and the labels of both axes."""
    scores = results["scores"].transpose("sample", "component").values
    labels = results["label"].values if "label" in results.coords else np.zeros(len(scores), dtype=int)
    classes = list(dict.fromkeys(np.sort(labels).tolist()))
    looks = zip(classes, short_names(classes), class_looks(len(classes)), strict=True)
    size = 22 if len(scores) <= 1000 else 10
    for label, name, (colour, marker) in looks:
        x, y = scores[labels == label].T
        # The edge keeps points of a light colour visible, and separates points that overlap.
        axes.scatter(
            x, y, s=size, color=colour, marker=marker, edgecolor="0.15", linewidth=0.4, alpha=0.8, label=name
        )  # fmt: skip
    few = 1 < len(classes) <= _MOST_ENTRIES
    entries: list[Artist] = list(axes.collections) if few else []
    edges = [] if tree is None else list(_draw_tree(axes, scores, labels, tree))
    reach = np.ptp(scores, axis=0)
    flat = bool(reach.max() > _FLAT * max(reach.min(), 1e-300))
    words = []
    for number, share in enumerate(results["explained_variance_ratio"].values.tolist(), start=1):
        words.append(f"component {number}" + (f" ({100 * share:.1f} % of the variance)" if np.isfinite(share) else ""))
    if flat:
        words[0] += "\naxes differ in scale"
    if not flat:
        axes.set_aspect("equal", adjustable="datalim")
    return entries, edges, words


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
