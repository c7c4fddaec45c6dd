"""Trees found tile by tile do not depend on a reduction, good or bad."""

from __future__ import annotations

import numpy as np
import pytest

from hpfunc._tree.exact import rescale
from hpfunc._tree.memory import UNLIMITED
from hpfunc._tree.mst import tiled
from hpfunc._tree.reduce.coordinates import reduce_points
from hpfunc._tree.reduce.limits import Reduction
from hpfunc._tree.rounding import product_dtype
from tests.tree.reduce.spectra import hard_points


def all_edges(tree):
    """Return the edges of all minimum spanning trees, in order."""
    edges = np.sort(np.concatenate([tree.edges, tree.tied]), axis=1)
    return edges[np.lexsort(edges.T)].tolist()


@pytest.mark.parametrize("most_edges", [None, 0])
def test_trees_do_not_depend_on_the_directions(monkeypatch, most_edges):
    monkeypatch.setattr(tiled, "_tile_size", lambda n: 8)
    if most_edges is not None:
        # Where too many edges are left, the products of all features decide.
        monkeypatch.setattr(Reduction, "most_edges", staticmethod(lambda n_entries, n_points: most_edges))
    n_reduced = 0
    for seed in range(50):
        x, _, basis = hard_points(np.random.default_rng([77, seed]), (6, 60))
        x = np.unique(rescale(x)[0], axis=0)
        reduced = reduce_points(x, basis)
        if reduced is None or len(x) < 2:
            continue
        n_reduced += 1
        whole, by_coordinates = (tiled.tree_by_tiles(x, product_dtype(x), UNLIMITED, r) for r in (None, reduced))
        assert np.sort(by_coordinates.weights).tolist() == np.sort(whole.weights).tolist(), seed
        assert all_edges(by_coordinates) == all_edges(whole), seed
    assert n_reduced > 30
