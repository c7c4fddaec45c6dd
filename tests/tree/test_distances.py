"""Blocks of distances: their bounds hold, and are not idle."""

from __future__ import annotations

import numpy as np

from hpfunc._tree.distances import block_bounds, centre
from hpfunc._tree.threads import Scratch
from tests.oracles import direct_squared


def test_error_bound_holds_and_is_not_idle():
    rng = np.random.default_rng(5)
    for d, scale in ((1, 1), (64, 1e-3), (700, 1), (5000, 30)):
        starts = np.array([0, 20, 33, 60])
        middles = np.repeat(rng.normal(size=(3, d)) * scale, np.diff(starts), axis=0)
        x = (rng.gamma(1.0, size=(60, d)) + middles).astype(np.float32)
        for dtype in (np.float32, np.float64):
            centred = centre(x, starts, np.dtype(dtype))
            lower = block_bounds(centred, np.arange(3), np.arange(3), 27, 27, Scratch())
            assert lower.shape == (3, 27, 3, 27)
            exact = direct_squared(x)
            for a in range(3):
                for b in range(3):
                    rows, cols = slice(*starts[a : a + 2]), slice(*starts[b : b + 2])
                    part = lower[a, : starts[a + 1] - starts[a], b, : starts[b + 1] - starts[b]]
                    excess = exact[rows, cols] - part
                    assert (excess > 0).all()
                    assert (excess < 2 * centred.error[a, b]).all()
                    assert centred.error[a, b] < 1e-3 * exact[rows, cols].max()
                    assert np.isinf(lower[a, starts[a + 1] - starts[a] :, b]).all()
