"""Trees found tile by tile do not depend on a reduction, good or bad."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from hpfunc._tree.exact import rescale
from hpfunc._tree.memory import UNLIMITED
from hpfunc._tree.mst import tiled
from hpfunc._tree.reduce.coordinates import reduce_points
from hpfunc._tree.rounding import product_dtype
from tests.tree.reduce.spectra import hard_points


def all_edges(tree):
    """Return the edges of all minimum spanning trees, in order."""
    edges = np.sort(np.concatenate([tree.edges, tree.tied]), axis=1)
    return edges[np.lexsort(edges.T)].tolist()


@pytest.mark.parametrize("case", ["one stage", "two stages", "given up early", "given up late"])
def test_trees_do_not_depend_on_the_directions(monkeypatch, case):
    monkeypatch.setattr(tiled, "_tile_size", lambda n: 8)
    monkeypatch.setattr(tiled, "_FIRST_DIRECTIONS", 2)
    monkeypatch.setattr(tiled, "pays_to_bound_again", lambda reduced, d: case == "two stages")
    # Any number of leading coordinates will do. Where too many edges are left, the products of all features decide.
    chosen = itertools.cycle([None] if case == "given up early" else [1, 2, 5, 1000])
    monkeypatch.setattr(tiled, "choose_leading", lambda *args: next(chosen))
    monkeypatch.setattr(tiled, "_MANY", 10**9 if case == "given up late" else 1)
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
