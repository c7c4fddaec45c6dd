"""The records that the steps of counting pairs pass to each other."""

from __future__ import annotations

from typing import NamedTuple

from hpfunc._arrays.types import Array, Floats, Ints
from hpfunc._tree.distances import CentredPoints
from hpfunc._tree.exact import LayerPoints
from hpfunc._tree.memory import SpareBytes
from hpfunc._tree.mst.class_trees import ClassTree
from hpfunc._tree.reduce.limits import Reduction

__all__ = ["Candidates", "ClassGroup", "LayerData", "PairBlock"]


class LayerData(NamedTuple):
    """Hold all that the pairs of a layer share."""

    points: LayerPoints
    centred: CentredPoints  # for the blocks between classes; of reduced points where there is a reduction
    class_trees: list[ClassTree]  # K
    path_maxima: list[Array]  # of each class group (r, m, m), rounded up; 0 past the end of a class
    reduction: Reduction | None  # if not None, path maxima are limits of reduced distances
    spare: SpareBytes  # memory for ties and near ties


class ClassGroup(NamedTuple):
    """Name classes of similar size that are processed together: a whole group, or some of its classes."""

    number: int  # of the whole group in the layer
    first: int  # place of the first class in the whole group
    classes: Ints  # (r,) class numbers
    size: int  # points of the largest class of the whole group

    def part(self, start: int, stop: int) -> ClassGroup:
        """Return the classes from place ``start`` to before place ``stop``."""
        return self._replace(first=self.first + start, classes=self.classes[start:stop])


class PairBlock(NamedTuple):
    """Name the pairs between two class groups."""

    rows: ClassGroup
    cols: ClassGroup
    row_place: Ints  # (P,) place of the class of each pair in ``rows``
    col_place: Ints  # (P,) place of the other class of each pair in ``cols``
    number: Ints  # (P,) number of each pair in the result


class Candidates(NamedTuple):
    """Hold the cross edges of several pairs that may belong to minimum spanning trees."""

    pair: Ints  # (E,) number of the pair
    source: Ints  # (E,) point of the first class
    target: Ints  # (E,) point of the second class
    lower: Floats  # (E,) lower bound of the squared distance
    upper: Floats  # (E,) upper bound of it; infinite for all candidates of a pair that was not measured
