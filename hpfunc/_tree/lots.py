"""How the pairs of a layer are divided: lots of classes, blocks between two lots, batches of blocks counted together."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import combinations_with_replacement
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hpfunc._tree.between import Candidates, Lot

__all__ = ["BLOCK_POINTS", "Batch", "Block", "batches", "divide"]

Ints = npt.NDArray[np.intp]

# Points of a block of the matrix product: enough for BLAS to run at full speed, few enough for the caches.
BLOCK_POINTS = 1024
# Points of the pairs that are counted together: enough for what a count takes to begin to be little.
_BATCH_POINTS = 20_000


class Block(NamedTuple):
    """Pairs between two lots."""

    one: Lot
    other: Lot
    i: Ints  # places of their classes in the lots
    j: Ints
    number: Ints  # places of the pairs in the result


class Batch:
    """Blocks whose pairs are counted together, when the candidates of all have been found."""

    def __init__(self, blocks: list[Block]) -> None:
        self.blocks = blocks
        self.number = np.concatenate([block.number for block in blocks])
        one = np.concatenate([block.one.classes[block.i] for block in blocks])
        other = np.concatenate([block.other.classes[block.j] for block in blocks])
        self.pairs = np.stack([one, other], axis=1)
        self._found: dict[int, Candidates] = {}
        self._lock = threading.Lock()

    def keep(self, place: int, found: Candidates) -> Candidates | None:
        """Note what was found in a block; all that was found if this is the last, pairs numbered as in ``pairs``."""
        with self._lock:
            self._found[place] = found
            if len(self._found) < len(self.blocks):
                return None
        first = np.cumsum([0] + [len(block.number) for block in self.blocks])
        parts = [self._found[p]._replace(pair=self._found[p].pair + first[p]) for p in range(len(self.blocks))]
        fields: list[Any] = [np.concatenate(field) for field in zip(*parts, strict=True)]
        return Candidates(*fields)


def divide(sizes: Ints, dtype: Any) -> list[Lot]:
    """Classes of similar size together, as many as make up a block."""
    by_size = np.argsort(sizes, kind="stable")
    # A lot begins where the points of the classes before it fill another block.
    block_of = np.cumsum(sizes[by_size]) // BLOCK_POINTS
    groups = np.split(by_size, np.flatnonzero(np.diff(block_of)) + 1)
    shapes = [(len(classes), int(sizes[classes].max())) for classes in groups]
    # In one piece, which the system maps faster than many.
    ends = np.cumsum([r * m * m for r, m in shapes])
    room = np.zeros(ends[-1], dtype)
    return [
        Lot(classes, room[end - r * m * m : end].reshape(r, m, m))
        for classes, (r, m), end in zip(groups, shapes, ends, strict=True)
    ]


def batches(lots: list[Lot], starts: Ints, pairs: Ints) -> Iterator[Batch]:
    """All blocks in which pairs are asked for."""
    sizes, n_classes = np.diff(starts), len(starts) - 1
    wanted = np.full((n_classes, n_classes), -1, np.intp)
    wanted[pairs[:, 0], pairs[:, 1]] = np.arange(len(pairs))
    blocks: list[Block] = []
    n_points = 0
    for one, other in combinations_with_replacement(lots, 2):
        number = np.maximum(wanted[np.ix_(one.classes, other.classes)], wanted[np.ix_(other.classes, one.classes)].T)
        if one is other:
            number = np.triu(number + 1, 1) - 1
        i, j = np.nonzero(number >= 0)
        if not i.size:
            continue
        blocks.append(Block(one, other, i, j, number[i, j]))
        n_points += int(sizes[one.classes[i]].sum() + sizes[other.classes[j]].sum())
        if n_points >= _BATCH_POINTS:
            yield Batch(blocks)
            blocks, n_points = [], 0
    if blocks:
        yield Batch(blocks)
