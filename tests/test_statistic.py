from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import pdist, squareform

import hpfunc as hp
from hpfunc._stats.null import null_moments
from hpfunc._tree import GraphOptions, count_pairs
from tests.oracles import (
    all_minimum_trees,
    every_labelling,
    extreme_cross_edges,
    labelling_moments,
    neighbour_pairs,
    orthogonal_trees,
)
from tests.strategies import labelled_floats, labelled_integers

# A warning about ties is part of some results; the tests that are about it say so.
COUNTS = ("cross_edges", "cross_edges_min", "cross_edges_max", "hp", "z", "pvalue")


def split(x, label):
    x = np.asarray(x)
    return x[label == 0], x[label == 1]


def values(result):
    return np.array([result[name].item() for name in COUNTS])


# ---- properties


@settings(max_examples=300, deadline=None)
@given(labelled_integers(max_points=6))
def test_all_spanning_trees_of_small_grids(case):
    x, label = case
    trees = all_minimum_trees(x, label)
    result = hp.hp_statistic(*split(x, label))
    assert result.cross_edges.item() == pytest.approx(np.mean(trees.cross), abs=1e-9)
    assert result.cross_edges_min.item() == min(trees.cross)
    assert result.cross_edges_max.item() == max(trees.cross)


@settings(max_examples=100, deadline=None)
@given(labelled_integers(max_points=6))
def test_null_distribution_by_every_labelling(case):
    x, label = case
    n, m = len(x), int((label == 0).sum())
    result = hp.hp_statistic(*split(x, label))
    if n < 4:
        assert np.isnan([result.z.item(), result.pvalue.item()]).all()
        return
    trees = all_minimum_trees(x, label)
    counts = every_labelling(trees.probability, n, m)
    # So few labellings are all tried: the p-value is the share of those with as few cross edges.
    assert result.pvalue.item() == pytest.approx(np.mean(counts <= np.mean(trees.cross) + 1e-9))
    if counts.var() < 1e-9:
        assert np.isnan(result.z.item())
        assert result.pvalue.item() == 1
        return
    z = (np.mean(trees.cross) - counts.mean()) / counts.std()
    assert result.z.item() == pytest.approx(z, abs=1e-7)


@settings(max_examples=60, deadline=None)
@given(labelled_floats(max_points=24), st.randoms(use_true_random=False))
def test_sample_order_and_class_names_change_no_bit(case, random):
    x, label = case
    order = np.array(random.sample(range(len(x)), len(x)))
    expected = values(hp.hp_statistic(*split(x, label)))
    shuffled = hp.hp_statistic(*split(x[order], label[order]))
    np.testing.assert_array_equal(values(shuffled), expected)
    swapped = hp.hp_statistic(*split(x, 1 - label))
    np.testing.assert_array_equal(values(swapped), expected)
    assert (swapped.n_a.item(), swapped.n_b.item()) == (shuffled.n_b.item(), shuffled.n_a.item())


@pytest.mark.slow
def test_swapping_classes_of_tied_points_changes_no_bit():
    # Weights that tie in the trees of both classes, and edges that only one order looks at: both were missed once.
    def count(x, y):
        starts = np.array([0, len(x), len(x) + len(y)])
        return count_pairs(np.concatenate([x, y]), starts, np.array([[0, 1]]), GraphOptions(), name="x").cross

    rng = np.random.default_rng(0)
    for _ in range(350):
        x, label = rng.integers(-2, 3, (18, 12)).astype("float32"), rng.integers(0, 2, 18)
        if label.min() < label.max():
            np.testing.assert_array_equal(count(*split(x, label)), count(*split(x, 1 - label)))


@settings(max_examples=60, deadline=None)
@given(labelled_integers(max_points=14), st.randoms(use_true_random=False), st.sampled_from(["mst", "knn"]))
def test_order_of_tied_samples_changes_no_bit(case, random, graph):
    x, label = case
    order = np.array(random.sample(range(len(x)), len(x)))
    expected = values(hp.hp_statistic(*split(x, label), graph=graph))
    np.testing.assert_array_equal(values(hp.hp_statistic(*split(x[order], label[order]), graph=graph)), expected)
    np.testing.assert_array_equal(values(hp.hp_statistic(*split(x, 1 - label), graph=graph)), expected)


