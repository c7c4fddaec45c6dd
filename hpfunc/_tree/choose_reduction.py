"""Choose how many directions to reduce a layer to, by comparing the cost with and without a reduction."""

from __future__ import annotations

from typing import Any

import numpy as np

from hpfunc._arrays.types import Array, Floats, Ints, ParallelMap
from hpfunc._tree.mst.prim import PrimOrder, fill_path_maxima, prim
from hpfunc._tree.reduce.basis import SAMPLED, Basis, centred_chunk, find_directions, orthonormalise
from hpfunc._tree.reduce.coordinates import ReducedPoints, reduce_points
from hpfunc._tree.reduce.direct import DIFFERENCE
from hpfunc._tree.rounding import product_dtype
from hpfunc._tree.threads import Scratch, n_threads, worker_threads

__all__ = [
    "MOST_DIRECTIONS", "bytes_for_directions", "choose_directions", "is_large", "reduce_cloud", "surviving_edges",
]  # fmt: skip

# With fewer features, distances or multiplications in a product of all features, a reduction is not worth its cost:
# estimating the spectrum takes products of up to 900 rows, which cost more than all distances of 1,000 points.
_LEAST_FEATURES, _LEAST_DISTANCES, _LEAST_WORK = 256, 1.5e6, 1e10
# From this number of multiplications on, more rows and directions are tried.
_LARGE_WORK = 3e11
MOST_DIRECTIONS = 256
_STEPS = (16, 32, 48, 64, 96, 128, 160, 192, MOST_DIRECTIONS)
# Rows of the sample from which the directions are found: few, or many where much work depends on them.
_FEW_ROWS, _MANY_ROWS = 512, 1024
# A first trial uses few rows and few directions. If it excludes less than this share of the edges, no other follows.
_FIRST_ROWS, _FIRST_DIRECTIONS, _FIRST_SHARE = 256, 48, 0.6
_TEST_ROWS = 384
# Surviving edges for each point: those within its class, and those to each class that it is paired with.
_OWN, _ACROSS = 0.75, 0.1
# A reduction must cost less than this share of the products of all features.
_WORTH = 0.8


