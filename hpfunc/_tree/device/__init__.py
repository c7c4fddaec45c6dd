"""The engine for CuPy arrays: what the modules beside this package do for NumPy arrays, with the same results."""

from hpfunc._tree.device.cloud import spanning_tree
from hpfunc._tree.device.pairs import cross_edges

__all__ = ["cross_edges", "spanning_tree"]