@settings(max_examples=60, deadline=None)
@given(labelled_integers(max_points=14, max_value=9), st.integers(-1000, 1000), st.integers(-60, 60))
def test_moving_and_scaling_by_powers_of_two_change_nothing(case, shift, exponent):
    x, label = case
    moved = (x + shift) * 2.0**exponent
    result, expected = (values(hp.hp_statistic(*split(points, label))) for points in (moved, x))
    # The canonical order of the points may be another one, and with it the last digits of an average.
    np.testing.assert_array_equal(result[1:3], expected[1:3])
    np.testing.assert_allclose(result, expected, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(labelled_integers(max_points=14, max_value=9))
def test_turning_by_right_angles_and_mirroring_change_nothing(case):
    x, label = case
    turned = (x * np.where(np.arange(x.shape[1]) % 2, -1, 1))[:, ::-1]
    result, expected = (values(hp.hp_statistic(*split(points, label))) for points in (turned, x))
    # The canonical order of the points is another one, so the last digits of an average may be.
    np.testing.assert_array_equal(result[1:3], expected[1:3])
    np.testing.assert_allclose(result, expected, atol=1e-9)


def test_rotation_of_points_without_ties_changes_nothing():
    rng = np.random.default_rng(0)
    x, label = rng.normal(size=(80, 20)), np.arange(80) % 2
    rotation = np.linalg.qr(rng.normal(size=(20, 20)))[0]
    np.testing.assert_array_equal(
        values(hp.hp_statistic(*split(x @ rotation, label))), values(hp.hp_statistic(*split(x, label)))
    )


def test_one_feature_is_a_sort():
    rng = np.random.default_rng(1)
    for _ in range(20):
        x, label = rng.normal(size=200), rng.integers(0, 2, 200)
        expected = (np.diff(label[np.argsort(x)]) != 0).sum()
        assert hp.hp_statistic(*split(x, label)).cross_edges.item() == expected


@pytest.mark.parametrize("n", [2, 3, 10, 50])
def test_distinct_points_against_themselves(n):
    x = np.random.default_rng(2).normal(size=(n, 3))
    result = hp.hp_statistic(x, x)
    assert result.cross_edges.item() == pytest.approx((3 * n - 1) / 2, abs=1e-9)
    assert (result.cross_edges_min.item(), result.cross_edges_max.item()) == (n, 2 * n - 1)


@settings(max_examples=40, deadline=None)
@given(labelled_floats(max_points=20, max_features=4))
def test_a_gap_wider_than_both_classes_gives_one(case):
    x, label = case
    wide = x.astype(float)
    wide[:, 0] += label * 4 * (1 + np.abs(wide).max()) * np.sqrt(wide.shape[1])
    result = hp.hp_statistic(*split(wide, label))
    assert (result.cross_edges.item(), result.cross_edges_min.item(), result.cross_edges_max.item()) == (1, 1, 1)


@settings(max_examples=60, deadline=None)
@given(labelled_floats(max_points=20, max_features=5))
def test_every_point_twice_changes_no_count(case):
    x, label = case
    one, two = split(x, label)
    if len(np.unique(x, axis=0)) < len(x):
        return  # a point in both classes gains edges by doubling
    once = hp.hp_statistic(one, two)
    twice = hp.hp_statistic(np.repeat(one, 2, axis=0), np.repeat(two, 2, axis=0))
    np.testing.assert_allclose(values(twice)[:3], values(once)[:3], atol=1e-9)


# ---- other graphs


@pytest.mark.parametrize("k", [1, 2, 3])
def test_orthogonal_trees_and_their_null(k):
    rng = np.random.default_rng(3)
    for _ in range(10):
        x, label = rng.normal(size=(9, 3)), rng.permutation([0, 0, 0, 0, 1, 1, 1, 1, 1])
        trees = orthogonal_trees(x, k)
        edges = {edge: 1 / len(trees) for tree in trees for edge in tree}
        result = hp.hp_statistic(*split(x, label), k=k)
        cross = sum(w for (i, j), w in edges.items() if label[i] != label[j])
        assert result.cross_edges.item() == pytest.approx(cross)
        assert result.cross_edges_min.item() == result.cross_edges_max.item() == result.cross_edges.item()
        mean, variance = labelling_moments(edges, 9, 4)
        assert result.z.item() == pytest.approx((cross - mean) / np.sqrt(variance))
        assert result.pvalue.item() == pytest.approx((every_labelling(edges, 9, 4) <= cross + 1e-9).mean())


@pytest.mark.parametrize("k", [1, 2, 5])
def test_nearest_neighbours_and_their_null(k):
    rng = np.random.default_rng(4)
    for _ in range(10):
        x, label = rng.normal(size=(9, 3)), rng.permutation([0, 0, 0, 0, 1, 1, 1, 1, 1])
        edges = {}
        for i, j in neighbour_pairs(x, k):
            edge = (min(i, j), max(i, j))
            edges[edge] = edges.get(edge, 0) + 1 / k
        result = hp.hp_statistic(*split(x, label), graph="knn", k=k)
        cross = sum(w for (i, j), w in edges.items() if label[i] != label[j])
        assert result.cross_edges.item() == pytest.approx(cross)
        mean, variance = labelling_moments(edges, 9, 4)
        assert result.z.item() == pytest.approx((cross - mean) / np.sqrt(variance))
        assert result.pvalue.item() == pytest.approx((every_labelling(edges, 9, 4) <= cross + 1e-9).mean())


@settings(max_examples=60, deadline=None)
@given(labelled_integers(max_points=7), st.integers(1, 3))
def test_tied_neighbours_are_averaged_over_all_choices(case, k):
    x, label = case
    n = len(x)
    if k >= n:
        return
    squared = ((x[:, None] - x[None]) ** 2).sum(axis=2).astype(float)
    np.fill_diagonal(squared, np.inf)
    choices = []
    for i in range(n):
        last = np.sort(squared[i])[k - 1]
        sure, tied = np.flatnonzero(squared[i] < last), np.flatnonzero(squared[i] == last)
        crossing = [
            sum(label[j] != label[i] for j in (*sure, *chosen))
            for chosen in itertools.combinations(tied, k - len(sure))
        ]
        choices.append((np.mean(crossing), min(crossing), max(crossing)))
    expected = np.sum(choices, axis=0) / k
    np.testing.assert_allclose(values(hp.hp_statistic(*split(x, label), graph="knn", k=k))[:3], expected, atol=1e-9)


def test_tied_orthogonal_trees_depend_on_coordinates_only_and_say_so():
    rng = np.random.default_rng(5)
    x, label = rng.integers(0, 3, (14, 2)), np.arange(14) % 2
    with pytest.warns(UserWarning, match="x and y: distances tie, so 3 orthogonal trees"):
        first = hp.hp_statistic(*split(x, label), k=3)
    assert np.isnan(first.cross_edges_min.item())
    order = rng.permutation(14)
    with pytest.warns(UserWarning, match="distances tie"):
        second = hp.hp_statistic(*split(x[order], 1 - label[order]), k=3)
    np.testing.assert_array_equal(values(first), values(second))


def test_fewer_orthogonal_trees_than_asked_for_are_said():
    x = np.array([[0.0, 0.1], [1.2, 0.3], [0.4, 2.1], [3.0, 1.7], [2.2, 4.1]])
    with pytest.warns(UserWarning, match=f"only {len(orthogonal_trees(x, 5))} of 5 orthogonal trees"):
        hp.hp_statistic(x[:2], x[2:], k=5)


def test_cosine_is_euclidean_on_directions():
    rng = np.random.default_rng(6)
    x, label = rng.normal(size=(60, 5)), np.arange(60) % 2
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    one = hp.hp_statistic(*split(x * rng.uniform(0.1, 9, (60, 1)), label), metric="cosine")
    np.testing.assert_array_equal(values(one), values(hp.hp_statistic(*split(unit, label))))
    assert one.attrs["metric"] == "cosine"
    parallel = hp.hp_statistic([[1.0, 2.0], [1.1, 7.0]], [[3.0, 6.0], [-1.0, 4.0]], metric="cosine")
    same = hp.hp_statistic([[1.0, 2.0], [1.1, 7.0]], [[1.0, 2.0], [-1.0, 4.0]], metric="cosine")
    assert parallel.cross_edges.item() == same.cross_edges.item()


# ---- the null distribution


def test_variance_is_the_published_one_for_trees():
    # Friedman & Rafsky 1979: degrees of the tree enter through C, the edge pairs that share a node.
    for m, n, degrees in ((5, 4, [1, 1, 2, 2, 2, 2, 2, 2, 2]), (3, 8, [10] + [1] * 10)):
        total, c = m + n, sum(d * (d - 1) / 2 for d in degrees)
        variance = (2 * m * n / (total * (total - 1))) * (
            (2 * m * n - total) / total
            + (c - total + 2) / ((total - 2) * (total - 3)) * (total * (total - 1) - 4 * m * n + 2)
        )
        got = null_moments(m, n, total - 1, total - 1, sum(d * d for d in degrees))
        assert got[0] == pytest.approx(2 * m * n / total)
        assert got[1] == pytest.approx(variance, abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"k": 3}, {"graph": "knn", "k": 5}])
