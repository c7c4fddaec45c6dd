"""Folds that share their distances: every bit is that of each fold counted alone, and memory is kept."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hpfunc._measure.pairs import measure_folds, measure_pairs
from hpfunc._tree import GraphOptions, count_folds
from hpfunc._tree.folds import count_folds as count_folds_module

KINDS = {
    "normal": lambda rng, n, d: rng.normal(size=(n, d)),
    "rectified": lambda rng, n, d: np.maximum(rng.normal(size=(n, d)) - 1, 0),
    "grid": lambda rng, n, d: rng.integers(0, 3, (n, min(d, 4))),
    "copies": lambda rng, n, d: rng.normal(size=(n, d))[rng.integers(0, n // 2 + 1, n)],
    "one point": lambda rng, n, d: np.ones((n, d)),
    "tight": lambda rng, n, d: 1 + 1e-6 * rng.normal(size=(n, d)) + 1000 * (np.arange(n) == 0)[:, None],
}


def folds_alone(x, starts, fold, pairs, options):
    """Measure every fold by itself, as a layer of its own: the variables of each, fold after fold."""
    n_classes = len(starts) - 1
    label = np.repeat(np.arange(n_classes), np.diff(starts))
    for row in fold:
        for f in range(fold.max() + 1):
            begin = np.append(0, np.cumsum(np.bincount(label[row == f], minlength=n_classes)))
            yield measure_pairs(x[row == f], begin, pairs, options, where="layer", name=str)


def check(x, starts, fold, pairs, options):
    """Compare folds that share their distances with folds alone, bit for bit."""
    assert count_folds(x, starts, pairs, fold, options) is not None
    found = measure_folds(x, starts, pairs, fold, options, where="layer", name=str)
    for place, expected in enumerate(folds_alone(x, starts, fold, pairs, options)):
        for name, values in expected.items():
            mine = found[name][divmod(place, int(fold.max()) + 1)]
            # HP of folds is not clipped.
            np.testing.assert_array_equal(np.clip(mine, 0, 1) if name == "hp" else mine, values, name)


@settings(max_examples=15, deadline=None)
@example(kind="rectified", d=3, dtype="f8", metric="euclidean", seed=1, even=False)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    d=st.sampled_from([1, 3, 40, 2100]),
    dtype=st.sampled_from(["f2", "f4", "f8"]),
    metric=st.sampled_from(["euclidean", "cosine"]),
    seed=st.integers(0, 2**32),
    even=st.booleans(),
)
@pytest.mark.filterwarnings("ignore:.*distances are tied")
def test_shared_distances_give_the_bits_of_each_fold_alone(kind, d, dtype, metric, seed, *, even):
    rng = np.random.default_rng(seed)
    sizes, n_folds, n_repeats = rng.integers(6, 30, rng.integers(2, 5)), int(rng.integers(2, 4)), rng.integers(2, 4)
    x = KINDS[kind](rng, int(sizes.sum()), d).astype(dtype)
    if metric == "cosine":
        x += x.dtype.type(2)

    def part(n):
        order = rng.permutation(n)
        return order % n_folds if even else np.minimum(order // 2, n_folds - 1)

    fold = np.array([np.concatenate([part(n) for n in sizes]) for _ in range(n_repeats)])
    pairs = rng.permutation(np.array(np.triu_indices(len(sizes), 1)).T)
    check(x, np.append(0, np.cumsum(sizes)), fold, pairs[: rng.integers(1, 7)], GraphOptions(metric))


def test_many_points_of_classes_of_unequal_size():
    # Several blocks and batches, several tables of parts, and float32 that decides little.
    rng, sizes = np.random.default_rng(0), np.array([150, 700, 160])
    x = np.maximum(rng.normal(size=(sizes.sum(), 40)) - 0.8, 0).astype(np.float32)
    starts, pairs = np.append(0, np.cumsum(sizes)), np.array([[0, 1], [0, 2], [1, 2]])
    fold = np.array([np.concatenate([rng.permutation(n) % 3 for n in sizes]) for _ in range(2)])
    check(x, starts, fold, pairs, GraphOptions())


@pytest.mark.parametrize(
    ("n_repeats", "options"),
    [
        (1, GraphOptions()),
        (4, GraphOptions(k=2)),
        (4, GraphOptions(graph="knn", k=2)),
        (4, GraphOptions(exact=False)),
        (4, GraphOptions(max_memory=10_000)),
        (4, GraphOptions("cosine", max_memory=1000)),
    ],
)
def test_folds_are_counted_one_by_one_where_sharing_does_not_pay_or_fit(n_repeats, options):
    rng = np.random.default_rng(0)
    fold = np.array([np.tile(rng.permutation(8) % 4, 10) for _ in range(n_repeats)])
    x, pairs = rng.normal(size=(80, 4)), np.array([[0, 1]])
    assert count_folds(x, np.array([0, 40, 80]), pairs, fold, options) is None


@pytest.mark.parametrize(("n_classes", "n", "d", "dtype"), [(5, 120, 60, "f4"), (2, 400, 5, "f8"), (20, 20, 8, "f4")])
def test_sharing_takes_no_more_memory_than_was_estimated(n_classes, n, d, dtype, monkeypatch):
    rng, estimates = np.random.default_rng(0), []
    original = count_folds_module._bytes_for_folds
    monkeypatch.setattr(
        count_folds_module, "_bytes_for_folds", lambda *args: (estimates.append(original(*args)), estimates[-1])[1]
    )
    x, starts = rng.normal(size=(n_classes * n, d)).astype(dtype), np.arange(n_classes + 1) * n
    fold = np.array([np.concatenate([rng.permutation(n) % 4 for _ in range(n_classes)]) for _ in range(4)])
    pairs = np.array(np.triu_indices(n_classes, 1)).T
    count_folds(x, starts, pairs, fold, GraphOptions())
    tracemalloc.start()
    try:
        free = count_folds(x, starts, pairs, fold, GraphOptions())
        used = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert used <= estimates[-1]
    assert count_folds(x, starts, pairs, fold, GraphOptions(max_memory=estimates[-1] - 1)) is None
    # Thin points are copied to be scaled.
    kept = count_folds(x, starts, pairs, fold, GraphOptions(max_memory=estimates[-1] + x.nbytes))
    for mine, expected in zip(kept.cross, free.cross, strict=True):
        np.testing.assert_array_equal(mine, expected)
