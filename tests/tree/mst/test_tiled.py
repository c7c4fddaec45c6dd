"""One cloud of points, tile by tile."""

import numpy as np
import pytest

from hpfunc._tree.exact import squared_distances
from hpfunc._tree.memory import UNLIMITED
from hpfunc._tree.mst import tiled
from hpfunc._tree.mst.kruskal import kruskal
from hpfunc._tree.threads import Scratch

CLOUDS = {
    "noise": lambda rng: rng.normal(size=(600, 100)),
    "two far clusters": lambda rng: rng.normal(size=(600, 40)) + 1e3 * np.repeat([0, 1], 300)[:, None],
    "clusters of uneven size": lambda rng: (
        rng.normal(size=(500, 40)) + 1e2 * np.repeat([0, 1, 2], [3, 40, 457])[:, None]
    ),
    "many clusters": lambda rng: rng.normal(size=(500, 40)) + 1e3 * rng.normal(size=(50, 40))[rng.integers(0, 50, 500)],
    "a line": lambda rng: np.cumsum(rng.random((500, 1)), axis=0) @ rng.normal(size=(1, 40)),
}


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_tree_is_that_of_all_distances_and_few_edges_are_looked_at(cloud, dtype, monkeypatch):
    monkeypatch.setattr(tiled, "_TILE", 32)
    monkeypatch.setattr(tiled, "_LEAST_TILE", 32)
    monkeypatch.setattr(tiled, "_NEIGHBOURS", 2)
    x = CLOUDS[cloud](np.random.default_rng(0)).astype(dtype)
    n = len(x)
    ends = np.stack(np.triu_indices(n, 1), axis=1)
    weights = squared_distances(x, *ends.T)
    expected = weights[kruskal(n, ends, weights)]
    found = tiled.tree_by_tiles(x, np.dtype(np.float32), UNLIMITED)
    np.testing.assert_array_equal(np.sort(found.weights), np.sort(expected))
    candidates = tiled._candidates(x, np.dtype(np.float64), np.inf)
    assert n - 1 <= len(candidates) < 12 * n
    assert tiled._candidates(x, np.dtype(np.float64), len(candidates) - 1) is None


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-4, 1e5])
def test_one_product_gives_lower_bounds_that_are_close(cloud, dtype, scale):
    x = (scale * CLOUDS[cloud](np.random.default_rng(1))).astype(np.float32)
    n = len(x)
    points = tiled._extend(x, np.dtype(dtype))
    lower = tiled._tile_bounds(points, slice(0, n), slice(0, n), Scratch()).astype(np.float64)
    source, target = np.triu_indices(n, 1)
    true = squared_distances(x, source, target)
    assert (lower[source, target] < true).all()
    assert (true < lower[source, target] + 2 * points.error).all()


@pytest.mark.parametrize("few", [1, 10**9])
def test_light_entries_are_those_of_both_limits(monkeypatch, few):
    monkeypatch.setattr(tiled, "_FEW", few)
    rng = np.random.default_rng(0)
    lower, row_maxima, col_maxima = rng.random((50, 40)), 0.3 * rng.random(50), 0.1 * rng.random(40)
    found = tiled._light_entries(lower, row_maxima, col_maxima, Scratch())
    expected = np.nonzero((lower <= row_maxima[:, None]) | (lower <= col_maxima))
    np.testing.assert_array_equal(found, expected)
