"""Nearest neighbours and orthogonal trees, against slow and obvious versions, ties and copies included."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings

from hpfunc._tree import GraphOptions, count_pairs
from tests.oracles import direct_squared, kruskal
from tests.strategies import labelled_floats, labelled_integers


def count(x, label, **options):
    """Cross edges of the first two classes, through the engine's door."""
    order = np.argsort(label, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(label))])
    result = count_pairs(np.asarray(x)[order], starts, np.array([[0, 1]]), GraphOptions(**options), name="x")
    return [float(field[0]) for field in result.cross], int(result.trees[0])


def neighbour_chances(x, k):
    """Chance that sample j is among the k neighbours of sample i, each tie drawn with equal probability: ``(n, n)``."""
    squared = direct_squared(x)
    chance = np.zeros(squared.shape)
    for i, row in enumerate(squared):
        others = np.delete(np.arange(len(row)), i)
        last = np.sort(row[others])[k - 1]
        closer, level = others[row[others] < last], others[row[others] == last]
        chance[i, closer] = 1
        chance[i, level] = (k - len(closer)) / len(level)
    return chance


def neighbour_extremes(x, label, k):
    """Least and most cross edges over all choices among ties, sample by sample, divided by k."""
    squared, low, high = direct_squared(x), 0, 0
    for i, row in enumerate(squared):
        others = np.delete(np.arange(len(row)), i)
        for sign in (1, -1):
            # Of equally near samples, those of the own class first (least) or last (most).
            order = np.lexsort((sign * (label[others] != label[i]), row[others]))[:k]
            crossing = int((label[others][order] != label[i]).sum())
            low, high = (low + crossing, high) if sign == 1 else (low, high + crossing)
    return low / k, high / k


def spread(x, weight, label):
    """Mean, weight, squared weights and squared degrees of a graph whose edges spread evenly over equal samples."""
    n = len(x)
    equal = np.unique(np.asarray(x) + 0.0, axis=0, return_inverse=True)[1].reshape(-1)
    even = np.zeros((n, n))
    for a, b in itertools.combinations_with_replacement(np.unique(equal), 2):
        ends = [(i, j) for i, j in itertools.combinations(range(n), 2) if {equal[i], equal[j]} == {a, b}]
        for i, j in ends:
            even[i, j] = sum(weight[e] for e in ends) / len(ends)
    cross = label[:, None] != label
    degree = even.sum(axis=0) + even.sum(axis=1)
    return even[cross].sum(), even.sum(), (even**2).sum(), (degree**2).sum()


def assert_neighbours(x, label, k):
    (mean, low, high, weight, weight2, degree2, *_), _ = count(x, label, graph="knn", k=k)
    chance = neighbour_chances(x, k)
    expected = spread(x, (np.triu(chance) + np.triu(chance.T)) / k, label)
    np.testing.assert_allclose([mean, weight, weight2, degree2], expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose([low, high], neighbour_extremes(x, label, k), rtol=1e-12)


@settings(max_examples=80, deadline=None)
@given(labelled_integers(max_points=9, max_value=2, max_features=2))
def test_neighbours_on_grids(case):
    x, label = case
    for k in {1, 2, len(x) - 1}:
        if k < len(x):
            assert_neighbours(x, label, k)


@settings(max_examples=80, deadline=None)
@given(labelled_floats(max_points=24))
def test_neighbours_whatever_rounding_does(case):
    x, label = case
    for k in {1, min(3, len(x) - 1)}:
        assert_neighbours(x, label, k)


def successive_trees(x, k):
    """Edges of k successive trees; of equal edges that between samples of lower coordinates is taken."""
    place = np.array(sorted(range(len(x)), key=lambda i: tuple(x[i])))
    squared = direct_squared(np.asarray(x)[place])
    n = len(x)
    weights = {(i, j): squared[i, j] for i, j in itertools.combinations(range(n), 2)}
    trees = []
    while len(trees) < k:
        tree = kruskal(weights, n)
        if len(tree) < n - 1:
            break
        trees.append([tuple(sorted(place[[i, j]].tolist())) for i, j in tree])
        for edge in tree:
            del weights[edge]
    return trees


def assert_trees(x, label, k):
    (mean, low, high, weight, weight2, degree2, *_), n_trees = count(x, label, k=k, graph="mst")
    trees = successive_trees(x, k)
    assert n_trees == len(trees)
    matrix = np.zeros((len(x), len(x)))
    for edge in itertools.chain(*trees):
        matrix[edge] += 1 / len(trees)
    np.testing.assert_allclose([mean, weight, weight2, degree2], spread(x, matrix, label), rtol=1e-9, atol=1e-9)
    assert (low == high == mean) or (np.isnan(low) and np.isnan(high))


@settings(max_examples=80, deadline=None)
@given(labelled_integers(max_points=9, max_value=2, max_features=2))
def test_orthogonal_trees_on_grids(case):
    x, label = case
    for k in (2, 3):
        assert_trees(x, label, k)


@settings(max_examples=60, deadline=None)
@given(labelled_floats(max_points=24))
def test_orthogonal_trees_whatever_rounding_does(case):
    x, label = case
    assert_trees(x, label, 3)


@pytest.mark.parametrize("d", [2, 100])
def test_unique_orthogonal_trees_have_extremes(d):
    x = np.random.default_rng(d).normal(size=(40, d)).astype(np.float32)
    (mean, low, high, *_), n_trees = count(x, np.arange(40) % 2, k=4, graph="mst")
    assert low == high == mean
    assert n_trees == 4
