"""One minimum spanning tree over all points, whatever their classes: its edges, and counts by class and by sample."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np

from hpfunc._arrays import namespace
from hpfunc._arrays.types import Floats, Ints
from hpfunc._support import memory
from hpfunc._tree import device
from hpfunc._tree.choose_reduction import reduce_cloud
from hpfunc._tree.distances import prepare
from hpfunc._tree.exact import (
    THIN,
    LayerPoints,
    dtype_for_metric,
    equal_rows,
    points_for_metric,
    squared_distances,
)
from hpfunc._tree.memory import SpareBytes, bytes_for_any_ties, check_bytes, check_copy
from hpfunc._tree.mst import tiled
from hpfunc._tree.mst.class_trees import grow_class_trees
from hpfunc._tree.mst.kruskal import components, kruskal_ranks
from hpfunc._tree.mst.remeasure import TreeWithTies
from hpfunc._tree.mst.tie_counts import EveryTree, count_classes, find_every_tree
from hpfunc._tree.mst.ties import MergedPoints
from hpfunc._tree.rounding import TERMS, working_dtype
from hpfunc._tree.threads import Scratch, single_blas

__all__ = ["SampleEdges", "check_tree_copy", "class_counts", "edges_of_samples", "span"]


class SampleEdges(NamedTuple):
    """Hold the mean numbers of edges at each sample over all minimum spanning trees, each ``(N,)``."""

    edges: Floats  # all
    cross: Floats  # to samples of other classes
    forced: Floats  # those of ``cross`` that are among the K - 1 longest cross edges of the tree


def class_counts(x: Any, starts: Ints, *, metric: str, max_memory: int | None, name: str, held: int = 0) -> Floats:
    """Compute the mean number of edges between every two of K classes over all minimum spanning trees of all points.

    Parameters
    ----------
    x : (N, d) array
        Finite points, class by class.
    starts : (K + 1,) array
        Rows ``starts[k]:starts[k + 1]`` are class k.
    metric, max_memory
        See `hpfunc.multiclass_hp`.
    name : str
        Name of the points in error messages.
    held : int
        Bytes of ``max_memory`` that the caller holds already, in a copy of the points.

    Returns
    -------
    (K, K) array
        Symmetric, 0 on the diagonal.
    """
    n_classes = len(starts) - 1
    label = np.repeat(np.arange(n_classes), np.diff(starts))
    if namespace(x) is not np:
        with x.device:
            found = device.spanning_tree(x, metric=metric, exact=True, max_memory=max_memory)
        if found is not None:
            class_a, class_b = label[found.edges].T
            counts = np.zeros((n_classes, n_classes))
            np.add.at(counts, (class_a, class_b), 1.0)
            counts += counts.T
            np.fill_diagonal(counts, 0)
            return counts
        x = x.get()
    every = _every_tree(x, label, metric, max_memory, name, held)[0]
    with single_blas():
        return count_classes(every)


def edges_of_samples(
    x: Any, label: Ints, *, metric: str, max_memory: int | None, name: str, held: int = 0
) -> SampleEdges:
    """Compute the mean numbers of edges at each sample over all minimum spanning trees of all points.

    A tree over K classes cannot have fewer than K - 1 cross edges. Its longest K - 1 cross edges
    count as forced; where edges of equal length compete for the last of these places, each gets an equal share.

    Parameters
    ----------
    x : (N, d) array
        Finite points.
    label : (N,) array
        Class numbers 0, 1, ..., K - 1.
    metric, max_memory, name, held
        See `class_counts`.

    Returns
    -------
    SampleEdges
        NaN where too many distances tie; see `ties.LARGEST_COMPONENT`.
    """
    if namespace(x) is not np:
        with x.device:
            found = device.spanning_tree(x, metric=metric, exact=True, max_memory=max_memory)
        if found is not None:
            rank = np.unique(found.squared, return_inverse=True)[1].astype(np.intp) + 1
            rows = np.arange(len(label))
            merged = MergedPoints(np.eye(label.max() + 1)[label], found.edges, found.squared, rows)
            return _count_at_samples(EveryTree(merged, rank, np.ones(len(rank))), rows, label)
        x = x.get()
    every, point = _every_tree(x, label, metric, max_memory, name, held)
    with single_blas():
        return _count_at_samples(every, point, label)


def _every_tree(
    x: Any, label: Ints, metric: str, max_memory: int | None, name: str, held: int
) -> tuple[EveryTree, Ints]:
    """Find all minimum spanning trees of points on the host, and the merged point of each sample."""
    max_bytes = memory.max_bytes(max_memory)
    given = x
    x = points_for_metric(x, metric, lambda n: _check_copy(given, held + n, name, metric, max_bytes))[0]
    held += 0 if x is given else x.nbytes
    first = equal_rows(x, np.array([0, len(x)]))
    vertices, place = np.unique(first, return_inverse=True)
    members = np.zeros((len(vertices), label.max() + 1))
    np.add.at(members, (place, label), 1)
    if len(vertices) < len(x):
        _check_copy(x, held + len(vertices) * x[0].nbytes, name, "euclidean", max_bytes)
    distinct = x if len(vertices) == len(x) else x[vertices]
    held += 0 if distinct is x else distinct.nbytes
    tree, spare = _tree_of_all(distinct, max_bytes, held, name, exact=True)
    edges = np.concatenate([tree.edges, tree.tied])
    # Probabilities are sums of fractions: with more threads their last bits would depend on the number of threads.
    with single_blas(), spare.for_ties(len(edges), len(vertices)):
        every = find_every_tree(x, vertices, members, edges)
    # Vertices whose distance underflows to 0 were merged too.
    source, target = vertices[edges].T
    _, group = components(len(vertices), edges[squared_distances(x, source, target) == 0])
    point_of_group = np.empty(len(every.merged.members), np.intp)
    point_of_group[group[every.merged.representative]] = np.arange(len(point_of_group))
    return every, point_of_group[group[place]]


def _count_at_samples(every: EveryTree, point: Ints, label: Ints) -> SampleEdges:
    """Count the edges at each sample, given the merged point ``(N,)`` and the class ``(N,)`` of each."""
    (members, ends, _, _), rank, probability = every
    size = members.sum(axis=1)
    share = members / size[:, None]
    # A random tree joins s equal samples by edges of length 0; any two of them are joined with probability 2 / s.
    own = np.flatnonzero(size > 1)
    source, target = np.append(ends[:, 0], own), np.append(ends[:, 1], own)
    level = np.append(rank, np.zeros(len(own), np.intp))
    weight = np.append(probability, size[own])
    unlike = 1 - (share[source] * share[target]).sum(axis=1)
    mass = np.bincount(level, weight * unlike)  # cross edges of each length, in rising order
    longer = np.cumsum(mass[::-1])[::-1] - mass
    taken = np.clip(members.shape[1] - 1 - longer, 0, mass)
    forced = np.divide(taken, mass, out=np.zeros_like(mass), where=mass != 0)
    n_edges = np.bincount(ends.ravel(), np.repeat(probability, 2), len(size)) + 2 * (size - 1)
    cross, forced = (_cross_at(share, source, target, w)[point, label] for w in (weight, weight * forced[level]))
    return SampleEdges(*(values / size[point] for values in (n_edges[point], cross, forced)))


def _cross_at(share: Floats, source: Ints, target: Ints, weight: Floats) -> Floats:
    """Add up the weighted edges that leave each of G points to samples of classes other than each of K: ``(G, K)``.

    ``share`` ``(G, K)`` is the share of each point's samples that each class has; edges are ``(E,)``.
    """
    from scipy import sparse  # slow to import

    both = np.append(source, target), np.append(target, source)
    table = sparse.coo_array((np.append(weight, weight), both), (len(share), len(share))).tocsr()
    return np.asarray(table.sum(axis=1)[:, None] - table @ share)


def span(x: Any, *, metric: str, exact: bool, max_memory: int | None, name: str) -> tuple[Ints, Floats]:
    """Find one minimum spanning tree of all points; among edges of equal length, prefer those of lower rows.

    Parameters
    ----------
    x : (n, d) array
        Finite points.
    metric, exact, max_memory
        See `hpfunc.euclidean_mst`.
    name : str
        Name of the points in error messages.

    Returns
    -------
    edges : (n - 1, 2) array
        Rows, the lower first, in rising order of length.
    lengths : (n - 1,) array
        In the metric.
    """
    if namespace(x) is not np:
        with x.device:
            found = device.spanning_tree(x, metric=metric, exact=exact, max_memory=max_memory)
        if found is None:
            x = x.get()
        else:
            edges, squared, exponent = np.sort(found.edges, axis=1), found.squared, found.exponent
    if namespace(x) is np:
        max_bytes = memory.max_bytes(max_memory)
        given = x
        x, exponent = points_for_metric(x, metric, lambda n: _check_copy(given, n, name, metric, max_bytes))
        tree = _tree_of_all(x, max_bytes, 0 if x is given else x.nbytes, name, exact=exact)[0]
        edges = np.sort(np.concatenate([tree.edges, tree.tied]), axis=1)
        squared = squared_distances(x, edges[:, 0], edges[:, 1])
    order = np.lexsort((edges[:, 1], edges[:, 0], squared))
    kept = order[np.sort(kruskal_ranks(len(x), edges[order], np.arange(1, len(order) + 1))) - 1]
    edges, squared = edges[kept], squared[kept]
    return edges, squared / 2 if metric == "cosine" else np.ldexp(np.sqrt(squared), exponent)


def _tree_of_all(x: Any, max_bytes: int, held: int, name: str, *, exact: bool) -> tuple[TreeWithTies, SpareBytes]:
    """Find the minimum spanning trees of ``(n, d)`` points, from all their distances or tile by tile.

    The caller's copies of the points already take ``held`` of the bytes allowed. The bytes left for ties are returned
    too.
    """
    (n, d), dtype = x.shape, working_dtype(x)
    for_tiles = held + tiled.bytes_for_tiles(n, d, dtype.itemsize)
    for_table = held + _bytes_for_whole_table(n, d, dtype.itemsize)
    enough = for_table + bytes_for_any_ties(n, d)
    if for_table <= max_bytes:
        spare = SpareBytes(max_bytes, for_table, enough)
        centred = prepare(x, np.array([0, n]), exact=exact)
        points, path_maxima = LayerPoints(x, centred.starts, np.ones(n, np.intp)), [np.empty((n, n), centred.dtype)]
        # Exact trees do not depend on the rounding of products, and so not on the number of BLAS threads.
        with nullcontext() if exact else single_blas():
            return grow_class_trees(points, centred, path_maxima, Scratch(), spare=spare, exact=exact)[0].tree, spare
    check_bytes(min(for_table, for_tiles), max_bytes, f"{name}: one tree over {n} points of {d} features", enough)
    spare = SpareBytes(max_bytes, for_tiles, enough)
    return tiled.tree_by_tiles(x, dtype, spare, reduce_cloud(x, tiled.bytes_for_tiles(n, d, dtype.itemsize))), spare


def check_tree_copy(
    x: Any, starts: Ints, n_bytes: int, what: str, *, metric: str = "euclidean", max_memory: int | None = None
) -> None:
    """Raise ValueError if copies of the points take more bytes than allowed; name the bytes of their tree too.

    Parameters
    ----------
    x : (M, d) array
        Points of the same dtype and range as those that are copied, which `points_for_metric` has not seen yet.
    starts : (K + 1,) array
        Where the classes of the copy start.
    n_bytes : int
        Bytes of all copies together.
    what : str
        What is copied; the error message begins with it.
    metric, max_memory
        See `class_counts`.
    """
    if namespace(x) is np:
        _check_copy(x, n_bytes, what, metric, memory.max_bytes(max_memory), int(starts[-1]))


def _check_copy(x: Any, n_bytes: int, what: str, metric: str, max_bytes: int, n: int | None = None) -> None:
    """Raise as `check_tree_copy` does, for n points, by default as many as ``x`` holds."""
    check_copy(n_bytes, max_bytes, what, lambda: _bytes_after(x, metric, len(x) if n is None else n))


def _bytes_after(x: Any, metric: str, n: int) -> tuple[float, float]:
    """Estimate how many bytes are enough for the tree of n points, where few distances tie and where all of them do."""
    copied = dtype_for_metric(x, metric)
    dtype = x.dtype if copied is None else copied
    d, itemsize = x.shape[1], int(working_dtype(x[:0].astype(dtype)).itemsize)
    # Equal points are merged in a further copy.
    copies = (1 if copied is None else 2) * n * d * int(dtype.itemsize)
    for_table = _bytes_for_whole_table(n, d, itemsize)
    need = min(tiled.bytes_for_tiles(n, d, itemsize), for_table)
    return copies + need, copies + for_table + bytes_for_any_ties(n, d)


def _bytes_for_whole_table(n: int, d: int, itemsize: int) -> int:
    """Estimate the bytes for one tree from all distances: centred points, the table, path maxima and work arrays."""
    exact = 8 if d <= THIN else 0
    sums = 1 if d > TERMS else 0
    return int(
        n * d * (itemsize + exact) + n**2 * ((4.2 + sums) * itemsize + exact + 1) + 300 * n + min(8e6, 8 * n * d)
    )
