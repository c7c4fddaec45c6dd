"""The arrays under the permutation tests: arrangements, draws, sums free of rounding."""

import hashlib
import math
from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from hpfunc._stats import permutation as _permute
from hpfunc._support.keys import generator


@given(n=st.integers(1, 40), k=st.none() | st.integers(1, 39), limit=st.integers(1, 10**7))
def test_arrangements_are_counted_up_to_the_limit(n, k, limit):
    if k is not None and k >= n:
        k = n
    true = 2**n if k is None else math.comb(n, k)
    assert _permute.arrangement_count(n, k, limit) == min(true, limit + 1)


def test_counting_arrangements_of_a_million_values_stops_early():
    assert _permute.arrangement_count(2_000_000, 1_000_000, 9999) == 10_000
    assert _permute.arrangement_count(2_000_000, None, 9999) == 10_000


@pytest.mark.parametrize("batch", [1, 3, 64, 1000])
def test_every_selection_is_listed_once(batch):
    flips = np.concatenate(list(_permute._all_selections(5, None, batch)))
    assert sorted(map(tuple, flips.tolist())) == sorted(product([0, 1], repeat=5))
    splits = np.concatenate(list(_permute._all_selections(7, 3, batch)))
    assert sorted(tuple(np.flatnonzero(row)) for row in splits) == list(combinations(range(7), 3))


@pytest.mark.parametrize(("n", "k", "cells"), [(4, None, 16), (6, 2, 15), (5, 4, 5)])
def test_draws_are_uniform(n, k, cells):
    drawn = np.concatenate(list(_permute._draws(n, k, 40_000, 1000, (1, 2))))
    assert drawn.shape == (40_000, n)
    if k is not None:
        assert (drawn.sum(axis=1) == k).all()
    counts = np.unique(drawn @ (1 << np.arange(n)), return_counts=True)[1]
    assert len(counts) == cells
    assert chisquare(counts).pvalue > 1e-6


@pytest.mark.parametrize(("n", "k"), [(45, None), (64, None), (65, None), (90, 45), (128, 1), (129, 128)])
def test_draws_do_not_depend_on_the_batch(n, k):
    whole = np.concatenate(list(_permute._draws(n, k, 100, 100, 7)))
    for batch in (1, 9, 64):
        np.testing.assert_array_equal(np.concatenate(list(_permute._draws(n, k, 100, batch, 7))), whole)
    assert len(np.unique(whole, axis=0)) > 50
    if k is not None:
        assert (whole.sum(axis=1) == k).all()


def test_a_key_gives_these_draws_for_ever():
    """Published p-values stay what they are: raw words of Philox do not change between releases of NumPy."""
    digests = {
        k: hashlib.sha256(np.concatenate(list(_permute._draws(45, k, 50, 20, 0))).tobytes()).hexdigest()[:16]
        for k in (None, 20)
    }
    assert digests == {None: "f2c2809141a7dc5a", 20: "addaa2e0e53f36c6"}


@given(seed=st.integers(0, 1000), n=st.integers(1, 300), exponent=st.integers(-60, 0))
def test_sums_of_halves_are_free_of_rounding(seed, n, exponent):
    rng = generator(seed, "halves")
    # Magnitudes from 2**exponent up to almost 2, as after scaling.
    values = rng.uniform(-1.999, 1.999, size=(1, n)) * 2.0 ** rng.integers(exponent, 1, size=(1, n))
    coarse, fine = _permute._exact_halves(values).T
    for half in (coarse, fine):
        true = sum(map(Fraction, half.tolist()))
        for order in (np.arange(n), rng.permutation(n)):
            assert Fraction(float(np.cumsum(half[order])[-1])) == true
            assert Fraction(float(np.ones(n) @ half[order])) == true
    error = abs(sum(map(Fraction, values[0].tolist())) - sum(map(Fraction, (*coarse.tolist(), *fine.tolist()))))
    assert error <= Fraction(n**3, 2**104)
