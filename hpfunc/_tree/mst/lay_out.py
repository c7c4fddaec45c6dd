"""Lay out the trees of all classes one behind the other, so that path maxima can be looked up."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hpfunc._tree.mst.class_trees import ClassTree
from hpfunc._tree.mst.prim import RangeMaximum, mark_ties, prim_order_of_tree
from hpfunc._tree.types import Bools, Floats, Ints

__all__ = ["ClassTrees", "lay_out_trees"]


class ClassTrees(NamedTuple):
    """Hold a minimum spanning tree of each of K classes of N points, their Prim orders one behind the other.

    At each place stands the edge whose weight is the gap before it; at the first place of a class stands none.
    """

    place: Ints  # (N,) of each row
    edges: Ints  # (N, 2) rows
    weights: Floats  # (N,) exact squared distances, 0 at the first place of a class
    heaviest: RangeMaximum  # finds the places of the heaviest edges
    tied: Bools  # (N,) whether another edge is as heavy, with none heavier between the two
    degree: Ints  # (N,) of each row


def lay_out_trees(starts: Ints, class_trees: list[ClassTree]) -> ClassTrees:
    """Lay out the trees of all classes one behind the other.

    The order in which Prim's algorithm visited the points belongs to the weights that the algorithm was given. Where
    exact weights ask for another order, it is made from the exact tree.

    Parameters
    ----------
    starts : (K + 1,) array
        Rows ``starts[k]:starts[k + 1]`` are class k.
    class_trees : list of K ClassTree
    """
    n = int(starts[-1])
    place, edges, weights = np.empty(n, np.intp), np.zeros((n, 2), np.intp), np.zeros(n)

    def lay_out(k: int, vertices: Ints, edge_numbers: Ints) -> None:
        start, tree = starts[k], class_trees[k].tree
        place[start + vertices] = start + np.arange(len(vertices))
        edges[start + 1 : starts[k + 1]] = tree.edges[edge_numbers] + start
        weights[start + 1 : starts[k + 1]] = tree.weights[edge_numbers]

    reordered = []
    for k, (tree, visited) in enumerate(class_trees):
        step = np.empty_like(visited)
        step[visited] = np.arange(len(visited))
        later_end = step[tree.edges].max(axis=1)
        lay_out(k, visited, np.argsort(later_end))
        if len(np.unique(later_end)) < len(later_end):
            reordered.append(k)
    longest = int(np.diff(starts).max())
    heaviest = RangeMaximum(weights, longest)
    first, last = np.sort(place[edges], axis=1).T
    real = np.flatnonzero(first < last)
    wrong = real[weights[heaviest(first[real] + 1, last[real] + 1)] != weights[last[real]]]
    reordered += (np.searchsorted(starts, wrong, "right") - 1).tolist()
    for k in set(reordered):
        tree = class_trees[k].tree
        lay_out(k, *prim_order_of_tree(int(starts[k + 1] - starts[k]), tree.edges, tree.weights))
    if reordered:
        heaviest = RangeMaximum(weights, longest)
    # The first place of every class holds no edge.
    degree = np.bincount(np.delete(edges, starts[:-1], axis=0).reshape(-1), minlength=n)
    return ClassTrees(place, edges, weights, heaviest, mark_ties(starts, weights, heaviest), degree)
