"""Cross edges of the minimum spanning trees of every pair of classes of a layer, on the device.

Give the results of the host's module `count_pairs`. A block of distances between classes is one product; `prim.cu`
grows the trees of all its pairs at once and takes no edge that is not certainly the only right one. A pair that it
gives up goes on to the next engine: from float32 to float64 where too much was in doubt, and to the host, with the
points of its two classes, where distances tie or float64 is not enough. That is said in the log, and in ``again``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from hpfunc._arrays import namespace
from hpfunc._support.memory import max_bytes
from hpfunc._tree.device import tables, tiles
from hpfunc._tree.device.memory import bytes_needed, release, room, tidy
from hpfunc._tree.device.trees import CROWDED, TIED, UNIQUE, grow
from hpfunc._tree.distances import is_narrow, working_dtype
from hpfunc._tree.mst.tie_counts import CrossEdges

__all__ = ["as_floats", "cross_edges"]

Ints = npt.NDArray[np.intp]

_log = logging.getLogger("hpfunc")
_OPEN = -1
# Classes are taken in so many lots at least: the fewer points a lot has, the less of its own block is wasted.
_LOTS = 12


def cross_edges(
    x: Any,
    starts: Ints,
    pairs: Ints,
    *,
    exact: bool,
    max_memory: int | None,
    cosine: bool = False,
    count_on_host: Callable[..., tuple[CrossEdges, npt.NDArray[np.bool_]]],
    advance: Callable[[int], Any] = lambda n: None,
) -> tuple[CrossEdges, npt.NDArray[np.bool_]]:
    """Cross edges of the minimum spanning trees of pairs of classes; see `hpfunc._tree.pairs.count_pairs.cross_edges`.

    Parameters
    ----------
    x : (N, d) CuPy array
    max_memory : int, optional
        Bytes of the device to work in, beyond the points; by default half of what is free.
    cosine : bool
        Whether the points are directions, rounded here perhaps in another way than on the host.
    count_on_host : callable
        The engine for NumPy arrays, `count_pairs.cross_edges`, which counts the pairs that are given up here.
    """
    work = _Work(as_floats(x), starts, pairs, exact, cosine, count_on_host, advance)
    every = np.arange(len(pairs))
    _within_memory(work, every, working_dtype(x), max_memory)
    crowded = work.status == CROWDED
    if crowded.any() and working_dtype(x) == np.float32:
        _log.info("%d pairs have too much in doubt for float32 and are measured in float64", crowded.sum())
        _within_memory(work, np.flatnonzero(crowded), np.dtype(np.float64), max_memory)
    tidy(namespace(x))
    left = np.flatnonzero(work.status != UNIQUE)
    if left.size:
        _log.info("%d pairs have distances that tie (or nearly): the host counts all their trees", left.size)
        again = _on_host(work, x, left)
        crowded[left] |= again
    return work.result, crowded


def as_floats(x: Any) -> Any:
    """The points in float32 if that holds every number of their dtype, else in float64; the same if they are."""
    xp = namespace(x)
    return xp.ascontiguousarray(x.astype(np.float32 if is_narrow(x.dtype) else np.float64, copy=False))


class _Work:
    """What is to be counted, and what has been."""

    def __init__(
        self,
        x: Any,
        starts: Ints,
        pairs: Ints,
        exact: bool,
        cosine: bool,
        count_on_host: Callable[..., tuple[CrossEdges, npt.NDArray[np.bool_]]],
        advance: Callable[[int], Any],
    ) -> None:
        self.x, self.starts, self.pairs, self.exact, self.cosine = x, starts, pairs, exact, cosine
        self.count_on_host, self.advance = count_on_host, advance
        self.status = np.full(len(pairs), _OPEN)
        self.result = CrossEdges(*(np.full(len(pairs), np.nan) for _ in CrossEdges._fields))

    def record(self, which: Ints, status: Any, crossing: Any, degree2: Any) -> None:
        """Keep what was counted of the pairs ``which``."""
        sizes = np.diff(self.starts)
        self.status[which] = status
        self.advance(int((self.status[which] == UNIQUE).sum()))
        edges = sizes[self.pairs[which]].sum(axis=1) - 1.0
        extremes = np.asarray(crossing, float) if self.exact else np.full(len(which), np.nan)
        for field, values in zip(self.result, (crossing, extremes, extremes, edges, edges, degree2), strict=True):
            field[which] = values


def _within_memory(work: _Work, which: Ints, dtype: np.dtype[Any], max_memory: int | None) -> None:
    """Count pairs in the room there is; half of them at a time when the device says that there is less."""
    xp = namespace(work.x)
    share = room(xp, max_memory)
    batches = [which]
    while batches:
        batch = batches.pop()
        if not _fits(work, batch, dtype, share) and len(batch) > 1:
            batches += [batch[len(batch) // 2 :], batch[: len(batch) // 2]]
            continue
        left = np.ones(len(work.pairs), bool)
        try:
            if _fits(work, batch, dtype, share):
                for done in _count(work, batch, dtype, share):
                    left[done] = False
            else:
                _count_by_tiles(work, int(batch[0]), dtype, share)
                left[batch] = False
        except xp.cuda.memory.OutOfMemoryError:
            release(xp)
            batch = batch[left[batch]]
            _log.info("the device ran out of memory over %d pairs of classes: going on with half of it", len(batch))
            if len(batch) > 1:
                batches += [batch[len(batch) // 2 :], batch[: len(batch) // 2]]
            else:
                batches.append(batch)
                share //= 2


def _classes(work: _Work, batch: Ints) -> tuple[Ints, Ints]:
    """The classes that some pairs are of, and the pairs by their places among these."""
    classes, place = np.unique(work.pairs[batch], return_inverse=True)
    return classes, place.reshape(-1, 2)


def _fits(work: _Work, batch: Ints, dtype: np.dtype[Any], share: int) -> bool:
    """Whether there is room for what the pairs share, and for one block between two classes."""
    classes, _ = _classes(work, batch)
    sizes = np.diff(work.starts)[classes]
    largest = float(sizes.max()) ** 2 * 2 * dtype.itemsize
    return bytes_needed(sizes, work.x.shape[1], dtype.itemsize) + largest <= share


def _count(work: _Work, batch: Ints, dtype: np.dtype[Any], share: int) -> Iterator[Ints]:
    """Count pairs block by block, and tell which are done."""
    xp = namespace(work.x)
    classes, pairs = _classes(work, batch)
    sizes = np.diff(work.starts)[classes]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    layer = tables.prepare(_rows(work, classes), starts, dtype)
    at = np.concatenate([[0], np.cumsum(sizes**2)])
    kept, kept_at = xp.empty(int(at[-1]), layer.dtype), xp.asarray(at[:-1].astype(np.int64))
    points = (share - bytes_needed(sizes, layer.x.shape[1], layer.dtype.itemsize)) // (2 * layer.dtype.itemsize)
    for rows, cols in _blocks(starts, points):
        inside = (rows[0] <= pairs[:, 0]) & (pairs[:, 0] < rows[1]) & (cols[0] <= pairs[:, 1]) & (pairs[:, 1] < cols[1])
        if not inside.any() and cols[0] > rows[0]:
            continue
        block = tables.fill(layer, rows, cols)
        if cols[0] == rows[0]:
            tables.keep_within(layer, block, rows, kept, kept_at)
        if inside.any():
            trees = grow(layer, kept, kept_at, block, pairs[inside], exact=work.exact, cosine=work.cosine)
            work.record(batch[inside], trees.status, trees.crossing, trees.degree2)
            yield batch[inside]


def _rows(work: _Work, classes: Ints) -> Any:
    """The points of some classes: all of them as they are, or a copy."""
    if len(classes) == len(work.starts) - 1:
        return work.x
    xp = namespace(work.x)
    return xp.concatenate([work.x[work.starts[k] : work.starts[k + 1]] for k in classes.tolist()])


def _blocks(starts: Ints, points: int) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Ranges of classes, rows and columns, of blocks of at most so many distances, unless two classes have more.

    A lot of classes meets itself and all that come after it. The last lot is first: when a pair is counted, the
    distances within both its classes have been seen.
    """
    n_classes, n = len(starts) - 1, int(starts[-1])
    lots, first = [], 0
    while first < n_classes:
        last = first + 1
        wanted = min(n / _LOTS, points / (n - starts[first]))
        while last < n_classes and starts[last + 1] - starts[first] <= wanted:
            last += 1
        lots.append((first, last))
        first = last
    for first, last in reversed(lots):
        height, begin = int(starts[last] - starts[first]), first
        while begin < n_classes:
            end = max(begin + 1, last) if begin == first else begin + 1
            while end < n_classes and height * (starts[end + 1] - starts[begin]) <= points:
                end += 1
            yield (first, last), (begin, end)
            begin = end


