"""The engine for CuPy arrays, run on the host: equal to the one for NumPy arrays, whatever memory there is."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hpfunc as hp
from hpfunc._support import memory
from hpfunc._tree.device import cloud, pairs, tables, tiles, trees
from hpfunc._tree.pairs.count_pairs import cross_edges
from tests.cuda_host import needs_compiler
from tests.cuda_host.stand_in import counts, flushed, stand_in

pytestmark = needs_compiler

POOLED = (2, 3, 31, 32, 33, 63, 65, 127, 129)


def sample(sizes: Any, d: int, seed: int, kind: str, dtype: Any = np.float32) -> tuple[Any, Any]:
    """Points of classes of given sizes, and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    x = rng.normal(size=(len(labels), d)) + 0.3 * labels[:, None]
    if kind == "grid":
        x = np.round(x)
    elif kind == "copies":
        x = x[rng.integers(0, max(1, len(x) // 3), len(x))]
    elif kind == "equal":
        x[:] = 1
    elif kind == "collapsed":
        x = 1e-4 * x + 100.0 * labels[:, None]
    elif kind == "offset":
        x += 1e6
    elif kind == "near ties":
        x = np.round(x)
        x = np.where(rng.random(x.shape) < 0.1, np.nextafter(x.astype(np.float32), np.float32(np.inf)), x)
    return x.astype(dtype), labels


def assert_same(one: Any, other: Any) -> None:
    for name in one.data_vars:
        np.testing.assert_array_equal(other[name].values, one[name].values, err_msg=str(name))


KINDS = ("normal", "grid", "copies", "equal", "collapsed", "offset", "near ties")


@pytest.mark.parametrize("pooled", POOLED)
@pytest.mark.parametrize("kind", KINDS)
def test_every_size_and_kind_of_pair_is_counted_as_on_the_host(pooled, kind):
    for seed, share in enumerate((0.5, 0.1)):
        first = min(max(1, int(pooled * share)), pooled - 1)
        x, labels = sample((first, pooled - first), 40, seed, kind)
        with stand_in() as cupy:
            assert_same(hp.pairwise_hp(x, labels), hp.pairwise_hp(cupy.asarray(x), labels))


@given(
    st.lists(st.integers(1, 20), min_size=2, max_size=5),
    st.sampled_from((1, 2, 31, 33, 100)),
    st.integers(0, 1000),
    st.sampled_from(KINDS),
    st.sampled_from((np.float32, np.float64, np.float16, np.uint8, np.int32)),
)
@settings(max_examples=60, deadline=None)
def test_layers_of_any_shape_and_type_are_counted_as_on_the_host(sizes, d, seed, kind, dtype):
    if kind in ("offset", "collapsed") and dtype in (np.float16, np.uint8):
        kind = "normal"
    x, labels = sample(sizes, d, seed, kind)
    x = (np.abs(x) if dtype == np.uint8 else x).astype(dtype)
    before = x.copy()
    with stand_in() as cupy:
        there = cupy.asarray(x)
        assert_same(hp.pairwise_hp(x, labels), hp.pairwise_hp(there, labels))
        np.testing.assert_array_equal(there.get(), before)


def test_classes_out_of_order_some_pairs_only_and_several_layers():
    x, labels = sample((30, 40, 20, 35), 50, 1, "normal")
    order = np.random.default_rng(0).permutation(len(x))
    chosen = [(3, 0), (1, 2)]
    expected = hp.pairwise_hp({"a": x[order], "b": x[order] ** 2}, labels[order], pairs=chosen)
    with stand_in() as cupy:
        layers = {"a": cupy.asarray(x[order]), "b": cupy.asarray(x[order] ** 2)}
        assert_same(expected, hp.pairwise_hp(layers, labels[order], pairs=chosen))
        assert_same(hp.hp_statistic(x[:30], x[30:70]), hp.hp_statistic(cupy.asarray(x[:30]), cupy.asarray(x[30:70])))


def test_the_working_precision_alone():
    x, labels = sample((30, 40, 20), 50, 1, "normal")
    with stand_in() as cupy:
        there = hp.pairwise_hp(cupy.asarray(x), labels, exact=False)
    np.testing.assert_array_equal(there.cross_edges, hp.pairwise_hp(x, labels).cross_edges)
    assert there.cross_edges_min.isnull().all()


@pytest.mark.parametrize("kind", ["normal", "grid", "copies"])
def test_directions(kind):
    x, labels = sample((30, 40, 20), 50, 2, kind)
    x = np.concatenate([x[:50], 2 * x[:40]]) + 0.01
    with stand_in() as cupy:
        there = hp.pairwise_hp(cupy.asarray(x), labels, metric="cosine")
    assert_same(hp.pairwise_hp(x, labels, metric="cosine"), there)


@pytest.mark.parametrize("scale", [1e30, 1e-30, 1e-42])
def test_extreme_scales(scale):
    x, labels = sample((12, 9, 8), 40, 3, "normal", np.float64)
    x *= scale
    with stand_in() as cupy:
        assert_same(hp.pairwise_hp(x, labels), hp.pairwise_hp(cupy.asarray(x), labels))


# ---- denormal numbers, which CuPy's own operations take for zeros


def softmax(sizes: Any, d: int, seed: int, sharpness: float) -> tuple[Any, Any]:
    """Return outputs of a softmax layer in float32, sure enough that some are denormal, and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    logits = sharpness * (rng.normal(size=(len(labels), d)) + 2 * np.eye(len(sizes), d)[labels])
    logits -= logits.max(axis=1, keepdims=True)
    x = np.exp(logits)
    return (x / x.sum(axis=1, keepdims=True)).astype(np.float32), labels


def share_of_denormals(x: Any) -> float:
    return float(((x != 0) & (abs(x) < np.finfo(x.dtype).tiny)).mean())


@pytest.mark.parametrize("d", [10, 40])
@pytest.mark.parametrize("sharpness", [20, 30])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_softmax_layers_with_denormals_are_counted_as_on_the_host(d, sharpness, metric):
    x, labels = softmax((30, 40, 20, 25), d, 1, sharpness)
    assert share_of_denormals(x) > 0.02
    with stand_in() as cupy:
        assert_same(hp.pairwise_hp(x, labels, metric=metric), hp.pairwise_hp(cupy.asarray(x), labels, metric=metric))


def test_flushing_would_show_in_these_counts():
    """The layers of the test above are ones that a flushed engine counts wrongly."""
    x, labels = softmax((30, 40, 20, 25), 10, 1, 30)
    x[:, 1:] *= np.float32(1e-30)
    x[:, 0] = 1
    assert share_of_denormals(x) > 0.02
    expected = hp.pairwise_hp(x, labels)
    assert (hp.pairwise_hp(flushed(x), labels).cross_edges != expected.cross_edges).any()
    with stand_in() as cupy:
        assert_same(expected, hp.pairwise_hp(cupy.asarray(x), labels))


@pytest.mark.parametrize("d", [3, 40])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_layers_of_nothing_but_denormals_are_counted_as_on_the_host(d, metric, dtype):
    x, labels = sample((12, 9, 8), d, 3, "normal", np.float64)
    x = (x * 100 * np.finfo(dtype).smallest_subnormal).astype(dtype)
    with stand_in() as cupy:
        there = cupy.asarray(x)
        assert_same(hp.pairwise_hp(x, labels, metric=metric), hp.pairwise_hp(there, labels, metric=metric))
        tree, expected = (hp.euclidean_mst(points, metric=metric) for points in (there, x))
        np.testing.assert_array_equal(tree.source, expected.source)
        np.testing.assert_allclose(tree.weight, expected.weight, rtol=1e-12)
        assert_same(hp.multiclass_hp(x, labels, metric=metric), hp.multiclass_hp(there, labels, metric=metric))


def test_the_host_gets_the_points_of_the_caller():
    """Directions that the device rounds in its own way would tie in other pairs."""
    rng = np.random.default_rng(2)
    x = np.concatenate([np.outer(rng.integers(1, 50, 40), row) for row in rng.normal(size=(2, 7))]).astype(np.float32)
    labels = np.arange(len(x)) % 3
    with stand_in() as cupy:
        there = hp.pairwise_hp(cupy.asarray(x), labels, metric="cosine")
    assert_same(hp.pairwise_hp(x, labels, metric="cosine"), there)


# ---- several devices


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_work_is_done_on_the_device_of_the_array(metric):
    x, labels = sample((12, 9, 8), 40, 3, "normal")
    order = np.random.default_rng(0).permutation(len(x))
    with stand_in() as cupy:
        with cupy.cuda.Device(1):
            there = cupy.asarray(x[order])
        assert there.device.id == 1
        found = hp.pairwise_hp({"layer": there}, labels[order], metric=metric).isel(layer=0, drop=True)
        assert_same(hp.pairwise_hp(x[order], labels[order], metric=metric), found)
        assert_same(hp.multiclass_hp(x, labels[order]), hp.multiclass_hp(cupy.asarray(x), labels[order]))
        with cupy.cuda.Device(1):
            part = cupy.asarray(x[:9]), cupy.asarray(x[9:])
        assert_same(hp.hp_statistic(x[:9], x[9:], metric=metric), hp.hp_statistic(*part, metric=metric))
        np.testing.assert_array_equal(hp.euclidean_mst(part[1]).source, hp.euclidean_mst(x[9:]).source)
        np.testing.assert_allclose(hp.pca2d(part[1]).scores, hp.pca2d(x[9:]).scores, atol=1e-9)
        before, after = x[:10, :12].astype(float), x[10:20, :12].astype(float)
        with cupy.cuda.Device(1):
            values = cupy.asarray(before), cupy.asarray(after)
        expected = hp.fisher_permutation(before, after, key=0).pvalue
        np.testing.assert_array_equal(hp.fisher_permutation(*values, key=0).pvalue, expected)
        with pytest.raises(ValueError, match="NaN"):
            hp.pairwise_hp(_with_nan(cupy, x), labels)


def _with_nan(cupy: Any, x: Any) -> Any:
    with cupy.cuda.Device(1):
        return cupy.asarray(np.where(np.arange(x.shape[1]) == 3, np.nan, x))


# ---- how much is asked of the device


# Where a class has few samples, the points of all small pairs come to the host, to try every labelling: one wait more.
@pytest.mark.parametrize(("size", "waits"), [(12, 5), (4, 6)])
@pytest.mark.parametrize("n_classes", [3, 12])
def test_a_call_launches_and_waits_equally_often_for_any_number_of_classes(n_classes, size, waits):
    x, labels = sample((size,) * n_classes, 40, 1, "normal")
    with stand_in() as cupy:
        there = cupy.asarray(x)
        before = dataclasses.replace(counts)
        hp.pairwise_hp(there, labels)
        spent = {name: value - getattr(before, name) for name, value in vars(counts).items()}
    assert spent["launches"] <= 8  # sums, centre, product, radii, sides, table, trees
    assert spent["waits"] <= waits  # finite, largest twice, results
    assert spent["uploads"] <= waits - 1  # classes, labels, pairs; rows of small pairs
    assert spent["operations"] <= 60
    assert spent["arrays"] <= 100


# ---- memory


@pytest.fixture
def tight(monkeypatch):
    """Set nothing aside and make tiles small, so that little memory is needed."""
    monkeypatch.setattr(tables, "_ASIDE", 0)
    monkeypatch.setattr(tiles, "_LARGEST", 16)
    monkeypatch.setattr(tiles, "_SMALLEST", 16)


@pytest.mark.parametrize("max_memory", [10**6, 200_000, 80_000, 55_000])
def test_whatever_memory_there_is_the_counts_are_the_same(tight, max_memory):
    x, labels = sample((30, 41, 20, 35, 28), 50, 4, "normal")
    with stand_in() as cupy:
        assert_same(hp.pairwise_hp(x, labels), hp.pairwise_hp(cupy.asarray(x), labels, max_memory=max_memory))


@pytest.mark.parametrize("d", [40, 7])
@pytest.mark.parametrize("kind", ["normal", "grid", "collapsed"])
def test_pairs_too_large_for_their_distances_are_seen_tile_by_tile(tight, kind, d, monkeypatch):
    x, labels = sample((90, 85), d, 5, kind)
    used = []
    whole = tiles.spanning_by_tiles
    monkeypatch.setattr(tiles, "spanning_by_tiles", lambda *a, **k: used.append(1) or whole(*a, **k))
    with stand_in() as cupy:
        there = hp.pairwise_hp(cupy.asarray(x), labels, max_memory=100_000 if d == 40 else 120_000)
    assert used
    assert_same(hp.pairwise_hp(x, labels), there)


def test_too_little_memory_for_anything_is_an_error_that_says_so():
    x, labels = sample((70, 85), 40, 5, "normal")
    with stand_in() as cupy, pytest.raises(ValueError, match=r"155 points of 40 features need about .* bytes"):
        hp.pairwise_hp(cupy.asarray(x), labels, max_memory=10_000)


def test_when_the_device_runs_out_of_memory_the_batch_is_halved(tight, caplog):
    x, labels = sample((30, 41, 20, 35, 28), 50, 4, "normal")
    with stand_in(free=10**6, largest=30_000) as cupy, caplog.at_level(logging.INFO, "hpfunc"):
        there = hp.pairwise_hp(cupy.asarray(x), labels)
    assert "ran out of memory" in caplog.text
    assert_same(hp.pairwise_hp(x, labels), there)


def test_products_for_which_cublas_has_no_memory_are_made_again_in_less(caplog):
    x, labels = sample((30, 41, 20), 50, 4, "normal")
    with stand_in(cublas_fails=2) as cupy, caplog.at_level(logging.INFO, "hpfunc"):
        there = hp.pairwise_hp(cupy.asarray(x), labels)
        tree = hp.euclidean_mst(cupy.asarray(x))
    assert caplog.text.count("ran out of memory") == 2
    assert_same(hp.pairwise_hp(x, labels), there)
    np.testing.assert_array_equal(tree.source, hp.euclidean_mst(x).source)


def test_other_errors_of_cublas_are_not_taken_for_a_lack_of_memory():
    x, labels = sample((30, 41), 50, 4, "normal")
    with stand_in(cublas_fails=1, cublas_status=13) as cupy, pytest.raises(RuntimeError, match="13"):
        hp.pairwise_hp(cupy.asarray(x), labels)


def test_what_torch_keeps_is_given_back_where_the_device_starves(monkeypatch):
    x, labels = sample((30, 41), 50, 4, "normal")
    released: list[int] = []
    monkeypatch.setattr(memory, "free_device_bytes", lambda number=None: 10**9)
    monkeypatch.setattr(memory, "release_device_memory", lambda: released.append(1))
    for free, times in ((10**9, 0), (1000, 1)):
        with stand_in(free=free) as cupy:
            assert_same(hp.pairwise_hp(x, labels), hp.pairwise_hp(cupy.asarray(x), labels))
        assert len(released) == times


def test_tiles_become_smaller_before_memory_is_too_little(monkeypatch):
    x, labels = sample((90, 85), 40, 5, "normal")
    monkeypatch.setattr(tables, "_ASIDE", 0)
    monkeypatch.setattr(tiles, "_SMALLEST", 16)
    used = []
    size = tiles._tile_size
    monkeypatch.setattr(tiles, "_tile_size", lambda *a: used.append(size(*a)) or used[-1])
    with stand_in() as cupy:
        for limit in (93_000, 105_000):
            assert_same(hp.pairwise_hp(x, labels), hp.pairwise_hp(cupy.asarray(x), labels, max_memory=limit))
    assert used
    assert set(used) == {16, 32}


def test_a_device_that_gives_nothing_is_an_error_that_says_what_was_needed(tight):
    x, labels = sample((30, 41), 50, 4, "normal")
    with stand_in(largest=3000) as cupy, pytest.raises(ValueError, match=r"need about .* room for .*; [\d,]+ are free"):
        hp.pairwise_hp(cupy.asarray(x), labels)


@pytest.mark.parametrize("team", [32, 64])
@pytest.mark.parametrize("kind", ["normal", "near ties"])
def test_pairs_of_more_points_than_threads_are_counted(team, kind, monkeypatch):
    x, labels = sample((80, 190, 20), 40, 6, kind)
    monkeypatch.setattr(trees, "_TEAMS", {})
    monkeypatch.setattr(trees, "_LARGEST_TEAM", team)
    with stand_in() as cupy:
        assert_same(hp.pairwise_hp(x, labels), hp.pairwise_hp(cupy.asarray(x), labels))


@pytest.mark.parametrize(("kept", "given_back"), [(10**6, False), (2 * 10**9, True)])
def test_what_the_pool_keeps_is_given_back_if_it_is_much(kept, given_back):
    x, labels = sample((30, 41), 50, 4, "normal")
    with stand_in(free=4 * 10**9, kept=kept) as cupy:
        hp.pairwise_hp(cupy.asarray(x), labels)
        assert (cupy.get_default_memory_pool().free_bytes() == 0) == given_back


# ---- what is said


def test_ties_are_left_to_the_host_and_the_log_says_so(caplog):
    x, labels = sample((12, 9, 8), 3, 1, "grid")
    with stand_in() as cupy, caplog.at_level(logging.INFO, "hpfunc"):
        hp.pairwise_hp(cupy.asarray(x), labels)
    assert "3 pairs have distances that tie" in caplog.text


def test_what_float32_leaves_in_doubt_is_measured_in_float64_on_the_device(caplog):
    x, labels = sample((40, 50), 40, 1, "normal", np.float64)
    x = (np.round(x * 2**12) / 2**12 + 1000 * (np.arange(len(x)) % 2)[:, None]).astype(np.float32)
    with stand_in() as cupy, caplog.at_level(logging.INFO, "hpfunc"):
        there = hp.pairwise_hp(cupy.asarray(x), labels)
    assert "too much in doubt for float32" in caplog.text
    assert "again in float64" in caplog.text
    assert_same(hp.pairwise_hp(x, labels), there)


def test_progress_counts_every_pair_once(tight):
    x, _ = sample((30, 41, 20, 35), 50, 4, "copies")
    done: list[int] = []
    with stand_in() as cupy:
        starts = np.array([0, 30, 71, 91, 126])
        numbers = np.stack(np.triu_indices(4, 1), axis=1)
        pairs.cross_edges(
            cupy.asarray(x),
            starts,
            numbers,
            metric="euclidean",
            exact=True,
            max_memory=60_000,
            count_on_host=cross_edges,
            advance=done.append,
        )
    assert sum(done) == 6


def test_progress_counts_what_the_host_does_too():
    x, _ = sample((12, 9, 8), 3, 1, "grid")
    done: list[int] = []
    with stand_in() as cupy:
        numbers = np.array([[0, 1], [0, 2], [1, 2]])
        starts = np.array([0, 12, 21, 29])
        pairs.cross_edges(
            cupy.asarray(x),
            starts,
            numbers,
            metric="euclidean",
            exact=True,
            max_memory=None,
            count_on_host=cross_edges,
            advance=done.append,
        )
    assert sum(done) == 3


def test_tiles_without_exactness_are_a_tree_of_the_working_precision(tight):
    x, labels = sample((90, 85), 40, 5, "grid")
    with stand_in() as cupy:
        there = hp.pairwise_hp(cupy.asarray(x), labels, max_memory=100_000, exact=False)
    here = hp.pairwise_hp(x, labels)
    assert there.cross_edges_max.isnull().all()
    assert (here.cross_edges_min <= there.cross_edges).all()
    assert (there.cross_edges <= here.cross_edges_max).all()


@pytest.mark.parametrize("options", [{"graph": "knn", "k": 3}, {"k": 2}])
def test_graphs_that_are_not_built_there_are_an_error_that_says_what_to_do(options):
    x, labels = sample((12, 9), 3, 1, "normal")
    with stand_in() as cupy, pytest.raises(TypeError, match=r"pass a host copy"):
        hp.pairwise_hp(cupy.asarray(x), labels, **options)


def test_points_on_two_devices_are_an_error():
    x, _ = sample((12, 9), 3, 1, "normal")
    with stand_in() as cupy, pytest.raises(TypeError, match="not on the same device"):
        hp.hp_statistic(cupy.asarray(x[:12]), x[12:])


# ---- single clouds


@pytest.mark.parametrize("n", [1, 2, 3, 31, 33, 128, 129, 150])
@pytest.mark.parametrize("kind", ["normal", "grid", "equal"])
def test_the_tree_of_one_cloud(n, kind):
    x, _ = sample((n,), 40, n, kind)
    expected = hp.euclidean_mst(x)
    with stand_in() as cupy:
        there = hp.euclidean_mst(cupy.asarray(x))
    np.testing.assert_array_equal(there.source, expected.source)
    np.testing.assert_array_equal(there.target, expected.target)
    np.testing.assert_allclose(there.weight, expected.weight, rtol=1e-14)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("d", [10, 40])
def test_the_tree_of_a_softmax_layer_with_denormals(d, metric):
    x, labels = softmax((30, 40, 20), d, 1, 30)
    assert share_of_denormals(x) > 0.02
    with stand_in() as cupy:
        there = hp.euclidean_mst(cupy.asarray(x), metric=metric)
        assert_same(
            hp.multiclass_hp(x, labels, metric=metric), hp.multiclass_hp(cupy.asarray(x), labels, metric=metric)
        )
    expected = hp.euclidean_mst(x, metric=metric)
    np.testing.assert_array_equal(there.source, expected.source)
    np.testing.assert_array_equal(there.target, expected.target)


@pytest.mark.parametrize("n", [2, 3, 65, 150])
def test_a_cloud_is_searched_by_rounds_of_the_whole_device(n, caplog):
    """Prim's algorithm would take a step for each point in one block of threads."""
    x, _ = sample((n,), 40, 1, "normal")
    with stand_in() as cupy, caplog.at_level(logging.INFO, "hpfunc"):
        there = cupy.asarray(x)
        before = dataclasses.replace(counts)
        hp.euclidean_mst(there)
        spent = {name: value - getattr(before, name) for name, value in vars(counts).items()}
    assert not caplog.records  # neither float64 nor the host was needed
    # The table takes six, the forest one and each round five; the weights one.
    assert spent["launches"] == 6 + 1 + 5 * int(np.ceil(np.log2(n))) + 1
    assert spent["waits"] <= 5  # finite, largest twice, edges, weights


def test_a_cloud_with_too_much_in_doubt_is_searched_again_in_float64(caplog, monkeypatch):
    x, _ = sample((60,), 40, 1, "normal", np.float64)
    x = (np.round(x * 2**12) / 2**12 + 1000 * (np.arange(60) % 2)[:, None]).astype(np.float32)
    dtypes, grown = [], cloud._grown
    monkeypatch.setattr(cloud, "_grown", lambda x, dtype, *rest: dtypes.append(dtype) or grown(x, dtype, *rest))
    with stand_in() as cupy, caplog.at_level(logging.INFO, "hpfunc"):
        there = hp.euclidean_mst(cupy.asarray(x))
    assert dtypes == [np.float32, np.float64]
    assert not caplog.records
    expected = hp.euclidean_mst(x)
    np.testing.assert_array_equal(there.source, expected.source)
    np.testing.assert_array_equal(there.target, expected.target)


@pytest.mark.parametrize("kind", KINDS)
def test_a_tree_of_the_working_precision_has_no_circle_where_distances_tie(kind):
    x, _ = sample((70,), 3, 1, kind)
    with stand_in() as cupy:
        tree = hp.euclidean_mst(cupy.asarray(x), exact=False)
    parent = np.arange(70)
    for source, target in zip(tree.source.values, tree.target.values, strict=True):
        assert parent[source] != parent[target]
        parent[parent == parent[source]] = parent[target]
    # Thin points are measured in float64, so that the tree is one of the shortest.
    assert float(tree.weight.sum()) == pytest.approx(float(hp.euclidean_mst(x).weight.sum()), rel=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sizes", [(1, 1), (1, 2), (20, 13), (33, 31, 36)])
def test_few_large_pairs_are_counted_one_after_the_other(sizes, kind, monkeypatch):
    x, labels = sample(sizes, 40, 3, kind)
    monkeypatch.setattr(pairs, "_PLACES_PER_TREE", 1)
    monkeypatch.setattr(pairs, "grow_pairs", None)
    with stand_in() as cupy:
        assert_same(hp.pairwise_hp(x, labels), hp.pairwise_hp(cupy.asarray(x), labels))


def test_a_pair_of_as_many_points_as_rounds_are_worth_is_counted_by_itself(monkeypatch):
    x, labels = sample((260, 252), 2, 3, "normal")
    monkeypatch.setattr(pairs, "grow_pairs", None)
    with stand_in() as cupy:
        assert_same(hp.pairwise_hp(x, labels), hp.pairwise_hp(cupy.asarray(x), labels))


def test_the_tree_of_a_cloud_too_large_for_its_distances(tight):
    x, _ = sample((150,), 40, 1, "normal")
    expected = hp.euclidean_mst(x)
    with stand_in() as cupy:
        there = hp.euclidean_mst(cupy.asarray(x), max_memory=90_000)
        full = hp.euclidean_mst(cupy.asarray(x), exact=False)
    np.testing.assert_array_equal(there.source, expected.source)
    np.testing.assert_array_equal(there.target, expected.target)
    assert float(full.weight.sum()) == pytest.approx(float(expected.weight.sum()))


@pytest.mark.parametrize("kind", ["normal", "grid"])
def test_one_tree_over_all_classes(kind):
    x, labels = sample((30, 40, 20), 50, 2, kind)
    with stand_in() as cupy:
        assert_same(hp.multiclass_hp(x, labels), hp.multiclass_hp(cupy.asarray(x), labels))
