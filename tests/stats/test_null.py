"""Moments and p-values of cross edges under random labels, against every labelling of small graphs."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from hpfunc._stats.null import enumerated_pvalues, few_labellings, null_moments, significance, third_moment


def sums_of(table):
    """Sum over a graph of dense weights, by the definitions in `hpfunc._tree.graph_sums`."""
    degree, n = table.sum(axis=1), len(table)
    edges = np.triu(table)
    triangles = sum(table[a, b] * table[b, c] * table[a, c] for a, b, c in itertools.combinations(range(n), 3))
    return SimpleNamespace(
        weight=edges.sum(), weight2=(edges**2).sum(), degree2=(degree**2).sum(), weight3=(edges**3).sum(),
        degree3=(degree**3).sum(), degree_weight2=(degree * (table**2).sum(axis=1)).sum(),
        edge_degrees=(edges * np.outer(degree, degree)).sum(), triangles=triangles, leaves=(degree <= 1 + 1e-9).sum(),
    )  # fmt: skip


def every_count(table, m):
    """Count the cross edges of every choice of m vertices."""
    counts = []
    for chosen in itertools.combinations(range(len(table)), m):
        inside = np.zeros(len(table), bool)
        inside[list(chosen)] = True
        counts.append(table[inside][:, ~inside].sum())
    return np.array(counts)


@st.composite
def graphs(draw):
    n = draw(st.integers(4, 9))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    kind = draw(st.sampled_from(["tree", "star", "path", "weighted", "sparse", "complete"]))
    table = np.zeros((n, n))
    if kind in ("tree", "star", "path"):
        for i in range(1, n):
            table[i, {"tree": rng.integers(0, i), "star": 0, "path": i - 1}[kind]] = 1
    else:
        share = {"weighted": 0.8, "sparse": 0.3, "complete": 1.0}[kind]
        table = np.tril(rng.uniform(0, 1, (n, n)) * (rng.uniform(size=(n, n)) < share), -1)
        if kind == "complete":
            table = np.tril(np.ones((n, n)), -1) * 2 / n
    return table + table.T, draw(st.integers(1, n - 1))


@settings(max_examples=200, deadline=None)
@given(graphs())
def test_moments_are_those_of_every_labelling(case):
    table, m = case
    n, counts, sums = len(table), every_count(table, m), sums_of(table)
    mean, variance = null_moments(m, n - m, sums.weight, sums.weight2, sums.degree2)
    assert mean == pytest.approx(counts.mean())
    assert variance == pytest.approx(counts.var(), abs=1e-9)
    assert third_moment(m, n - m, sums) == pytest.approx(((counts - counts.mean()) ** 3).mean(), abs=1e-9)
    assert third_moment(n - m, m, sums) == pytest.approx(third_moment(m, n - m, sums), abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(graphs())
def test_enumeration_is_the_share_of_counts_that_are_no_larger(case):
    table, m = case
    counts = every_count(table, m)
    observed = np.append(counts[:5], np.nan)
    found = enumerated_pvalues(observed, m, len(table) - m, [table] * len(observed))
    np.testing.assert_allclose(found[:-1], [(counts <= r + 1e-9).mean() for r in observed[:-1]])
    assert np.isnan(found[-1])


def test_few_labellings():
    assert few_labellings(5, 5)
    assert few_labellings(3, 16)
    assert not few_labellings(1, 2)  # too few samples for any test
    assert not few_labellings(7, 7)
    assert not few_labellings(1, 900)


def random_tree(n, rng, hubs):
    """Grow a tree whose vertices prefer vertices of high degree the more, the larger ``hubs``."""
    degree, table = np.ones(n), np.zeros((n, n))
    for i in range(1, n):
        p = degree[:i] ** hubs
        j = rng.choice(i, p=p / p.sum())
        table[i, j] = table[j, i] = 1
        degree[[i, j]] += 1
    return table


@pytest.mark.parametrize("hubs", [0, 1, 1.5])
@pytest.mark.parametrize(("m", "n"), [(5, 50), (20, 60), (40, 40), (2, 70)])
def test_pvalues_are_close_to_those_of_random_labellings(m, n, hubs):
    # Normal p-values are off by a factor of 3 and more in some of these.
    rng = np.random.default_rng(m + n)
    table = random_tree(m + n, rng, hubs)
    labels = np.zeros((20_000, m + n))
    np.put_along_axis(labels, rng.random(labels.shape).argsort(axis=1)[:, :m], 1, axis=1)
    counts = (labels @ table * (1 - labels)).sum(axis=1)
    grid = np.arange(1, counts.max() + 1)
    _, found = significance(grid, m, n, sums_of(table))
    expected = np.array([(counts <= r).mean() for r in grid])
    assert (np.diff(found) >= -1e-12).all()
    # In the tail, where it decides: never a p-value below 5 % for a count that more than 6.5 % are as small as.
    assert (expected[found <= 0.05] <= 0.065).all()
    assert (expected[found <= 0.01] <= 0.02).all()
    # Above, three moments are near enough: within .06 where no vertex has most of the edges.
    low = expected <= 0.2
    assert np.abs(found - expected)[low].max(initial=0) < (0.06 if hubs < 1 else 0.1)


def test_without_skewness_the_tail_is_normal_half_a_step_further():
    path = np.diag(np.ones(99), 1) + np.diag(np.ones(99), -1)
    z, pvalue = significance(np.array([40.0]), 50, 50, sums_of(path))
    _, variance = null_moments(50, 50, 99, 99, sums_of(path).degree2)
    assert pvalue[0] == pytest.approx(ndtr(z[0] + 0.5 / np.sqrt(variance)), rel=1e-3)


def test_graphs_that_decide_nothing():
    star = np.zeros((6, 6))
    star[0, 1:] = star[1:, 0] = 1
    complete = np.ones((6, 6)) - np.eye(6)
    z, pvalue = significance(np.array([9.0]), 3, 3, sums_of(complete))
    assert np.isnan(z[0])
    assert pvalue[0] == 1
    assert np.isnan(significance(np.array([1.0]), 1, 2, sums_of(complete[:3, :3]))[1][0])
    assert np.isnan(significance(np.array([np.nan]), 3, 3, sums_of(star))[1][0])


def test_published_runs_test_with_continuity():
    # Statext's example of the Wald-Wolfowitz test, one feature: 3 cross edges are 4 runs; published z = -2.83.
    path = np.diag(np.ones(18), 1) + np.diag(np.ones(18), -1)
    sums = sums_of(path)
    mean, variance = null_moments(10, 9, sums.weight, sums.weight2, sums.degree2)
    assert (3 - mean) / np.sqrt(variance) == pytest.approx(-3.065435, abs=1e-6)
    assert (3.5 - mean) / np.sqrt(variance) == pytest.approx(-2.828674, abs=1e-6)
