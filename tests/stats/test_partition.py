from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from hpfunc._stats.partition import draw_samples, part_samples

NAMES = ["ant", "bee", "cat"]


def part(sizes, position, groups=None, **options):
    starts = np.concatenate([[0], np.cumsum(sizes)])
    options = {"folds": 4, "repeats": 3, "key": 0} | options
    return part_samples(starts, NAMES[: len(sizes)], np.asarray(position, np.int64), groups, **options)


@settings(max_examples=50, deadline=None)
@given(st.integers(4, 40), st.integers(4, 40), st.integers(2, 4), st.integers(0, 99))
def test_folds_are_of_equal_size_within_each_class(m, n, folds, key):
    fold = part([m, n], range(m + n), folds=folds, key=key)
    for row in fold:
        for of_class in (row[:m], row[m:]):
            sizes = np.bincount(of_class, minlength=folds)
            assert sizes.sum() == len(of_class)
            assert sizes.max() - sizes.min() <= 1


def test_the_fold_of_a_sample_depends_on_key_class_and_position_only():
    position = np.random.default_rng(0).choice(10**9, 60, replace=False)
    fold = part([20, 40], position)
    order = np.concatenate([np.random.default_rng(1).permutation(20), 20 + np.random.default_rng(2).permutation(40)])
    np.testing.assert_array_equal(part([20, 40], position[order]), fold[:, order])
    # Another class beside it changes nothing; another key, class or repeat does.
    np.testing.assert_array_equal(part([20], position[:20]), fold[:, :20])
    assert (part([20, 40], position, key=1) != fold).any()
    assert (
        part([20, 20], np.tile(position[:20], 2))[:, :20] != part([20, 20], np.tile(position[:20], 2))[:, 20:]
    ).any()
    assert (fold[0] != fold[1]).any()


def test_these_folds_stay_what_they_are():
    # A store is taken up again by later releases, and a published interval computed again.
    assert part([8, 4], range(12), repeats=1).tolist() == [[2, 1, 0, 3, 3, 2, 0, 1, 2, 0, 1, 3]]
    assert draw_samples(np.array([0, 8, 12]), NAMES[:2], np.arange(12), 3, 0).tolist() == [0, 1, 7, 8, 10, 11]


def test_every_two_samples_meet_as_often_as_chance_says():
    fold = part([8], range(8), folds=2, repeats=4000, key=(1, 2))
    codes = np.unique(fold @ (1 << np.arange(8)), return_counts=True)[1]
    assert len(codes) == 70  # C(8, 4) ways of dealing 8 samples to two folds of 4
    assert chisquare(codes).pvalue > 1e-6


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 5))
def test_groups_stay_together_and_folds_about_equal(seed, folds):
    rng = np.random.default_rng(seed)
    groups = np.concatenate([rng.integers(0, 20, 60), rng.integers(10, 30, 60)])
    fold = part([60, 60], range(120), groups, folds=folds)
    for row in fold:
        for group in np.unique(groups):
            assert len(np.unique(row[groups == group])) == 1
        largest = np.unique(groups, return_counts=True)[1].max()
        for of_class in (row[:60], row[60:]):
            sizes = np.bincount(of_class, minlength=folds)
            assert sizes.max() - sizes.min() <= 2 * largest
    renamed = part([60, 60], range(120), groups.astype(str), folds=folds)
    assert renamed.shape == fold.shape


def test_drawn_samples_are_distinct_and_of_their_class():
    rows = draw_samples(np.array([0, 50, 60]), NAMES[:2], np.arange(60), 10, 5)
    assert len(np.unique(rows)) == 20
    assert (rows[:10] < 50).all()
    np.testing.assert_array_equal(rows[10:], np.arange(50, 60))
    assert (rows != draw_samples(np.array([0, 50, 60]), NAMES[:2], np.arange(60), 10, 6)).any()


@pytest.mark.parametrize("position", [np.arange(-5, 7), np.array([0, 2**62, -(2**62), *range(1, 10)])])
def test_any_integers_are_positions(position):
    fold = part([12], position)
    assert np.bincount(fold[0]).tolist() == [3, 3, 3, 3]
