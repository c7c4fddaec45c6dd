"""Find trees again where float32 leaves too much undecided: by products in float64, or else by differences.

Few clouds of points need this. Ties are found here too, among edges that contain every minimum spanning tree.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from hpfunc._arrays.types import Floats, Ints
from hpfunc._tree.distances import centre, differences, fill_class_bounds
from hpfunc._tree.exact import squared_distances
from hpfunc._tree.memory import SpareBytes
from hpfunc._tree.mst.kruskal import kruskal_multigraph
from hpfunc._tree.mst.prim import PrimOrder, candidate_edges, fill_path_maxima, prim
from hpfunc._tree.mst.ties import tied_edges
from hpfunc._tree.rounding import upper_bound
from hpfunc._tree.threads import Scratch

__all__ = ["CROWDED", "TreeWithTies", "candidates_in_float64", "tree_with_ties"]

# A cloud with more undecided edges than this for each point is measured again.
CROWDED = 8


class TreeWithTies(NamedTuple):
    """Hold all minimum spanning trees of one cloud of n points: one of them, and the edges that may replace its own."""

    edges: Ints  # (n - 1, 2) a minimum spanning tree, rows counted from the start of the cloud
    weights: Floats  # (n - 1,) exact squared distances
    tied: Ints  # (T, 2) the other edges that a minimum spanning tree can contain
    remeasured: bool = False  # whether float32 left too much undecided, so that float64 was used


def tree_with_ties(points: Any, edges: Ints) -> TreeWithTies:
    """Find a tree and its ties among edges that contain every minimum spanning tree.

    Parameters
    ----------
    points : (n, d) array
    edges : (E, 2) array
    """
    edges = np.sort(edges, axis=1)
    weights = squared_distances(points, edges[:, 0], edges[:, 1])
    tree = np.zeros(len(edges), bool)
    tree[kruskal_multigraph(len(points), edges, weights)] = True
    return TreeWithTies(edges[tree], weights[tree], edges[tied_edges(len(points), edges, weights, tree)])


def candidates_in_float64(points: Any, spare: SpareBytes) -> Ints:
    """Find edges that contain every minimum spanning tree of ``(n, d)`` points: ``(E, 2)``, the higher row first.

    Products in float64 are tried first. Where they leave too many edges undecided, differences leave only ties.
    """
    n = len(points)
    with spare.to_remeasure(*points.shape):
        found = _candidates(points, min(n - 1 + CROWDED * n, spare.most_edges), by_differences=False)
        if found is None:
            found = _candidates(points, spare.most_edges, by_differences=True)
    if found is None:
        spare.refuse(n)
    return found


def _candidates(points: Any, most: float, *, by_differences: bool) -> Ints | None:
    """Find the edges by products or differences in float64; return None if there are more than ``most``."""
    n, starts, wide = len(points), np.array([0, len(points)]), np.dtype(np.float64)
    centred = differences(points.astype(wide), starts) if by_differences else centre(points, starts, wide)
    scratch, table, path_maxima = Scratch(), np.empty((n, n)), np.empty((n, n))
    fill_class_bounds(centred, 0, table, scratch)
    vertices, gaps = (part[0] for part in prim(table[None], np.array([n])))
    upper = upper_bound(gaps, centred.error[0, 0], centred.relative)
    fill_path_maxima(PrimOrder(vertices, upper), path_maxima, scratch)
    return candidate_edges(table, path_maxima, scratch, most)
