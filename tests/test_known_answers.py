"""Answers that public test suites, manuals and tables publish; each row names its source."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm, rankdata

import hpfunc as hp
from hpfunc._stats.null import null_moments

RUNS_X = [35, 44, 39, 50, 48, 29, 60, 75, 49, 66]
RUNS_Y = [17, 23, 13, 24, 33, 21, 18, 16, 32]
PARABOLA = np.array([(i, 0.1 * i**2) for i in range(1, 21)])
FOUR_CLASSES = np.array([
    [(-0.05, 3), (0.05, 3), (0, 3)],
    [(3.1, 0.05), (3.1, -0.05), (3.1, 0)],
    [(-0.05, -3.3), (0.05, -3.3), (0, -3.3)],
    [(-3.7, 0.05), (-3.7, -0.05), (-3.7, 0)],
])  # fmt: skip
SIX_POINTS = np.array([(14, -10), (-16, -8), (-4, 13), (-2, -17), (-7, 4), (13, 9)])


@pytest.mark.parametrize(
    ("x", "y", "cross_edges"),
    [
        (RUNS_X, RUNS_Y, 3),  # Statext, example of the Wald-Wolfowitz test: 4 runs
        (PARABOLA[:12], PARABOLA[12:], 1),  # TreeDimensionTest, its curve in two pieces
        (PARABOLA[::2], PARABOLA[1::2], 19),  # TreeDimensionTest, its curve with alternating classes
    ],
)
def test_cross_edges(x, y, cross_edges):
    result = hp.hp_statistic(x, y)
    for name in ("cross_edges", "cross_edges_min", "cross_edges_max"):
        assert result[name].item() == cross_edges, name


def test_z_score_of_the_runs_test():
    # Statext, example of the Wald-Wolfowitz test: z = -2.83 with the continuity correction, which our z leaves out.
    m, n = len(RUNS_X), len(RUNS_Y)
    result = hp.hp_statistic(RUNS_X, RUNS_Y)
    deviation = (result.cross_edges.item() - 2 * m * n / (m + n)) / result.z.item()
    assert result.z.item() == pytest.approx(-3.065435, abs=1e-6)
    assert result.z.item() + 0.5 / deviation == pytest.approx(-2.828674, abs=1e-6)


@pytest.mark.parametrize(
    ("class_index", "total", "estimate"),
    [(0, 15, 0.381966), (1, 14, 0.388889), (2, 6, 0.833333), (3, 7, 0.777778)],  # SmartSVM, test of compute_ovr_error
)
def test_one_class_against_the_rest_on_three_trees(class_index, total, estimate):
    rest = np.delete(FOUR_CLASSES, class_index, axis=0).reshape(-1, 2)
    result = hp.hp_statistic(FOUR_CLASSES[class_index], rest, k=3)
    assert 3 * result.cross_edges.item() == pytest.approx(total, abs=1e-12)
    assert hp.hp_estimate(result, estimator="bias-corrected").item() == pytest.approx(estimate, abs=1e-6)


def test_estimate_on_three_trees_that_are_not_unique():
    # SmartSVM, test_hp_estimate_2. Its error is the middle between both bounds on the Bayes error.
    with pytest.warns(UserWarning, match="orthogonal trees are not unique"):
        result = hp.hp_statistic([(-1, -1), (-2, 4), (-5, -5)], [(4, 1), (3, -3), (5, 4), (3, 3)], k=3)
    estimate = hp.hp_estimate(result, estimator="bias-corrected").item()
    assert estimate == pytest.approx(3 / 7, abs=1e-12)
    lower, upper = 0.5 - 0.5 * np.sqrt(estimate), 0.5 - 0.5 * estimate
    assert (lower + upper) / 2 == pytest.approx(0.22919372518014852, abs=1e-12)


@pytest.mark.parametrize("m", [1, 2, 3])
def test_three_trees_over_six_points_use_every_edge(m):
    # By counting: three trees of five edges are all 15 edges between six points, of which m n cross.
    result = hp.hp_statistic(SIX_POINTS[:m], SIX_POINTS[m:], k=3)
    assert 3 * result.cross_edges.item() == pytest.approx(m * (6 - m), abs=1e-12)


def test_edges_of_a_tree():
    # mlpack, test of its minimum spanning tree in one dimension.
    tree = hp.euclidean_mst([0.05, 0.37, 0.15, 1.25, 5.05, -0.22, -2, -1.3, 0.45, 0.91, 1])
    edges = [(1, 8), (9, 10), (0, 2), (1, 2), (3, 10), (0, 5), (8, 9), (6, 7), (5, 7), (3, 4)]
    assert list(zip(tree.source.values.tolist(), tree.target.values.tolist(), strict=True)) == edges
    np.testing.assert_allclose(tree.weight, [0.08, 0.09, 0.1, 0.22, 0.25, 0.27, 0.46, 0.7, 1.08, 3.8], atol=1e-12)


def test_length_of_a_tree_where_distances_tie():
    # DataEval, test of its minimum spanning tree.
    tree = hp.euclidean_mst([(0, 0), (1, 0), (0, 1), (1, 1), (10, 0), (11, 0), (10, 1), (15, 0)])
    assert tree.weight.sum().item() == 18


def ansari_scores(x, y):
    """Return the distance of each rank from the nearer end of the pooled sample, the mean of it where values tie."""
    pooled = np.concatenate([x, y])
    ranks = rankdata(pooled, method="ordinal")
    scores = np.minimum(ranks, len(pooled) + 1 - ranks)
    means = np.array([scores[pooled == value].mean() for value in pooled])
    return means[: len(x)], means[len(x) :]


@pytest.mark.parametrize(
    ("x", "y", "less", "two_sided"),
    [
        # SAS, PROC NPAR1WAY with AB and EXACT, as published in SciPy's test of permutation_test; two-sided is its
        # Pr >= |S - Mean|. The scores of Ansari and Bradley are permuted, not the values.
        ([1, 2, 3, 4], [1.5, 2, 2.5], 0.2, 0.3428571429),
        (
            [111, 107, 100, 99, 102, 106, 109, 108], [107, 108, 106, 98, 105, 103, 110, 105, 104],
            0.1555738379, 0.2969971205,
        ),
    ],
)  # fmt: skip
def test_exact_permutation_of_ansari_scores(x, y, less, two_sided):
    after, before = ansari_scores(x, y)
    for alternative, expected in (("less", less), ("two-sided", two_sided)):
        test = hp.fisher_permutation(before, after, paired=False, alternative=alternative, n_permutations=30_000)
        assert test.exact.item()
        assert test.pvalue.item() == pytest.approx(expected, abs=1e-10), alternative


def test_adjusted_pvalues():
    # TileStats, example of the method of Benjamini and Hochberg, rounded to three places there.
    adjusted = hp.adjust_pvalues([0.005, 0.009, 0.019, 0.022, 0.051, 0.101, 0.361, 0.387], method="bh")
    np.testing.assert_allclose(adjusted, [0.036, 0.036, 0.044, 0.044, 0.082, 0.135, 0.387, 0.387], rtol=0, atol=1e-3)


@pytest.mark.parametrize(("n_a", "n_b", "expected"), [(110, 110, 0.54), (20, 20, 0.50), (200, 20, 0.38)])
def test_unequal_classes_have_a_lower_hp(n_a, n_b, expected):
    """The figures that the page on reading results honestly states; the mean of 60 draws is known to about 0.015."""
    found = []
    for draw in range(60):
        rng = np.random.default_rng([draw, n_a, n_b])
        a, b = rng.normal(size=(n_a, 2)), rng.normal(loc=[2, 0], size=(n_b, 2))
        found.append(float(hp.hp_statistic(a, b, exact=False).hp))
    assert np.mean(found) == pytest.approx(expected, abs=0.05)


def true_divergence(distance, prior):
    """Integrate the Henze-Penrose divergence of two normals of variance 1, ``distance`` apart."""

    def density(x):
        p, q = prior * norm.pdf(x), (1 - prior) * norm.pdf(x, distance)
        return (p - q) ** 2 / (p + q)

    return (quad(density, -12, distance + 12, epsabs=1e-10)[0] - (2 * prior - 1) ** 2) / (4 * prior * (1 - prior))


@pytest.mark.parametrize(
    ("distance", "prior", "expected"),
    [
        (0.5, 0.5, 0.058946), (1, 0.5, 0.204054), (2, 0.5, 0.550400), (3, 0.5, 0.802757), (4, 0.5, 0.931403),
        (1, 0.2, 0.154787), (2, 0.2, 0.490079),
    ],
)  # fmt: skip
def test_true_divergence_of_two_normals(distance, prior, expected):
    # By integration; that the estimate converges to it is tested in test_statistic.
    assert true_divergence(distance, prior) == pytest.approx(expected, abs=1e-6)


def test_the_runs_of_nine_values_by_hand():
    x, y = [5, 4, 2, 3, 1], [2.5, -1, -2, 6]
    result, tree = hp.hp_statistic(x, y), hp.euclidean_mst(x + y)
    degree = np.bincount(np.concatenate([tree.source, tree.target]))
    assert (degree * (degree - 1)).sum() / 2 == 7
    mean, variance = null_moments(5, 4, 8, 8, (degree**2).sum())
    assert variance == pytest.approx(1.913580, abs=1e-6)
    assert result.z.item() == pytest.approx((4 - mean) / np.sqrt(variance), abs=1e-12)
    assert hp.hp_estimate(result, estimator="u").item() == pytest.approx(1 / 9, abs=1e-12)
    # The same seven pairs of edges that share a point, on a tree of seven points.
    flat = hp.hp_statistic([(1, 2), (2, 2), (3, 1)], [(1, 1), (2, 4), (3, 2), (4, 2)])
    mean, variance = null_moments(3, 4, 6, 6, 2 * (7 + 6))
    assert flat.z.item() == pytest.approx((4 - mean) / np.sqrt(variance), abs=1e-12)
    assert flat.z.item() == pytest.approx(0.530745, abs=1e-6)
    # The normal p-value, which is not ours any more: half of the 126 labellings have at most 4 cross edges.
    assert norm.cdf(result.z.item()) == pytest.approx(0.373996, abs=1e-6)
    assert result.pvalue.item() == 0.5
