"""Class separation at every layer of a PyTorch network, by the Henze-Penrose statistic."""

__version__ = "0.1.0"

from hpfunc.multiclass import euclidean_mst, multiclass_hp
from hpfunc.pairwise import pairwise_hp
from hpfunc.statistic import bayes_error_bounds, hp_estimate, hp_statistic
