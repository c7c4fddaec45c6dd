"""Falling spectra are reduced, noise and small layers are not."""

import numpy as np
import pytest

from hpfunc._tree.choose_reduction import choose_directions, surviving_edges
from hpfunc._tree.reduce.basis import find_directions

PAIRS = np.stack(np.triu_indices(10, 1), axis=1)


def falling(n, d, power=1.0, seed=0):
    rng = np.random.default_rng(seed)
    spread = np.arange(1, 301.0) ** -power
    return ((rng.normal(size=(n, 300)) * spread) @ rng.normal(size=(300, d))).astype(np.float32)


def test_a_falling_spectrum_is_reduced_and_noise_is_not():
    starts = np.arange(11) * 300
    basis = choose_directions(falling(3000, 2048), starts, PAIRS)
    assert basis is not None
    assert 16 <= basis.directions.shape[1] <= 256
    assert choose_directions(np.random.default_rng(0).normal(size=(3000, 2048)), starts, PAIRS) is None


@pytest.mark.parametrize(("n", "d"), [(3000, 100), (200, 2048)])
def test_few_features_or_little_work_are_not_reduced(n, d):
    assert choose_directions(falling(n, d), np.arange(11) * (n // 10), PAIRS) is None


def test_numbers_whose_squares_float32_does_not_hold_are_not_reduced():
    x = falling(3000, 2048).astype(np.float64)
    assert choose_directions(x, np.arange(11) * 300, PAIRS) is not None
    assert choose_directions(x * 2.0**90, np.arange(11) * 300, PAIRS) is None


def test_few_pairs_are_not_worth_as_much_as_many():
    starts = np.arange(101) * 30
    assert choose_directions(falling(3000, 1024), starts, np.array([[0, 1]])) is None


def test_surviving_edges_fall_to_those_of_the_tree():
    x = falling(300, 500, power=2.0)
    centre, directions = find_directions(x, np.arange(0, 300, 2), 64)
    survivors = surviving_edges(x, centre, directions, np.arange(1, 300, 2), np.array([1, 4, 16, 64]))
    assert (np.diff(survivors) <= 0).all()
    assert survivors[0] > 8
    assert 1.9 < survivors[-1] < 2.5
