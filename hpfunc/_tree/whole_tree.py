"""One minimum spanning tree over all points, whatever their classes: its edges, and counts between all classes."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np

from hpfunc._arrays import namespace
from hpfunc._support import memory
from hpfunc._tree import device
from hpfunc._tree.distances import TERMS, prepare, working_dtype
from hpfunc._tree.exact import THIN, bytes_for_metric, equal_rows, points_for_metric, squared_distances
from hpfunc._tree.memory import check_bytes, check_ties
from hpfunc._tree.mst import tiled
from hpfunc._tree.mst.class_trees import grow_class_trees
from hpfunc._tree.mst.kruskal import kruskal_ranks
from hpfunc._tree.mst.remeasure import TreeWithTies
from hpfunc._tree.mst.tie_counts import count_classes, find_every_tree
from hpfunc._tree.threads import Scratch, single_blas
from hpfunc._tree.types import Floats, Ints

__all__ = ["class_counts", "span"]


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
        What errors call the points.
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
    max_bytes = memory.max_bytes(max_memory)
    check_bytes(held + bytes_for_metric(x, metric), max_bytes, name)
    given, x = x, points_for_metric(x, metric)[0]
    held += 0 if x is given else x.nbytes
    first = equal_rows(x, np.array([0, len(x)]))
    vertices, place = np.unique(first, return_inverse=True)
    members = np.zeros((len(vertices), n_classes))
    np.add.at(members, (place, label), 1)
    distinct = x if len(vertices) == len(x) else x[vertices]
    held += 0 if distinct is x else distinct.nbytes
    tree = _tree_of_all(distinct, max_bytes, held, name, exact=True)
    edges = np.concatenate([tree.edges, tree.tied])
    check_ties(len(edges), max_bytes)
    # The counts are sums of fractions: with more threads their last bits would depend on the number of threads.
    with single_blas():
        return count_classes(find_every_tree(x, vertices, members, edges))


def span(x: Any, *, metric: str, exact: bool, max_memory: int | None, name: str) -> tuple[Ints, Floats]:
    """Find one minimum spanning tree of all points; of edges of equal length, take those of lower rows.

    Parameters
    ----------
    x : (n, d) array
        Finite points.
    metric, exact, max_memory
        See `hpfunc.euclidean_mst`.
    name : str
        What errors call the points.

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
        check_bytes(bytes_for_metric(x, metric), max_bytes, name)
        given = x
        x, exponent = points_for_metric(x, metric)
        tree = _tree_of_all(x, max_bytes, 0 if x is given else x.nbytes, name, exact=exact)
        edges = np.sort(np.concatenate([tree.edges, tree.tied]), axis=1)
        squared = squared_distances(x, edges[:, 0], edges[:, 1])
    order = np.lexsort((edges[:, 1], edges[:, 0], squared))
    kept = order[np.sort(kruskal_ranks(len(x), edges[order], np.arange(1, len(order) + 1))) - 1]
    edges, squared = edges[kept], squared[kept]
    return edges, squared / 2 if metric == "cosine" else np.ldexp(np.sqrt(squared), exponent)


def _tree_of_all(x: Any, max_bytes: int, held: int, name: str, *, exact: bool) -> TreeWithTies:
    """Find the minimum spanning trees of ``(n, d)`` points, from all their distances or tile by tile.

    ``held`` of the bytes allowed are held by the caller already, in copies of the points.
    """
    (n, d), dtype = x.shape, working_dtype(x)
    for_tiles = held + tiled.bytes_for_tiles(n, d, dtype.itemsize)
    for_table = held + _bytes_for_table(x, dtype.itemsize)
    if for_table <= max_bytes:
        centred = prepare(x, np.array([0, n]))
        path_maxima = [np.empty((n, n), centred.dtype)]
        # Exact trees do not depend on the rounding of products, and so not on the number of BLAS threads.
        with nullcontext() if exact else single_blas():
            return grow_class_trees(x, centred, path_maxima, Scratch(), max_bytes=max_bytes, exact=exact)[0].tree
    check_bytes(min(for_table, for_tiles), max_bytes, f"{name}: one tree over {n} points of {d} features")
    return tiled.tree_by_tiles(x, dtype, max_bytes)


def _bytes_for_table(x: Any, itemsize: int) -> int:
    """Estimate the bytes for one tree from all distances: centred points, the table, path maxima and work arrays."""
    n, d = x.shape
    exact = 8 if d <= THIN else 0
    sums = 1 if d > TERMS else 0
    return int(
        n * d * (itemsize + exact) + n**2 * ((4.2 + sums) * itemsize + exact + 1) + 300 * n + min(8e6, 8 * n * d)
    )
