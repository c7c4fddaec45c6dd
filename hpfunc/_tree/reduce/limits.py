"""Relate the true weights of edges to their reduced distances."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from hpfunc._arrays.types import Floats, Ints
from hpfunc._tree.reduce.direct import bound_by_differences
from hpfunc._tree.threads import StageClock, timed

__all__ = ["Reduction"]

# Entries of a product in float64 that take as long as one direct difference.
_ENTRIES_FOR_EDGE = 20


class Reduction(NamedTuple):
    """Bound true distances where a table holds those of reduced points."""

    x: Any  # (N, d) the points themselves
    slack: float  # see `coordinates.ReducedPoints`
    clock: StageClock | None = None

    def limits(self, weights: Floats) -> Floats:
        """Return the largest squared reduced distance that an edge of at most this true weight may have."""
        # A weight in float64 differs from the squared distance by at most d + 2 units of its last place.
        unit64 = float(np.finfo(np.float64).eps) / 2
        lengths = np.sqrt(np.maximum(weights, 0)) * (1 + (self.x.shape[1] + 8) * unit64) + 2 * self.slack
        return np.asarray(lengths**2 * (1 + 8 * unit64))

    @staticmethod
    def most_edges(n_entries: int, n_points: int) -> int:
        """Return how many edges are measured one by one in less time than a float64 product of all entries takes."""
        return n_entries // _ENTRIES_FOR_EDGE + 8 * n_points

    def bounds(self, sources: Ints, targets: Ints) -> tuple[Floats, Floats]:
        """Bound the true weights of some edges, given as rows."""
        with timed(self.clock, "exact distances"):
            return bound_by_differences(self.x, sources, targets)
