"""Heaviest weights on the paths of trees, and the orders of vertices in which they are looked up."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpfunc._tree.mst.class_trees import ClassTree
from hpfunc._tree.mst.lay_out import lay_out_trees
from hpfunc._tree.mst.prim import (
    PrimOrder,
    RangeMaximum,
    fill_all_path_maxima,
    fill_path_maxima,
    gaps_from_weights,
    prim,
    prim_order_of_tree,
    tree_path_maxima,
)
from hpfunc._tree.mst.remeasure import TreeWithTies
from hpfunc._tree.threads import Scratch
from tests.oracles import direct_squared, kruskal


def a_tree(rng, n):
    """Edges and weights of a random tree, and the heaviest weight between any two vertices, step by step."""
    edges = np.array([(rng.integers(i), i) for i in range(1, n)], np.intp).reshape(-1, 2)
    weights = rng.integers(1, 2 * n, n - 1).astype(np.float32)
    expected = np.zeros((n, n), np.float32)
    for (parent, child), weight in zip(edges, weights, strict=True):
        # A vertex hangs on an earlier one: its path to any other before it leads through that.
        expected[child, :child] = expected[:child, child] = np.maximum(expected[parent, :child], weight)
    return edges, weights, expected


@pytest.mark.parametrize("n", [1, 2, 31, 32, 33, 64, 65, 129, 300])
def test_heaviest_weights_on_the_paths_of_a_tree(n):
    edges, weights, expected = a_tree(np.random.default_rng(n), n)
    assert np.array_equal(tree_path_maxima(n, edges, weights), expected)


def test_what_was_worked_in_before_does_not_matter():
    scratch = Scratch()
    for n in (40, 7, 300, 1, 65):
        edges, weights, expected = a_tree(np.random.default_rng(n), n)
        order, edge = prim_order_of_tree(n, edges, weights)
        result = np.full((n, n), np.nan, np.float32)
        fill_path_maxima(PrimOrder(order, gaps_from_weights(weights[edge])), result, scratch)
        assert np.array_equal(result, expected)
        for kept in scratch.kept.values():
            kept[:] = 255


@pytest.mark.parametrize("sizes", [(1,), (5, 1, 9), (33, 31, 32, 40), (89, 90, 89), (300, 129)])
def test_path_maxima_of_several_trees_at_once(sizes):
    orders, outs, expected = [], [], []
    for n in sizes:
        edges, weights, maxima = a_tree(np.random.default_rng(n), n)
        vertices, edge = prim_order_of_tree(n, edges, weights)
        orders.append(PrimOrder(vertices, gaps_from_weights(weights[edge])))
        outs.append(np.full((n, n), np.nan, np.float32))
        expected.append(maxima)
    fill_all_path_maxima(orders, outs, Scratch())
    for out, maxima in zip(outs, expected, strict=True):
        assert np.array_equal(out, maxima)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40))
def test_largest_of_every_range(numbers):
    range_maximum = RangeMaximum(np.array(numbers, float), len(numbers))
    ranges = np.array([(lo, hi) for lo in range(len(numbers)) for hi in range(lo + 1, len(numbers) + 1)])
    at = range_maximum(ranges[:, 0], ranges[:, 1])
    assert all(lo <= place < hi for place, (lo, hi) in zip(at, ranges, strict=True))
    assert [numbers[place] for place in at] == [max(numbers[lo:hi]) for lo, hi in ranges]


def test_prim_orders_are_those_of_minimum_trees():
    rng = np.random.default_rng(1)
    sizes = np.array([1, 2, 20, 7])
    table = np.full((4, 20, 20), np.inf)
    expected = []
    for g, n in enumerate(sizes):
        squared = direct_squared(rng.normal(size=(n, 2)))
        table[g, :n, :n] = squared
        weights = {(i, j): squared[i, j] for i, j in itertools.combinations(range(n), 2)}
        tree = np.array(kruskal(weights, n), np.intp).reshape(-1, 2)
        expected.append(tree_path_maxima(n, tree, squared[tree[:, 0], tree[:, 1]]))
    orders = prim(table, sizes)
    for g, n in enumerate(sizes):
        assert sorted(orders.vertices[g, :n]) == list(range(n))
        heaviest = np.empty((n, n))
        fill_path_maxima(PrimOrder(orders.vertices[g, :n], orders.gaps[g, :n]), heaviest, Scratch())
        assert np.array_equal(heaviest, expected[g])


def test_an_order_that_does_not_fit_the_weights_is_made_anew():
    edges, weights, expected = a_tree(np.random.default_rng(2), 50)
    for visited in (prim_order_of_tree(50, edges, weights)[0], np.arange(50), np.random.default_rng(3).permutation(50)):
        class_tree = ClassTree(TreeWithTies(edges, weights.astype(float), edges[:0]), visited)
        trees = lay_out_trees(np.array([0, 50, 100]), [class_tree, class_tree])
        for i, j in itertools.combinations(range(50), 2):
            for start in (0, 50):
                lo, hi = np.sort(trees.place[[start + i, start + j]])
                at = trees.heaviest(np.array([lo + 1]), np.array([hi + 1]))
                assert trees.weights[at] == expected[i, j]
        assert np.array_equal(trees.degree[trees.place], np.tile(np.bincount(edges.reshape(-1)), 2))
        inside = np.delete(np.arange(100), [0, 50])
        assert sorted(map(tuple, trees.edges[inside])) == sorted(map(tuple, np.concatenate([edges, edges + 50])))
