"""How a sweep runs: one task for each checkpoint, or for each checkpoint and data set, here or elsewhere."""

from hpfunc._sweep.folds import fold_options
from hpfunc._sweep.plan import Plan
from hpfunc._sweep.run import run_sweep

__all__ = ["Plan", "fold_options", "run_sweep"]
