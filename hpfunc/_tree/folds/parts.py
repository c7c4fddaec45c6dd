"""Parts of classes: the points of a class in each fold of each repeat, as rows of the layer that all repeats share."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from hpfunc._arrays.types import Ints
from hpfunc._tree.exact import LayerPoints, equal_rows
from hpfunc._tree.pairs.types import ClassGroup

__all__ = ["PartGroup", "group_parts", "part_points"]


class PartGroup(NamedTuple):
    """Hold the positions of the points of all P parts of the r classes of a group."""

    position: Ints  # (r P, m) row of each point within its class; past the end of a part, far beyond any row
    sizes: Ints  # (r P,) points of each part


def part_points(x: Any, starts: Ints, fold: Ints) -> LayerPoints:
    """List the distinct points of all parts, class after class, and those of a class repeat after repeat.

    Parameters
    ----------
    x : (N, d) array
    starts : (K + 1,) array
        Rows ``starts[k]:starts[k + 1]`` are class k.
    fold : (R, N) array
        The fold of each row in each repeat, from 0 to F - 1.

    Returns
    -------
    LayerPoints
        Of K R F classes: class ``(k R + r) F + f`` is fold f of class k in repeat r.
    """
    (n_repeats, n), n_folds, n_classes = fold.shape, int(fold.max()) + 1, len(starts) - 1
    class_of_row = np.repeat(np.arange(n_classes), np.diff(starts))
    part = (class_of_row * n_repeats + np.arange(n_repeats)[:, None]) * n_folds + fold
    order = np.argsort(part.reshape(-1), kind="stable")
    part, row = part.reshape(-1)[order], order % n
    first, copies = equal_rows(x, starts), np.ones(len(row), np.intp)
    if (first != np.arange(n)).any():
        _, kept, copies = np.unique(part * n + first[row], return_index=True, return_counts=True)
        in_order = np.argsort(kept)
        part, row, copies = part[kept[in_order]], row[kept[in_order]], copies[in_order]
    return LayerPoints(x, np.searchsorted(part, np.arange(n_classes * n_repeats * n_folds + 1)), copies, row)


def group_parts(points: LayerPoints, starts: Ints, group: ClassGroup, n_parts: int) -> PartGroup:
    """Find the positions of the points of all parts of a group of classes.

    Parameters
    ----------
    points : LayerPoints
        Of all parts.
    starts : (K + 1,) array
        Rows ``starts[k]:starts[k + 1]`` are class k.
    group : ClassGroup
    n_parts : int
        Parts of each class.
    """
    parts = (group.classes[:, None] * n_parts + np.arange(n_parts)).reshape(-1)
    sizes = np.diff(points.starts)[parts]
    place = np.arange(int(sizes.max()))
    row = points.rows_of(np.minimum(points.starts[parts, None] + place, points.starts[-1] - 1))
    position = row - np.repeat(starts[group.classes], n_parts)[:, None]
    # This number lies beyond all distances of a block, even where its classes are padded to the size of the largest,
    # and does not overflow when multiplied by the number of rows.
    return PartGroup(np.where(place < sizes[:, None], position, 4 * int(starts[-1]) ** 2), sizes)
