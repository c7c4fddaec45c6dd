"""Graphs counted from what a layer shares, against those of each pair by itself, on points that are hard to bound."""

from __future__ import annotations

import numpy as np
import pytest

from hpfunc._tree import GraphOptions
from hpfunc._tree.exact import rescale
from hpfunc._tree.graphs import blocks, class_forests, layer_bounds, orthogonal
from hpfunc._tree.graphs import count_graphs as count_graphs_module
from hpfunc._tree.graphs.count_graphs import count_graphs
from hpfunc._tree.graphs.pair_graphs import merge_equal_samples, nearest_neighbours, orthogonal_trees
from hpfunc._tree.memory import UNLIMITED
from hpfunc._tree.reduce.basis import find_basis, orthonormalise
from tests.tree.reduce.spectra import hard_points


def hard_layer(rng, sizes, most_tricks):
    """Draw points class by class, thin, wide, with copies and ties; where they are reduced, by any basis."""
    x, label, basis = hard_points(rng, sizes, most_tricks)
    if rng.random() < 0.3:
        x, basis = x[:, : int(rng.integers(1, 30))].copy(), None
    starts = np.concatenate([[0], np.cumsum(np.bincount(label))])
    return rescale(x[np.argsort(label, kind="stable")])[0], starts, basis if rng.random() < 0.6 else None


def count_pair(x, starts, pair, options):
    """Count one pair from its own points alone."""
    samples = merge_equal_samples(*(x[starts[c] : starts[c + 1]] for c in pair))
    if options.graph == "knn":
        return nearest_neighbours(samples, options.k, UNLIMITED), options.k
    return orthogonal_trees(samples, options.k)


def has_trees(points, k):
    """Tell whether one class has k successive trees, each without the edges of those before it."""
    return orthogonal_trees(merge_equal_samples(points, points[:0]), k)[1] == k


def count_by_layer(x, starts, pairs, options, max_bytes):
    """Count pairs from what they share: a dict of the counts of each pair that is counted so, by its number."""
    blocks = count_graphs_module._count_by_layer(x, starts, pairs, options, max_bytes)
    return {int(p): [field[i] for field in counts] for number, counts in blocks for i, p in enumerate(number)}


def check_cases(monkeypatch, graph, seeds, most_tricks=2):
    """Compare all bits of both ways; return how many pairs the layer's way counted, and how many it left needlessly."""
    counted = left = 0
    for seed in seeds:
        rng = np.random.default_rng([15, seed])
        # Fewer samples have no k trees in each class.
        x, starts, basis = hard_layer(rng, (6, 40) if graph == "knn" else (50, 80), most_tricks)
        monkeypatch.setattr(layer_bounds, "choose_directions", lambda *arguments, basis=basis: basis)
        pairs = np.stack(np.triu_indices(len(starts) - 1, 1), axis=1)
        most = int(np.diff(starts)[pairs].sum(axis=1).min()) - 1
        k = int(rng.integers(1, min(most, 40 if rng.random() < 0.5 else 4) + 1)) if graph == "knn" else 2 + seed % 3
        options = GraphOptions(graph=graph, k=k)
        found = count_by_layer(x, starts, pairs, options, 10**10)
        for p, pair in enumerate(pairs):
            if p in found:
                cross, number = count_pair(x, starts, pair, options)
                np.testing.assert_array_equal(found[p], cross, f"seed {seed}, pair {p}")
                assert number == k
                counted += 1
            else:
                # Without k trees in each class, there is nothing that the pairs could share.
                left += graph == "knn" or all(has_trees(x[starts[c] : starts[c + 1]], k) for c in pair)
    return counted, left


@pytest.mark.parametrize("graph", ["knn", "mst"])
def test_hard_layers(monkeypatch, graph):
    counted, left = check_cases(monkeypatch, graph, range(60))
    # In float32, bounds tell nothing of points that are far nearer to each other than to zero or to an outlier.
    assert counted > (10 if graph == "knn" else 5) * left


@pytest.mark.parametrize("graph", ["knn", "mst"])
def test_spectra_of_every_kind_are_counted_from_what_the_layer_shares(monkeypatch, graph):
    counted, left = check_cases(monkeypatch, graph, range(20), most_tricks=0)
    assert counted > 20
    assert left == 0


