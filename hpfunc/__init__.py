"""Class separation at every layer of a PyTorch network, by the Henze-Penrose statistic.

Join the samples of two classes by their minimum spanning tree and count the edges between classes: HP is 0 where the
classes overlap and close to 1 where they are apart. Results are labelled xarray Datasets::

    import hpfunc as hp

    acts = hp.collect_activations(model, dataset)            # one variable for each layer
    results = hp.pairwise_hp(acts)                           # dims (layer, pair)
    results.hp.sel(layer="conv1", class_a=3, class_b=8)      # a pair, in either order
    runs = hp.sweep({0: "conv0.ckpt", 9: "conv9.ckpt"},      # dims (checkpoint, split, layer, pair)
                    {"train": train, "test": test}, build=CNN)
    hp.plot_layers(runs).figure.savefig("layers.png")
    runs.to_netcdf("runs.nc")                                # hp.open_results("runs.nc") reads it again

========================  =============================================================================
model to points           `collect_activations`
separation                `pairwise_hp`, `hp_statistic` (two samples), `multiclass_hp` (all classes at once),
                          `euclidean_mst` (the tree itself)
from stored counts        `hp_estimate` (other estimates), `bayes_error_bounds`, `at_ceiling` (too few samples?)
hard to separate          `hardest_pairs` (of classes), `bridging_samples`
checkpoints x data sets   `sweep`
does it hold?             `fold_interval` (new samples, new trainings), `fisher_permutation`, `fisher_steps` (these
                          pairs), `adjust_pvalues`
look                      `pca2d`, `to_frame`, `to_square`, `plot_distributions`, `plot_layers`, `plot_pairs`,
                          `plot_trajectory`, `plot_pca`, `plot_fisher`, `plot_intervals`
files                     `open_results`, `label_pairs` (pairs opened elsewhere), `read_seed_results`,
                          `write_seed_results` (the older tool's JSON)
========================  =============================================================================

All but `collect_activations` and `sweep` work on plain arrays, without torch. Nothing is changed in place, and chance
enters only through ``key=``. `help` of each function has its shapes, errors, source and an example.
"""

from hpfunc._version import __version__ as __version__
from hpfunc.activations import collect_activations
from hpfunc.adjustment import adjust_pvalues
from hpfunc.hardest import at_ceiling, bridging_samples, hardest_pairs
from hpfunc.intervals import fold_interval
from hpfunc.multiclass import euclidean_mst, multiclass_hp
from hpfunc.pairwise import pairwise_hp
from hpfunc.pca import pca2d
from hpfunc.permutation import fisher_permutation, fisher_steps
from hpfunc.plot import (
    plot_distributions,
    plot_fisher,
    plot_intervals,
    plot_layers,
    plot_pairs,
    plot_pca,
    plot_trajectory,
)
from hpfunc.results import label_pairs, open_results, read_seed_results, to_frame, to_square, write_seed_results
from hpfunc.statistic import bayes_error_bounds, hp_estimate, hp_statistic
from hpfunc.sweeps import sweep

__all__ = [
    "adjust_pvalues",
    "at_ceiling",
    "bayes_error_bounds",
    "bridging_samples",
    "collect_activations",
    "euclidean_mst",
    "fisher_permutation",
    "fisher_steps",
    "fold_interval",
    "hardest_pairs",
    "hp_estimate",
    "hp_statistic",
    "label_pairs",
    "multiclass_hp",
    "open_results",
    "pairwise_hp",
    "pca2d",
    "plot_distributions",
    "plot_fisher",
    "plot_intervals",
    "plot_layers",
    "plot_pairs",
    "plot_pca",
    "plot_trajectory",
    "read_seed_results",
    "sweep",
    "to_frame",
    "to_square",
    "write_seed_results",
]
