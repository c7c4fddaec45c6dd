"""Measure pairs of classes: from points class by class to the variables of a result."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hpfunc._arrays import namespace
from hpfunc._arrays.types import Ints
from hpfunc._measure.describe import explain
from hpfunc._stats.estimate import ESTIMATORS
from hpfunc._stats.null import enumerated_pvalues, few_labellings, significance
from hpfunc._support.memory import max_bytes
from hpfunc._tree import (
    CrossEdges,
    GraphOptions,
    PairCounts,
    bytes_for_pairs,
    check_pairs_copy,
    count_folds,
    count_pairs,
    weight_tables,
)  # fmt: skip
from hpfunc._tree.threads import worker_threads

__all__ = ["GraphOptions", "measure_folds", "measure_pairs"]

_log = logging.getLogger("hpfunc")

# Folds of up to this many points are measured together, since one call for each fold would cost more than the work.
_POINTS_AT_ONCE, _BYTES_AT_ONCE = 20_000, 2**26
# From this number of pairs on, p-values are computed in threads.
_MANY_PAIRS = 1000


def measure_pairs(
    points: Any,
    starts: Ints,
    pairs: Ints,
    options: GraphOptions,
    *,
    where: str,
    name: Callable[[int], str],
    advance: Callable[[int], Any] = lambda n: None,
) -> dict[str, npt.NDArray[Any]]:
    """Count the cross edges of pairs of classes and compute all variables of a result from them.

    Parameters
    ----------
    points : (N, d) array
        Finite points, class by class.
    starts : (K + 1,) array
        Rows ``starts[k]:starts[k + 1]`` are class k.
    pairs : (P, 2) array
        Class numbers, the lower first.
    options : GraphOptions
    where : str
        What errors call the points.
    name : callable
        Maps the number of a pair to its name in warnings.
    advance : callable
        Called with the number of pairs done.

    Returns
    -------
    dict
        Name of the variable to its ``(P,)`` values.
    """
    options.check_neighbours(np.diff(starts)[pairs], name)
    return _estimate(_count(points, starts, pairs, options, where, advance), options, where, name, clip=True)


def measure_folds(
    points: Any,
    starts: Ints,
    pairs: Ints,
    fold: Ints,
    options: GraphOptions,
    *,
    where: str,
    name: Callable[[int], str],
    advance: Callable[[int], Any] = lambda n: None,
) -> dict[str, npt.NDArray[Any]]:
    """Measure each pair of classes in each fold separately, as `measure_pairs` does, without clipping HP.

    Parameters
    ----------
    fold : (R, N) array
        The fold of each sample, from 0 to F - 1, in each of R partitions.
    points, starts, pairs, options, where, name, advance
        As in `measure_pairs`.

    Returns
    -------
    dict
        Name of the variable to its ``(R, F, P)`` values.
    """
    n_folds, n_pairs = int(fold.max()) + 1, len(pairs)
    sizes = _sizes_of_parts(starts, fold, n_folds)[:, pairs].reshape(-1, 2)
    options.check_neighbours(sizes, lambda p: f"a fold of {name(p % n_pairs)}")
    counts = count_folds(points, starts, pairs, fold, options, advance=advance)
    if counts is None:
        counted = _count_fold_by_fold(points, starts, pairs, fold, options, where, advance)
    elif _have_few(sizes, options).any():
        copies = _copy_folds(points, starts, pairs, fold, options, where)
        counted = _Counted(counts, sizes, [table for some in copies for table in _tables(*some, options)])
    else:
        counted = _Counted(counts, sizes, [None] * len(sizes))

    def name_in_fold(p: int) -> str:
        repeat, rest = divmod(p, n_folds * n_pairs)
        f, pair = divmod(rest, n_pairs)
        return f"{name(pair)}, fold {f} of repeat {repeat}"

    values = _estimate(counted, options, where, name_in_fold, clip=False)
    return {variable: value.reshape(len(fold), n_folds, n_pairs) for variable, value in values.items()}


def _sizes_of_parts(starts: Ints, fold: Ints, n_folds: int) -> Ints:
    """Count the samples of each class in each fold of each repeat: ``(R F, K)``."""
    n_classes = len(starts) - 1
    number = fold * n_classes + np.repeat(np.arange(n_classes), np.diff(starts))
    return np.stack([np.bincount(row, minlength=n_folds * n_classes) for row in number]).reshape(-1, n_classes)


def _copy_folds(
    points: Any, starts: Ints, pairs: Ints, fold: Ints, options: GraphOptions, where: str
) -> Iterator[tuple[Any, Ints, Ints]]:
    """Copy several folds at a time, ordered by repeat and fold; each class of a fold becomes a separate class.

    Yields
    ------
    copied : (M, d) array
        The only copy that is held.
    starts, pairs : arrays
        As in `measure_pairs`, for the classes of these folds.
    """
    n_folds, n_classes, xp = int(fold.max()) + 1, len(starts) - 1, namespace(points)
    n_parts = len(fold) * n_folds
    number = fold * n_classes + np.repeat(np.arange(n_classes), np.diff(starts))
    rows = np.argsort(number, axis=1, kind="stable").reshape(-1)
    part_starts = np.append(0, np.cumsum(_sizes_of_parts(starts, fold, n_folds).reshape(-1)))
    most_bytes = min(_BYTES_AT_ONCE, max_bytes(options.max_memory) // 8)
    at_once = min(_POINTS_AT_ONCE, most_bytes // (points.shape[1] * points.dtype.itemsize))
    step = max(1, at_once * n_folds // len(points))
    first = 0
    while first < n_parts:
        last = min(first + step, n_parts)
        while True:
            starts_here = part_starts[first * n_classes : last * n_classes + 1]
            rows_here, starts_here = rows[starts_here[0] : starts_here[-1]], starts_here - starts_here[0]
            pairs_here = np.concatenate([pairs + part * n_classes for part in range(last - first)])
            held = options.held + len(rows_here) * points[0].nbytes
            if last == first + 1 or _fit(points, starts_here, pairs_here, options, held):
                break
            last = (first + last) // 2
        check_pairs_copy(points, starts_here, held, where, options=options)
        yield points[xp.asarray(rows_here)], starts_here, pairs_here
        first = last


def _fit(points: Any, starts: Ints, pairs: Ints, options: GraphOptions, held: int) -> bool:
    """Tell whether pairs can be counted with the memory that is left."""
    if namespace(points) is not np:
        return True
    return held + bytes_for_pairs(points, starts, pairs, options)[0] <= max_bytes(options.max_memory)


def _count_fold_by_fold(
    points: Any,
    starts: Ints,
    pairs: Ints,
    fold: Ints,
    options: GraphOptions,
    where: str,
    advance: Callable[[int], Any],
) -> _Counted:
    """Count some folds at a time, each from a copy of its points."""
    found, n_folds, done = [], int(fold.max()) + 1, 0
    for copied, starts_here, pairs_here in _copy_folds(points, starts, pairs, fold, options, where):
        held = options._replace(held=options.held + copied.nbytes)
        found.append(_count(copied, starts_here, pairs_here, held, where, lambda n: None))
        last = done + len(pairs_here) // len(pairs)
        advance(len(pairs) * (last // n_folds - done // n_folds))
        done = last
    return _join(found)


class _Counted(NamedTuple):
    """Hold the counts of P pairs, and the graphs of those that have few labellings."""

    counts: PairCounts
    sizes: Ints  # (P, 2)
    tables: list[npt.NDArray[np.float64] | None]  # P tables of edge weights, or None


def _count(
    points: Any, starts: Ints, pairs: Ints, options: GraphOptions, where: str, advance: Callable[[int], Any]
) -> _Counted:
    """Count the cross edges of pairs of classes, and keep the graphs of the small ones."""
    counts = count_pairs(points, starts, pairs, options, name=where, advance=advance)
    return _Counted(counts, np.diff(starts)[pairs], _tables(points, starts, pairs, options))


def _have_few(sizes: Ints, options: GraphOptions) -> npt.NDArray[np.bool_]:
    """Tell which pairs of ``(P, 2)`` class sizes have few labellings."""
    # Pairs are many, but most of them have the same sizes.
    base = int(sizes.max()) + 1
    distinct, of_pair = np.unique(sizes[:, 0] * base + sizes[:, 1], return_inverse=True)
    few = np.array([options.exact and few_labellings(*divmod(size, base)) for size in distinct.tolist()])
    return np.asarray(few[of_pair])


def _tables(points: Any, starts: Ints, pairs: Ints, options: GraphOptions) -> list[npt.NDArray[np.float64] | None]:
    """Lay out the graphs of the pairs that have few labellings as tables of edge weights; None for other pairs."""
    tables: list[npt.NDArray[np.float64] | None] = [None] * len(pairs)
    which = np.flatnonzero(_have_few(np.diff(starts)[pairs], options))
    if which.size:
        for p, table in zip(which, weight_tables(points, starts, pairs[which], options), strict=True):
            tables[p] = table
    return tables


def _join(parts: list[_Counted]) -> _Counted:
    """Concatenate counts of pairs."""
    counts = [part.counts for part in parts]
    cross = CrossEdges(*(np.concatenate(fields) for fields in zip(*(c.cross for c in counts), strict=True)))
    joined = PairCounts(cross, *(np.concatenate(fields) for fields in list(zip(*counts, strict=True))[1:]))
    tables = [table for part in parts for table in part.tables]
    return _Counted(joined, np.concatenate([part.sizes for part in parts]), tables)


def _estimate(
    counted: _Counted, options: GraphOptions, where: str, name: Callable[[int], str], *, clip: bool
) -> dict[str, npt.NDArray[Any]]:
    """Compute the variables of a result from counts, and say what could not be computed."""
    counts, sizes, tables = counted
    explain(counts, options.k, name)
    if counts.remeasured.any():
        _log.info("%s: %d of %d pairs measured again in float64", where, counts.remeasured.sum(), len(sizes))
    m, n = sizes.T
    cross = counts.cross
    with worker_threads() if len(sizes) >= _MANY_PAIRS else nullcontext() as threads:
        z, pvalue = significance(cross.mean, m, n, cross, map if threads is None else threads.map)
    small = np.array([table is not None for table in tables])
    for m_small, n_small in np.unique(sizes[small], axis=0).tolist():
        which = np.flatnonzero(small & (m == m_small) & (n == n_small))
        graphs = [table for p in which if (table := tables[p]) is not None]
        pvalue[which] = enumerated_pvalues(cross.mean[which], m_small, n_small, graphs)
    hp = ESTIMATORS["friedman-rafsky"](cross.mean, m, n)
    return {
        "cross_edges": cross.mean, "cross_edges_min": cross.low, "cross_edges_max": cross.high,
        "hp": np.clip(hp, 0, 1) if clip else hp, "z": z, "pvalue": pvalue, "n_a": m, "n_b": n,
    }  # fmt: skip
