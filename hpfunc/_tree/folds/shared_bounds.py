"""Take the distances of parts of classes from the distances of whole classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from hpfunc._arrays.types import Array, Ints
from hpfunc._tree.distances import CentredPoints, block_bounds, fill_class_bounds
from hpfunc._tree.exact import LayerPoints
from hpfunc._tree.folds.parts import PartGroup
from hpfunc._tree.memory import SpareBytes
from hpfunc._tree.mst.class_candidates import ClassBatch
from hpfunc._tree.mst.class_trees import BATCH_VERTICES, ClassTree, grow_trees
from hpfunc._tree.pairs.candidates import BlockBounds, find_light_edges
from hpfunc._tree.pairs.types import Candidates, LayerData, PairBlock
from hpfunc._tree.threads import Scratch

__all__ = ["PARTS_TABLE", "find_part_candidates", "grow_part_trees"]

# Entries that are taken at a time, so that they and their indices stay in the second-level cache.
_TAKEN = 2**17
# Entries of the tables of all parts whose trees are grown together.
PARTS_TABLE = 2**22


def grow_part_trees(
    points: LayerPoints,
    centred: CentredPoints,
    class_number: int,
    parts: PartGroup,
    maxima: Array,
    spare: SpareBytes,
    scratch: Scratch,
) -> list[ClassTree]:
    """Find the minimum spanning trees of all P parts of one class.

    Parameters
    ----------
    points : LayerPoints
        Of the parts of all classes.
    centred : CentredPoints
        The rows, centred by class.
    class_number : int
    parts : PartGroup
        Of this class alone.
    maxima : (P, m, m) array
        To be filled with the path maxima of each part, rounded up.
    spare : SpareBytes
        Memory for ties and near ties.
    scratch : Scratch
    """
    (n_parts, m), n = parts.position.shape, int(np.diff(centred.starts)[class_number])
    shared = _room_for_shared(n * n, centred.dtype, scratch)
    fill_class_bounds(centred, class_number, shared[:-1].reshape(n, n), scratch)
    trees: list[ClassTree] = []
    step = max(1, min(BATCH_VERTICES // m, PARTS_TABLE // m**2))
    for lo in range(0, n_parts, step):
        position, sizes = parts.position[lo : lo + step], parts.sizes[lo : lo + step]
        table = scratch("parts", (len(sizes), m, m), centred.dtype)
        _take_parts(shared, position * n, position, table)
        batch = ClassBatch(
            points,
            class_number * n_parts + lo + np.arange(len(sizes)),
            sizes,
            table,
            np.full(len(sizes), centred.error[class_number, class_number]),
            centred.relative,
            [filled[:size, :size] for filled, size in zip(maxima[lo : lo + step], sizes, strict=True)],
            spare=spare,
        )
        trees += grow_trees(batch, scratch, exact=True)
    return trees


def find_part_candidates(layer: LayerData, parts: list[PartGroup], block: PairBlock, scratch: Scratch) -> Candidates:
    """Find the candidate edges of all parts of the pairs of one block; ``pair`` numbers them, pair after pair.

    Parameters
    ----------
    layer : LayerData
        Its points and trees are those of the parts; its centred points are those of the classes.
    parts : list of PartGroup
        Of each group of classes.
    block : PairBlock
        Between classes.
    scratch : Scratch
    """
    centred, rows, cols = layer.centred, block.rows, block.cols
    left, right, n_cols = parts[rows.number], parts[cols.number], len(cols.classes)
    n_parts = (len(layer.points.starts) - 1) // (len(centred.starts) - 1)
    height, width = len(rows.classes) * rows.size, n_cols * cols.size
    shared = _room_for_shared(height * width, centred.dtype, scratch)
    block_bounds(centred, rows.classes, cols.classes, rows.size, cols.size, scratch, shared[:-1].reshape(height, width))
    error = centred.error[rows.classes[block.row_place], cols.classes[block.col_place]]
    found: list[Any] = []
    m, n = left.position.shape[1], right.position.shape[1]
    step, total = max(1, _TAKEN // (m * n)), len(block.number) * n_parts
    for lo in range(0, total, step):
        number, part = np.divmod(np.arange(lo, min(lo + step, total)), n_parts)
        row_place, col_place = block.row_place[number], block.col_place[number]
        row_tree, col_tree = (rows.first + row_place) * n_parts + part, (cols.first + col_place) * n_parts + part
        lower = scratch("parts", (len(number), m, 1, n), centred.dtype)
        first = (row_place[:, None] * rows.size + left.position[row_tree]) * n_cols + col_place[:, None]
        _take_parts(shared, first * cols.size, right.position[col_tree], lower[:, :, 0])
        bounds = BlockBounds(
            lower, np.arange(len(number)), np.zeros(len(number), np.intp), error[number], centred.relative,
            layer.path_maxima[rows.number], layer.path_maxima[cols.number], row_tree, col_tree,
        )  # fmt: skip
        candidates, _ = find_light_edges(bounds, scratch)
        found.append(candidates._replace(pair=candidates.pair + lo))
    return Candidates(*(np.concatenate(field) for field in zip(*found, strict=True)))


def _room_for_shared(n_entries: int, dtype: Any, scratch: Scratch) -> Array:
    """Return an array for ``n_entries`` entries, followed by an infinite one for indices that are too large."""
    shared = scratch("shared", (n_entries + 1,), dtype)
    shared[-1] = np.inf
    return shared


def _take_parts(shared: Array, first: Ints, position: Ints, out: Array) -> None:
    """Take the tables of several parts from shared distances.

    Parameters
    ----------
    shared : (E + 1,) array
        Distances, then an infinite one for indices of E and more.
    first : (q, m) array
        Index of the first distance of each row.
    position : (q, n) array
        Position of each column within the rows.
    out : (q, m, n) array
        To be filled.
    """
    step = max(1, _TAKEN // out[0].size)
    for lo in range(0, len(out), step):
        part = slice(lo, lo + step)
        np.take(shared, first[part, :, None] + position[part, None], out=out[part], mode="clip")