def test_pvalues_under_the_null_are_uniform(options):
    rng = np.random.default_rng(7)
    p = [hp.hp_statistic(*rng.normal(size=(2, 30, 4)), **options).pvalue.item() for _ in range(600)]
    # Dvoretzky-Kiefer-Wolfowitz: P(sup|F_n - F| > e) <= 2 exp(-2 n e^2) = 1e-6 at e = 0.11. The count is a whole
    # number and nearly normal, which costs half a step and a little more.
    step = 1 / (np.sqrt(2 * np.pi) * 3.0)
    grid = np.linspace(0, 1, 101)
    distance = np.abs(np.searchsorted(np.sort(p), grid, side="right") / len(p) - grid).max()
    assert distance < 0.11 + step / 2


# ---- known answers


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        ([0, 1], [10, 11], {"cross_edges": 1, "hp": 0.5}),
        ([0, 2], [1], {"cross_edges": 2, "hp": 0, "z": np.nan, "pvalue": np.nan}),
        ([5, 4, 2, 3, 1], [2.5, -1, -2, 6], {"cross_edges": 4, "hp": 0.1, "z": -0.321288, "pvalue": 0.5}),
        ([(1, 2), (2, 2), (3, 1)], [(1, 1), (2, 4), (3, 2), (4, 2)], {"cross_edges": 4, "z": 0.530745}),
        ([(-1, -1), (-2, 4), (-5, -5)], [(4, 1), (3, -3), (5, 4)], {"cross_edges": 1, "hp": 2 / 3}),
        ([(0, 0), (1, 0)], [(0, 1), (1, 1)], {"cross_edges": 1.5, "cross_edges_min": 1, "cross_edges_max": 2}),
        (np.ones((20, 3)), np.ones((80, 3)), {"cross_edges": 32, "cross_edges_min": 1, "cross_edges_max": 99}),
        ([0], [1], {"cross_edges": 1, "hp": 0, "z": np.nan}),
    ],
)  # fmt: skip
def test_known_answers(x, y, expected):
    result = hp.hp_statistic(x, y)
    for name, value in expected.items():
        assert result[name].item() == pytest.approx(value, abs=1e-6, nan_ok=True), name


