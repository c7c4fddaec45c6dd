"""Use only the leading coordinates of reduced points, as many as are worth their cost.

A point (y, rho) becomes (y_1, ..., y_r, |(y_(r+1), ..., rho)|). No two points come to lie farther apart: two lengths
differ by at most the distance of the vectors. So the bounds stay valid, and fewer coordinates only make them looser.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from hpfunc._arrays.types import Array, Floats, Ints
from hpfunc._tree.reduce.coordinates import ReducedPoints
from hpfunc._tree.reduce.direct import DIFFERENCE

__all__ = ["choose_leading", "leading", "pays_to_bound_again"]

# Numbers of leading coordinates that are tried, beside all.
_STEPS = (16, 24, 32, 40, 48, 64, 80, 96, 128, 192)
# Points whose edges are looked at to choose among them.
_TEST_POINTS = 64


def leading(reduced: ReducedPoints, r: int) -> ReducedPoints:
    """Keep the first r coordinates of each point, and the length of the others together with the residual."""
    if r + 1 >= reduced.points.shape[1]:
        return reduced
    others = reduced.points[:, r:]
    lengths = np.sqrt(np.einsum("ij,ij->i", others, others, dtype=np.float64))
    points = np.column_stack([reduced.points[:, :r], lengths.astype(np.float32)])
    return ReducedPoints(points, reduced.slack + float(np.finfo(np.float32).eps) * float(lengths.max()))


def choose_leading(reduced: ReducedPoints, vertices: Ints, limits: Floats, d: int) -> int | None:
    """Choose how many leading coordinates exclude edges of a cloud at the least cost, from all edges of a few points.

    None is returned where products of all features cost less.

    Parameters
    ----------
    reduced : ReducedPoints
    vertices : (n,) array
        In the Prim order of a light tree; see `mst.prim`.
    limits : (n,) array
        Its gaps, as limits of squared reduced distances.
    d : int
        Features of the points themselves.
    """
    n, r = len(vertices), reduced.points.shape[1] - 1
    places = np.unique(np.linspace(0, n - 1, min(n, _TEST_POINTS)).astype(np.intp))
    largest = np.empty((len(places), n), np.float32)
    for row, place in zip(largest, places.tolist(), strict=True):
        row[vertices[: place + 1]] = np.maximum.accumulate(np.append(0, limits[place:0:-1]))[::-1]
        row[vertices[place + 1 :]] = np.maximum.accumulate(limits[place + 1 :])
    steps = np.array([*(step for step in _STEPS if step < r), r])
    survivors = _count_survivors(reduced, vertices[places], largest, steps)
    measured = survivors * d
    if pays_to_bound_again(reduced, d):
        measured = survivors * (r + 1) + survivors[-1] * d
    # Each entry of a product and each edge serve two points.
    cost = n * steps + measured * DIFFERENCE
    return int(steps[np.argmin(cost)]) if cost.min() < n * d else None


def pays_to_bound_again(reduced: ReducedPoints, d: int) -> bool:
    """Tell whether edges are bounded by differences of all coordinates before differences of all d features."""
    return 2 * int(reduced.points.shape[1]) < d


def _count_survivors(reduced: ReducedPoints, rows: Ints, limits: Array, steps: Ints) -> Floats:
    """Count the points that leave some rows undecided in each of several numbers of leading coordinates.

    Parameters
    ----------
    reduced : ReducedPoints
        Of N points.
    rows : (s,) array
        Row numbers.
    limits : (s, N) array
        The largest squared reduced distance at which each point is undecided.
    steps : (R,) array
        Numbers of leading coordinates, rising.

    Returns
    -------
    (R,) array
        Mean number of points for each row; the row itself is not counted. Rounding errors are neglected.
    """
    points, counts = reduced.points, []
    total, head = np.einsum("ij,ij->i", points, points), np.zeros(len(points), np.float32)
    inner = np.zeros(limits.shape, np.float32)
    for lo, hi in pairwise([0, *steps.tolist()]):
        part = points[:, lo:hi]
        inner += part[rows] @ part.T
        head += np.einsum("ij,ij->i", part, part)
        rest = np.sqrt(np.maximum(total - head, 0))
        squared = head[rows, None] + head - 2 * inner + (rest[rows, None] - rest) ** 2
        counts.append(np.count_nonzero(squared <= limits) / len(rows) - 1)
    return np.array(counts)
