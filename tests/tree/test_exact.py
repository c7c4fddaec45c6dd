"""Direct distances, equal rows, scales and orders of points."""

from __future__ import annotations

import numpy as np

from hpfunc._tree import exact as exact_module
from hpfunc._tree.exact import canonical_order, equal_rows, rank_rows, rescale, squared_distances, unit_rows
from tests.oracles import direct_squared


def test_direct_distances_are_symmetric_and_exact():
    rng = np.random.default_rng(9)
    x = rng.normal(size=(30, 1000)).astype(np.float32)
    i, j = rng.integers(0, 30, (2, 200))
    there, back = squared_distances(x, i, j), squared_distances(x, j, i)
    assert (there == back).all()
    assert (there == direct_squared(x)[i, j]).all()
    big = np.array([[2**52, 0], [0, 3]], np.int64)
    assert squared_distances(np.array([[200], [3]], np.uint8), np.array([0]), np.array([1])) == 197**2
    assert squared_distances(big, np.array([0]), np.array([1])) == float(2**104 + 9)


def test_equal_rows_within_classes():
    x = np.array([[1.0, 0.0], [1.0, -0.0], [2, 2], [1, 0], [1, 0], [0, 1]])
    assert equal_rows(x, np.array([0, 3, 6])).tolist() == [0, 0, 2, 3, 3, 5]


def test_canonical_order_ignores_where_rows_stand():
    rng = np.random.default_rng(10)
    x = rng.integers(-2, 3, (50, 4)).astype(float)
    shuffled = x[rng.permutation(50)]
    np.testing.assert_array_equal(x[canonical_order(x)], shuffled[canonical_order(shuffled)])


def test_extreme_scales_are_brought_back_by_powers_of_two():
    for points in (np.array([[1e-310], [3e-310]]), np.array([[1e300], [-1e300]]), np.array([[1e30], [3]], np.float32)):
        x, exponent = rescale(points)
        assert 0 < squared_distances(x, np.array([0]), np.array([1]))[0] < 5
        np.testing.assert_array_equal(np.ldexp(x, exponent), points)
    assert rescale(np.ones((2, 1)))[1] == 0


def test_unit_rows_of_multiples_are_equal():
    rng = np.random.default_rng(11)
    x = rng.integers(1, 50, (40, 7)).astype(float)
    np.testing.assert_array_equal(unit_rows(x), unit_rows(x * rng.integers(1, 9, (40, 1))))
    np.testing.assert_allclose((unit_rows(x) ** 2).sum(axis=1), 1)


def test_ranks_are_those_of_the_sorted_coordinates(monkeypatch):
    rng = np.random.default_rng(12)
    for d, chunk in ((1, 10), (5, 40), (5, 10**6), (30, 60)):
        monkeypatch.setattr(exact_module, "_CHUNK", chunk)
        for x in (rng.integers(-1, 2, (40, d)) / 4, rng.normal(size=(40, d)).astype(np.float32), np.zeros((3, d))):
            expected = [sum(tuple(other) < tuple(row) for other in x) for row in x]
            assert rank_rows(x, np.arange(len(x))).tolist() == expected
            assert rank_rows(x, np.array([2, 0])).tolist() == [
                int(tuple(x[2]) > tuple(x[0])),
                int(tuple(x[0]) > tuple(x[2])),
            ]
    assert rank_rows(np.array([[0.0], [-0.0]]), np.arange(2)).tolist() == [0, 0]
