"""``max_memory`` is kept, or refused at the start with the bytes that are needed."""

from __future__ import annotations

import re

import numpy as np
import pytest

import hpfunc as hp
from benchmarks.promises_memory import FLOOR, SHAPES, SLACK, measure
from hpfunc._tree.memory import check_bytes


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_a_call_uses_what_it_was_allowed(shape):
    use = measure(shape)
    assert use.used <= SLACK * use.asked + FLOOR, f"asked {use.asked:,}, used {use.used:,}"
    assert use.kept


CALLS = {
    "pairs": lambda x, y, **options: hp.pairwise_hp(x, y, **options),
    "random order": lambda x, y, **options: hp.pairwise_hp(x[::-1], y[::-1], **options),
    "cosine": lambda x, y, **options: hp.pairwise_hp(x, y, metric="cosine", **options),
    "neighbours": lambda x, y, **options: hp.pairwise_hp(x, y, graph="knn", k=2, **options),
    "orthogonal trees": lambda x, y, **options: hp.pairwise_hp(x, y, k=2, **options),
    "two samples": lambda x, y, **options: hp.hp_statistic(x[y == 0], x[y == 1], **options),
    "one tree": lambda x, y, **options: hp.euclidean_mst(x, **options),
    "all classes": lambda x, y, **options: hp.multiclass_hp(x, y, **options),
}


def bytes_named(error):
    """Read the bytes that a refusal says are needed."""
    message = str(error)
    named = re.search(r"needs about ([\d,]+) bytes to work in, more than max_memory allows", message)
    assert named, message
    return int(named[1].replace(",", ""))


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("d", [3, 50])
def test_too_little_memory_is_refused_and_the_bytes_that_are_named_are_enough(call, d):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(120, d)).astype(np.float32), np.repeat([0, 1, 2], 40)
    asked, expected = 1, CALLS[call](x, y)
    for _ in range(4):
        try:
            found = CALLS[call](x, y, max_memory=asked)
            break
        except ValueError as error:
            asked, before = bytes_named(error), asked
            found = None if asked > before else pytest.fail(str(error))
    assert found.equals(expected)
    # A small job is not refused for memory that it does not need.
    assert 1000 < asked < 5_000_000


def test_a_refusal_names_what_needs_how_much():
    with pytest.raises(ValueError, match=r"a table needs about 2,000 bytes .* allows \(1,999\); raise max_memory"):
        check_bytes(2000, 1999, "a table")
    check_bytes(2000, 2000, "a table")