def _count_by_tiles(work: _Work, p: int, dtype: np.dtype[Any], share: int) -> None:
    """Count a pair of classes too large for their distances."""
    rows = _rows(work, work.pairs[p])
    m = int(np.diff(work.starts)[work.pairs[p, 0]])
    edges = tiles.spanning_by_tiles(rows, dtype, exact=work.exact, cosine=work.cosine, room=share)
    if edges is None:
        work.record(np.array([p]), TIED, 0, 0)
        return
    crossing = int(((edges < m).sum(axis=1) == 1).sum())
    degree2 = float((np.bincount(edges.reshape(-1)).astype(float) ** 2).sum())
    work.record(np.array([p]), UNIQUE, crossing, degree2)


def _on_host(work: _Work, x: Any, left: Ints) -> npt.NDArray[np.bool_]:
    """Count pairs with the engine of the host, from copies of their classes."""
    classes, pairs = _classes(work, left)
    points = np.concatenate([x[work.starts[k] : work.starts[k + 1]].get() for k in classes.tolist()])
    starts = np.concatenate([[0], np.cumsum(np.diff(work.starts)[classes])])
    counts, again = work.count_on_host(
        points, starts, pairs, exact=work.exact, max_bytes=max_bytes(None), advance=work.advance
    )
    for field, values in zip(work.result, counts, strict=True):
        field[left] = values
    return again
