"""Counts of pairs of classes by the whole engine, against the oracles."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings

from hpfunc._tree import GraphOptions, count_pairs
from hpfunc._tree import distances as distances_module
from hpfunc._tree import rounding as rounding_module
from hpfunc._tree import threads as threads_module
from hpfunc._tree.mst import class_trees as class_trees_module
from hpfunc._tree.mst import remeasure as remeasure_module
from hpfunc._tree.mst import tiled as tiled_module
from hpfunc._tree.pairs import blocking as blocking_module
from hpfunc._tree.pairs import candidates as candidates_module
from hpfunc._tree.pairs import count_pairs as count_pairs_module
from hpfunc._tree.pairs import recount as recount_module
from hpfunc._tree.rounding import working_dtype
from tests.oracles import direct_squared, extreme_cross_edges, kruskal
from tests.strategies import labelled_floats, labelled_integers


def count(x, label, **options):
    """Cross edges of two classes, through the engine's door."""
    order = np.argsort(label, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(label))])
    pairs = np.stack(np.triu_indices(len(starts) - 1, 1), axis=1)
    return count_pairs(np.asarray(x)[order], starts, pairs, GraphOptions(**options), name="x")


@settings(max_examples=300, deadline=None)
@given(labelled_integers(max_points=12, max_value=5))
def test_extremes_are_kruskals_on_grids(case):
    x, label = case
    cross = count(x, label).cross
    assert (cross.low[0], cross.high[0]) == extreme_cross_edges(x, label)
    assert cross.low[0] <= cross.mean[0] <= cross.high[0]


@settings(max_examples=300, deadline=None)
@given(labelled_floats())
def test_extremes_are_kruskals_whatever_rounding_does(case):
    x, label = case
    cross = count(x, label).cross
    assert (cross.low[0], cross.high[0]) == extreme_cross_edges(x, label)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_extremes_in_float32_of_many_wide_points(seed):
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, 150)
    x = (rng.normal(size=(150, 300)) * 10.0 ** rng.integers(-3, 1) + rng.integers(-3, 4) * label[:, None]).astype("f4")
    x[rng.integers(0, 150, 20)] = x[rng.integers(0, 150, 20)]
    near = rng.integers(0, 150, 20)
    x[near] = np.nextafter(x[rng.integers(0, 150, 20)], np.float32(np.inf))
    cross = count(x, label).cross
    assert (cross.low[0], cross.high[0]) == extreme_cross_edges(x, label)


