"""Prim's algorithm, and the path maxima that the order of its visits gives.

Let Prim's algorithm visit the vertices v_0, v_1, ... and attach them by edges of the weights w_1, w_2, .... Then the
path maximum between v_i and v_j, i < j (the heaviest weight on their path in the tree), is the largest of
w_(i+1), ..., w_j. So this *Prim order* and its *gaps* (the weight before each place) decide for any edge whether a
minimum spanning tree can contain it: exactly if it is no heavier than the path maximum between its ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from hpfunc._arrays.types import Array, Bools, Floats, Ints
from hpfunc._tree.threads import Scratch

__all__ = [
    "PrimOrder", "RangeMaximum", "candidate_edges", "fill_all_path_maxima", "fill_path_maxima", "gaps_from_weights",
    "place_maxima", "prim", "prim_order_of_tree", "round_up", "tree_path_maxima",
]  # fmt: skip

# Places of a Prim order whose maxima are computed one place after the other.
_SEGMENT = 32


class PrimOrder(NamedTuple):
    """Hold the vertices of one or more graphs in the order in which Prim's algorithm visited them."""

    vertices: Ints  # (n,), or (G, n) of G graphs with no vertices past the end of a graph
    gaps: Array  # of the same shape: weight that attached each vertex; 0 for the first, infinite without an edge


def prim(table: Array, sizes: Ints) -> PrimOrder:
    """Grow the minimum spanning trees of G complete graphs of at most n vertices each, all from vertex 0.

    Parameters
    ----------
    table : (G, n, n) array
        Weights; entry ``g, i, j`` is read if i is visited before j. What lies past the end of a graph is not read, but
        must not be NaN. An infinite entry means that there is no edge.
    sizes : (G,) array
        Vertices of each graph.
    """
    n_graphs, n = table.shape[:2]
    infinity = table.dtype.type(np.inf)
    table_rows, first_row = table.reshape(-1, n), np.arange(n_graphs) * n
    # Adding `closed` to a row excludes visited vertices and padding.
    closed = np.where(np.arange(n) >= sizes[:, None], infinity, table.dtype.type(0))
    best = np.full((n_graphs, n), infinity)
    row = np.empty_like(best)
    vertices = np.zeros((n, n_graphs), np.intp)
    gaps = np.zeros((n, n_graphs), table.dtype)
    flat_closed, flat_best = closed.reshape(-1), best.reshape(-1)
    current = first_row
    for step in range(1, int(sizes.max())):
        flat_closed[current] = infinity
        # No index is out of range: "clip" is only the mode that writes to `row` without a copy.
        np.take(table_rows, current, axis=0, out=row, mode="clip")
        row += closed
        np.minimum(best, row, out=best)
        best.argmin(axis=1, out=vertices[step])
        current = first_row + vertices[step]
        gaps[step] = flat_best[current]
        flat_best[current] = infinity
    return PrimOrder(vertices.T, gaps.T)


def prim_order_of_tree(n: int, edges: Ints, weights: Array) -> tuple[Ints, Ints]:
    """Order the vertices of a tree so that the largest gap between two places is the path maximum of their vertices.

    Take the edges in rising order of weight. Each edge joins two sequences of vertices: the second is appended to the
    first, with the edge in the gap between them. At the end all vertices form one sequence.

    Parameters
    ----------
    n : int
        Vertices.
    edges : (n - 1, 2) array
    weights : (n - 1,) array

    Returns
    -------
    vertices : (n,) array
        In order.
    edge_numbers : (n - 1,) array
        The edge between each place and the next.
    """
    root, last, following, gap = list(range(n)), list(range(n)), [-1] * n, [-1] * n

    by_weight = np.argsort(weights, kind="stable")
    for (head, tail), edge in zip(edges[by_weight].tolist(), by_weight.tolist(), strict=True):
        # Find the roots of both sequences, with path halving: visited vertices are made to point to their grandparents.
        while head != (above := root[head]):
            root[head] = head = root[above]
        while tail != (above := root[tail]):
            root[tail] = tail = root[above]
        following[last[head]], gap[tail] = tail, edge
        root[tail], last[head] = head, last[tail]
    vertex, in_order = 0, []
    while vertex != root[vertex]:
        vertex = root[vertex]
    for _ in range(n):
        in_order.append(vertex)
        vertex = following[vertex]
    vertices = np.array(in_order, np.intp)
    return vertices, np.array(gap, np.intp)[vertices[1:]]