def test_iris():
    datasets = pytest.importorskip("sklearn.datasets")
    iris = datasets.load_iris()
    x = np.round(iris.data * 10).astype(int)
    setosa, versicolor, virginica = (x[iris.target == c] for c in range(3))
    close = hp.hp_statistic(versicolor, virginica)
    assert (close.cross_edges.item(), close.hp.item()) == (7, pytest.approx(0.86))
    for other in (versicolor, virginica):
        far = hp.hp_statistic(setosa, other)
        assert (far.cross_edges.item(), far.hp.item()) == (1, pytest.approx(0.98))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("distance", "prior", "expected"),
    [(0.5, 0.5, 0.058946), (1, 0.5, 0.2040540), (2, 0.5, 0.5504), (3, 0.5, 0.802757), (4, 0.5, 0.931403),
     (1, 0.2, 0.154787), (2, 0.2, 0.490079)],
)  # fmt: skip
def test_two_normals_converge_to_the_divergence(distance, prior, expected):
    rng = np.random.default_rng(8)
    n = 2000
    m = int(prior * n)
    estimates = [
        hp.hp_estimate(
            hp.hp_statistic(rng.normal(size=m), rng.normal(distance, size=n - m)), clip=False
        ).item()
        for _ in range(30)
    ]  # fmt: skip
    # Six standard errors of the mean, the spread taken from the estimates themselves, and a bias of order 1/n.
    assert abs(np.mean(estimates) - expected) < 6 * np.std(estimates) / np.sqrt(30) + 3 / n


