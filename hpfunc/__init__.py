"""Class separation at every layer of a PyTorch network, by the Henze-Penrose statistic."""

from hpfunc._version import __version__ as __version__
from hpfunc.activations import collect_activations
from hpfunc.multiclass import euclidean_mst, multiclass_hp
from hpfunc.pairwise import pairwise_hp
from hpfunc.pca import pca2d
from hpfunc.permutation import adjust_pvalues, fisher_permutation, fisher_steps
from hpfunc.plot import (
    plot_distributions,
    plot_fisher,
    plot_layers,
    plot_pairs,
    plot_pca,
    plot_trajectory,
)
from hpfunc.results import open_results, read_seed_results, to_square, write_seed_results
from hpfunc.statistic import bayes_error_bounds, hp_estimate, hp_statistic
from hpfunc.sweep import sweep

__all__ = [
    "adjust_pvalues",
    "bayes_error_bounds",
    "collect_activations",
    "euclidean_mst",
    "fisher_permutation",
    "fisher_steps",
    "hp_estimate",
    "hp_statistic",
    "multiclass_hp",
    "open_results",
    "pairwise_hp",
    "pca2d",
    "plot_distributions",
    "plot_fisher",
    "plot_layers",
    "plot_pairs",
    "plot_pca",
    "plot_trajectory",
    "read_seed_results",
    "sweep",
    "to_square",
    "write_seed_results",
]
