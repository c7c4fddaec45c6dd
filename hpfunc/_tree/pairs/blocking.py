"""Divide the pairs of a layer: groups of classes, blocks between two groups, batches of blocks counted together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hpfunc._arrays.types import Ints
from hpfunc._tree.exact import THIN
from hpfunc._tree.mst.kruskal import components
from hpfunc._tree.pairs.types import ClassGroup, PairBlock

__all__ = ["BATCH_POINTS", "WIDTH", "block_height", "block_pairs", "divide_classes", "take_batches"]

# Points of the columns of a block, unless a single class has more.
WIDTH = 1024
# A block has more rows than columns, so that the fixed work for each pair takes little of the time. It has the most
# rows for thin points, whose products are cheap, and the rows of a single class where products take nearly all the
# time.
_HEIGHT, _THIN_HEIGHT = 2048, 4096
# A class more than this many times as large as the smallest of a group begins a new group, so that little is padded.
_SIMILAR = 1.25
# From this number of points on, classes that no wanted pair joins to others get groups of their own.
_PART = 256
# Points of the pairs in a batch. Large enough that the fixed cost of one count is negligible.
BATCH_POINTS = 20_000


def block_height(size: int, d: int) -> int:
    """Return how many points the rows of a block may have, for classes of this size and d features."""
    if d <= THIN:
        return max(size, _THIN_HEIGHT)
    return _HEIGHT if 2 * size <= WIDTH else size


def divide_classes(sizes: Ints, pairs: Ints, d: int) -> list[ClassGroup]:
    """Divide classes into groups of similar size, each with as many classes as make up the rows of a block.

    Classes that no chain of wanted pairs joins, such as those of two folds, are kept apart where both sides are large:
    the distances between them would be computed for nothing.

    Parameters
    ----------
    sizes : (K,) array
        Points of each class.
    pairs : (P, 2) array
        Class numbers of the wanted pairs.
    d : int
        Features.
    """
    part = _join_parts(components(len(sizes), pairs)[1], sizes)
    groups: list[list[int]] = []
    for k in np.lexsort((sizes, part)).tolist():
        n, first = int(sizes[k]), groups[-1][0] if groups else k
        if (
            not groups
            or part[k] != part[first]
            or (len(groups[-1]) + 1) * n > block_height(n, d)
            or n > _SIMILAR * sizes[first]
        ):
            groups.append([])
        groups[-1].append(k)
    return [ClassGroup(g, 0, np.array(classes), int(sizes[classes[-1]])) for g, classes in enumerate(groups)]


def _join_parts(part: Ints, sizes: Ints) -> Ints:
    """Give consecutive small parts the same number, so that they are processed together."""
    n_points = np.bincount(part, sizes)
    number, held = np.zeros(len(n_points), np.intp), 0.0
    for p, n in enumerate(n_points.tolist()):
        new = p > 0 and held + n > _PART
        number[p] = number[p - 1] + new if p else 0
        held = n if new else held + n
    return number[part]


def block_pairs(groups: list[ClassGroup], pairs: Ints, n_classes: int) -> list[PairBlock]:
    """List all blocks that hold a wanted pair, each between classes of a group and classes of the same or a later one.

    Parameters
    ----------
    groups : list of ClassGroup
    pairs : (P, 2) array
        Class numbers.
    n_classes : int
    """
    wanted = np.full((n_classes, n_classes), -1, np.intp)
    wanted[pairs[:, 0], pairs[:, 1]] = np.arange(len(pairs))
    np.maximum(wanted, wanted.T, out=wanted)
    blocks = []
    for a, group in enumerate(groups):
        for b, later in enumerate(groups[a:], a):
            step = max(1, WIDTH // later.size)
            for first in range(0, len(later.classes), step):
                cols = later.part(first, first + step)
                # Within a group each pair is wanted once: its first class comes before its second. The product of
                # a group with itself takes half the time of a product of two groups.
                for rows in (group.part(0, first), cols) if a == b else (group,):
                    number = wanted[np.ix_(rows.classes, cols.classes)]
                    if rows is cols:
                        number = np.triu(number + 1, 1) - 1
                    row_place, col_place = np.nonzero(number >= 0)
                    if row_place.size:
                        blocks.append(PairBlock(rows, cols, row_place, col_place, number[row_place, col_place]))
    # The largest block comes first, so that no thread is left with it at the end.
    blocks.sort(
        key=lambda block: -len(block.rows.classes) * block.rows.size * len(block.cols.classes) * block.cols.size
    )
    return blocks


def take_batches(blocks: list[PairBlock], sizes: Ints) -> Iterator[list[PairBlock]]:
    """Yield the blocks in batches whose pairs have enough points to be counted together."""
    batch: list[PairBlock] = []
    n_points = 0
    for block in blocks:
        batch.append(block)
        row_classes, col_classes = block.rows.classes[block.row_place], block.cols.classes[block.col_place]
        n_points += int(sizes[row_classes].sum() + sizes[col_classes].sum())
        if n_points >= BATCH_POINTS:
            yield batch
            batch, n_points = [], 0
    if batch:
        yield batch
