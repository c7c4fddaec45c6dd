"""Cross edges of the minimum spanning trees of every pair of classes of one layer.

The tree over two classes lies in the two trees of the classes and the edges between them (cycle property), and of the
edges between them only few can stand in it: take any sample x of class A, the way from it to class B whose heaviest
edge is lightest (through the tree of A to one of the few samples worth crossing from, then across by its shortest
edge), and from where that arrives through the tree of B to any sample y. An edge (x, y) heavier than all of that way is
in no minimum spanning tree. One matrix product and a few passes over its result leave about as many candidates as there
are samples (`between`); Kruskal's algorithm does the rest, on them and the ways between the points at which they end
(`counting`).

Exact by construction: the trees of the classes are exact (`spanning`); products give lower bounds with a known width
(`distances`), the way is measured by upper bounds; whatever overlaps is measured by direct differences in float64
(`exchange`), and where weights tie, all trees are taken into account (`resolve`). So the counts do not depend on block
size, batch or thread count, and no more distances are held than those of a block for each thread.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from hpfunc._tree.distances import centre, prepare, working_dtype
from hpfunc._tree.exact import equal_rows
from hpfunc._tree.mst import tiled
from hpfunc._tree.mst.class_trees import spanning_trees
from hpfunc._tree.mst.tie_counts import CrossEdges
from hpfunc._tree.pairs.blocking import WIDTH, Batch, batches, divide, height
from hpfunc._tree.pairs.candidates import Layer, Lot, Points, find_candidates
from hpfunc._tree.pairs.counting import average, count_candidates
from hpfunc._tree.pairs.forest import collect_trees
from hpfunc._tree.threads import Scratch, n_threads, pool

__all__ = ["cross_edges", "distinct_points"]

Ints = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]


def distinct_points(x: Any, starts: Ints) -> Points:
    """Leave out samples that equal an earlier one of their class, and count them."""
    first = equal_rows(x, starts)
    copies = np.bincount(first, minlength=len(x))
    keep = np.flatnonzero(copies)
    if len(keep) == len(x):
        return Points(x, starts, copies)
    return Points(x[keep], np.searchsorted(keep, starts), copies[keep])


def cross_edges(
    x: Any,
    starts: Ints,
    pairs: Ints,
    *,
    exact: bool,
    budget: int,
    advance: Callable[[int], Any] = lambda n: None,
) -> tuple[CrossEdges, Bools]:
    """Cross edges of the minimum spanning trees of pairs of classes.

    Parameters
    ----------
    x : (N, d) array
        Finite, its squares in the range of the working precision (`exact.rescale`).
    starts : (K + 1,) array
        Rows ``starts[k]:starts[k + 1]`` are class k.
    pairs : (P, 2) array
        Class numbers, lower first.
    exact : bool
        Whether to settle what rounding leaves in doubt. If not, the tree of the working precision is counted, and
        the extremes are NaN.
    budget : int
        Bytes to work in, beyond the points.
    advance : callable
        Told the number of pairs done.

    Returns
    -------
    CrossEdges
        Of arrays ``(P,)``.
    numpy.ndarray
        ``(P,)``, the pairs that were done again in float64.
    """
    result = CrossEdges(*(np.full(len(pairs), np.nan) for _ in CrossEdges._fields))
    again = np.zeros(len(pairs), bool)
    dtype = working_dtype(x)
    if bytes_needed(starts, x.shape[1], dtype.itemsize) > budget:
        return _large_pairs(x, starts, pairs, exact=exact, budget=budget, advance=advance)
    points = distinct_points(x, starts) if exact else Points(x, starts, np.ones(len(x), np.intp))
    scratch = Scratch()
    with pool() as threads:
        layer, lots = _prepare(points, exact, threads, scratch)
        trees = collect_trees(points.starts, layer.clouds)

        def look(batch: Batch, place: int) -> tuple[Ints, CrossEdges, Bools] | None:
            """Find the candidates of a block. The thread that is the last of its batch counts them all."""
            found = batch.keep(place, find_candidates(layer, *batch.blocks[place][:-1], scratch))
            if found is None:
                return None
            return batch.number, *count_candidates(layer, trees, batch.pairs, found, exact=exact)

        jobs = [
            threads.submit(look, batch, place)
            for batch in batches(lots, starts, pairs)
            for place in range(len(batch.blocks))
        ]
        for job in jobs:
            if (counted := job.result()) is None:
                continue
            number, counts, redone = counted
            for field, values in zip(result, counts, strict=True):
                field[number] = values
            again[number] = redone
            advance(len(number))
    return result, again


def bytes_needed(starts: Ints, d: int, itemsize: int) -> int:
    """Memory for the centred points, two tables of each class, and in every thread for blocks and tables at work."""
    sizes, n = np.diff(starts).astype(float), float(starts[-1])
    largest = float(sizes.max())
    block = min(max(height(int(largest), d), height(1, d)), n) * min(max(largest, WIDTH), n)
    return int((n * d + 2 * (sizes**2).sum() + n_threads() * (2 * block + 4 * largest**2)) * itemsize)


def _large_pairs(
    x: Any, starts: Ints, pairs: Ints, *, exact: bool, budget: int, advance: Callable[[int], Any]
) -> tuple[CrossEdges, Bools]:
    """The same for classes too large for their distances: each pair is one cloud, seen tile by tile."""
    result = CrossEdges(*(np.full(len(pairs), np.nan) for _ in CrossEdges._fields))
    again = np.zeros(len(pairs), bool)
    dtype, sizes = working_dtype(x), np.diff(starts)
    most = int(sizes[pairs].sum(axis=1).max())
    need = tiled.bytes_needed(most, x.shape[1], dtype.itemsize)
    if need > budget:
        raise ValueError(
            f"a pair of {most} samples of {x.shape[1]} features needs about {need:,} bytes to work in, more than "
            f"max_memory allows ({budget:,}); raise max_memory or take fewer samples of each class"
        )
    for p, pair in enumerate(pairs):
        rows = np.concatenate([np.arange(starts[k], starts[k + 1]) for k in pair])
        points = distinct_points(x[rows], np.array([0, sizes[pair[0]], len(rows)]))
        cloud = tiled.spanning_by_tiles(points.x, dtype)
        counts = average(points, np.array([0, 1]), np.concatenate([cloud.edges, cloud.tied]))
        for field, value in zip(result, counts if exact else counts._replace(low=np.nan, high=np.nan), strict=True):
            field[p] = value
        again[p] = cloud.again
        advance(1)
    return result, again


def _prepare(points: Points, exact: bool, threads: ThreadPoolExecutor, scratch: Scratch) -> tuple[Layer, list[Lot]]:
    """Trees of all classes, and the heaviest weights on them, by lots."""
    centred = prepare(points.x, points.starts, threads.map)
    sizes = np.diff(points.starts)
    lots = divide(sizes, points.x.shape[1], centred.dtype)
    heaviest = {k: lot.heaviest[i, : sizes[k], : sizes[k]] for lot in lots for i, k in enumerate(lot.classes.tolist())}
    in_order = [heaviest[k] for k in range(len(sizes))]
    clouds = spanning_trees(points.x, centred, in_order, scratch, exact=exact, each=threads.map)
    if exact and centred.relative and centred.dtype == np.float32:
        # Between classes products leave little in doubt, and are faster than differences.
        centred = centre(points.x, points.starts, centred.dtype, threads.map)
    return Layer(points, centred, clouds), lots
