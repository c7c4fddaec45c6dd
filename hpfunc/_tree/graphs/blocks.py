"""Group the pairs of a layer in blocks, each of one class with several others, whose graphs are counted together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hpfunc._arrays.types import Floats, Ints
from hpfunc._tree.graph_sums import sum_at
from hpfunc._tree.graphs.layer_bounds import LayerBounds

__all__ = ["GraphBlock", "MergedBlock", "group_pairs", "merge_block", "most_of_block", "ranges"]

# Distances between the classes of the pairs of a block, unless a single pair has more.
_BLOCK_ENTRIES = 2**20
# A class more than this many times as large as the smallest of a block begins a new one, so that little is padded.
_SIMILAR = 1.25


class GraphBlock(NamedTuple):
    """Name P pairs of one class with others.

    The graph of a pair has a vertex for each sample of the first class, then for each sample of the second. The
    vertices of all pairs are numbered through.
    """

    class_a: int
    classes_b: Ints  # (P,)
    number: Ints  # (P,) of each pair in the result
    first: Ints  # (P, 2) the first vertex of each class of each pair
    pair: Ints  # (V,) the place in the block of the pair that each vertex belongs to
    row: Ints  # (V,) the row of each vertex in the layer


class MergedBlock(NamedTuple):
    """Hold the points of the graphs of a block: equal samples of a pair are one point."""

    members: Floats  # (G, 2) samples of each class that equal each point
    pair: Ints  # (G,) the place in the block of the pair that each point belongs to, rising
    point: Ints  # (V,) the point of each vertex


def group_pairs(starts: Ints, pairs: Ints, chosen: Ints) -> list[GraphBlock]:
    """Group some pairs in blocks.

    Parameters
    ----------
    starts : (K + 1,) array
        Rows ``starts[k]:starts[k + 1]`` are class k.
    pairs : (P, 2) array
        Class numbers, lower first.
    chosen : (C,) array
        Numbers of the pairs to group.
    """
    sizes, blocks = np.diff(starts), []
    order = chosen[np.lexsort((sizes[pairs[chosen, 1]], pairs[chosen, 0]))]
    lo = 0
    while lo < len(order):
        class_a, smallest = pairs[order[lo], 0], sizes[pairs[order[lo], 1]]
        hi = lo + 1
        while (
            hi < len(order)
            and pairs[order[hi], 0] == class_a
            and sizes[pairs[order[hi], 1]] <= max(_SIMILAR * smallest, smallest + 4)
            and (hi + 1 - lo) * sizes[class_a] * sizes[pairs[order[hi], 1]] <= _BLOCK_ENTRIES
        ):
            hi += 1
        blocks.append(_make_block(starts, int(class_a), pairs[order[lo:hi], 1], order[lo:hi]))
        lo = hi
    # The largest block comes first, so that no thread is left with it at the end.
    return sorted(blocks, key=lambda block: -len(block.row))


def _make_block(starts: Ints, class_a: int, classes_b: Ints, number: Ints) -> GraphBlock:
    """Assign numbers to the vertices of the graphs of some pairs."""
    classes = np.stack([np.full_like(classes_b, class_a), classes_b], axis=1).reshape(-1)
    counts = np.diff(starts)[classes]
    first = np.cumsum(counts) - counts
    pair = np.repeat(np.arange(len(classes_b)), counts.reshape(-1, 2).sum(axis=1))
    return GraphBlock(class_a, classes_b, number, first.reshape(-1, 2), pair, ranges(starts[classes], counts))


def most_of_block(starts: Ints) -> tuple[float, float]:
    """Return the most entries that the table of a block can have, and the most vertices of its graphs."""
    largest = float(np.diff(starts).max())
    entries = min(max(largest**2, _BLOCK_ENTRIES), largest * float(starts[-1]))
    return entries, 2 * entries / largest


def ranges(first: Ints, counts: Ints) -> Ints:
    """Concatenate the ranges of ``counts[i]`` numbers from ``first[i]`` on."""
    begin = np.cumsum(counts) - counts
    return np.asarray(np.arange(counts.sum()) + np.repeat(first - begin, counts))


def merge_block(layer: LayerBounds, block: GraphBlock) -> MergedBlock:
    """Assign numbers to the points of every pair in their canonical order; equal points of a pair share a number."""
    n = int(layer.rank.max()) + 1
    distinct, point = np.unique(block.pair * n + layer.rank[block.row], return_inverse=True)
    point = point.reshape(-1)
    in_second = np.arange(len(block.row)) >= block.first[block.pair, 1]
    copies = layer.copies[block.row]
    members = np.stack([sum_at(point, np.where(in_second == side, copies, 0), len(distinct)) for side in (0, 1)])
    return MergedBlock(members.T, distinct // n, point)
