"""How the pairs of a layer are divided: lots of classes, blocks between two lots, batches that are counted together."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hpfunc._tree.exact import THIN
from hpfunc._tree.pairs.candidates import Candidates, Lot

__all__ = ["WIDTH", "Batch", "Block", "batches", "divide", "height"]

Ints = npt.NDArray[np.intp]

# Points of a lot: the columns of a block are so many, or one class.
WIDTH = 1024
# Its rows are some more, so that what is done pair by pair takes little of the time; most where products take little,
# and one class where they take nearly all.
_HEIGHT, _THIN_HEIGHT = 2048, 4096
# A class more than so many times as large as another is not filled up to: it begins a lot.
_ALIKE = 1.25
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


def height(size: int, d: int) -> int:
    """Points that the rows of a block may have, for classes of this size and so many features."""
    if d <= THIN:
        return max(size, _THIN_HEIGHT)
    return _HEIGHT if 2 * size <= WIDTH else size


def divide(sizes: Ints, d: int, dtype: Any) -> list[Lot]:
    """Classes of similar size together, as many as make up the rows of a block."""
    by_size = np.argsort(sizes, kind="stable")
    groups: list[list[int]] = []
    for k in by_size.tolist():
        n = int(sizes[k])
        if not groups or (len(groups[-1]) + 1) * n > height(n, d) or n > _ALIKE * sizes[groups[-1][0]]:
            groups.append([])
        groups[-1].append(k)
    shapes = [(len(classes), int(sizes[classes[-1]])) for classes in groups]
    # In one piece, which the system maps faster than many.
    ends = np.cumsum([r * m * m for r, m in shapes])
    room = np.zeros(ends[-1], dtype)
    return [
        Lot(np.array(classes), room[end - r * m * m : end].reshape(r, m, m))
        for classes, (r, m), end in zip(groups, shapes, ends, strict=True)
    ]


def batches(lots: list[Lot], starts: Ints, pairs: Ints) -> Iterator[Batch]:
    """All blocks in which pairs are asked for: some classes, and others of the same lot or of a later one."""
    sizes, n_classes = np.diff(starts), len(starts) - 1
    wanted = np.full((n_classes, n_classes), -1, np.intp)
    wanted[pairs[:, 0], pairs[:, 1]] = np.arange(len(pairs))
    np.maximum(wanted, wanted.T, out=wanted)
    blocks = []
    for a, lot in enumerate(lots):
        for b, second in enumerate(lots[a:], a):
            step = max(1, WIDTH // second.heaviest.shape[1])
            for first in range(0, len(second.classes), step):
                other = _part(second, first, first + step)
                one = _part(lot, 0, first + step) if a == b else lot
                number = wanted[np.ix_(one.classes, other.classes)]
                if a == b:
                    # Each pair once: the first class stands before the second.
                    number = np.triu(number + 1, 1 - first) - 1
                i, j = np.nonzero(number >= 0)
                if i.size:
                    blocks.append(Block(one, other, i, j, number[i, j]))
    # The largest first: no thread is left with one of them at the end.
    blocks.sort(key=lambda block: -block.one.heaviest[..., 0].size * block.other.heaviest[..., 0].size)
    batch: list[Block] = []
    n_points = 0
    for block in blocks:
        batch.append(block)
        n_points += int(sizes[block.one.classes[block.i]].sum() + sizes[block.other.classes[block.j]].sum())
        if n_points >= _BATCH_POINTS:
            yield Batch(batch)
            batch, n_points = [], 0
    if batch:
        yield Batch(batch)


def _part(lot: Lot, start: int, stop: int) -> Lot:
    return Lot(lot.classes[start:stop], lot.heaviest[start:stop])