def adversarial(rng):
    """Two or three classes of points that are hard for floating point, in float32 or float64."""
    n, d = int(rng.integers(4, 45)), int(rng.choice([1, 2, 3, 10, 64, 100, 200]))
    label = np.concatenate([[0, 1], rng.integers(0, rng.integers(2, 4), n - 2)])
    x = rng.normal(size=(n, d))
    for trick in rng.choice(9, size=rng.integers(1, 4), replace=False):
        if trick == 0:  # collapsed classes, far apart
            x = x * 10.0 ** -rng.integers(2, 7) + rng.normal(size=(3, d))[label] * 10
        elif trick == 1:  # a huge offset
            x = x + 10.0 ** rng.integers(3, 8)
        elif trick == 2:  # copies, within classes and between
            x = x[rng.integers(0, n, n)]
        elif trick == 3:  # low rank
            x = x @ rng.normal(size=(d, 1)) @ rng.normal(size=(1, d))
        elif trick == 4:  # scales that differ from point to point
            x = x * 10.0 ** rng.integers(-5, 6, (n, 1))
        elif trick == 5:  # a grid
            x = np.round(2 * x)
        elif trick == 6:  # a wide outlier
            x[rng.integers(n)] *= 1e4
        elif trick == 7:  # dead features
            x = np.maximum(x, 0) * (rng.random(d) < 0.3)
        elif trick == 8:  # probabilities, most of them near 0 or 1
            x = np.exp(np.clip(10.0 ** rng.integers(0, 3) * (x - x.max(axis=1, keepdims=True)), -80, 0))
            x /= x.sum(axis=1, keepdims=True)
    x = x.astype(rng.choice([np.float32, np.float64]))
    if rng.random() < 0.5:  # neighbours one unit in the last place apart; next to 0, squares vanish for the oracle
        some, model = rng.integers(0, n, (2, n // 3))
        x[some] = np.where(x[model] == 0, 0, np.nextafter(x[model], np.array(np.inf, x.dtype)))
    return x, label


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_two_thousand_adversarial_cases(seed):
    rng = np.random.default_rng([2000, seed])
    for case in range(100):
        x, label = adversarial(rng)
        cross = count(x, label).cross
        for p, (a, b) in enumerate(itertools.combinations(range(label.max() + 1), 2)):
            both = (label == a) | (label == b)
            expected = extreme_cross_edges(x[both], label[both] == b)
            assert (cross.low[p], cross.high[p]) == expected, (seed, case, p)


def test_degrees_are_those_of_the_trees():
    rng = np.random.default_rng(13)
    label = np.repeat(np.arange(6), rng.integers(2, 40, 6))
    for d, dtype in itertools.product((2, 50), (np.float32, np.float64)):
        x = (rng.normal(size=(len(label), d)) + label[:, None] * rng.normal(size=d) / d).astype(dtype)
        cross = count(x, label).cross
        for p, pair in enumerate(itertools.combinations(range(6), 2)):
            both = np.flatnonzero(np.isin(label, pair))
            squared = direct_squared(x[both])
            tree = kruskal({(i, j): squared[i, j] for i, j in itertools.combinations(range(len(both)), 2)}, len(both))
            degree = np.bincount(np.array(tree).reshape(-1))
            assert cross.mean[p] == sum(label[both[i]] != label[both[j]] for i, j in tree)
            assert cross.degree2[p] == (degree**2).sum()
            assert cross.weight[p] == cross.weight2[p] == len(both) - 1


@pytest.mark.parametrize("d", [2, 40])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_ties_within_a_class_show_in_the_degrees(d, dtype):
    # Of the two edges of length 5 in the first class either may give way to the point of the second.
    x = np.zeros((4, d), dtype)
    x[1:, :2] = (5, 0), (0, 5), (4, 4)
    cross = count(x, np.array([0, 0, 0, 1])).cross
    assert cross.weight2[0] == 2.5
    assert cross.degree2[0] == 9.5


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_points_that_are_all_equally_far_apart(dtype):
    cross = count(np.eye(140, dtype=dtype), np.repeat([0, 1], 70)).cross
    assert cross.degree2[0] == pytest.approx(140 * (278 / 140) ** 2)


def test_thin_classes_that_float32_cannot_tell_apart():
    x = (np.random.default_rng(0).normal(size=(200, 3)) * 1e-3).astype(np.float32)
    x[0], x[100] = 1e3, -1e3
    label = np.repeat([0, 1], 100)
    result = count(x, label)
    assert result.remeasured[0]
    assert (result.cross.low[0], result.cross.high[0]) == extreme_cross_edges(x, label)


def test_what_rounding_leaves_undecided_is_certified(monkeypatch):
    # Points on a circle of near-equal steps: float32 cannot order them, float64 can.
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False) + np.random.default_rng(0).normal(size=60) * 1e-9
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(80, 2)))[0]
    x = (np.stack([np.cos(angle), np.sin(angle)], axis=1) @ rotation.T).astype(np.float32)
    label = np.arange(60) // 7 % 2
    assert working_dtype(x) == np.float32
    near = []
    original = class_trees_module.find_candidates
    monkeypatch.setattr(
        class_trees_module, "find_candidates", lambda *args: (near.append(original(*args)), near[-1])[1]
    )
    cross = count(x, label).cross
    assert sum(len(found.edges) for found in near) > len(x) - 2
    assert (cross.low[0], cross.high[0]) == extreme_cross_edges(x, label)


def test_too_many_undecided_edges_are_measured_again_in_float64():
    rng = np.random.default_rng(3)
    x = (1 + rng.normal(size=(80, 100)) * 1e-6).astype(np.float32)
    x[0] += 1000
    label = np.arange(80) % 2
    result = count(x, label)
    assert result.remeasured.tolist() == [True]
    assert (result.cross.low[0], result.cross.high[0]) == extreme_cross_edges(x, label)


