"""Run a sweep: one task for each checkpoint, or for each checkpoint and data set, here or elsewhere.

`plan` checks the arguments and makes the tasks; `task` measures one, wherever it is sent; `run` gathers the results, in
a store or in memory, and issues the tasks' `warnings` where the sweep was called. Imports run from `run` to `plan` to
`task`.
"""

from hpfunc._sweep.folds import fold_options
from hpfunc._sweep.plan import Plan, plain_labels
from hpfunc._sweep.run import run_sweep

__all__ = ["Plan", "fold_options", "plain_labels", "run_sweep"]
