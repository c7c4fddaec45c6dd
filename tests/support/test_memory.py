"""The memory that the work may take."""

import numpy as np
import pytest

from hpfunc._support.memory import free_bytes, max_bytes


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