def edges_of_order(table: Array, vertices: Ints) -> Ints:
    """Attach every vertex to the nearest vertex before it in this order: edges ``(n - 1, 2)`` of a spanning tree.

    Parameters
    ----------
    table : (n, n) array
        Weights; the row is that of the later vertex.
    vertices : (n,) array
    """
    place = np.empty(len(vertices), np.int32)
    place[vertices] = np.arange(len(vertices))
    later = vertices[1:]
    weights = np.where(place < place[later, None], table[later], np.inf)
    return np.stack([later, weights.argmin(axis=1)], axis=1)


def gaps_from_weights(weights: Array) -> Array:
    """Turn the ``(n - 1,)`` weights between the places into ``(n,)`` gaps before each place, 0 before the first."""
    return np.concatenate([np.zeros(1, weights.dtype), weights])


def tree_path_maxima(n: int, edges: Ints, weights: Array) -> Array:
    """Compute the path maximum between any two of the n vertices of a tree: ``(n, n)``, 0 on the diagonal."""
    vertices, edge_numbers = prim_order_of_tree(n, edges, weights)
    result = np.empty((n, n), weights.dtype)
    fill_path_maxima(PrimOrder(vertices, gaps_from_weights(weights[edge_numbers])), result, Scratch())
    return result


def fill_path_maxima(order: PrimOrder, out: Array, scratch: Scratch) -> None:
    """Fill ``out[i, j]`` with the path maximum between vertices i and j, given the Prim order of one tree."""
    fill_all_path_maxima([order], [out], scratch)


def fill_all_path_maxima(orders: Sequence[PrimOrder], outs: Sequence[Array], scratch: Scratch) -> None:
    """Fill an array for each of several trees, preferably of about equal size, as `fill_path_maxima` does for one."""
    gaps = np.zeros((len(orders), max(len(order.gaps) for order in orders)), orders[0].gaps.dtype)
    for g, order in enumerate(orders):
        gaps[g, : len(order.gaps)] = order.gaps
    for (vertices, _), maxima, out in zip(orders, place_maxima(gaps, scratch), outs, strict=True):
        n, place = len(vertices), np.empty_like(vertices)
        place[vertices] = np.arange(n)
        # Rows come first because whole rows are copied at once. ("clip" is the mode that writes without a copy.)
        rows = scratch("rows", (n, n), gaps.dtype)
        np.take(maxima[:, :n], place, axis=0, out=rows, mode="clip")
        np.take(rows, place, axis=1, out=out, mode="clip")


