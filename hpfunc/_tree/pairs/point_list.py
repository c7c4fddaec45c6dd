"""List the points of many pairs of classes, so that all pairs are counted at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hpfunc._arrays.types import Ints

__all__ = ["PointList", "list_points"]


class PointList(NamedTuple):
    """List the points of P pairs, L in all: pair after pair, class after class."""

    numbers: Ints  # (L,) of the layer
    offset: Ints  # (L,) what to add to this number, or to that of another point of its class, to find its position
    half: Ints  # (L,) the class of each point; the two classes of pair p are the halves 2 p and 2 p + 1
    shift: Ints  # (P, 2) the offset of each class
    first: Ints  # (P, 2) the position of the first point of each class


def list_points(starts: Ints, pairs: Ints) -> PointList:
    """List the points of pairs of classes.

    Parameters
    ----------
    starts : (K + 1,) array
        Points ``starts[k]:starts[k + 1]`` are class k.
    pairs : (P, 2) array
        Class numbers.
    """
    sizes = np.diff(starts)[pairs].reshape(-1)
    first = np.cumsum(sizes) - sizes
    shift = first - starts[pairs].reshape(-1)
    half = np.repeat(np.arange(len(sizes)), sizes)
    offset = shift.take(half)
    return PointList(np.arange(len(half)) - offset, offset, half, shift.reshape(-1, 2), first.reshape(-1, 2))
