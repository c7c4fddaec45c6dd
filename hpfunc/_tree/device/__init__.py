"""The engine for CuPy arrays: the counts and trees of the engine for NumPy arrays, found on the device.

How data flows: `points` scales the points and widens them where that matters; `tables` centres them class by class and
fills one symmetric table with lower bounds of all squared distances; `trees` grows on it the trees of all pairs, or
that of one pair or cloud with the whole device, by kernels that take an edge only if it is certainly the right one.
`pairs` decides which classes share a table (`batches`), and takes each pair that was given up to the next engine: from
float32 to float64, and from there to the host, with the caller's own points. `cloud` does the same for the tree of a
single cloud, `tiles` for clouds whose table would not fit. `compiler` compiles the texts in ``kernels``. `memory` says
how much may be used.

Imports point one way: `pairs` and `cloud` -> `tiles` -> `trees` -> `tables` -> `points` -> `compiler`.
"""

from hpfunc._tree.device.cloud import spanning_tree
from hpfunc._tree.device.pairs import cross_edges

__all__ = ["cross_edges", "spanning_tree"]
