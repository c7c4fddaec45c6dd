"""Distances and minimum spanning trees on plain arrays: no labels, no torch.

What flows in: points ``(N, d)``, class by class, and where each class starts. What flows out: counts of cross edges for
every pair of classes (`count_pairs`), counts between all classes or at each sample from one tree (`class_counts`,
`edges_of_samples`), or the edges of that tree (`span`).

On the way: the points are scaled (`exact`); wide layers with a falling spectrum are reduced to few coordinates
(`reduce`); points or coordinates are centred by class, so that matrix products give lower bounds of their distances
(`distances`) with a known error (`rounding`). From these bounds come the minimum spanning trees of the classes (`mst`),
then the few candidate edges between two classes, then counts (`pairs`). What rounding leaves undecided is measured
again by direct differences in float64 (`exact`), so the result is that of exact distances. `whole_tree` takes all
points as one cloud, `folds` counts folds that share their distances, `graphs` holds graphs other than a single tree,
`device` the engine for CuPy arrays, `options` the caller's choices, `threads` the workers and their work arrays.

Imports point one way: `folds` -> `pairs`; `pairs` and `whole_tree` -> `device`, `graphs` -> `choose_reduction` -> `mst`
-> `reduce` -> `distances` -> `rounding` -> `exact` -> `threads` -> `types`.
"""

from hpfunc._tree.folds.count_folds import count_folds
from hpfunc._tree.graphs.small_graphs import weight_tables
from hpfunc._tree.mst.tie_counts import CrossEdges
from hpfunc._tree.options import GraphOptions
from hpfunc._tree.pairs.bytes_needed import bytes_for_pairs, check_pairs_copy
from hpfunc._tree.pairs.count_pairs import PairCounts, count_pairs
from hpfunc._tree.whole_tree import SampleEdges, check_tree_copy, class_counts, edges_of_samples, span

__all__ = [
    "CrossEdges",
    "GraphOptions",
    "PairCounts",
    "SampleEdges",
    "bytes_for_pairs",
    "check_pairs_copy",
    "check_tree_copy",
    "class_counts",
    "count_folds",
    "count_pairs",
    "edges_of_samples",
    "span",
    "weight_tables",
]