@pytest.mark.slow
@pytest.mark.parametrize("graph", ["knn", "mst"])
def test_many_hard_layers(monkeypatch, graph):
    counted, left = check_cases(monkeypatch, graph, range(100, 1000))
    assert counted > (10 if graph == "knn" else 5) * left


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("options", [GraphOptions(graph="knn", k=4), GraphOptions(k=3)])
def test_random_directions_give_the_same_bits(monkeypatch, dtype, options):
    rng = np.random.default_rng(1)
    starts, pairs = np.arange(5) * 30, np.stack(np.triu_indices(4, 1), axis=1)
    x = (rng.normal(size=(120, 5)) @ rng.normal(size=(5, 300)) * 4 + rng.normal(size=(120, 300)) + 60).astype(dtype)
    x[::17] = x[5]
    expected = {p: count_pair(x, starts, pair, options)[0] for p, pair in enumerate(pairs)}
    bases = [None]
    for r in (1, 3, 8, 40):
        random = orthonormalise(np.zeros(300, np.float32) + 60, rng.normal(size=(300, r)).astype(np.float32))
        bases.append(random._replace(centre=random.centre.astype(np.result_type(dtype, np.float32))))
        bases.append(find_basis(x, np.arange(0, 120, 2), r))
    for basis in bases:
        monkeypatch.setattr(layer_bounds, "choose_directions", lambda *arguments, basis=basis: basis)
        layer = layer_bounds.find_layer_bounds(x, starts, pairs, merge=False, may_reduce=True, parallel_map=map)
        assert (layer.reduction is None) == (basis is None)
        found = count_by_layer(x, starts, pairs, options, 10**10)
        assert set(found) == set(expected)
        for p, counts in expected.items():
            np.testing.assert_array_equal(found[p], counts)


def test_points_that_the_last_forest_leaves_out_are_measured_at_more_edges(monkeypatch):
    # Useless directions order the edges so badly that the measured ones leave many points out.
    rng = np.random.default_rng(3)
    x, starts, pairs = rng.normal(size=(160, 60)), np.array([0, 80, 160]), np.array([[0, 1]])
    directions = orthonormalise(np.zeros(60), rng.normal(size=(60, 1)).astype(np.float32))
    monkeypatch.setattr(layer_bounds, "choose_directions", lambda *arguments: directions)
    for rounds, more in ((3, 2), (1, 1), (0, 2)):
        monkeypatch.setattr(class_forests, "_ROUNDS", rounds)
        monkeypatch.setattr(class_forests, "_MORE_EDGES", more)
        monkeypatch.setattr(class_forests, "CROWDED", 80)
        monkeypatch.setattr(orthogonal, "CROWDED", 80)
        found = count_by_layer(x, starts, pairs, GraphOptions(k=3), 10**10)
        np.testing.assert_array_equal(found[0], count_pair(x, starts, pairs[0], GraphOptions(k=3))[0])


@pytest.mark.parametrize("graph", ["knn", "mst"])
def test_blocks_of_one_pair_and_of_many_give_the_same_bits(monkeypatch, graph):
    rng = np.random.default_rng(4)
    starts = np.concatenate([[0], np.cumsum(rng.integers(9, 25, 12))])
    x, pairs = np.round(4 * rng.normal(size=(starts[-1], 40))), np.stack(np.triu_indices(12, 1), axis=1)
    x[5], x[40] = x[60], x[61]
    options = GraphOptions(graph=graph, k=2)
    together = count_by_layer(x, starts, pairs, options, 10**10)
    assert len(blocks.group_pairs(starts, pairs, np.arange(len(pairs)))) < len(pairs) / 2
    monkeypatch.setattr(blocks, "_BLOCK_ENTRIES", 1)
    alone = count_by_layer(x, starts, pairs, options, 10**10)
    assert set(together) == set(alone) == set(range(len(pairs)))
    for p, counts in alone.items():
        np.testing.assert_array_equal(together[p], counts)


@pytest.mark.parametrize("options", [GraphOptions(graph="knn", k=3), GraphOptions(k=2)])
def test_pairs_that_are_left_and_layers_too_large_for_memory_are_counted_pair_by_pair(monkeypatch, options):
    rng = np.random.default_rng(0)
    x, starts, pairs = rng.normal(size=(180, 40)), np.array([0, 50, 130, 180]), np.array([[0, 1], [0, 2], [1, 2]])
    # Points so near each other, and so far from the other class, that bounds of products tell nothing about them.
    x[50:130] = 1e-9 * x[50:130] + 1e6
    expected = [count_pair(x, starts, pair, options) for pair in pairs]
    done = []
    for max_bytes in (10**9, 1_000_000):
        cross, trees = count_graphs(x, starts, pairs, options, max_bytes=max_bytes, name="x", advance=done.append)
        for p, (counts, number) in enumerate(expected):
            np.testing.assert_array_equal([field[p] for field in cross], counts)
            assert trees[p] == number
    assert done == [1] * 6
    assert set(count_by_layer(x, starts, pairs, options, 10**9)) == {1}
    assert count_by_layer(x, starts, pairs, options, 1_000_000) == {}
