"""Bound the distances within and between the classes of a layer from below, for graphs that need their lightest edges.

A bound is by products of all features, or of the coordinates of a reduction. It lies strictly below the distance that
`exact.squared_distances` gives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from hpfunc._arrays.types import Array, Bools, Floats, Ints, ParallelMap
from hpfunc._tree.choose_reduction import MOST_DIRECTIONS, bytes_for_directions, choose_directions
from hpfunc._tree.distances import CentredPoints, block_bounds, centre, fill_class_bounds, prepare
from hpfunc._tree.exact import THIN, rank_rows
from hpfunc._tree.mst.prim import round_up
from hpfunc._tree.reduce.coordinates import reduce_points
from hpfunc._tree.reduce.limits import Reduction
from hpfunc._tree.rounding import TERMS
from hpfunc._tree.threads import Scratch, n_threads

__all__ = ["LayerBounds", "bytes_for_layer_bounds", "find_layer_bounds"]


class LayerBounds(NamedTuple):
    """Hold the points of a layer, and what bounds their distances."""

    x: Any  # (N, d)
    starts: Ints  # (K + 1,) rows of class k are starts[k]:starts[k + 1]
    copies: Ints  # (N,) how many samples of the class equal each point
    rank: Ints  # (N,) place of each point in the canonical order of all, the same for equal points
    centred: CentredPoints  # the points, or their reduced coordinates
    centred_between: CentredPoints  # the same for distances between classes
    reduction: Reduction | None
    residuals: Array | None  # (N,) length of each point outside the directions of the reduction

    def rows(self, k: int) -> slice:
        """Return the rows of a class."""
        return slice(int(self.starts[k]), int(self.starts[k + 1]))

    def limits(self, weights: Floats) -> Array:
        """Return the largest bound that a distance of at most this weight may have."""
        limits = weights if self.reduction is None else self.reduction.limits(weights)
        return round_up(limits, self.centred.dtype)

    def within(self, k: int, scratch: Scratch) -> Array:
        """Compute the bounds within a class of n points: ``(n, n)``, in ``scratch``."""
        n = int(self.starts[k + 1] - self.starts[k])
        table = scratch("within", (n, n), self.centred.dtype)
        fill_class_bounds(self.centred, k, table, scratch)
        return table

    def estimates(self, k: int, bounds: Array, scratch: Scratch) -> Array:
        """Estimate the distances within a class from their bounds: ``(n, n)``, in ``scratch``, or the bounds."""
        if self.residuals is None:
            return bounds
        # Outside the directions of the reduction, points lie at right angles rather than in line.
        residuals = self.residuals[self.rows(k)]
        estimates = np.multiply(2 * residuals[:, None], residuals, out=scratch("estimates", bounds.shape, bounds.dtype))
        estimates += bounds
        return np.asarray(estimates)

    def between(self, class_a: int, classes_b: Ints, scratch: Scratch) -> Array:
        """Compute the bounds between a class of m points and c others of at most n points.

        Returns
        -------
        (m, c, n) array
            In ``scratch``; infinite past the end of a class of less than n points.
        """
        sizes = np.diff(self.starts)
        n = int(sizes[classes_b].max())
        block = block_bounds(self.centred_between, np.array([class_a]), classes_b, int(sizes[class_a]), n, scratch)
        return np.asarray(block[0])

    def may_weigh(self, edges: Ints, limits: Callable[[], Floats]) -> Bools:
        """Tell which edges, rows ``(E, 2)``, may weigh no more than their limits: all of them without a reduction."""
        if self.reduction is None:
            return np.ones(len(edges), bool)
        return np.asarray(self.reduction.bounds(edges[:, 0], edges[:, 1])[0] <= limits())


def find_layer_bounds(
    x: Any, starts: Ints, pairs: Ints, *, merge: bool, may_reduce: bool, parallel_map: ParallelMap
) -> LayerBounds:
    """Prepare the points of a layer for the bounds of their distances.

    Parameters
    ----------
    x, starts, pairs, parallel_map
        As in `choose_directions`.
    merge : bool
        Whether to keep only one of several equal points of a class.
    may_reduce : bool
        Whether there is memory for a reduction.
    """
    rank, copies = rank_rows(x, np.arange(len(x))), np.ones(len(x), np.intp)
    if merge:
        class_of_row = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        _, first, count = np.unique(class_of_row * len(x) + rank, return_index=True, return_counts=True)
        if len(first) < len(x):
            order = np.argsort(first)
            kept, copies = first[order], count[order]
            x, rank, starts = x[kept], rank[kept], np.searchsorted(kept, starts)
    basis = choose_directions(x, starts, pairs, parallel_map) if may_reduce else None
    reduced = None if basis is None else reduce_points(x, basis, parallel_map)
    if reduced is not None:
        centred = centre(reduced.points, starts, reduced.points.dtype, parallel_map)
        reduction, residuals = Reduction(x, reduced.slack), reduced.points[:, -1].copy()
        return LayerBounds(x, starts, copies, rank, centred, centred, reduction, residuals)
    centred = between = prepare(x, starts, parallel_map)
    if centred.relative and centred.dtype == np.float32:
        # Between classes, products leave little undecided and are faster than differences.
        between = centre(x, starts, centred.dtype, parallel_map)
    return LayerBounds(x, starts, copies, rank, centred, between, None, None)


def bytes_for_layer_bounds(x: Any, starts: Ints, *, reduced: bool) -> int:
    """Estimate the bytes of `find_layer_bounds`, of one table for each thread, and of a copy without equal points."""
    n, d, largest = len(x), x.shape[1], float(np.diff(starts).max())
    width = MOST_DIRECTIONS + 1 if reduced else d
    itemsize, exact = (4, 8) if d <= THIN else (4 if reduced or x.dtype.itemsize < 8 else 8, 0)
    sums = 1 if width > TERMS else 0
    points = n * width * (itemsize + exact) + 8.0 * (len(starts) - 1) * (n + 3 * width) + 100 * n
    tables = n_threads() * largest**2 * ((2 + sums) * itemsize + exact + 3)
    wide = n_threads() * min(8e6, 8.0 * n * d) + min(20e6, 40.0 * n * d)
    return int(points + tables + wide + (bytes_for_directions(d) if reduced else 0) + x.nbytes)
