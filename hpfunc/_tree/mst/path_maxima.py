"""The heaviest weight on the path between any two vertices of a tree."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hpfunc._tree.threads import Scratch

__all__ = ["Largest", "by_vertex", "gaps", "heaviest_between", "minimax", "run_of_vertices"]

Ints = npt.NDArray[np.intp]

# Places that `heaviest_between` takes one by one.
_RUN = 32


def minimax(n: int, edges: Ints, weights: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The heaviest weight on the tree path between any two of n vertices: ``(n, n)``, 0 on the diagonal."""
    run, edge = run_of_vertices(n, edges, weights)
    result = np.empty((n, n), weights.dtype)
    by_vertex(run, gaps(weights[edge]), result, Scratch())
    return result


def gaps(weights: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The weight before each place of a run, from those between the places: 0 before the first."""
    return np.concatenate([np.zeros(1, weights.dtype), weights])


def by_vertex(run: Ints, gap: npt.NDArray[Any], out: npt.NDArray[Any], scratch: Scratch) -> None:
    """Write the same from a run of vertices and its gaps."""
    n, place = len(run), np.empty_like(run)
    place[run] = np.arange(n)
    # Row by row first: whole rows are copied at once. (To clip is the mode that writes without a copy.)
    rows = scratch("rows", (n, n), gap.dtype)
    np.take(heaviest_between(gap, scratch), place, axis=0, out=rows, mode="clip")
    np.take(rows, place, axis=1, out=out, mode="clip")


def run_of_vertices(n: int, edges: Ints, weights: npt.NDArray[Any]) -> tuple[Ints, Ints]:
    """The vertices of a tree in an order in which the heaviest weight between two places is that of their path.

    Taken in rising order, every edge joins two runs of vertices. Write them one behind the other, with the edge in
    the gap; at the end all vertices form one run.

    Returns
    -------
    run : (n,) array
        Vertices.
    edge : (n - 1,) array
        The edge between each place and the next.
    """
    root, last, following, gap = list(range(n)), list(range(n)), [-1] * n, [-1] * n

    def find(i: int) -> int:
        while root[i] != i:
            root[i] = root[root[i]]
            i = root[i]
        return i

    order = np.argsort(weights, kind="stable")
    for (i, j), edge in zip(edges[order].tolist(), order.tolist(), strict=True):
        first, second = find(i), find(j)
        following[last[first]], gap[second] = second, edge
        root[second], last[first] = first, last[second]
    run = np.empty(n, np.intp)
    vertex = find(0)
    for place in range(n):
        run[place] = vertex
        vertex = following[vertex]
    return run, np.array(gap, np.intp)[run[1:]]


class Largest:
    """Where the largest of some numbers stands, for any range of them: two ranges of a power of two cover it.

    Bender & Farach-Colton 2000, doi:10.1007/10719839_9 (their sparse table).
    """

    def __init__(self, numbers: npt.NDArray[Any], longest: int) -> None:
        self.numbers = numbers
        self.at = np.tile(np.arange(len(numbers)), (max(1, longest).bit_length(), 1))
        for level in range(1, len(self.at)):
            half = 1 << level - 1
            one, other = self.at[level - 1, :-half], self.at[level - 1, half:]
            self.at[level, :-half] = np.where(numbers[one] >= numbers[other], one, other)

    def __call__(self, lo: Ints, hi: Ints) -> Ints:
        """Where the largest of ``numbers[lo:hi]`` stands, for each of several ranges, none of them empty."""
        level = np.frexp(hi - lo)[1] - 1
        one, other = self.at[level, lo], self.at[level, hi - (1 << level)]
        return np.asarray(np.where(self.numbers[one] >= self.numbers[other], one, other))


def heaviest_between(gap: npt.NDArray[Any], scratch: Scratch) -> npt.NDArray[Any]:
    """The heaviest of the gaps between any two places of a run: ``(n, n)``, 0 on the diagonal, in ``scratch``.

    The gap between each place and the one before it is given; what stands first is not looked at.
    """
    n, blocks = len(gap), 1
    while blocks * _RUN < n:
        blocks *= 2
    side = -(-n // blocks)
    gaps = np.zeros(blocks * side, gap.dtype)
    gaps[:n] = gap
    heaviest = scratch("heaviest", (blocks * side, blocks * side), gap.dtype)
    # Runs of a few places first, all abreast, place by place.
    inside, mine = _diagonal_blocks(heaviest, side), gaps.reshape(blocks, side)
    inside[:, np.arange(side), np.arange(side)] = 0
    for place in range(1, side):
        row = np.maximum(inside[:, place - 1, :place], mine[:, place, None])
        inside[:, place, :place] = inside[:, :place, place] = row
    # Then two runs make one: a way between them is as heavy as the heavier of its parts on either side.
    while side < len(gaps):
        half, side = side, 2 * side
        inside, mine = _diagonal_blocks(heaviest, side), gaps.reshape(-1, side)
        left, right = np.zeros((len(mine), half), gap.dtype), np.maximum.accumulate(mine[:, half:], axis=1)
        left[:, -2::-1] = np.maximum.accumulate(mine[:, half - 1 : 0 : -1], axis=1)
        np.maximum(right[:, :, None], left[:, None, :], out=inside[:, half:, :half])
        np.maximum(left[:, :, None], right[:, None, :], out=inside[:, :half, half:])
    return heaviest[:n, :n]


def _diagonal_blocks(square: npt.NDArray[Any], side: int) -> npt.NDArray[Any]:
    """The blocks of this side on the diagonal of a square array: ``(blocks, side, side)``, to write to."""
    blocks = len(square) // side
    return np.asarray(np.einsum("isit->ist", square.reshape(blocks, side, blocks, side)))
