"""Fewer leading coordinates bound distances from below, and their number is chosen by cost."""

from __future__ import annotations

import numpy as np
import pytest

from hpfunc._tree.exact import squared_distances
from hpfunc._tree.mst.prim import prim
from hpfunc._tree.reduce.basis import find_basis
from hpfunc._tree.reduce.coordinates import reduce_points
from hpfunc._tree.reduce.leading import _STEPS, choose_leading, leading, pays_to_bound_again
from tests.tree.reduce.spectra import hard_points


@pytest.mark.parametrize("r", [0, 1, 3, 100])
def test_distances_in_leading_coordinates_are_lower_bounds(r):
    n_reduced = 0
    for seed in range(60):
        x, _, basis = hard_points(np.random.default_rng([5, seed]), (6, 30))
        reduced = reduce_points(x, basis)
        if reduced is None:
            continue
        n_reduced += 1
        few = leading(reduced, r)
        assert few.points.shape == (len(x), min(r + 1, reduced.points.shape[1]))
        assert few.slack >= reduced.slack
        ends = np.triu_indices(len(x), 1)
        lower, true = (np.sqrt(squared_distances(points, *ends)) for points in (few.points, x))
        assert (lower <= true + 2 * few.slack).all(), seed
    assert n_reduced > 40


def falling(n, d, power):
    rng = np.random.default_rng(0)
    return (rng.normal(size=(n, d)) * np.arange(1, d + 1.0) ** -power).astype(np.float32)


def choose(x, cost_of_difference, monkeypatch):
    """Choose among the coordinates of some points, given the Prim order of their tree."""
    monkeypatch.setattr("hpfunc._tree.reduce.leading.DIFFERENCE", cost_of_difference)
    n = len(x)
    i, j = np.indices((n, n)).reshape(2, -1)
    order = prim(squared_distances(x, i, j).reshape(1, n, n), np.array([n]))
    reduced = reduce_points(x, find_basis(x, np.arange(0, n, 3), 64))
    return choose_leading(reduced, order.vertices[0], order.gaps[0], x.shape[1])


def test_dear_differences_ask_for_more_directions_and_noise_for_none(monkeypatch):
    x = falling(300, 400, 1.0)
    cheap, dear = (choose(x, cost, monkeypatch) for cost in (0.01, 30.0))
    assert cheap == _STEPS[0]
    assert cheap < dear <= 64
    assert choose(falling(300, 400, 0.0), 30.0, monkeypatch) is None


def test_bounding_again_pays_where_features_are_many():
    reduced = reduce_points(falling(300, 400, 1.0), find_basis(falling(300, 400, 1.0), np.arange(300), 100))
    assert pays_to_bound_again(reduced, 400)
    assert not pays_to_bound_again(reduced, 150)
