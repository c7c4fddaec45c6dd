"""``max_memory`` is kept, or refused at the start with the bytes that are needed."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import xarray as xr

import hpfunc as hp
from benchmarks.promises_memory import FLOOR, SHAPES, SLACK, measure
from hpfunc._tree import exact, memory, whole_tree
from hpfunc._tree.memory import SpareBytes, check_bytes
from hpfunc._tree.pairs import bytes_needed
from hpfunc._tree.pairs import count_pairs as count_pairs_module


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_a_call_uses_what_it_was_allowed(shape):
    use = measure(shape)
    assert use.used <= SLACK * use.asked + FLOOR, f"asked {use.asked:,}, used {use.used:,}"
    assert use.kept
    # Ties are known only when they are met; all other memory is known at the start.
    assert use.refused == 1 or (use.refused == 2 and ("one-hot" in shape or "outliers" in shape))


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


def bytes_named(error, phrase="needs about"):
    """Read the bytes that a refusal says are needed."""
    message = str(error)
    named = re.search(rf"{phrase} ([\d,]+) (bytes|if many distances tie)", message)
    assert named, message
    assert "more than max_memory allows" in message
    return int(named[1].replace(",", ""))


def refuse(call, x, y, phrase="needs about"):
    """Call with a single byte, and return the bytes that the refusal names."""
    with pytest.raises(ValueError, match="max_memory") as refused:
        call(x, y, max_memory=1)
    return bytes_named(refused.value, phrase)


def mapped(x, tmp_path):
    """Return the same points in a file that is mapped into memory."""
    np.save(tmp_path / "points.npy", x)
    return np.load(tmp_path / "points.npy", mmap_mode="r")


POINTS = {
    "thin": lambda x, tmp_path: x[:, :3],
    "wide": lambda x, tmp_path: x,
    "float64": lambda x, tmp_path: x.astype(np.float64),
    "integers": lambda x, tmp_path: (1000 * x).astype(np.int16),
    "not contiguous": lambda x, tmp_path: np.asfortranarray(x),
    "mapped": mapped,
    "xarray over a mapped file": lambda x, tmp_path: xr.DataArray(mapped(x, tmp_path), dims=("sample", "unit")),
}


# Calls that choose samples, and so copy them.
CHOOSING = {
    "folds": lambda x, y, **options: hp.pairwise_hp(x, y, folds=4, key=0, **options),
    "folds in random order": lambda x, y, **options: hp.pairwise_hp(x[::-1], y[::-1], folds=4, key=0, **options),
    "folds, neighbours": lambda x, y, **options: hp.pairwise_hp(x, y, folds=4, key=0, graph="knn", k=2, **options),
    "samples drawn": lambda x, y, **options: hp.pairwise_hp(x, y, samples_per_class=30, key=0, **options),
    "bridging samples": lambda x, y, **options: hp.bridging_samples(x, y, pair=(0, 2), **options),
}


@pytest.mark.parametrize("small", [32 * 2**20, 0], ids=["copies are small", "copies are large"])
@pytest.mark.parametrize("points", POINTS)
def test_too_little_memory_is_refused_once_and_the_bytes_that_are_named_are_enough(
    points, small, tmp_path, monkeypatch
):
    monkeypatch.setattr(memory, "_SMALL_COPY", small)
    rng = np.random.default_rng(0)
    x, y = POINTS[points](rng.normal(size=(120, 50)).astype(np.float32), tmp_path), np.repeat([0, 1, 2], 40)
    for name, call in (CALLS | CHOOSING).items():
        asked = refuse(call, x, y)
        assert call(x, y, max_memory=asked).equals(call(x, y)), name
        # A small job is not refused for memory that it does not need.
        assert 1000 < asked < 5_000_000


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_points_at_the_ends_of_the_range_are_copied_after_the_check(scale, monkeypatch):
    monkeypatch.setattr(memory, "_SMALL_COPY", 0)
    x, y = np.random.default_rng(0).normal(size=(120, 50)).astype(np.float32) * np.float32(scale), np.arange(120) // 60
    for call in CALLS.values():
        with monkeypatch.context() as patched:
            patched.setattr(exact, "scale", None)
            asked = refuse(call, x, y)
        assert call(x, y, max_memory=asked).equals(call(x, y))


@pytest.mark.filterwarnings("ignore:.*orthogonal trees")
def test_many_classes_are_refused_once():
    x, y = np.random.default_rng(0).normal(size=(40, 40)), np.arange(40) // 5
    for call in CALLS.values():
        assert call(x, y, max_memory=refuse(call, x, y)).equals(call(x, y))


TIED = {
    "one-hot": lambda: np.eye(150, 160, dtype=np.float32),
    "grid": lambda: np.random.default_rng(0).integers(1, 3, (150, 40)).astype(np.float32),
    "far outliers": lambda: np.append(np.random.default_rng(0).normal(size=(149, 50)) * 1e-6, np.ones((1, 50)), axis=0),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("points", TIED)
@pytest.mark.parametrize("tiles", [False, True])
def test_bytes_for_any_ties_are_enough(points, tiles, monkeypatch):
    monkeypatch.setattr(memory, "_ALLOWANCE", 0)
    x, y = TIED[points]().astype(np.float32), np.repeat([0, 1, 2], 50)
    expected = {name: call(x, y) for name, call in CALLS.items()}
    if tiles:
        monkeypatch.setattr(count_pairs_module, "bytes_for_blocks", lambda *args, **kwargs: 10**12)
        monkeypatch.setattr(bytes_needed, "bytes_for_blocks", lambda *args, **kwargs: 10**12)
        monkeypatch.setattr(whole_tree, "_bytes_for_whole_table", lambda *args: 10**12)
    for name in expected:
        call = CALLS[name]
        # What is enough without ties is enough, or the second refusal names what is enough for any.
        asked = refuse(call, x, y)
        try:
            found = call(x, y, max_memory=asked)
        except ValueError as error:
            enough = bytes_named(error)
            assert enough > asked
            # A refusal of copies takes the samples for distinct, which they need not be.
            assert enough <= refuse(call, x, y, "up to")
            assert enough == refuse(call, x, y, "up to") or name in ("random order", "cosine", "two samples")
            found = call(x, y, max_memory=asked + enough % 10**12 if tiles else enough)
        assert found.equals(expected[name]), name


def test_ties_of_the_classes_of_a_layer_share_what_is_left(monkeypatch):
    monkeypatch.setattr(memory, "_ALLOWANCE", 0)
    spare, lent, most = SpareBytes(1000, 200, 5000), [], []

    def work(_):
        with spare.for_ties(1, 10):
            lent.append(400)
            most.append(sum(lent))
            time.sleep(0.001)
            lent.remove(400)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(40)))
    assert max(most) <= 800
    assert spare.most_edges == 2
    with pytest.raises(ValueError, match=r"trees of 10 points .* needs about 5,000 bytes .* allows \(1,000\)"):
        spare.for_ties(3, 10).__enter__()
    with pytest.raises(ValueError, match="5,000 bytes"):
        spare.check(801, 10)
    spare.check(800, 10)


def test_a_refusal_names_what_needs_how_much():
    with pytest.raises(ValueError, match=r"a table needs about 2,000 bytes .* allows \(1,999\); raise max_memory"):
        check_bytes(2000, 1999, "a table")
    check_bytes(2000, 2000, "a table")
    with pytest.raises(ValueError, match=r"about 2,000 bytes to work in \(up to 9,000 if many distances tie\), more"):
        check_bytes(2000, 1999, "a table", 9000)