def place_maxima(gaps: Array, scratch: Scratch) -> Array:
    """Compute the largest gap between any two places of a Prim order: ``(n, n)``, 0 on the diagonal, in ``scratch``.

    Parameters
    ----------
    gaps : (n,) or (G, n) array
        Of one Prim order, or of several: ``gaps[..., i]`` lies between place i - 1 and place i. The first is not read.
    scratch : Scratch

    Returns
    -------
    (n, n) or (G, n, n) array
    """
    (*graphs, n), segments = gaps.shape, 1
    while segments * _SEGMENT < n:
        segments *= 2
    side = -(-n // segments)
    padded = np.zeros((*graphs, segments * side), gaps.dtype)
    padded[..., :n] = gaps
    maxima = scratch("maxima", (*graphs, segments * side, segments * side), gaps.dtype)
    # First compute the maxima within segments of a few places, for all segments together, place by place.
    inside, segment_gaps = _diagonal_blocks(maxima, side), padded.reshape(*graphs, segments, side)
    inside[..., np.arange(side), np.arange(side)] = 0
    for place in range(1, side):
        row = np.maximum(inside[..., place - 1, :place], segment_gaps[..., place, None])
        inside[..., place, :place] = inside[..., :place, place] = row
    # Then merge segments two by two: the maximum across their border is the larger of the maxima on either side.
    while side < padded.shape[-1]:
        half, side = side, 2 * side
        inside, segment_gaps = _diagonal_blocks(maxima, side), padded.reshape(*graphs, -1, side)
        left = np.zeros((*segment_gaps.shape[:-1], half), gaps.dtype)
        left[..., -2::-1] = np.maximum.accumulate(segment_gaps[..., half - 1 : 0 : -1], axis=-1)
        right = np.maximum.accumulate(segment_gaps[..., half:], axis=-1)
        np.maximum(right[..., :, None], left[..., None, :], out=inside[..., half:, :half])
        np.maximum(left[..., :, None], right[..., None, :], out=inside[..., :half, half:])
    return maxima[..., :n, :n]


def _diagonal_blocks(squares: Array, side: int) -> Array:
    """Return a writable view of the blocks on the diagonals of square arrays: ``(..., blocks, side, side)``."""
    blocks = squares.shape[-1] // side
    return np.asarray(np.einsum("...isit->...ist", squares.reshape(*squares.shape[:-2], blocks, side, blocks, side)))


def candidate_edges(lower: Array, path_maxima: Array, scratch: Scratch, most: float = np.inf) -> Ints | None:
    """Find every candidate edge of the minimum spanning trees; return None if there are more than ``most``.

    Parameters
    ----------
    lower : (n, n) array
        Lower bounds of the weights.
    path_maxima : (n, n) array
        Upper bounds of the path maxima in some spanning tree.
    scratch : Scratch
    most : float

    Returns
    -------
    (E, 2) array
        The higher vertex first.
    """
    # True entries are few, so a search through the flat array is the fastest.
    light = np.less_equal(lower, path_maxima, out=scratch("light", lower.shape, np.bool_))
    if np.count_nonzero(light) > 2 * most + len(lower):
        return None
    rows, cols = np.divmod(np.flatnonzero(light), len(lower))
    once = rows > cols
    return np.stack([rows[once], cols[once]], axis=1)


def round_up(weights: Array, dtype: Any) -> Array:
    """Convert weights to a precision that may be lower, each to a value that is too large rather than too small."""
    return np.asarray(np.nextafter(weights.astype(dtype), np.dtype(dtype).type(np.inf)))


class RangeMaximum:
    """Find the place of the largest number in any range, which two ranges of a power of two cover.

    Bender & Farach-Colton 2000, doi:10.1007/10719839_9 (their sparse table).
    """

    def __init__(self, numbers: Array, longest: int) -> None:
        self.numbers = numbers  # (N,)
        # (levels, N): the place of the largest of the 2**level numbers from each place on.
        self.place = np.tile(np.arange(len(numbers)), (max(1, longest).bit_length(), 1))
        for level in range(1, len(self.place)):
            half = 1 << level - 1
            left, right = self.place[level - 1, :-half], self.place[level - 1, half:]
            self.place[level, :-half] = np.where(numbers[left] >= numbers[right], left, right)

    def __call__(self, lo: Ints, hi: Ints) -> Ints:
        """Return the place of the largest of ``numbers[lo:hi]``, for each of several ranges, none of them empty."""
        level = np.frexp(hi - lo)[1] - 1
        left, right = self.place[level, lo], self.place[level, hi - (1 << level)]
        return np.asarray(np.where(self.numbers[left] >= self.numbers[right], left, right))


def mark_ties(starts: Ints, weights: Floats, heaviest: RangeMaximum) -> Bools:
    """Mark the places whose edge could be swapped for another of equal weight in a minimum spanning tree."""
    class_of_place = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    order = np.lexsort((weights, class_of_place))
    first, second = order[:-1], order[1:]
    equal = (weights[first] == weights[second]) & (class_of_place[first] == class_of_place[second])
    first, second = first[equal], second[equal]
    level = weights[heaviest(first, second + 1)] == weights[first]
    tied = np.zeros(len(weights), bool)
    tied[first[level]] = tied[second[level]] = True
    return tied
