"""What hypothesis draws: points with and without ties, and their classes."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp


@st.composite
def labelled_integers(draw, max_points=7, max_value=3, max_features=3):
    """Few points on a small grid, so that most distances tie and some points are equal; both classes are there."""
    n = draw(st.integers(2, max_points))
    d = draw(st.integers(1, max_features))
    points = draw(hnp.arrays(np.int64, (n, d), elements=st.integers(0, max_value)))
    m = draw(st.integers(1, n - 1))
    label = np.array(draw(st.permutations([0] * m + [1] * (n - m))))
    return points, label


@st.composite
def labelled_floats(draw, max_points=40, max_features=70):
    """Random points of one of several shapes, from easy to hard for floating point."""
    n = draw(st.integers(4, max_points))
    d = draw(st.integers(1, max_features))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    points = rng.normal(size=(n, d))
    label = rng.permutation(np.arange(n) % 2)
    shape = draw(st.sampled_from(["plain", "offset", "collapsed", "low rank", "scales", "grid", "copies"]))
    if shape == "offset":
        points += 1e6
    elif shape == "collapsed":
        points = points * 1e-4 + 10 * label[:, None]
    elif shape == "low rank":
        points = points[:, :1] * rng.normal(size=(1, d))
    elif shape == "scales":
        points *= 10.0 ** rng.integers(-4, 5, size=(n, 1))
    elif shape == "grid":
        points = np.round(points)
    elif shape == "copies":
        points = points[rng.integers(0, n // 2, n)]
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    return points.astype(dtype), label
