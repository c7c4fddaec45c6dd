"""Pictures of results: each a pure function of a Dataset or DataArray that returns an Axes or a Figure.

They draw into ``ax`` where it is given, never call ``show``, and leave styles alone. Without ``ax`` they make
a figure: where pyplot is in use (imported, or in a notebook) it is one of pyplot's, so that ``plt.show()`` or
the cell shows it; elsewhere it is a plain Figure, and ``ax.figure.savefig("picture.png")`` writes it.
"""

from __future__ import annotations

from hpfunc._plot.distributions import plot_distributions
from hpfunc._plot.fisher import plot_fisher
from hpfunc._plot.layers import plot_layers
from hpfunc._plot.pairs import plot_pairs
from hpfunc._plot.pca import plot_pca
from hpfunc._plot.trajectory import plot_trajectory

__all__ = [
    "plot_distributions",
    "plot_fisher",
    "plot_layers",
    "plot_pairs",
    "plot_pca",
    "plot_trajectory",
]
