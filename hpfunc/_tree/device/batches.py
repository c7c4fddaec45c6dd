"""Batches of pairs of classes: each batch is counted on one table of all distances between its classes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hpfunc._arrays.types import Ints

__all__ = ["number_classes", "split_pairs"]

# What a batch costs beside its table, in entries of it: launches and copies take as long as so many products.
_FIXED = 2.0**24
# Where the distances that are wanted are at least such a part of the table, it is not worth dividing.
_DENSE = 4.0
# Classes are divided into up to so many groups where few pairs are asked for.
_MOST_GROUPS = 64


def number_classes(pairs: Ints, n_classes: int) -> tuple[Ints, Ints]:
    """Return the classes that occur in pairs ``(P, 2)``, in order, and the pairs by their positions among these."""
    occurs = np.zeros(n_classes, bool)
    occurs[pairs] = True
    return np.flatnonzero(occurs), (np.cumsum(occurs) - 1)[pairs]


def split_pairs(pairs: Ints, sizes: Ints, fits: Callable[[Ints], bool]) -> list[Ints]:
    """Split pairs into batches.

    Classes are put into groups of neighbours with about equally many points. A batch holds the pairs between two
    groups, and those within a group go where the group is anyway. Where most pairs are asked for, the groups are as few
    as memory allows. Where few are, the number of groups is the one whose tables are the cheapest.

    Parameters
    ----------
    pairs : (P, 2) array
        Class numbers.
    sizes : (K,) array
        Points of each class.
    fits : callable
        Tells of the sizes of some classes whether a table of these classes fits in memory.

    Returns
    -------
    list of arrays
        Positions in ``pairs``. A batch that does not fit holds a single pair.
    """
    classes, numbered = number_classes(pairs, len(sizes))
    if _is_dense(numbered, sizes[classes]) and fits(sizes[classes]):
        return [np.arange(len(pairs))]
    alone, rest = _too_large(pairs, sizes, fits)
    batches = [np.array([p]) for p in alone.tolist()]
    if rest.size:
        batches += [rest[batch] for batch in _split_by_groups(pairs[rest], sizes, fits)]
    return batches


def _is_dense(pairs: Ints, sizes: Ints) -> bool:
    """Tell whether the distances that pairs want are a large part of a table of all these classes."""
    wanted = 2 * float(sizes[pairs[:, 0]] @ sizes[pairs[:, 1]])
    return _DENSE * wanted >= float(sizes.sum()) ** 2


def _too_large(pairs: Ints, sizes: Ints, fits: Callable[[Ints], bool]) -> tuple[Ints, Ints]:
    """Return the positions of the pairs of which a table of their own does not fit, and of all others."""
    points = sizes[pairs].sum(axis=1)
    order = np.argsort(points, kind="stable")
    low, high = 0, len(order)
    if fits(sizes[pairs[order[-1]]]):
        low = high
    while low < high:
        middle = (low + high) // 2
        if fits(sizes[pairs[order[middle]]]):
            low = middle + 1
        else:
            high = middle
    return order[low:], np.sort(order[:low])


def _split_by_groups(pairs: Ints, sizes: Ints, fits: Callable[[Ints], bool]) -> list[Ints]:
    """Return the batches of the best number of groups; each pair by itself fits."""
    classes, numbered = number_classes(pairs, len(sizes))
    used = sizes[classes]
    dense = _is_dense(numbered, used)
    best, n_groups = (np.inf, [np.arange(len(pairs))]), 1
    while True:
        batches = _by_groups(numbered, used, n_groups)
        tables = [used[number_classes(numbered[batch], len(used))[0]] for batch in batches]
        if all(map(fits, tables)):
            best = min(best, (sum(float(t.sum()) ** 2 + _FIXED for t in tables), batches), key=lambda found: found[0])
            if dense or n_groups >= min(_MOST_GROUPS, len(used)):
                return best[1]
        n_groups *= 2


def _by_groups(pairs: Ints, sizes: Ints, n_groups: int) -> list[Ints]:
    """Return the positions of the pairs of each two groups of classes; each class stands alone if groups are many."""
    if n_groups == 1:
        return [np.arange(len(pairs))]
    middle = np.cumsum(sizes) - sizes / 2
    group = np.arange(len(sizes)) if n_groups >= len(sizes) else (middle * n_groups / sizes.sum()).astype(np.intp)
    ends = np.sort(group[pairs], axis=1)
    across = ends[:, 0] != ends[:, 1]
    # A pair within a group goes with the last batch that holds this group, if there is any.
    partner = np.arange(len(sizes) + n_groups)
    partner[ends[across, 0]] = ends[across, 1]
    partner[ends[across, 1]] = ends[across, 0]
    ends[~across, 1] = partner[ends[~across, 0]]
    ends = np.sort(ends, axis=1)
    key = ends[:, 0] * (int(ends.max()) + 1) + ends[:, 1]
    order = np.argsort(key, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(key[order])) + 1)
