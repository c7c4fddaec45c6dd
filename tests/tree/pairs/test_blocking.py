"""Groups and blocks: every wanted pair lies in one block, and classes that are never paired share none if large."""

from __future__ import annotations

import numpy as np
import pytest

from hpfunc._tree.pairs.blocking import block_pairs, divide_classes


def folds_of_pairs(n_folds, n_classes):
    within = np.stack(np.triu_indices(n_classes, 1), axis=1)
    return np.concatenate([within + f * n_classes for f in range(n_folds)])


@pytest.mark.parametrize(("n", "together"), [(89, 1), (10, 6), (2, 20)])
def test_large_folds_have_groups_of_their_own_and_small_ones_share(n, together):
    pairs = folds_of_pairs(20, 4)
    groups = divide_classes(np.full(80, n), pairs, 100)
    folds = [set((group.classes // 4).tolist()) for group in groups]
    assert max(map(len, folds)) == together
    assert sorted(np.concatenate([group.classes for group in groups])) == list(range(80))


@pytest.mark.parametrize("seed", range(20))
def test_each_wanted_pair_lies_in_one_block(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 400, 30)
    pairs = np.stack(np.triu_indices(30, 1), axis=1)
    pairs = pairs[rng.random(len(pairs)) < rng.choice([0.02, 0.3, 1])]
    groups = divide_classes(sizes, pairs, 100)
    assert all(group.size == sizes[group.classes].max() for group in groups)
    number = np.concatenate([block.number for block in block_pairs(groups, pairs, 30)])
    assert sorted(number) == list(range(len(pairs)))
    for block in block_pairs(groups, pairs, 30):
        ends = np.stack([block.rows.classes[block.row_place], block.cols.classes[block.col_place]], axis=1)
        np.testing.assert_array_equal(np.sort(ends, axis=1), pairs[block.number])
