"""Averages and extremes over all minimum spanning trees, against every tree in turn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from hpfunc._tree.mst import ties
from hpfunc._tree.mst.kruskal import components
from hpfunc._tree.mst.tie_counts import CrossEdges, count_classes, count_cross, find_every_tree
from hpfunc._tree.mst.ties import tied_edges
from tests.oracles import all_minimum_trees, direct_squared, kruskal
from tests.strategies import labelled_integers


def every_tree_of_samples(x, label):
    """All minimum spanning trees by the engine: one vertex for each sample, every edge a candidate."""
    members = np.eye(int(label.max()) + 1)[label]
    edges = np.stack(np.triu_indices(len(x), 1), axis=1)
    return find_every_tree(x, np.arange(len(x)), members, edges)


def counts_of(every):
    """Cross edges of one graph, as numbers."""
    graph = np.zeros(int(every.merged.representative.max()) + 1, int)
    return CrossEdges(*(values.item() for values in count_cross(every, graph, 1)))


def averages(x, label):
    """Mean, extremes, and the sums that the null distribution needs, over every tree in turn."""
    trees = all_minimum_trees(x, label)
    degree = np.zeros(len(x))
    for (i, j), p in trees.probability.items():
        degree[[i, j]] += p
    weight2 = sum(p**2 for p in trees.probability.values())
    weights = np.zeros((len(x), len(x)))
    for (i, j), p in trees.probability.items():
        weights[i, j] = weights[j, i] = p
    return {
        "mean": np.mean(trees.cross), "low": min(trees.cross), "high": max(trees.cross),
        "weight": len(x) - 1, "weight2": weight2, "degree2": (degree**2).sum(),
        "weight3": (weights**3).sum() / 2, "degree3": (degree**3).sum(), "degree_weight2": degree @ (weights**2).sum(0),
        "edge_degrees": degree @ weights @ degree / 2, "triangles": np.trace(weights @ weights @ weights) / 6,
    }  # fmt: skip


def assert_averages(counts, x, label):
    """Compare counts with averages over every tree, name by name."""
    for name, expected in averages(x, label).items():
        np.testing.assert_allclose(float(getattr(counts, name)), expected, rtol=1e-12, atol=1e-12, err_msg=name)


@settings(max_examples=150, deadline=None)
@given(labelled_integers(max_points=6, max_value=2))
def test_counts_are_averages_over_every_tree(case):
    x, label = case
    counts = counts_of(every_tree_of_samples(x, label))
    assert_averages(counts, x, label)


@settings(max_examples=100, deadline=None)
@given(labelled_integers(max_points=6, max_value=2))
def test_counts_between_several_classes_are_averages_over_every_tree(case):
    x, _ = case
    label = np.arange(len(x)) % 3
    counts = count_classes(every_tree_of_samples(x, label))
    expected = np.zeros((label.max() + 1,) * 2)
    for (i, j), p in all_minimum_trees(x, label).probability.items():
        if label[i] != label[j]:
            expected[label[[i, j]], label[[j, i]]] += p
    np.testing.assert_allclose(counts, expected, rtol=1e-12, atol=1e-12)


def test_many_graphs_at_once_give_the_bits_of_each_alone():
    rng = np.random.default_rng(0)
    parts, alone, first = [], [], 0
    for g in range(40):
        # Grids of all sizes, so that components of few and of many vertices tie; and all points of some graphs equal.
        n, d = int(rng.integers(2, 40)), int(rng.integers(1, 4))
        x = np.zeros((n, 3))
        x[:, :d] = rng.integers(0, 1 + g % 4, (n, d))
        label = np.concatenate([[0, 1], rng.integers(0, 2, n - 2)])
        alone.append(counts_of(every_tree_of_samples(x, label)))
        parts.append((x, label, np.stack(np.triu_indices(n, 1), axis=1) + first, np.full(n, g)))
        first += n
    x, label, edges, graph = (np.concatenate(field) for field in zip(*parts, strict=True))
    every = find_every_tree(x, np.arange(len(x)), np.eye(2)[label], edges)
    for name, values in count_cross(every, graph, 40)._asdict().items():
        assert values.tolist() == [getattr(counts, name) for counts in alone], name


def test_points_merge_where_squares_underflow():
    # The first two distances are 0 when squared, that between their outer ends is not.
    x, label = np.array([[0], [1e-162], [2e-162], [1], [2]]), np.array([0, 1, 0, 1, 0])
    every = every_tree_of_samples(x, label)
    assert every.merged.members.tolist() == [[2, 1], [0, 1], [1, 0]]
    assert every.merged.edges.tolist() == [[0, 1], [1, 2]]
    counts = counts_of(every)
    assert (counts.low, counts.high) == (1 + 0 + 1, 2 + 1 + 1)
    assert counts.mean == pytest.approx(4 / 3 + 2 / 3 + 1)


def test_copies_may_stand_for_samples():
    # Three copies of one point and two of another, as vertices with several members, count as the samples themselves.
    x = np.array([[0], [0], [0], [3], [3], [6]])
    label = np.array([0, 1, 1, 0, 1, 0])
    vertices = np.array([0, 3, 5])
    members = np.array([[1, 2], [1, 1], [1, 0.0]])
    counts = counts_of(find_every_tree(x, vertices, members, np.array([[0, 1], [1, 2], [0, 2]])))
    assert_averages(counts, x, label)


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_the_samples_changes_no_bit(seed):
    rng = np.random.default_rng(seed)
    x, label = rng.integers(0, 3, (30, 3)), rng.integers(0, 2, 30)
    order = rng.permutation(30)
    here = counts_of(every_tree_of_samples(x, label))
    there = counts_of(every_tree_of_samples(x[order], label[order]))
    assert here == there


def test_components_too_large_to_solve_have_no_mean_but_extremes(monkeypatch):
    monkeypatch.setattr(ties, "LARGEST_COMPONENT", 5)
    counts = counts_of(every_tree_of_samples(np.eye(7), np.arange(7) % 2))
    assert np.isnan(counts.mean)
    assert (counts.low, counts.high) == (1, 6)


@settings(max_examples=200, deadline=None)
@given(labelled_integers(max_points=9))
def test_tied_edges_stand_in_some_other_tree(case):
    x, _ = case
    squared = direct_squared(x)
    n = len(x)
    edges = np.stack(np.triu_indices(n, 1), axis=1)
    weights = squared[edges[:, 0], edges[:, 1]]
    chosen = set(kruskal({tuple(e): w for e, w in zip(edges.tolist(), weights, strict=True)}, n))
    tree = np.array([tuple(e) in chosen for e in edges.tolist()])
    tied = tied_edges(n, edges, weights, tree)
    for e, edge in enumerate(edges.tolist()):
        # An edge stands in some minimum spanning tree exactly if preferring it at its weight keeps it.
        preferring = {tuple(f): (w, tuple(f) != tuple(edge)) for f, w in zip(edges.tolist(), weights, strict=True)}
        assert (tree[e] or tied[e]) == (tuple(edge) in kruskal(preferring, n))


def test_probabilities_of_a_cycle_of_equal_edges():
    # Of the four edges of a square, each stands in three of its four spanning trees.
    every = every_tree_of_samples(np.array([[0, 0], [0, 1], [1, 1], [1, 0]]), np.array([0, 1, 0, 1]))
    assert len(every.probability) == 4
    np.testing.assert_allclose(every.probability, 0.75)


@pytest.mark.parametrize("largest", [2, 5, 30])
def test_probabilities_are_those_of_a_search_weight_by_weight(largest):
    rng = np.random.default_rng(largest)
    x = rng.integers(0, largest, (150, 3))
    x = np.concatenate([x, x[:20] + 100])  # many edges tie between two far clusters
    merged, _, probability = every_tree_of_samples(x, rng.integers(0, 2, len(x)))
    size, expected = merged.members.sum(axis=1), np.zeros(len(merged.edges))
    for weight in np.unique(merged.weights):
        _, contracted = components(len(size), merged.edges[merged.weights < weight])
        level = np.flatnonzero(merged.weights == weight)
        source, target = contracted[merged.edges[level]].T
        n = int(contracted.max()) + 1
        laplacian, conductance = np.zeros((n, n)), size[merged.edges[level]].prod(axis=1)
        for a, b in ((source, source), (target, target), (source, target), (target, source)):
            np.add.at(laplacian, (a, b), conductance * np.where(a is b, 1, -1))
        inverse = np.linalg.pinv(laplacian)
        diagonal = inverse.diagonal()
        expected[level] = conductance * (diagonal[source] + diagonal[target] - 2 * inverse[source, target])
    assert (probability < 1).any()
    np.testing.assert_allclose(probability, expected, rtol=1e-9)
