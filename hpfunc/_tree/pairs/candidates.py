"""Cross edges that may stand in the minimum spanning trees of pairs of classes, from blocks of distances.

`pairs` says why no other can.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hpfunc._tree.distances import Centred, block, upper_bound
from hpfunc._tree.mst.class_trees import Cloud, rounded_up
from hpfunc._tree.threads import Scratch

__all__ = ["Candidates", "Layer", "Lot", "Points", "find_candidates", "light_edges"]

Ints = npt.NDArray[np.intp]

# Entries of a block that are searched at a time: what is worked in then stays in the second-level cache.
_STRIP = 2**18
# So many ways from a class to another are tried for every point.
_BRIDGES = 32


class Points(NamedTuple):
    """Distinct points, class by class."""

    x: Any  # (N, d)
    starts: Ints  # (K + 1,)
    copies: Ints  # (N,) how many samples of the class equal each point


class Layer(NamedTuple):
    """All that the pairs of a layer share."""

    points: Points
    centred: Centred  # for the blocks between classes
    clouds: list[Cloud]


class Lot(NamedTuple):
    """Some classes as one side of a block, each filled up to the size m of the largest."""

    classes: Ints  # (r,)
    heaviest: npt.NDArray[Any]  # (r, m, m) 0 past the end of a class


class Candidates(NamedTuple):
    """Cross edges of several pairs that may stand in minimum spanning trees."""

    pair: Ints  # (E,) number of the pair
    one: Ints  # (E,) point of the first class
    other: Ints  # (E,) point of the second class
    lower: npt.NDArray[np.float64]  # (E,) lower bound of the squared distance

    def select(self, which: Any) -> Candidates:
        """Those of given numbers, or where a mask is true."""
        fields: list[Any] = [field[which] for field in self]
        return Candidates(*fields)


def find_candidates(layer: Layer, one: Lot, other: Lot, i: Ints, j: Ints, scratch: Scratch) -> Candidates:
    """Candidates of pairs between two lots: of the classes in place i of the first and j of the second."""
    error = layer.centred.error[one.classes[i], other.classes[j]]
    m, n = one.heaviest.shape[1], other.heaviest.shape[1]
    lower = block(layer.centred, one.classes, other.classes, m, n, scratch)
    return light_edges(lower, error, layer.centred.relative, one.heaviest, other.heaviest, i, j, scratch)


def light_edges(
    lower: npt.NDArray[Any],
    error: npt.NDArray[np.float64],
    relative: float,
    heaviest_one: npt.NDArray[Any],
    heaviest_other: npt.NDArray[Any],
    i: Ints,
    j: Ints,
    scratch: Scratch,
) -> Candidates:
    """Edges no heavier than the way through both trees that was found for them.

    Parameters
    ----------
    lower : (r, m, c, n) array
        Lower bounds of the squared distances between the points of r and c classes.
    error : (P,) array
        Of each pair, and
    relative : float
        of all: see `distances.upper_bound`.
    heaviest_one : (r, m, m) array
    heaviest_other : (c, n, n) array
        The heaviest weight on the way between two points of a class, rounded up.
    i, j : (P,) array
        The pairs: places of their classes among the r and the c.
    """
    r, m, c, n = lower.shape
    parts: list[tuple[Any, ...]] = []
    for k in np.unique(j):
        # All pairs with one class of the second lot.
        pair = np.flatnonzero(j == k)
        class_, heaviest = i[pair, None], heaviest_other[k]
        distances = lower[:, :, k] if len(pair) == r else lower[i[pair], :, k]
        nearest = distances.argmin(axis=2)
        least = np.take_along_axis(distances, nearest[..., None], axis=2)[..., 0]
        across = rounded_up(upper_bound(least, error[pair, None], relative), lower.dtype)
        bridge = _bridges(across, heaviest_one, class_)
        # The best of them for every point, how heavy the way is, and where it arrives.
        ways = np.maximum(heaviest_one[class_, bridge], np.take_along_axis(across, bridge, axis=1)[..., None])
        best = ways.argmin(axis=1)
        way = np.take_along_axis(ways, best[:, None], axis=1)[:, 0]
        arrivals = np.take_along_axis(nearest, bridge, axis=1)
        # Points that may cross by themselves; others must come out of reach of their way. Most are too far for that.
        own = least <= way
        reach = heaviest[arrivals].max(axis=(1, 2))
        n_own = np.count_nonzero(own)
        at, one = np.concatenate([np.nonzero(own), np.nonzero((least <= reach[:, None]) & ~own)], axis=1)
        flat = (class_[at, 0] * m + one) * c + k
        arrival, most = arrivals[at, best[at, one]], np.where(own, way, 0)[at, one]
        step = max(1, _STRIP // n)
        for lo in range(0, len(at), step):
            strip = slice(lo, lo + step)
            shape = (len(at[strip]), n)
            limit, rows = scratch("limit", shape, lower.dtype), scratch("rows", shape, lower.dtype)
            np.take(heaviest, arrival[strip], axis=0, out=limit, mode="clip")
            if lo < n_own:
                np.maximum(limit, most[strip, None], out=limit)
            np.take(lower.reshape(-1, n), flat[strip], axis=0, out=rows, mode="clip")
            light = np.less_equal(rows, limit, out=scratch("light", shape, np.bool_))
            # Hits are few; the flat search for them is the fast one.
            row, other = np.divmod(np.flatnonzero(light), n)
            parts.append((pair[at[strip][row]], one[strip][row], other, rows[row, other].astype(np.float64)))
    fields: list[Any] = [np.concatenate(field) for field in zip(*parts, strict=True)]
    return Candidates(*fields)


def _bridges(across: npt.NDArray[Any], heaviest: npt.NDArray[Any], class_: Ints) -> Ints:
    """The points of each class from which it may be best to cross to the other, and perhaps some more: ``(P, k)``.

    Let p be the point with the lightest way across. Another point q is of no use where its own way across is no
    lighter than the way that leads to p first: wherever one starts, going to q and over is no lighter than going to q,
    on to p, and over. Of those of use the lightest are taken: more ways would spare hardly any candidate.
    """
    lightest = across.argmin(axis=1)[:, None]
    detour = np.maximum(heaviest[class_, lightest][:, 0], np.take_along_axis(across, lightest, axis=1))
    useful = across < detour
    np.put_along_axis(useful, lightest, True, axis=1)
    most = min(int(useful.sum(axis=1).max()), _BRIDGES)
    return np.argsort(np.where(useful, across, np.inf), axis=1)[:, :most]