def test_estimators():
    result = hp.hp_statistic([5, 4, 2, 3, 1], [2.5, -1, -2, 6])
    assert hp.hp_estimate(result, estimator="u").item() == pytest.approx(1 / 9)
    assert hp.hp_estimate(result).item() == pytest.approx(0.1)
    assert hp.hp_estimate(result, estimator="minus-one").item() == pytest.approx(1 - 3 * 9 / 40)
    three = hp.hp_statistic([(-1, -1), (-2, 4), (-5, -5)], [(4, 1), (3, -3), (5, 4)], k=3)
    assert hp.hp_estimate(three, estimator="bias-corrected").item() == pytest.approx(1 / 3)
    low = hp.hp_statistic([0, 2], [1])
    assert hp.hp_estimate(low, clip=False).item() == pytest.approx(-0.5)
    assert hp.hp_estimate(low).item() == 0
    assert hp.hp_estimate(low, estimator="u").attrs["estimator"] == "u"


def test_bias_corrected_limit_of_unequal_classes():
    # van den Burg & Hero 2017: at p = q the limit is N/2; it shrinks with the smaller class.
    counts = xr.Dataset({"cross_edges": 1e9, "n_a": 20, "n_b": 80})
    limit = 100 * (0.4 - 0.75 + 0.25 * np.sqrt(9 - 3.2))
    assert hp.hp_estimate(counts, estimator="bias-corrected", clip=False).item() == pytest.approx(1 - 2 * limit / 100)


def test_bayes_error_bounds():
    bounds = hp.bayes_error_bounds(hp.hp_statistic([0, 1], [10, 11]))
    assert bounds.lower.item() == pytest.approx(0.5 - 0.5 * np.sqrt(0.5))
    assert bounds.upper.item() == pytest.approx(0.25)


# ---- sizes, dtypes, extremes


def test_one_against_a_thousand():
    rng = np.random.default_rng(9)
    x, y = rng.normal(size=(1, 4)), rng.normal(size=(1000, 4))
    result = hp.hp_statistic(x, y)
    points, label = np.concatenate([x, y]), np.repeat([0, 1], [1, 1000])
    # No distance is near 0, so SciPy's trees are right here.
    tree = minimum_spanning_tree(squareform(pdist(points))).tocoo()
    assert result.cross_edges.item() == (label[tree.row] != label[tree.col]).sum()
    assert result.n_b.item() == 1000


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64, np.uint16, np.float16, np.float32, np.float64, bool])
def test_dtypes_hold_the_same_numbers(dtype):
    rng = np.random.default_rng(10)
    x, y = rng.integers(0, 2 if dtype is bool else 100, (2, 30, 70))
    np.testing.assert_array_equal(
        values(hp.hp_statistic(x.astype(dtype), y.astype(dtype))), values(hp.hp_statistic(x, y))
    )


def test_torch_in_every_guise():
    x, y = torch.randn(2, 20, 3, 4, generator=torch.Generator().manual_seed(0))
    expected = values(hp.hp_statistic(x.numpy(), y.numpy()))
    np.testing.assert_array_equal(values(hp.hp_statistic(x.requires_grad_(), y)), expected)
    np.testing.assert_array_equal(values(hp.hp_statistic(x.mT.contiguous().mT, y)), expected)
    half = values(hp.hp_statistic(x.bfloat16(), y.bfloat16()))
    np.testing.assert_array_equal(half, values(hp.hp_statistic(x.bfloat16().float(), y.bfloat16().float())))


def test_a_far_offset_in_float32_changes_no_count():
    rng = np.random.default_rng(11)
    x = (rng.normal(size=(60, 80)) + 1e6).astype(np.float32)
    label = np.arange(60) % 2
    result = hp.hp_statistic(*split(x, label))
    assert (result.cross_edges_min.item(), result.cross_edges_max.item()) == extreme_cross_edges(x, label)


@pytest.mark.parametrize("exponent", [-1074, -1030, -700, -500, 500, 996])
def test_values_near_the_ends_of_float64(exponent):
    rng = np.random.default_rng(12)
    x, y = rng.integers(0, 9, (2, 20, 3))
    scale = np.ldexp(1.0, exponent)
    np.testing.assert_array_equal(
        values(hp.hp_statistic(x * scale, y * scale))[1:3], values(hp.hp_statistic(x, y))[1:3]
    )


