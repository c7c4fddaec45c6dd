"""Draw results as pictures: each function takes a Dataset or DataArray and returns an Axes or a Figure.

A picture is drawn into ``ax`` where it is given; the functions never call ``show`` and change no style. Without ``ax``
they make a figure. Where pyplot is in use (imported, or in a notebook), it is one of pyplot's figures, so that
``plt.show()`` or the cell shows it. Elsewhere it is a plain Figure, and ``ax.figure.savefig("picture.png")`` writes it.
By default a figure is at most 6.5 inches wide, the text width of a page; ``figsize=(3.4, 2.8)`` fits a column.
"""

from __future__ import annotations

from hpfunc._plot.distributions import plot_distributions
from hpfunc._plot.fisher import plot_fisher
from hpfunc._plot.intervals import plot_intervals
from hpfunc._plot.layers import plot_layers
from hpfunc._plot.pairs import plot_pairs
from hpfunc._plot.pca import plot_pca
from hpfunc._plot.trajectory import plot_trajectory

__all__ = [
    "plot_distributions",
    "plot_fisher",
    "plot_intervals",
    "plot_layers",
    "plot_pairs",
    "plot_pca",
    "plot_trajectory",
]
