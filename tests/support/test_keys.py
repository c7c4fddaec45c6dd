"""Keys, and the generators that they give."""

import numpy as np
import pytest

from hpfunc._support.keys import check_key, generator


def test_keys():
    assert check_key(3) == (3,)
    assert check_key((3, np.int64(4))) == (3, 4)
    for bad in (None, 1.0, True, (), "a", (1, "a")):
        with pytest.raises(TypeError, match="key"):
            check_key(bad)
    with pytest.raises(ValueError, match="negative"):
        check_key(-1)


def test_generators_depend_on_key_and_names_only():
    def draw(*args):
        return generator(*args).integers(2**62)

    assert draw(1, "a") == draw(1, "a") == draw((1,), "a")
    different = [
        draw(*a) for a in ((1,), (2,), ((1, 2),), (1, "a"), (1, "b"), (1, "a", "b"), (1, "ab"), (1, 3), (1, "3"))
    ]
    assert len(set(different)) == len(different)
