"""`plot_pca`: samples in the plane of their two main components."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from hpfunc._plot.data import short_names, title_of
from hpfunc._plot.style import axes_for, class_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_pca"]

_MOST_ENTRIES = 20


def plot_pca(results: xr.Dataset, /, *, ax: Axes | None = None) -> Axes:
    """Draw samples in the plane of their first two principal components, by class.

    Parameters
    ----------
    results : Dataset
        What `pca2d` returned: ``scores (sample, component)``, ``explained_variance_ratio (component)``
        and, where there are classes, the coord ``label`` on ``sample``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        Both axes have one scale, so that distances in the plane are what they seem.

    Raises
    ------
    TypeError
        If ``results`` is not a Dataset, or ``ax`` is not an Axes.
    ValueError
        If ``results`` does not hold the two components.

    Notes
    -----
    The plane shows the share of the variance that its axis labels state. Classes that overlap in it may
    be apart in the space where HP is measured.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> projection = xr.Dataset(
    ...     {"scores": (("sample", "component"), np.array([[0.0, 1.0], [2.0, 3.0]])),
    ...      "explained_variance_ratio": ("component", np.array([0.75, 0.25]))},
    ...     coords={"label": ("sample", [3, 8])})
    >>> plot_pca(projection).get_xlabel()
    'component 1 (75.0 % of the variance)'
    """
    if not isinstance(results, xr.Dataset):
        raise TypeError(f"results is a {type(results).__name__}; pass the Dataset that pca2d returned")
    absent = [name for name in ("scores", "explained_variance_ratio") if name not in results]
    if absent:
        raise ValueError(f"results has no {absent}; pass the Dataset that pca2d returned")
    scores = results["scores"].transpose("sample", "component").values
    if scores.shape[1] != 2:
        raise ValueError(f"results has scores of shape {scores.shape}; expected two components")
    axes = axes_for(ax, (5.6, 5.0))
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
    for which, share in zip("xy", results["explained_variance_ratio"].values.tolist(), strict=True):
        number = 1 if which == "x" else 2
        known = f" ({100 * share:.1f} % of the variance)" if np.isfinite(share) else ""
        axes.set(**{f"{which}label": f"component {number}{known}"})
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_title(title_of(results["scores"]))
    if 1 < len(classes) <= _MOST_ENTRIES:
        axes.legend(title="class", frameon=False, fontsize="small", title_fontsize="small")
    return axes
