"""The trees of all classes of a layer in one piece, laid out so that the heaviest edge of any way is looked up."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hpfunc._tree.mst.class_trees import Cloud
from hpfunc._tree.mst.path_maxima import Largest, run_of_vertices

__all__ = ["Trees", "collect_trees"]

Ints = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]


class Trees(NamedTuple):
    """A minimum spanning tree of each of K classes of N points, the run of each behind that of the class before.

    A run is an order of the points in which the heaviest of the edges between two places is that on their path. What
    stands at a place is the edge between it and the place before; at the first of a class none.
    """

    place: Ints  # (N,) of each row
    edges: Ints  # (N, 2) rows
    weights: Floats  # (N,) exact squared distances
    heaviest: Largest  # places of the heaviest edges
    tied: npt.NDArray[np.bool_]  # (N,) whether another edge is as heavy, with none heavier between the two
    degree: Ints  # (N,) of each row


def collect_trees(starts: Ints, clouds: list[Cloud]) -> Trees:
    """Lay out the trees of all classes.

    The order in which Prim's algorithm came to the points is a run of its own tree, by the weights it was given. Where
    rounding made it come in another order than exact weights would have, a run is made of the tree.
    """
    n = int(starts[-1])
    place, edges, weights = np.empty(n, np.intp), np.zeros((n, 2), np.intp), np.zeros(n)

    def lay(k: int, run: Ints, edge: Ints) -> None:
        start, tree = starts[k], clouds[k].tree
        place[start + run] = start + np.arange(len(run))
        edges[start + 1 : starts[k + 1]] = tree.edges[edge] + start
        weights[start + 1 : starts[k + 1]] = tree.weights[edge]

    again = []
    for k, (tree, visited) in enumerate(clouds):
        step = np.empty_like(visited)
        step[visited] = np.arange(len(visited))
        last = step[tree.edges].max(axis=1)
        lay(k, visited, np.argsort(last))
        if len(np.unique(last)) < len(last):
            again.append(k)
    longest = int(np.diff(starts).max())
    heaviest = Largest(weights, longest)
    first, last = np.sort(place[edges], axis=1).T
    some = np.flatnonzero(first < last)
    wrong = some[weights[heaviest(first[some] + 1, last[some] + 1)] != weights[last[some]]]
    again += (np.searchsorted(starts, wrong, "right") - 1).tolist()
    for k in set(again):
        lay(k, *run_of_vertices(int(starts[k + 1] - starts[k]), clouds[k].tree.edges, clouds[k].tree.weights))
    if again:
        heaviest = Largest(weights, longest)
    degree = np.bincount(edges.reshape(-1), minlength=n)
    degree[0] -= 2 * len(clouds)  # what stands for no edge at the first of each class
    return Trees(place, edges, weights, heaviest, _tied(starts, weights, heaviest), degree)


def _tied(starts: Ints, weights: Floats, heaviest: Largest) -> npt.NDArray[np.bool_]:
    """Which edges join, at the same weight as another, what the lighter edges leave apart: a way may use either."""
    class_ = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    order = np.lexsort((weights, class_))
    one, other = order[:-1], order[1:]
    equal = (weights[one] == weights[other]) & (class_[one] == class_[other])
    one, other = one[equal], other[equal]
    level = weights[heaviest(one, other + 1)] == weights[one]
    tied = np.zeros(len(weights), bool)
    tied[one[level]] = tied[other[level]] = True
    return tied
