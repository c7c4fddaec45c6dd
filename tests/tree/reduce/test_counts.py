"""Counts do not depend on the reduction: they are those of the oracle and of all features, whatever the basis."""

import itertools

import numpy as np
import pytest
import xarray as xr

from hpfunc import bridging_samples, multiclass_hp, pairwise_hp
from hpfunc._arrays import RowsInOrder
from hpfunc._tree import GraphOptions, count_pairs
from hpfunc._tree.mst import remeasure
from hpfunc._tree.pairs import candidates as candidates_module
from hpfunc._tree.pairs import count_pairs as count_pairs_module
from hpfunc._tree.pairs import recount as recount_module
from hpfunc._tree.reduce.basis import find_basis, orthonormalise
from hpfunc._tree.reduce.coordinates import reduce_points
from hpfunc._tree.reduce.limits import Reduction
from tests.oracles import extreme_cross_edges
from tests.tree.reduce.spectra import hard_points


def count(monkeypatch, x, label, basis, exact=True):
    """Cross edges of all pairs, reduced to the basis (None: of all features); and how often points were reduced."""
    reduced = []

    def record(*arguments):
        reduced.append(reduce_points(*arguments))
        return reduced[-1]

    monkeypatch.setattr(count_pairs_module, "is_large", lambda *a: True)
    monkeypatch.setattr(count_pairs_module, "choose_directions", lambda *arguments: basis)
    monkeypatch.setattr(count_pairs_module, "reduce_points", record)
    order = np.argsort(label, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(label))])
    pairs = np.stack(np.triu_indices(len(starts) - 1, 1), axis=1)
    result = count_pairs(x[order], starts, pairs, GraphOptions(exact=exact), name="x")
    return result.cross, sum(points is not None for points in reduced)


def check_cases(monkeypatch, seed, n_cases):
    rng, n_reduced = np.random.default_rng([20, seed]), 0
    for case in range(n_cases):
        x, label, basis = hard_points(rng)
        cross, reduced = count(monkeypatch, x, label, basis)
        n_reduced += reduced
        for p, (a, b) in enumerate(itertools.combinations(range(label.max() + 1), 2)):
            both = (label == a) | (label == b)
            expected = extreme_cross_edges(x[both], label[both] == b)
            assert (cross.low[p], cross.high[p]) == expected, (seed, case, p)
        whole, _ = count(monkeypatch, x, label, None)
        for field, value in zip(whole, cross, strict=True):
            np.testing.assert_array_equal(field, value, str((seed, case)))
    assert n_reduced > 0.7 * n_cases


def test_two_hundred_adversarial_cases(monkeypatch):
    check_cases(monkeypatch, 0, 200)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 9))
def test_more_adversarial_cases(monkeypatch, seed):
    # 5,000 cases, the seeds up to 25, were run before; eight seeds save the suite a minute.
    check_cases(monkeypatch, seed, 200)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float16, np.float32, np.float64])
def test_random_directions_give_the_same_bits(monkeypatch, dtype):
    rng = np.random.default_rng(1)
    label = np.repeat(np.arange(4), 30)
    x = (rng.normal(size=(120, 5)) @ rng.normal(size=(5, 300)) * 4 + rng.normal(size=(120, 300)) + 60).astype(dtype)
    x[::17] = x[5]
    whole, _ = count(monkeypatch, x, label, None)
    for r in (1, 3, 8, 40):
        directions = orthonormalise(np.zeros(300, np.float32) + 60, rng.normal(size=(300, r)).astype(np.float32))
        directions = directions._replace(centre=directions.centre.astype(np.result_type(dtype, np.float32)))
        for basis in (directions, find_basis(x, np.arange(0, 120, 2), r)):
            cross, reduced = count(monkeypatch, x, label, basis)
            assert reduced == 1
            for field, value in zip(whole, cross, strict=True):
                np.testing.assert_array_equal(field, value)


def test_too_many_survivors_are_measured_in_float64(monkeypatch):
    monkeypatch.setattr(Reduction, "most_edges", staticmethod(lambda n_entries, n_points: 0 * n_points))
    monkeypatch.setattr(remeasure, "CROWDED", 0)
    monkeypatch.setattr(recount_module, "CROWDED", 0)
    check_cases(monkeypatch, 99, 30)


@pytest.mark.parametrize("n_bridges", [1, 3])
def test_few_bridges_exclude_less_but_nothing_wrong(monkeypatch, n_bridges):
    monkeypatch.setattr(candidates_module, "_MEASURED_BRIDGES", n_bridges)
    check_cases(monkeypatch, 98, 30)


