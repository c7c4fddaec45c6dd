"""Minimum spanning forests of sparse graphs, against Kruskal's algorithm step by step."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from hpfunc._tree.mst.kruskal import components, kruskal, kruskal_multigraph, kruskal_ranks
from tests import oracles


def sparse_graph(rng, n, n_edges):
    """Draw some edges of a complete graph of n vertices, in random order, perhaps in several components."""
    every = np.array(list(itertools.combinations(range(n), 2)), np.intp).reshape(-1, 2)
    return rng.permutation(every)[:n_edges]


@pytest.mark.parametrize("seed", range(30))
def test_forests_are_as_light_as_step_by_step(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 14))
    ends = sparse_graph(rng, n, int(rng.integers(0, 30)))
    weights = rng.integers(-3, 4, len(ends)).astype(float)
    expected = oracles.kruskal({tuple(e): w for e, w in zip(ends.tolist(), weights, strict=True)}, n)
    weight_of = {tuple(e): w for e, w in zip(ends.tolist(), weights, strict=True)}
    found = kruskal(n, ends, weights)
    assert len(found) == len(set(found.tolist())) == len(expected)
    assert weights[found].sum() == sum(weight_of[e] for e in expected)
    assert components(n, ends[found])[0] == components(n, ends)[0] == n - len(expected)


def test_the_first_of_equal_edges_is_taken():
    ends = np.array([[1, 2], [0, 1], [0, 2], [2, 3]])
    assert sorted(kruskal(4, ends, np.ones(4))) == [0, 1, 3]
    assert sorted(kruskal(4, ends, np.array([1, 1, 0, 1.0]))) == [0, 2, 3]


@pytest.mark.parametrize("seed", range(20))
def test_parallel_edges_and_loops_change_nothing(seed):
    rng = np.random.default_rng(seed)
    n = 8
    ends = np.sort(rng.integers(0, n, (40, 2)), axis=1)
    weights = rng.integers(0, 10, 40).astype(float)
    lightest = {}
    for (i, j), w in zip(ends.tolist(), weights.tolist(), strict=True):
        if i != j:
            lightest[i, j] = min(w, lightest.get((i, j), np.inf))
    expected = oracles.kruskal(lightest, n)
    found = kruskal_multigraph(n, ends, weights)
    assert weights[found].sum() == sum(lightest[e] for e in expected)
    assert len(found) == len(expected)


def test_ranks_come_back_for_the_edges_of_the_forest():
    ends = np.array([[0, 1], [1, 2], [0, 2], [3, 4]])
    assert sorted(kruskal_ranks(5, ends, np.array([7, 3, 5, 1]))) == [1, 3, 5]


def test_components_of_graphs_without_edges():
    count, label = components(3, np.empty((0, 2), np.intp))
    assert count == 3
    assert sorted(label) == [0, 1, 2]
