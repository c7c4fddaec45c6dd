"""Cross edges of the minimum spanning trees of pairs of classes, on the device.

The counts are those of `hpfunc._tree.pairs.count_pairs`. One table holds the bounds between all classes of a batch, and
``prim.cu`` grows the trees of all its pairs at once, taking no edge that is not certainly the only right one. A pair
that it gives up goes on to the next engine: from float32 to float64 where too many bounds overlap, and to the host,
with the points of its two classes, where distances tie or float64 is not enough. The log says so, and the flags
returned.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np

from hpfunc._arrays import namespace
from hpfunc._arrays.types import Bools, Ints
from hpfunc._support.memory import max_bytes as host_bytes
from hpfunc._support.memory import release_device_memory
from hpfunc._tree.device import tiles
from hpfunc._tree.device.batches import number_classes, split_pairs
from hpfunc._tree.device.memory import is_shortage, tidy, working_bytes
from hpfunc._tree.device.points import points_on_host, prepare_points
from hpfunc._tree.device.tables import fill_table, place_classes, table_bytes
from hpfunc._tree.device.trees import CROWDED, MOST_PLACES, TIED, UNIQUE, Accuracy, grow_pairs, grow_tree
from hpfunc._tree.graph_sums import sum_tree
from hpfunc._tree.mst.tie_counts import CrossEdges

__all__ = ["cross_edges"]

HostEngine = Callable[..., tuple[CrossEdges, Bools]]

_log = logging.getLogger("hpfunc")
_OPEN = -1
# Counting one pair alone takes about as long as this many steps of growing all trees together. So pairs are counted one
# by one if the largest tree has more points than this number times the number of pairs. It is estimated, not measured.
_PLACES_PER_TREE = 512


def cross_edges(
    x: Any,
    starts: Ints,
    pairs: Ints,
    *,
    metric: str,
    exact: bool,
    max_memory: int | None,
    count_on_host: HostEngine,
    advance: Callable[[int], Any] = lambda n: None,
) -> tuple[CrossEdges, Bools]:
    """Count the cross edges of the minimum spanning trees of pairs of classes.

    Parameters
    ----------
    x : (N, d) CuPy array
        Finite points, class by class, on the current device.
    starts : (K + 1,) array
        Rows ``starts[k]:starts[k + 1]`` are class k.
    pairs : (P, 2) array
        Class numbers, lower first.
    metric, exact
        See `hpfunc.pairwise_hp`.
    max_memory : int, optional
        Bytes of the device to work in, beyond the points; by default half of what is free.
    count_on_host : callable
        The engine for NumPy arrays, `count_pairs.cross_edges`, which counts the pairs that are given up here.
    advance : callable
        Told the number of pairs done.

    Returns
    -------
    CrossEdges
        Of ``(P,)`` arrays.
    (P,) array of bool
        Pairs that were measured again in float64.
    """
    count = _DeviceCount(x, starts, pairs, metric, exact, advance)
    every = np.arange(len(pairs))
    count.within_memory(every, count.points.x.dtype, max_memory)
    crowded = count.status == CROWDED
    if crowded.any() and count.points.x.dtype == np.float32:
        _log.info("%d pairs have too much in doubt for float32 and are measured in float64", crowded.sum())
        count.within_memory(np.flatnonzero(crowded), np.dtype(np.float64), max_memory)
    tidy(namespace(x))
    left = np.flatnonzero(count.status != UNIQUE)
    if left.size:
        _log.info("%d pairs have distances that tie (or nearly): the host counts all their trees", left.size)
        crowded[left] |= count.on_host(left, count_on_host)
    return count.result, crowded


class _DeviceCount:
    """The pairs to be counted, and what has been counted of them."""

    def __init__(
        self, x: Any, starts: Ints, pairs: Ints, metric: str, exact: bool, advance: Callable[[int], Any]
    ) -> None:
        self.points, self.starts, self.pairs, self.advance = prepare_points(x, metric), starts, pairs, advance
        self.sizes = np.diff(starts)
        self.accuracy = Accuracy(exact, self.points.cosine)
        self.status = np.full(len(pairs), _OPEN)
        self.result = CrossEdges(*(np.full(len(pairs), np.nan) for _ in CrossEdges._fields))

    def within_memory(self, which: Ints, dtype: np.dtype[Any], max_memory: int | None) -> None:
        """Count pairs in the memory there is; in half of it when the device says that there is less."""
        xp = namespace(self.points.x)
        allowed = working_bytes(xp, max_memory)

        def fits(sizes: Ints) -> bool:
            small = np.sort(sizes)[-2:].sum() <= MOST_PLACES - 8
            return bool(small) and table_bytes(sizes, self.points.x.shape[1], dtype.itemsize) <= allowed

        def split(which: Ints) -> list[Ints]:
            return [which[batch] for batch in split_pairs(self.pairs[which], self.sizes, fits)]

        waiting = split(which)
        while waiting:
            batch = waiting.pop()
            try:
                classes, pairs = number_classes(self.pairs[batch], len(self.sizes))
                if fits(self.sizes[classes]):
                    self._by_table(batch, classes, pairs, dtype)
                else:
                    self._by_tiles(int(batch[0]), dtype, allowed)
            except Exception as error:
                if not is_shortage(xp, error):
                    raise
                release_device_memory()
                allowed //= 2
                left = np.concatenate([batch, *waiting])
                _log.info("the device ran out of memory; %d pairs of classes go on with half of it", len(left))
                waiting = split(left)

    def on_host(self, left: Ints, count_on_host: HostEngine) -> Bools:
        """Count pairs with the engine of the host, from copies of their classes; tell which were measured again."""
        classes, pairs = number_classes(self.pairs[left], len(self.sizes))
        rows = np.concatenate([np.arange(self.starts[k], self.starts[k + 1]) for k in classes.tolist()])
        starts = np.concatenate([[0], np.cumsum(self.sizes[classes])])
        points = points_on_host(self.points, rows)
        counts, remeasured = count_on_host(
            points, starts, pairs, exact=self.accuracy.exact, max_bytes=host_bytes(None), advance=self.advance
        )
        for field, values in zip(self.result, counts, strict=True):
            field[left] = values
        return remeasured

    def _by_table(self, batch: Ints, classes: Ints, pairs: Ints, dtype: np.dtype[Any]) -> None:
        """Count pairs, given by positions among their classes, on one table of all these classes."""
        placed = place_classes(namespace(self.points.x), self.starts[classes], self.sizes[classes])
        table = fill_table(self.points.x, placed, dtype)
        first, second = np.diff(placed.places)[pairs.T]
        if len(batch) * _PLACES_PER_TREE <= int((first + second).max()):
            for p, (class_a, class_b) in zip(batch.tolist(), pairs.tolist(), strict=True):
                self._record_tree(p, *grow_tree(table, class_a, class_b, self.accuracy))
            return
        trees = grow_pairs(table, pairs, self.accuracy)
        self._record(batch, trees.status, trees.crossing, trees.sums)

    def _by_tiles(self, p: int, dtype: np.dtype[Any], allowed: int) -> None:
        """Count a pair of classes too large for a table."""
        xp, pair = namespace(self.points.x), self.pairs[p].tolist()
        rows = xp.concatenate([self.points.x[self.starts[k] : self.starts[k + 1]] for k in pair])
        edges = tiles.spanning_by_tiles(rows, dtype, accuracy=self.accuracy, max_bytes=allowed)
        self._record_tree(p, edges, TIED if edges is None else UNIQUE)

    def _record_tree(self, p: int, edges: Ints | None, status: int) -> None:
        """Keep what the edges of a pair's tree say, if they are certain."""
        if status != UNIQUE or edges is None:
            self._record(np.array([p]), status, 0, np.zeros((1, 4)))
            return
        crossing = int(((edges < self.sizes[self.pairs[p, 0]]).sum(axis=1) == 1).sum())
        degree2, third = sum_tree(len(edges) + 1, edges)
        sums = [[degree2, third.degree3, third.edge_degrees, third.leaves]]
        self._record(np.array([p]), UNIQUE, crossing, np.array(sums))

    def _record(self, which: Ints, status: Any, crossing: Any, sums: Any) -> None:
        """Keep what was counted of pairs."""
        self.status[which] = status
        self.advance(int((self.status[which] == UNIQUE).sum()))
        first, second = self.sizes[self.pairs[which].T]
        edges = first + second - 1.0
        extremes = np.asarray(crossing, float) if self.accuracy.exact else np.full(len(which), np.nan)
        degree2, degree3, edge_degrees, leaves = np.asarray(sums, float).T
        counts = CrossEdges(
            crossing, extremes, extremes, edges, edges, degree2, weight3=edges, degree3=degree3,
            degree_weight2=degree2, edge_degrees=edge_degrees, triangles=np.zeros(len(which)), leaves=leaves,
        )  # fmt: skip
        for field, values in zip(self.result, counts, strict=True):
            field[which] = values