def choose_directions(
    x: Any, starts: Ints, pairs: Ints, parallel_map: ParallelMap = map, *, keep_all: bool = False
) -> Basis | None:
    """Find directions that make counting cheaper, or None where products of all features are cheaper.

    Parameters
    ----------
    x : (N, d) array
    starts : (K + 1,) array
        Rows ``starts[k]:starts[k + 1]`` are class k.
    pairs : (P, 2) array
        Class numbers.
    parallel_map : callable
        Apply a function to every item, possibly in threads.
    keep_all : bool
        Return all directions that were found, not only the cheapest number of them.
    """
    (n, d), entries = x.shape, _count_entries(starts, pairs)
    full = entries * d
    if not is_large(d, starts, pairs) or product_dtype(x) != np.float32:
        return None
    rows = _spread(n, 2 * _FIRST_ROWS)
    centre, directions = find_directions(x, rows[::2], _FIRST_DIRECTIONS, parallel_map)
    survivors = surviving_edges(x, centre, directions, rows[1::2], np.array([directions.shape[1]]))
    if survivors[0] > _FIRST_SHARE * len(rows[1::2]):
        return None
    n_rows = min(n - _TEST_ROWS, _MANY_ROWS if full >= _LARGE_WORK else _FEW_ROWS)
    rows = _spread(n, n_rows + _TEST_ROWS)
    test = _spread(len(rows), _TEST_ROWS)
    centre, directions = find_directions(x, np.delete(rows, test), min(n_rows // 4, MOST_DIRECTIONS), parallel_map)
    steps = np.array([r for r in (*_STEPS, directions.shape[1]) if r <= directions.shape[1]])
    survivors = surviving_edges(x, centre, directions, rows[test], steps)
    n_survivors = n * survivors * (_OWN + _ACROSS * 2 * len(pairs) / (len(starts) - 1))
    cost = steps * (n * d + entries) + n_survivors * d * DIFFERENCE
    best = int(cost.argmin())
    if cost[best] > _WORTH * full:
        return None
    kept = steps[-1 if keep_all else best]
    return orthonormalise(centre, np.ascontiguousarray(directions[:, :kept]), parallel_map)


def reduce_cloud(x: Any, max_bytes: int) -> ReducedPoints | None:
    """Reduce one cloud of points ``(n, d)`` to few coordinates; return None where that takes more time or memory.

    The leading coordinates come first: `mst.tiled` uses as many of them as are worth their cost.
    """
    n, d = x.shape
    starts, pairs = np.array([0, n]), np.empty((0, 2), np.intp)
    # The coordinates, and two centred copies of them.
    need = bytes_for_directions(d) + 12 * n * (MOST_DIRECTIONS + 1)
    if need > max_bytes or not is_large(d, starts, pairs):
        return None
    with worker_threads() as threads:
        basis = choose_directions(x, starts, pairs, threads.map, keep_all=True)
        return None if basis is None else reduce_points(x, basis, threads.map)


def is_large(d: int, starts: Ints, pairs: Ints) -> bool:
    """Tell whether a layer of d features has enough work to try a reduction; see `choose_directions`."""
    n_distances = _count_entries(starts, pairs)
    return d >= _LEAST_FEATURES and n_distances >= _LEAST_DISTANCES and n_distances * d >= _LEAST_WORK


def _count_entries(starts: Ints, pairs: Ints) -> float:
    """Count the distances within all classes and between those that are paired."""
    sizes = np.diff(starts).astype(float)
    return float((sizes[pairs].prod(axis=1)).sum() + (sizes**2).sum())


def bytes_for_directions(d: int) -> int:
    """Estimate the memory of `choose_directions`: the directions twice, and in every thread the rows of the sample."""
    return 4 * (2 * d * MOST_DIRECTIONS + n_threads() * (2 * _MANY_ROWS * min(d, SAMPLED) + _MANY_ROWS**2))


def _spread(n: int, n_rows: int) -> Ints:
    """Return distinct row numbers, evenly spaced, so that all classes are among them."""
    return np.unique(np.linspace(0, n - 1, min(n, n_rows)).astype(np.intp))


def surviving_edges(x: Any, centre: Array, directions: Array, rows: Ints, steps: Ints) -> Floats:
    """Count the edges for each of some rows that reductions of several sizes do not exclude from their tree.

    Parameters
    ----------
    x : (N, d) array
    centre : (d,) array
    directions : (d, r) array
    rows : (s,) array
        Row numbers, none of them used to find the directions.
    steps : (R,) array
        Numbers of leading directions.

    Returns
    -------
    (R,) array
        Two of them, for each row, are edges of the tree itself.
    """
    inner, coordinates = np.zeros((len(rows), len(rows))), np.zeros((len(rows), directions.shape[1]))
    for lo in range(0, x.shape[1], SAMPLED):
        part = centred_chunk(x, centre, rows, lo, lo + SAMPLED)
        inner += part @ part.T
        coordinates += part @ directions[lo : lo + SAMPLED]
    table = _squared_distances(inner)
    vertices, gaps = (part[0] for part in prim(table[None], np.array([len(rows)])))
    limits = np.empty_like(table)
    fill_path_maxima(PrimOrder(vertices, gaps * (1 + 1e-6)), limits, Scratch())
    counts = []
    for r in steps:
        leading = coordinates[:, :r]
        residuals = np.sqrt(np.maximum(inner.diagonal() - np.einsum("ij,ij->i", leading, leading), 0))
        reduced = np.column_stack([leading, residuals])
        counts.append((_squared_distances(reduced @ reduced.T) <= limits).sum() / len(rows) - 1)
    return np.array(counts)


def _squared_distances(inner: Array) -> Array:
    """Compute squared distances from inner products."""
    norms = inner.diagonal()
    return np.asarray(np.maximum(norms[:, None] + norms - 2 * inner, 0))
