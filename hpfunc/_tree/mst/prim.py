"""Prim's algorithm on many small complete graphs abreast: all that is kept of a tree is its run of vertices.

Let vertices be visited as v_0, v_1, ..., attached by edges of weights w_1, w_2, .... Then the heaviest weight on the
tree path between v_i and v_j, i < j, is the largest of w_(i+1), ..., w_j. So the run and these gaps tell for any edge
whether it may stand in a minimum spanning tree, those of the tree itself among them (`spanning`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Runs", "prim"]


class Runs(NamedTuple):
    """The vertices of each of G graphs in the order in which they were visited."""

    vertex: npt.NDArray[np.intp]  # (G, n); no vertices past the end of a graph
    gap: npt.NDArray[Any]  # (G, n) weight by which each was attached, 0 for the first; infinite if there was no edge


def prim(table: npt.NDArray[Any], sizes: npt.NDArray[np.intp]) -> Runs:
    """Minimum spanning trees of G complete graphs of at most n vertices each, all grown from vertex 0.

    Parameters
    ----------
    table : (G, n, n) array
        Weights; entry ``g, i, j`` is looked at if i is visited before j. What lies past the end of a graph is not
        looked at, but must not be NaN. Infinite entries are no edges.
    sizes : (G,) array
        Vertices of each graph.
    """
    n_graphs, n = table.shape[:2]
    infinity = table.dtype.type(np.inf)
    rows, first = table.reshape(-1, n), np.arange(n_graphs) * n
    # Adding `closed` to a row takes visited vertices and padding out of it.
    closed = np.where(np.arange(n) >= sizes[:, None], infinity, table.dtype.type(0))
    best = np.full((n_graphs, n), infinity)
    row = np.empty_like(best)
    vertex = np.zeros((n, n_graphs), np.intp)
    gap = np.zeros((n, n_graphs), table.dtype)
    flat_closed, flat_best = closed.reshape(-1), best.reshape(-1)
    at = first
    for step in range(1, int(sizes.max())):
        flat_closed[at] = infinity
        # No place is outside: to clip is only the mode that writes to `row` without a copy.
        np.take(rows, at, axis=0, out=row, mode="clip")
        row += closed
        np.minimum(best, row, out=best)
        best.argmin(axis=1, out=vertex[step])
        at = first + vertex[step]
        gap[step] = flat_best[at]
        flat_best[at] = infinity
    return Runs(vertex.T, gap.T)