def test_constant_features_are_one_group():
    result = hp.hp_statistic(np.full((5, 2), 3.0), np.full((6, 2), 3.0))
    assert result.cross_edges.item() == pytest.approx(2 * 5 * 6 / 11)
    assert result.pvalue.item() == 1


def test_inputs_are_not_written_to():
    x = np.random.default_rng(13).normal(size=(20, 6))
    x.flags.writeable = False
    before = x.copy()
    hp.hp_statistic(x[:10, ::-1], x[::-2])
    np.testing.assert_array_equal(x, before)


@pytest.mark.slow
def test_many_ties_are_averaged():
    rng = np.random.default_rng(14)
    x = rng.normal(size=(2000, 64)).astype(np.float32)
    x[:1500] = x[0]
    result = hp.hp_statistic(x[::2], x[1::2])
    # 1,500 equal points share their 1,499 edges evenly: 750 of each class give 750 * 750 * 2 / 1500 cross edges.
    rest = hp.hp_statistic(np.concatenate([x[:1], x[1500::2]]), x[1501::2])
    assert 0 < result.cross_edges.item() - 750 < rest.cross_edges.item() + 2


def test_a_component_too_large_is_bounded_and_said(monkeypatch):
    monkeypatch.setattr("hpfunc._tree.mst.ties.LARGEST_COMPONENT", 10)
    grid = np.stack(np.meshgrid(np.arange(5), np.arange(5)), axis=-1).reshape(-1, 2)
    label = grid[:, 0] % 2
    with pytest.warns(UserWarning, match="x and y"):
        result = hp.hp_statistic(*split(grid, label))
    assert np.isnan([result[name].item() for name in ("cross_edges", "hp", "z", "pvalue")]).all()
    assert (result.cross_edges_min.item(), result.cross_edges_max.item()) == extreme_cross_edges(grid, label)


# ---- bad input


@pytest.mark.parametrize(
    ("x", "y", "options", "error", "message"),
    [
        (np.zeros((0, 3)), np.zeros((4, 3)), {}, ValueError, r"x has shape \(0, 3\)"),
        (np.zeros((4, 3)), np.zeros((4, 2)), {}, ValueError, r"\(4, 3\).*\(4, 2\)"),
        ([0, np.nan], [1, 2], {}, ValueError, "x holds 1 values"),
        ([0, 1], [1, np.inf], {}, ValueError, "y holds 1 values"),
        ([0, 1j], [1, 2], {}, TypeError, "complex128"),
        (["a", "b"], [1, 2], {}, TypeError, "x has dtype"),
        ([object(), 1], [1, 2], {}, TypeError, "object"),
        ([2**60, 1], [1, 2], {}, ValueError, "2\\*\\*53"),
        ([0, 1], [1, 2], {"metric": "manhattan"}, ValueError, "'euclidean', 'cosine'"),
        ([0, 1], [1, 2], {"graph": "delaunay"}, ValueError, "'mst', 'knn'"),
        ([0, 1], [1, 2], {"k": 0}, ValueError, "k=0"),
        ([0, 1], [1, 2], {"k": 1.5}, TypeError, "k=1.5"),
        ([0, 1], [1, 2], {"graph": "knn", "k": 4}, ValueError, "at most 3"),
        ([0, 1], [1, 2], {"metric": "cosine"}, ValueError, "all zeros"),
        ([0, 1], [1, 2], {"max_memory": -1}, ValueError, "max_memory"),
    ],
)  # fmt: skip
def test_bad_input(x, y, options, error, message):
    with pytest.raises(error, match=message):
        hp.hp_statistic(x, y, **options)


def test_bad_estimates():
    result = hp.hp_statistic([0, 1], [10, 11])
    with pytest.raises(ValueError, match="'friedman-rafsky', 'u', 'minus-one', 'bias-corrected'"):
        hp.hp_estimate(result, estimator="best")
    with pytest.raises(ValueError, match="cross_edges"):
        hp.hp_estimate(result[["hp"]])
    with pytest.raises(TypeError, match="DataArray"):
        hp.bayes_error_bounds(result.hp)
