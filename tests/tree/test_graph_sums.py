"""The sums over graphs that the third moment needs, against their definitions on dense tables of weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpfunc._tree import GraphOptions, count_pairs, graph_sums, weight_tables
from tests.oracles import all_minimum_trees, direct_squared, kruskal, neighbour_pairs, orthogonal_trees
from tests.stats.test_null import sums_of
from tests.strategies import labelled_integers

NAMES = ("weight", "weight2", "degree2", "weight3", "degree3", "degree_weight2", "edge_degrees", "triangles", "leaves")


def counted(x, starts, pairs, graph="mst", k=1):
    return count_pairs(x, np.asarray(starts), np.asarray(pairs), GraphOptions(graph=graph, k=k), name="x").cross


def assert_sums(cross, p, table):
    expected = sums_of(table)
    for name in NAMES:
        assert getattr(cross, name)[p] == pytest.approx(getattr(expected, name), abs=1e-8), name


def dense(edges, n):
    table = np.zeros((n, n))
    for (i, j), weight in edges.items():
        table[i, j] = table[j, i] = table[i, j] + weight
    return table


@settings(max_examples=150, deadline=None)
@given(labelled_integers(max_points=6))
def test_trees_that_tie_are_averaged(case):
    x, label = case
    order = np.argsort(label, kind="stable")
    x, label = x[order], label[order]
    m, n = int((label == 0).sum()), len(x)
    table = dense(all_minimum_trees(x, label).probability, n)
    assert_sums(counted(x, [0, m, n], [[0, 1]]), 0, table)
    [found] = weight_tables(x, np.array([0, m, n]), np.array([[0, 1]]), GraphOptions())
    np.testing.assert_allclose(np.sort(found.sum(axis=1)), np.sort(table.sum(axis=1)), atol=1e-9)
    np.testing.assert_allclose(np.sort(found, axis=None), np.sort(table, axis=None), atol=1e-9)


@pytest.mark.parametrize("d", [2, 40])
def test_unique_trees_of_many_pairs_at_once(d):
    rng = np.random.default_rng(d)
    starts = np.concatenate([[0], np.cumsum(rng.integers(2, 60, 6))])
    x = rng.normal(size=(starts[-1], d))
    pairs = np.stack(np.triu_indices(6, 1), axis=1)
    cross = counted(x, starts, pairs)
    for p, (a, b) in enumerate(pairs):
        pooled = np.concatenate([x[starts[a] : starts[a + 1]], x[starts[b] : starts[b + 1]]])
        squared, n = direct_squared(pooled), len(pooled)
        tree = kruskal({(i, j): squared[i, j] for i in range(n) for j in range(i + 1, n)}, n)
        assert_sums(cross, p, dense(dict.fromkeys(tree, 1), n))


@pytest.mark.parametrize("k", [1, 2, 4])
def test_other_graphs(k):
    x = np.random.default_rng(k).normal(size=(12, 3))
    trees = orthogonal_trees(x, k)
    by_tree = dense({edge: sum(edge in tree for tree in trees) / len(trees) for tree in trees for edge in tree}, 12)
    by_neighbour = np.zeros((12, 12))
    for i, j in neighbour_pairs(x, k):
        by_neighbour[[i, j], [j, i]] += 1 / k
    for graph, table in (("mst", by_tree), ("knn", by_neighbour)):
        assert_sums(counted(x, [0, 5, 12], [[0, 1]], graph, k), 0, table)
        [found] = weight_tables(x, np.array([0, 5, 12]), np.array([[0, 1]]), GraphOptions(graph=graph, k=k))
        np.testing.assert_allclose(np.sort(found, axis=None), np.sort(table, axis=None), atol=1e-12)


def test_one_tree_from_its_edges():
    rng = np.random.default_rng(0)
    edges = np.array([[i, rng.integers(0, i)] for i in range(1, 30)])
    degree2, third = graph_sums.sum_tree(30, edges)
    expected = sums_of(dense({tuple(edge): 1 for edge in edges.tolist()}, 30))
    assert degree2 == expected.degree2
    for name, value in third._asdict().items():
        assert value == getattr(expected, name), name


@given(st.integers(0, 10**6), st.sampled_from([0.02, 1.0]))
@settings(max_examples=30, deadline=None)
def test_sparse_and_dense_triangles_agree_on_copies(seed, share):
    rng = np.random.default_rng(seed)
    n = 12
    size = rng.integers(1, 4, n).astype(float)
    pairs = [(i, j) for i in range(n) for j in range(i, n) if rng.uniform() < share or i + 1 == j]
    ends, weight = np.array(pairs), rng.uniform(0.1, 1, len(pairs))
    point = np.repeat(np.arange(n), size.astype(int))
    table = np.zeros((len(point), len(point)))
    for (i, j), w in zip(pairs, weight, strict=True):
        count = size[i] * size[j] if i != j else size[i] * (size[i] - 1) / 2
        if count:
            block = np.outer(point == i, point == j)
            table[block | block.T] = w / count
    np.fill_diagonal(table, 0)
    expected = sums_of(table)
    for name, value in graph_sums.sum_weighted(size, ends, weight)._asdict().items():
        assert value == pytest.approx(getattr(expected, name)), name
