"""Concatenate the Prim orders of the trees of all classes, so that path maxima can be looked up."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hpfunc._arrays.types import Bools, Floats, Ints
from hpfunc._tree.mst.class_trees import ClassTree
from hpfunc._tree.mst.prim import RangeMaximum, mark_ties, prim_order_of_tree

__all__ = ["ClassTrees", "lay_out_trees"]


class ClassTrees(NamedTuple):
    """Hold a minimum spanning tree of each of K classes, N points in all, with their Prim orders concatenated.

    Each place holds the edge whose weight is the gap before it; the first place of a class holds no edge.
    """

    place: Ints  # (N,) of each row
    edges: Ints  # (N, 2) rows
    ends: Ints  # (2, N) the places of these rows; at the first place of a class, this place itself
    weights: Floats  # (N,) exact squared distances, 0 at the first place of a class
    heaviest: RangeMaximum  # finds the places of the heaviest edges
    tied: Bools  # (N,) whether another edge is as heavy, with none heavier between the two
    degree: Ints  # (N,) of the point at each place
    has_ties: Bools  # (K,) whether other edges may replace those of the tree
    remeasured: Bools  # (K,) whether float32 left too much undecided


def lay_out_trees(starts: Ints, class_trees: list[ClassTree]) -> ClassTrees:
    """Concatenate the Prim orders of the trees of all classes.

    The order in which Prim's algorithm visited the points is valid for the weights that it was given. Where the exact
    weights need another order, it is computed from the exact tree.

    Parameters
    ----------
    starts : (K + 1,) array
        Rows ``starts[k]:starts[k + 1]`` are class k.
    class_trees : list of K ClassTree
    """
    sizes, n = np.diff(starts), int(starts[-1])
    tree_edges = np.concatenate([class_tree.tree.edges for class_tree in class_trees])
    length = np.concatenate([class_tree.tree.weights for class_tree in class_trees])
    tree_edges += np.repeat(starts[:-1], sizes - 1)[:, None]
    visited = np.concatenate([class_tree.visited for class_tree in class_trees]) + np.repeat(starts[:-1], sizes)
    place, edges, weights = np.empty(n, np.intp), np.zeros((n, 2), np.intp), np.zeros(n)
    place[visited] = np.arange(n)
    # In a Prim order each edge attaches its later end.
    later_end = place[tree_edges].max(axis=1)
    edges[later_end], weights[later_end] = tree_edges, length
    attached = np.bincount(later_end, minlength=n)
    attached[starts[:-1]] = 1
    longest = int(sizes.max())
    heaviest = RangeMaximum(weights, longest)
    first, last = np.sort(place[edges], axis=1).T
    real = np.flatnonzero(first < last)
    wrong = real[weights[heaviest(first[real] + 1, last[real] + 1)] != weights[last[real]]]
    reordered = np.unique(np.searchsorted(starts, np.append(wrong, np.flatnonzero(attached != 1)), "right") - 1)
    for k in reordered:
        tree, start = class_trees[k].tree, starts[k]
        vertices, edge_numbers = prim_order_of_tree(int(sizes[k]), tree.edges, tree.weights)
        place[start + vertices] = start + np.arange(len(vertices))
        edges[start + 1 : starts[k + 1]] = tree.edges[edge_numbers] + start
        weights[start + 1 : starts[k + 1]] = tree.weights[edge_numbers]
    if reordered.size:
        heaviest = RangeMaximum(weights, longest)
    ends = np.ascontiguousarray(place[edges].T)
    ends[:, starts[:-1]] = starts[:-1]
    degree = np.bincount(np.delete(ends, starts[:-1], axis=1).reshape(-1), minlength=n)
    has_ties, remeasured = np.array(
        [(len(class_tree.tree.tied) > 0, class_tree.tree.remeasured) for class_tree in class_trees]
    ).T
    tied = mark_ties(starts, weights, heaviest)
    return ClassTrees(place, edges, ends, weights, heaviest, tied, degree, has_ties, remeasured)
