"""Settle few doubts in many trees at once: only edges whose intervals overlap are measured.

Given intervals [L, U] for all edges and a minimum spanning tree T of the lower bounds of each graph, call a tree edge e
loose if [L(e), U(e)] holds the lower bound of an edge outside T, and that edge doubtful. A tree edge that is not loose
stands in every minimum spanning tree: an edge f that could replace it has L(f) >= L(e), since e lies on the path of f
in T, and L(f) <= true(f) <= true(e) <= U(e). Contract all such edges; what is left are a few vertices, the loose edges
and the doubtful ones, measured in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hpfunc._tree.mst.ties import components, minimum_tree

__all__ = ["Bounded", "kruskal", "lightest", "settle"]

Ints = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class Bounded(NamedTuple):
    """Edges of several graphs, their weights known to lie between bounds."""

    graph: Ints  # (E,)
    ends: Ints  # (E, 2) vertices, numbered through all graphs
    lower: Floats  # (E,)
    upper: Floats  # (E,) equal to lower where the weight is known


def settle(
    edges: Bounded, tree: Bools, measure: Callable[[Ints], Floats], n_graphs: int, n_vertices: int
) -> tuple[Bools, Bools]:
    """Minimum spanning trees by true weights, from those by lower bounds.

    Parameters
    ----------
    edges : Bounded
    tree : (E,) array
        The edges of a minimum spanning tree of the lower bounds, for each graph.
    measure : callable
        True weights of the edges of given numbers.
    n_graphs, n_vertices : int
        Number of graphs, and of vertices in all of them.

    Returns
    -------
    tree : (E,) array
    tied : (G,) array
        Graphs in which an edge in the tree and one outside have equal weights, so that it may not be the only one.
    """
    tied = np.zeros(n_graphs, bool)
    loose, doubtful = _overlaps(edges, tree)
    open_ = np.flatnonzero(loose | doubtful)
    if not open_.size:
        return tree, tied
    graph, weights = edges.graph[open_], measure(open_)
    concerned = np.zeros(n_graphs, bool)
    concerned[graph] = True
    n, joined = components(n_vertices, edges.ends[tree & ~loose & concerned[edges.graph]])
    ends = np.sort(joined[edges.ends[open_]], axis=1)
    chosen = lightest(n, ends, weights)
    tree = tree & ~loose
    tree[open_[chosen]] = True
    order = np.lexsort((weights, graph))
    equal = (np.diff(weights[order]) == 0) & (np.diff(graph[order]) == 0)
    tied[graph[order[1:][equal & np.diff(tree[open_[order]])]]] = True
    return tree, tied


def kruskal(n: int, ends: Ints, weights: Floats) -> Ints:
    """The edges of a minimum spanning forest, no two of which join the same vertices."""
    by_weight = np.argsort(weights, kind="stable")
    rank = np.empty_like(by_weight)
    rank[by_weight] = np.arange(1, len(weights) + 1)
    return np.asarray(by_weight[minimum_tree(n, ends, rank) - 1])


def lightest(n: int, ends: Ints, weights: Floats) -> Ints:
    """The edges of a minimum spanning forest; several edges may join the same vertices, or a vertex to itself."""
    order = np.lexsort((weights, ends[:, 1], ends[:, 0]))
    new = np.concatenate([[True], (np.diff(ends[order], axis=0) != 0).any(axis=1)])
    order = order[new & (ends[order, 0] != ends[order, 1])]
    return np.asarray(order[kruskal(n, ends[order], weights[order])])


def _overlaps(edges: Bounded, tree: Bools) -> tuple[Bools, Bools]:
    """Which tree edges are loose, and which others doubtful: one sweep over all bounds in rising order."""
    loose, doubtful = np.zeros(len(tree), bool), np.zeros(len(tree), bool)
    rest = np.flatnonzero(~tree)
    # An interval of width 0 holds a lower bound only if that is known to be the same: two known weights that tie.
    known = np.sort(edges.lower[rest[edges.upper[rest] == edges.lower[rest]]])
    same = np.searchsorted(known, edges.lower, "left") < np.searchsorted(known, edges.lower, "right")
    wide = np.flatnonzero(tree & ((edges.upper > edges.lower) | same))
    if not wide.size or not rest.size:
        return loose, doubtful
    # At one value an interval opens before, and closes after, the lower bounds that it holds.
    kind = np.repeat([0, 1, 2], [len(wide), len(rest), len(wide)])
    value = np.concatenate([edges.lower[wide], edges.lower[rest], edges.upper[wide]])
    graph = np.concatenate([edges.graph[wide], edges.graph[rest], edges.graph[wide]])
    order = np.lexsort((kind, value, graph))
    kind = kind[order]
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    passed = np.cumsum(kind == 1)
    begin, at, end = np.split(place, [len(wide), len(wide) + len(rest)])
    loose[wide] = passed[end] > passed[begin]
    inside = np.cumsum((kind == 0).astype(np.intp) - (kind == 2))
    doubtful[rest] = inside[at] > 0
    return loose, doubtful