def test_points_out_of_the_range_of_float32_are_not_reduced(monkeypatch):
    rng = np.random.default_rng(2)
    x, label = rng.normal(size=(20, 40)) * 2.0**90, np.arange(20) % 2
    cross, reduced = count(monkeypatch, x, label, find_basis(np.ldexp(x, -90), np.arange(20), 3))
    assert not reduced
    assert (cross.low[0], cross.high[0]) == extreme_cross_edges(x, label)


def test_memory_that_holds_the_coordinates_is_enough(monkeypatch):
    rng = np.random.default_rng(8)
    starts, pairs = np.arange(5) * 30, np.stack(np.triu_indices(4, 1), axis=1)
    x = (rng.normal(size=(120, 6)) @ rng.normal(size=(6, 5000))).astype(np.float32)
    small = GraphOptions(max_memory=1_500_000)
    monkeypatch.setattr(count_pairs_module, "bytes_for_directions", lambda d: 0)
    monkeypatch.setattr(count_pairs_module, "MOST_DIRECTIONS", 8)
    with pytest.raises(ValueError, match="max_memory"):
        count_pairs(x, starts, pairs, small, name="x")
    whole = count_pairs(x, starts, pairs, GraphOptions(), name="x").cross
    monkeypatch.setattr(count_pairs_module, "is_large", lambda *a: True)
    monkeypatch.setattr(count_pairs_module, "choose_directions", lambda *a: find_basis(x, np.arange(0, 120, 2), 8))
    for field, value in zip(whole, count_pairs(x, starts, pairs, small, name="x").cross, strict=True):
        np.testing.assert_array_equal(field, value)


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("wrap", [np.asarray, xr.DataArray])
def test_points_on_disk_give_the_same_counts(monkeypatch, tmp_path, wrap, in_order):
    rng = np.random.default_rng(9)
    x = (rng.normal(size=(90, 6)) @ rng.normal(size=(6, 2000 if in_order else 12_000))).astype(np.float32)
    np.save(tmp_path / "points.npy", x)
    on_disk = np.load(tmp_path / "points.npy", mmap_mode="r")
    label = np.repeat(np.arange(3), 30) if in_order else rng.permutation(90) % 3
    basis = find_basis(x, np.arange(0, 90, 2), 8)
    monkeypatch.setattr(count_pairs_module, "is_large", lambda *a: True)
    monkeypatch.setattr(count_pairs_module, "choose_directions", lambda *arguments: basis)
    variable = on_disk if wrap is np.asarray else wrap(on_disk, dims=("sample", "feature"))
    expected = pairwise_hp(x, label)
    if not in_order:
        # Rows are read in strips: a class or all points are never read at once.
        read, most = RowsInOrder.__getitem__, []

        def note(points, key):
            part = read(points, key)
            most.append(part.nbytes if isinstance(part, np.ndarray) else 0)
            return part

        monkeypatch.setattr(RowsInOrder, "__getitem__", note)
        monkeypatch.delattr(RowsInOrder, "__array__")
    assert pairwise_hp(variable, label).identical(expected)
    assert in_order or 0 < max(most) <= x.nbytes // 2


@pytest.mark.filterwarnings("ignore:.*extremes:UserWarning")
@pytest.mark.parametrize(
    "options",
    [{}, {"metric": "cosine"}, {"graph": "knn", "k": 3}, {"k": 2}, {"folds": 2, "repeats": 2, "key": 0}],
)
@pytest.mark.parametrize(("d", "scale"), [(5, 1.0), (60, 1.0), (60, 1e30)])
def test_points_on_disk_in_any_order_give_the_counts_of_points_in_memory(tmp_path, options, d, scale):
    rng = np.random.default_rng(10)
    label = rng.permutation(60) % 3
    x = ((rng.normal(size=(60, d)) + label[:, None] / 2) * scale).astype(np.float32)
    x[label == 0] = (np.round(x[label == 0] / scale) + 9) * np.float32(scale)
    on_disk = np.memmap(tmp_path / "points", np.float32, "w+", shape=x.shape)
    on_disk[:] = x
    assert pairwise_hp(on_disk, label, **options).identical(pairwise_hp(x, label, **options))
    if not options:
        assert bridging_samples(on_disk, label).identical(bridging_samples(x, label))
        assert multiclass_hp(on_disk, label).identical(multiclass_hp(x, label))
