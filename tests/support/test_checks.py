"""Options are checked in one way, and may be Python's or NumPy's own."""

import numpy as np
import pytest
import torch

from hpfunc._support.checks import check_count, check_flag, check_option


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3), np.array(3), torch.tensor(3)])
def test_counts_of_every_kind_become_int(value):
    assert check_count("k", value) == 3
    assert type(check_count("k", value)) is int


@pytest.mark.parametrize("value", [3.0, "3", None, True, np.True_, np.float64(3), np.array([3, 4])])
def test_what_is_no_count_is_refused(value):
    with pytest.raises(TypeError, match=r"k=.* pass an integer of 1 or more"):
        check_count("k", value)


@pytest.mark.parametrize("value", [0, -1, np.int8(-1)])
def test_counts_are_positive(value):
    with pytest.raises(ValueError, match=r"k=.* is not positive; pass some trees"):
        check_count("k", value, "some trees")


def test_flags():
    assert check_flag("exact", np.False_) is False
    assert check_flag("exact", True) is True
    for value in (1, None, "yes"):
        with pytest.raises(TypeError, match="exact="):
            check_flag("exact", value)


def test_options_are_among_their_words():
    check_option("metric", "cosine", ("euclidean", "cosine"))
    check_option("metric", np.str_("cosine"), ("euclidean", "cosine"))
    for value in ("cos", None, 3, np.array(["cosine", "x"]), ["cosine"]):
        with pytest.raises(ValueError, match="is not known; choose one of 'euclidean', 'cosine'"):
            check_option("metric", value, ("euclidean", "cosine"))
