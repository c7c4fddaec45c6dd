"""Sort edges into successive minimum spanning forests, of many graphs at once.

Take edges in rising order and put each into the first of k forests in which its ends are not yet joined: these forests
are the k successive trees. Where the k-th forest of *some* edges joins the ends of an edge by lighter ones, the k-th
forest of *all* edges does so too (by induction over the order and over the forests), and none of them contains the
edge. So few measured edges exclude nearly all others.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hpfunc._arrays.types import Floats, Ints
from hpfunc._tree.mst.kruskal import kruskal_ranks, order_of_numbers, stable_order
from hpfunc._tree.mst.ties import tied_edges

__all__ = ["OrderedEdges", "graphs_with_ties", "sort_into_forests"]


class OrderedEdges(NamedTuple):
    """Hold the edges of one or more graphs, each once, and what decides their order."""

    graph: Ints  # (E,) number of the graph
    ends: Ints  # (E, 2) vertices, numbered through all graphs
    weights: Floats  # (E,)
    earliest: Ints  # (E,) the number of a forest that each edge can be in, if it is in none before it; k for none
    places: Ints  # (E, 2) of equal weights the edge comes first whose ends have the lower places


def sort_into_forests(n: int, edges: OrderedEdges, k: int) -> Ints:
    """Put edges in rising order into the first of k forests in which their ends are not yet joined.

    Parameters
    ----------
    n : int
        Vertices.
    edges : OrderedEdges
    k : int

    Returns
    -------
    (E,) array
        Number of the forest; k for an edge that is in none.
    """
    _, ends, weights, earliest, places = edges
    order, tied = _order_by_weight(edges)
    lower, higher = np.sort(places[order[tied]], axis=1).T
    order[tied] = order[tied[np.lexsort((higher, lower, edges.graph[order[tied]], weights[order[tied]]))]]
    ends, earliest, sorted_forest = ends[order], earliest[order], np.full(len(order), k)
    for number in range(k):
        pool = np.flatnonzero((sorted_forest == k) & (earliest <= number))
        sorted_forest[pool[kruskal_ranks(n, ends[pool], np.arange(1, len(pool) + 1)) - 1]] = number
    forest = np.empty_like(sorted_forest)
    forest[order] = sorted_forest
    return forest


def _order_by_weight(edges: OrderedEdges) -> tuple[Ints, Ints]:
    """Sort edges by weight, then by graph; return their numbers, and the places of those that tie in their graph."""
    order = order_of_numbers(edges.graph, int(edges.graph.max(initial=0)) + 1)
    order = order[stable_order(edges.weights[order])]
    same = (np.diff(edges.weights[order]) == 0) & (np.diff(edges.graph[order]) == 0)
    return order, np.flatnonzero(np.append(same, False) | np.append(False, same))


def graphs_with_ties(n: int, edges: OrderedEdges, forest: Ints, k: int) -> Ints:
    """Return the graphs of n vertices in all in which one of the k successive trees could hold another edge instead."""
    order, tied = _order_by_weight(edges)
    suspects, found = np.unique(edges.graph[order[tied]]), []
    for number in range(k if len(suspects) else 0):
        left = np.flatnonzero((forest >= number) & np.isin(edges.graph, suspects))
        others = tied_edges(n, edges.ends[left], edges.weights[left], forest[left] == number)
        found.append(edges.graph[left[others]])
    return np.concatenate([np.empty(0, np.intp), *found])
