"""Certificates of minimum spanning trees, against trees of the true weights, edge by edge."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from hpfunc._tree.mst.kruskal import BoundedEdges, certify, kruskal
from tests import oracles


def bounded_graphs(rng, n_graphs, n, *, known):
    """Complete graphs with true weights, many of them equal, and intervals that hold them; some have no width."""
    ends = np.array(list(itertools.combinations(range(n), 2)), np.intp)
    graph = np.repeat(np.arange(n_graphs), len(ends))
    vertices = np.concatenate([ends + g * n for g in range(n_graphs)])
    true = rng.integers(1, 12, len(graph)) / 4
    width = rng.choice([0, 0.1, 0.3, 2], len(graph)) * (rng.random(len(graph)) < 1 - known)
    share = rng.random(len(graph))
    return BoundedEdges(graph, vertices, true - share * width, true + (1 - share) * width), true


def is_only_tree(weights, tree, n):
    """Whether no edge outside the tree is as light as one that it could replace: by preferring each in turn."""
    for edge in weights:
        preferring = {e: (w, e != edge) for e, w in weights.items()}
        if edge not in tree and edge in oracles.kruskal(preferring, n):
            return False
    return True


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("known", [0, 0.5, 0.9, 1])
def test_certified_trees_are_those_of_the_true_weights(seed, known):
    rng = np.random.default_rng([seed, int(10 * known)])
    n_graphs, n = int(rng.integers(1, 5)), int(rng.integers(2, 8))
    edges, true = bounded_graphs(rng, n_graphs, n, known=known)
    first = np.zeros(len(true), bool)
    first[kruskal(n_graphs * n, edges.ends, edges.lower)] = True
    measured = []

    def measure(which):
        measured.extend(which.tolist())
        return true[which]

    tree, tied = certify(edges, first, measure, n_graphs, n_graphs * n)
    assert len(measured) == len(set(measured))
    for g in range(n_graphs):
        mine = np.flatnonzero(edges.graph == g)
        ends = [tuple(e) for e in (edges.ends[mine] - g * n).tolist()]
        weights = dict(zip(ends, true[mine].tolist(), strict=True))
        chosen = {e for e, inside in zip(ends, tree[mine], strict=True) if inside}
        expected = oracles.kruskal(weights, n)
        assert len(chosen) == n - 1
        assert len(oracles.kruskal({e: weights[e] for e in chosen}, n)) == n - 1
        assert sum(weights[e] for e in chosen) == sum(weights[e] for e in expected)
        if not is_only_tree(weights, chosen, n):
            assert tied[g]


def test_what_is_decided_is_not_measured():
    # A path of light edges and a heavy one that closes it: their intervals do not overlap.
    edges = BoundedEdges(
        np.zeros(3, np.intp), np.array([[0, 1], [1, 2], [0, 2]]), np.array([1, 2, 5.0]), np.array([2.5, 4, 6.0])
    )
    tree = np.array([True, True, False])
    found, tied = certify(edges, tree, lambda which: pytest.fail(f"measured {which}"), 1, 3)
    assert found.tolist() == [True, True, False]
    assert not tied[0]


def test_only_the_graph_with_an_overlap_is_measured():
    ends = np.array([[0, 1], [1, 2], [0, 2], [3, 4], [4, 5], [3, 5]])
    lower = np.array([1, 2, 3, 1, 2, 5.0])
    upper = np.array([1, 4, 4, 1, 3, 5.0])
    edges = BoundedEdges(np.repeat([0, 1], 3), ends, lower, upper)
    asked = []
    true = np.array([1, 3.5, 3.25, 1, 2, 5])
    tree, tied = certify(
        edges, np.array([True, True, False] * 2), lambda few: (asked.extend(few.tolist()), true[few])[1], 2, 6
    )
    assert asked == [1, 2]
    assert tree.tolist() == [True, False, True, True, True, False]
    assert tied.tolist() == [False, False]


def test_two_known_weights_that_tie_are_seen():
    edges = BoundedEdges(
        np.zeros(3, np.intp), np.array([[0, 1], [1, 2], [0, 2]]), np.array([1, 2, 2.0]), np.array([1, 2, 2.0])
    )
    _, tied = certify(edges, np.array([True, True, False]), lambda few: edges.lower[few], 1, 3)
    assert tied[0]
