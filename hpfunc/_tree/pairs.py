"""The minimum spanning trees of every pair of classes of one layer, and their cross edges.

Exact by construction: distances are approximated by one matrix product (`distances`), Prim's algorithm runs on all
pairs abreast and notes every edge that rounding leaves in doubt (`prim`), and those few are measured again by direct
differences in float64 (`resolve`). A pair with no edge in doubt has a unique tree, found for certain; a pair with
too many is done again in float64. So the counts do not depend on block size, batch or thread count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hpfunc._tree.distances import Centred, centre, fill_blocks, working_dtype
from hpfunc._tree.exact import equal_rows
from hpfunc._tree.prim import Forest, prim
from hpfunc._tree.resolve import CrossEdges, count_cross, doubtful_edges, solve

__all__ = ["Points", "Strip", "candidate_edges", "cross_edges", "distinct_points", "fill_strip"]

# Points of a block of the matrix product: enough for BLAS to run at full speed.
_BLOCK_POINTS = 1024
# Vertices of all graphs that Prim works on at a time: its state then stays in the second-level cache.
_ABREAST = 80_000


class Points(NamedTuple):
    """Distinct points, class by class."""

    x: Any  # (N, d)
    starts: npt.NDArray[np.intp]  # (K + 1,)
    copies: npt.NDArray[np.intp]  # (N,) how many samples of the class equal each point


class Strip(NamedTuple):
    """Blocks of distances for all pairs between two runs of classes."""

    table: npt.NDArray[Any]  # (rows, n)
    first_row: npt.NDArray[np.intp]  # (K, K) first row of the block from class a to class b, or -1


def distinct_points(x: Any, starts: npt.NDArray[np.intp]) -> Points:
    """Leave out samples that equal an earlier one of their class, and count them."""
    first = equal_rows(x, starts)
    counts = np.bincount(first, minlength=len(x))
    keep = np.flatnonzero(counts)
    if len(keep) == len(x):
        return Points(x, starts, counts)
    return Points(x[keep], np.searchsorted(keep, starts), counts[keep])


def cross_edges(
    x: Any,
    starts: npt.NDArray[np.intp],
    pairs: npt.NDArray[np.intp],
    *,
    exact: bool,
    budget: int,
    advance: Callable[[int], Any] = lambda n: None,
) -> tuple[CrossEdges, npt.NDArray[np.bool_]]:
    """Cross edges of the minimum spanning trees of pairs of classes.

    Parameters
    ----------
    x : (N, d) array
        Finite, its squares in the range of float64 (`exact.rescale`).
    starts : (K + 1,) array
        Rows ``starts[k]:starts[k + 1]`` are class k.
    pairs : (P, 2) array
        Class numbers, lower first.
    exact : bool
        Whether to settle what rounding leaves in doubt. If not, the tree of the working precision is counted, and
        the extremes are NaN.
    budget : int
        Bytes for distances.
    advance : callable
        Told the number of pairs done.

    Returns
    -------
    CrossEdges
        Of arrays ``(P,)``.
    numpy.ndarray
        ``(P,)``, the pairs that were done again in float64.
    """
    points = distinct_points(x, starts) if exact else Points(x, starts, np.ones(len(x), np.intp))
    centred = centre(points.x, points.starts, working_dtype(points.x))
    result = CrossEdges(*(np.full(len(pairs), np.nan) for _ in CrossEdges._fields))
    again = np.zeros(len(pairs), bool)
    for members, strip in _strips(centred, pairs, budget):
        for part in _batches(members, centred.n_max):
            counts, redone = _chunk(points, centred, strip, pairs[part], exact=exact)
            for field, values in zip(result, counts, strict=True):
                field[part] = values
            again[part] = redone
            advance(len(part))
    return result, again


def _strips(centred: Centred, pairs: npt.NDArray[np.intp], budget: int) -> Iterator[tuple[npt.NDArray[np.intp], Strip]]:
    """Pairs, and blocks of distances that serve them, in portions that fit the budget."""
    n_classes = len(centred.starts) - 1
    block = centred.n_max**2 * centred.points.dtype.itemsize
    if 4 * block > budget and len(pairs):
        raise ValueError(
            f"one pair of classes of {centred.n_max} samples needs {4 * block:,} bytes for its distances, more than "
            f"max_memory allows ({budget:,}); raise max_memory or take fewer samples of each class"
        )
    # A square of all classes needs K^2 blocks; between two runs of g classes 2 g^2 + 2 g are needed.
    run = n_classes
    if n_classes**2 * block > budget:
        run = max(1, int(np.sqrt(budget / block / 2 + 0.25) - 0.5))
    runs = [np.arange(lo, min(lo + run, n_classes)) for lo in range(0, n_classes, run)]
    for i, rows in enumerate(runs):
        for cols in runs[i:]:
            members = np.flatnonzero(np.isin(pairs[:, 0], rows) & np.isin(pairs[:, 1], cols))
            if members.size:
                yield members, fill_strip(centred, rows, cols)


def fill_strip(centred: Centred, rows: npt.NDArray[np.intp], cols: npt.NDArray[np.intp]) -> Strip:
    """Distances between the classes ``rows`` and ``cols``, both ways, and within each class."""
    n, n_classes = centred.n_max, len(centred.starts) - 1
    g, h = len(rows), len(cols)
    square = rows[0] == cols[0]
    index = np.full((n_classes, n_classes), -1, np.intp)
    if square:
        blocks = _blocks((g, g, n, n), centred)
        index[np.ix_(rows, rows)] = np.arange(g * g).reshape(g, g) * n
        step = max(1, _BLOCK_POINTS // n)
        for i in range(0, g, step):
            for j in range(i, g, step):
                one, other = slice(i, i + step), slice(j, j + step)
                mirror = blocks[other, one] if i < j else None
                fill_blocks(centred, rows[one], rows[other], blocks[one, other], mirror)
        return Strip(blocks.reshape(-1, n), index)
    blocks = _blocks((2 * g * h + g + h, n, n), centred)
    there, back, own = np.split(blocks, [g * h, 2 * g * h])
    there, back = there.reshape(g, h, n, n), back.reshape(h, g, n, n)
    index[np.ix_(rows, cols)] = np.arange(g * h).reshape(g, h) * n
    index[np.ix_(cols, rows)] = (g * h + np.arange(g * h).reshape(h, g)) * n
    both = np.concatenate([rows, cols])
    index[both, both] = (2 * g * h + np.arange(g + h)) * n
    step = max(1, _BLOCK_POINTS // n)
    for i in range(0, g, step):
        for j in range(0, h, step):
            one, other = slice(i, i + step), slice(j, j + step)
            fill_blocks(centred, rows[one], cols[other], there[one, other], back[other, one])
    for k, label in enumerate(both):
        fill_blocks(centred, both[k : k + 1], np.array([label]), own[k : k + 1, None], None)
    return Strip(blocks.reshape(-1, n), index)


def _blocks(shape: tuple[int, ...], centred: Centred) -> npt.NDArray[Any]:
    """Room for blocks of distances; infinite where classes are smaller than the largest, so never reached."""
    if (np.diff(centred.starts) == centred.n_max).all():
        return np.empty(shape, centred.points.dtype)
    return np.full(shape, np.inf, centred.points.dtype)


def _batches(members: npt.NDArray[np.intp], n: int) -> list[npt.NDArray[np.intp]]:
    """Pairs in portions that Prim works on abreast: as many as fit the cache."""
    size = max(1, _ABREAST // (2 * n))
    return np.split(members, range(size, len(members), size))


def _chunk(
    points: Points, centred: Centred, strip: Strip, pairs: npt.NDArray[np.intp], *, exact: bool
) -> tuple[CrossEdges, npt.NDArray[np.bool_]]:
    """Trees and cross edges of a portion of the pairs, those with doubts settled one by one."""
    n = centred.n_max
    forest = grow(centred, strip, pairs, exact=exact)
    counts = _count_all(forest, n)
    redone = np.zeros(len(pairs), bool)
    if not exact:
        counts.low[:] = counts.high[:] = np.nan
        return counts, redone
    repeated = np.maximum.reduceat(points.copies, points.starts[:-1])[pairs].max(axis=1) > 1
    unsure = np.zeros(len(pairs), bool)
    unsure[forest.doubt[:, 0]] = True
    for p in np.flatnonzero(unsure | repeated | forest.crowded):
        doubt = forest.doubt[forest.doubt[:, 0] == p, 1:]
        tree = np.stack([forest.child[p], forest.parent[p]], axis=1)
        edges = np.concatenate([tree[tree[:, 0] >= 0], doubt])
        # Positions in the padded numbering, to rows of the points.
        edges = points.starts[pairs[p][edges // n]] + edges % n
        if forest.crowded[p]:
            edges = candidate_edges(points, pairs[p])
            redone[p] = centred.points.dtype != np.float64
        for field, value in zip(counts, _settle(points, pairs[p], edges), strict=True):
            field[p] = value
    return counts, redone


def grow(centred: Centred, strip: Strip, graphs: npt.NDArray[np.intp], *, exact: bool) -> Forest:
    """One tree over the classes of each row of ``graphs``."""
    own = centred.error.diagonal()
    within = own[graphs].max(axis=1)
    across = np.maximum(centred.error[graphs[:, :, None], graphs[:, None, :]].max(axis=(1, 2)), within)
    base = strip.first_row[graphs[:, :, None], graphs[:, None, :]]
    return prim(strip.table, base, np.diff(centred.starts)[graphs], within, across, exact=exact)


def _count_all(forest: Forest, n: int) -> CrossEdges:
    """Cross edges and degrees of unique trees, of all graphs at once."""
    live = forest.child >= 0
    mean = (live & (forest.child // n != forest.parent // n)).sum(axis=1).astype(np.float64)
    vertices = 2 * n
    offset = np.arange(len(live))[:, None] * vertices
    ends = np.concatenate([(forest.child + offset)[live], (forest.parent + offset)[live]])
    degree = np.bincount(ends, minlength=len(live) * vertices).reshape(len(live), vertices)
    weight = live.sum(axis=1).astype(np.float64)
    degree2 = np.square(degree).sum(axis=1).astype(np.float64)
    return CrossEdges(mean, mean.copy(), mean.copy(), weight, weight.copy(), degree2)


def candidate_edges(points: Points, classes: npt.NDArray[np.intp], *, exact: bool = True) -> npt.NDArray[np.intp]:
    """Edges, as rows of the points, that hold every minimum spanning tree over some classes, found in float64.

    If not ``exact``, the edges of one tree, as float64 products find it.
    """
    rows = np.concatenate([np.arange(points.starts[k], points.starts[k + 1]) for k in classes])
    starts = np.concatenate([[0], np.cumsum(np.diff(points.starts)[classes])])
    centred = centre(points.x[rows], starts, np.dtype(np.float64))
    everyone = np.arange(len(classes))
    strip = fill_strip(centred, everyone, everyone)
    forest = grow(centred, strip, everyone[None], exact=exact)
    edges = np.stack([forest.child[0], forest.parent[0]], axis=1)
    n = centred.n_max
    if not forest.crowded[0]:
        edges = np.concatenate([edges, forest.doubt[:, 1:]])
        return np.asarray(rows[starts[edges // n] + edges % n])
    child, parent = (starts[edges // n] + edges % n).T
    sizes = np.diff(starts)
    blocks = strip.table.reshape(len(classes), len(classes), n, n)
    lower = np.block([[blocks[a, b, : sizes[a], : sizes[b]] for b in everyone] for a in everyone])
    part = np.repeat(everyone, sizes)
    width = 2 * centred.error[part[:, None], part]
    doubt = doubtful_edges(lower, width, child, parent)
    return np.asarray(rows[np.concatenate([np.stack([child, parent], axis=1), doubt])])


def _settle(points: Points, pair: npt.NDArray[np.intp], edges: npt.NDArray[np.intp]) -> CrossEdges:
    """Exact cross edges of one pair from candidate edges between rows of the points."""
    spans = [np.arange(points.starts[k], points.starts[k + 1]) for k in pair]
    vertices = np.concatenate(spans)
    members = np.zeros((len(vertices), 2))
    members[: len(spans[0]), 0] = points.copies[spans[0]]
    members[len(spans[0]) :, 1] = points.copies[spans[1]]
    return count_cross(solve(points.x, vertices, members, np.searchsorted(vertices, edges)))