def test_all_edges_are_looked_at_when_float64_leaves_too_much_undecided(monkeypatch):
    monkeypatch.setattr(remeasure_module, "CROWDED", 0)
    monkeypatch.setattr(recount_module, "CROWDED", 0)
    rng = np.random.default_rng(4)
    for d in (1, 2, 80):
        x = rng.integers(0, 3, (30, d))
        label = rng.integers(0, 2, 30)
        cross = count(x, label).cross
        assert (cross.low[0], cross.high[0]) == extreme_cross_edges(x, label)


@pytest.mark.parametrize(
    ("block_points", "batch_vertices", "n_threads"), [(1, 1, 1), (20, 30, 3), (50, 1000, 2), (100, 30, 2)]
)
@pytest.mark.parametrize(("least", "most"), [(1, 10), (16, 20)])
@pytest.mark.parametrize(("d", "dtype"), [(3, np.float64), (3, np.float32), (40, np.float32)])
def test_blocks_batches_and_threads_change_nothing(
    monkeypatch, block_points, batch_vertices, n_threads, least, most, d, dtype
):
    rng = np.random.default_rng(6)
    label = np.repeat(np.arange(11), rng.integers(least, most, 11))
    x = rng.integers(0, 4, (len(label), d)).astype(dtype)
    x += (rng.normal(size=x.shape) * (label[:, None] % 3 == 0)).astype(dtype)
    whole = count(x, label)
    monkeypatch.setattr(class_trees_module, "BATCH_VERTICES", batch_vertices)
    monkeypatch.setattr(blocking_module, "WIDTH", block_points // 2)
    for limit in ("_HEIGHT", "_THIN_HEIGHT"):
        monkeypatch.setattr(blocking_module, limit, block_points)
    monkeypatch.setattr(blocking_module, "BATCH_POINTS", 3 * block_points)
    monkeypatch.setattr(candidates_module, "_STRIP", batch_vertices)
    monkeypatch.setattr(threads_module, "n_threads", lambda: n_threads)
    part = count(x, label)
    for one, other in zip(whole.cross, part.cross, strict=True):
        np.testing.assert_array_equal(one, other)
    for p, (a, b) in enumerate(zip(*np.triu_indices(11, 1), strict=True)):
        both = (label == a) | (label == b)
        assert (whole.cross.low[p], whole.cross.high[p]) == extreme_cross_edges(x[both], label[both])


def test_classes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="max_memory"):
        count(np.arange(40).reshape(20, 2), np.arange(20) % 2, max_memory=1000)


def test_large_classes_are_seen_tile_by_tile(monkeypatch):
    monkeypatch.setattr(tiled_module, "_TILE", 16)
    monkeypatch.setattr(count_pairs_module, "bytes_for_blocks", lambda *args, **kwargs: 2**60)
    rng = np.random.default_rng(12)
    for d, dtype, make in itertools.product((2, 80), (np.float32, np.float64), ("normal", "grid", "copies", "apart")):
        x, label = rng.normal(size=(120, d)), rng.integers(0, 3, 120)
        if make == "grid":
            x = np.round(x)
        elif make == "copies":
            x = x[rng.integers(0, 40, 120)]
        elif make == "apart":
            x += 1e4 * label[:, None]
        x = x.astype(dtype)
        cross = count(x, label).cross
        for p, (a, b) in enumerate(((0, 1), (0, 2), (1, 2))):
            both = (label == a) | (label == b)
            assert (cross.low[p], cross.high[p]) == extreme_cross_edges(x[both], label[both])


def test_sums_of_many_features_are_cut(monkeypatch):
    for module in (distances_module, rounding_module):
        monkeypatch.setattr(module, "TERMS", 50)
    rng = np.random.default_rng(7)
    x = rng.normal(size=(40, 333)).astype(np.float32)
    label = np.arange(40) % 2
    cross = count(x, label).cross
    assert (cross.low[0], cross.high[0]) == extreme_cross_edges(x, label)


@pytest.mark.parametrize("d", [2, 100])
def test_working_precision_tree_counts_without_extremes(d):
    # Classes of unequal size share a table that is padded.
    label = np.repeat([0, 1, 2], [20, 24, 6])
    x = np.random.default_rng(8).normal(size=(50, d)).astype(np.float32)
    loose, exact = count(x, label, exact=False).cross, count(x, label).cross
    np.testing.assert_array_equal(loose.mean, exact.mean)
    assert np.isnan(loose.low).all()
    assert np.isnan(loose.high).all()
