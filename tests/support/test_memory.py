"""The memory that the work may take."""

import contextlib
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from hpfunc._support.memory import free_bytes, free_device_bytes, max_bytes, release_device_memory


def test_what_the_caller_allows_is_taken():
    assert max_bytes(10) == 10
    for allowed in (2e9, np.int64(2_000_000_000), np.float32(2e9), np.uint8(3)):
        found = max_bytes(allowed)
        assert type(found) is int
        assert found == int(allowed)


def test_the_default_is_half_of_what_is_free():
    assert 0 < max_bytes(None) < (free_bytes() or 2**50)


@pytest.mark.parametrize("bad", ["2GB", True, np.True_, 1j, np.array([1])])
def test_what_is_no_number_is_refused(bad):
    with pytest.raises(TypeError, match="max_memory"):
        max_bytes(bad)


@pytest.mark.parametrize("bad", [0, -1, float("inf"), float("nan"), np.int64(0)])
def test_what_is_not_positive_is_refused(bad):
    with pytest.raises(ValueError, match="max_memory"):
        max_bytes(bad)


def fake_torch(calls, *, available=True):
    cuda = SimpleNamespace(
        is_available=lambda: available,
        mem_get_info=lambda number: (calls.append(number) or 1000, 8000),
        memory_reserved=lambda number: 300,
        memory_allocated=lambda number: 100,
        empty_cache=lambda: calls.append("torch"),
    )
    return SimpleNamespace(cuda=cuda)


def fake_cupy(calls):
    pool = SimpleNamespace(free_bytes=lambda: 50, free_all_blocks=lambda: calls.append("cupy"))
    runtime = SimpleNamespace(memGetInfo=lambda: (1000, 8000))
    device = contextlib.contextmanager(lambda number: iter([calls.append(number)]))
    return SimpleNamespace(cuda=SimpleNamespace(Device=device, runtime=runtime), get_default_memory_pool=lambda: pool)


@pytest.mark.parametrize(
    ("with_torch", "with_cupy", "free"), [(True, True, 1250), (True, False, 1200), (False, True, 1050)]
)
def test_what_either_library_keeps_unused_counts_as_free(monkeypatch, with_torch, with_cupy, free):
    calls: list[object] = []
    monkeypatch.setitem(sys.modules, "torch", fake_torch(calls, available=with_torch))
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy(calls) if with_cupy else None)
    assert free_device_bytes(1) == free
    assert calls == [1] * (with_torch + with_cupy)


def test_both_libraries_are_asked_to_give_back_what_they_keep(monkeypatch):
    calls: list[object] = []
    monkeypatch.setitem(sys.modules, "torch", fake_torch(calls))
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy(calls))
    release_device_memory()
    assert calls == ["cupy", "torch"]
