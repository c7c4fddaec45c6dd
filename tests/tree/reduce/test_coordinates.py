"""Reduced distances are lower bounds within the slack; direct differences bound from both sides."""

import numpy as np
import pytest

from hpfunc._tree.exact import squared_distances
from hpfunc._tree.reduce.basis import Basis, find_basis
from hpfunc._tree.reduce.coordinates import reduce_points
from hpfunc._tree.reduce.direct import bound_by_differences
from hpfunc._tree.reduce.limits import Reduction
from tests.tree.reduce.spectra import hard_points


def lengths(points):
    """All distances in float64, by differences."""
    wide = points.astype(np.float64)
    return np.sqrt(np.square(wide[:, None] - wide).sum(axis=2))


@pytest.mark.parametrize("seed", range(60))
def test_reduced_distances_exceed_true_ones_by_no_more_than_the_slack(seed):
    x, _, basis = hard_points(np.random.default_rng([21, seed]))
    reduced = reduce_points(x, basis)
    if reduced is None:
        return
    assert reduced.points.shape == (len(x), basis.directions.shape[1] + 1)
    true, found = lengths(x), lengths(reduced.points)
    assert (found <= true + 2 * reduced.slack).all()
    # As limits: an edge of a known weight is never excluded.
    limits = Reduction(x, reduced.slack).limits(np.square(true))
    assert (np.square(found) <= limits).all()


def test_the_slack_is_not_idle():
    rng = np.random.default_rng(3)
    x = (rng.normal(size=(60, 8)) * 3 @ rng.normal(size=(8, 900)) + rng.normal(size=(60, 900))).astype(np.float32)
    reduced = reduce_points(x, find_basis(x, np.arange(0, 60, 2), 8))
    assert 0 < reduced.slack < 1e-2 * np.median(lengths(x))
    # The directions hold nearly all there is.
    near = lengths(reduced.points)[np.triu_indices(60, 1)] / lengths(x)[np.triu_indices(60, 1)]
    assert np.median(near) > 0.8


def test_directions_are_orthonormal_and_as_few_as_the_rank():
    rng = np.random.default_rng(4)
    for d, rank in ((40, 3), (700, 12)):
        x = (rng.normal(size=(90, rank)) @ rng.normal(size=(rank, d)) + 5).astype(np.float32)
        basis = find_basis(x, np.arange(90), 30)
        assert basis.directions.shape == (d, rank)
        inner = basis.directions.T.astype(float) @ basis.directions
        assert np.linalg.norm(inner - np.eye(rank)) <= basis.departure < 1e-5


def test_crooked_directions_are_refused():
    x = np.random.default_rng(5).normal(size=(20, 50)).astype(np.float32)
    basis = Basis(np.zeros(50, np.float32), np.full((50, 3), 0.1, np.float32), 2.0)
    assert reduce_points(x, basis) is None


def test_equal_points_are_not_reduced():
    x = np.ones((10, 50), np.float32)
    assert reduce_points(x, Basis(x[0], np.eye(50, 3, dtype=np.float32), 1e-9)) is None


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float16, np.float32, np.float64])
def test_differences_bound_from_both_sides(dtype):
    rng = np.random.default_rng(6)
    for d in (33, 1024, 5000):
        x = (rng.gamma(1.0, size=(50, d)) * 20).astype(dtype)
        i, j = rng.integers(0, 50, (2, 400))
        lower, upper = bound_by_differences(x, i, j)
        exact = squared_distances(x, i, j)
        assert (lower < exact).all()
        assert (exact < upper).all()
        assert (upper - lower)[i != j].max() < 1e-4 * exact.max()


def test_differences_too_small_for_float32_stay_between_their_bounds():
    x = np.ldexp(np.random.default_rng(7).normal(size=(30, 40)), -90)
    i, j = np.triu_indices(30, 1)
    lower, upper = bound_by_differences(x, i, j)
    exact = squared_distances(x, i, j)
    assert (lower < exact).all()
    assert (exact < upper).all()
