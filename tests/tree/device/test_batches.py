"""Batches of pairs: every pair once, no table too large, few tables where all pairs are asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpfunc._tree.device.batches import number_classes, split_pairs


def all_pairs(n_classes):
    return np.stack(np.triu_indices(n_classes, 1), axis=1)


def tables_of(pairs, sizes, batches):
    return [sizes[np.unique(pairs[batch])] for batch in batches]


@given(
    st.lists(st.integers(1, 30), min_size=2, max_size=12),
    st.integers(2, 400),
    st.integers(0, 2**32 - 1),
    st.floats(0.05, 1),
)
def test_every_pair_is_in_one_batch_and_no_table_is_too_large(sizes, most, seed, share):
    sizes, pairs = np.array(sizes), all_pairs(len(sizes))
    chosen = np.random.default_rng(seed).permutation(len(pairs))[: max(1, int(share * len(pairs)))]
    pairs = pairs[chosen]
    batches = split_pairs(pairs, sizes, lambda some: some.sum() <= most)
    np.testing.assert_array_equal(np.sort(np.concatenate(batches)), np.arange(len(pairs)))
    for batch, table in zip(batches, tables_of(pairs, sizes, batches), strict=True):
        assert table.sum() <= most or len(batch) == 1


def test_all_pairs_are_one_batch_where_they_fit():
    assert len(split_pairs(all_pairs(20), np.full(20, 50), lambda some: True)) == 1


@pytest.mark.parametrize("most", [600, 900])
def test_a_table_too_large_is_split_into_few(most):
    sizes, pairs = np.full(20, 50), all_pairs(20)
    batches = split_pairs(pairs, sizes, lambda some: some.sum() <= most)
    # Two groups of at least a quarter of what fits each.
    assert len(batches) <= (2 * 1000 / (most / 2)) ** 2 / 2
    assert sum(t.sum() ** 2 for t in tables_of(pairs, sizes, batches)) <= 2.5 * 1000**2


def test_a_class_too_large_for_any_table_leaves_the_others_together():
    sizes = np.array([50] * 10 + [5000])
    pairs = all_pairs(11)
    batches = split_pairs(pairs, sizes, lambda some: some.sum() <= 600)
    assert len(batches) == 11
    assert max(len(batch) for batch in batches) == 45


def test_few_pairs_of_many_classes_do_not_fill_a_table_of_all():
    pairs = np.stack([np.zeros(999, np.intp), np.arange(1, 1000)], axis=1)
    sizes = np.full(1000, 50)
    batches = split_pairs(pairs, sizes, lambda some: True)
    assert sum(float(t.sum()) ** 2 for t in tables_of(pairs, sizes, batches)) < 0.2 * 50_000.0**2


def test_classes_are_numbered_in_their_order():
    classes, numbered = number_classes(np.array([[7, 2], [2, 5]]), 9)
    np.testing.assert_array_equal(classes, [2, 5, 7])
    np.testing.assert_array_equal(numbered, [[2, 0], [0, 1]])
