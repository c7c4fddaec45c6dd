"""Distances and minimum spanning trees on plain arrays: no labels, no torch.

`count_pairs`, `class_counts` and `span` are what the rest of hpfunc calls. They prepare the points and hand them to
the engine of the array's own kind: the modules beside this one for NumPy, `device` for CuPy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hpfunc._arrays import namespace
from hpfunc._support.memory import max_bytes
from hpfunc._tree import device
from hpfunc._tree.distances import prepare, working_dtype
from hpfunc._tree.exact import equal_rows, rescale, squared_distances, unit_rows
from hpfunc._tree.graphs import nearest_neighbours, orthogonal_trees, pool
from hpfunc._tree.mst import tiled
from hpfunc._tree.mst.class_trees import Spanning, spanning_trees
from hpfunc._tree.mst.tie_counts import CrossEdges, count_classes, solve
from hpfunc._tree.mst.ties import minimum_tree
from hpfunc._tree.pairs.count_pairs import cross_edges
from hpfunc._tree.threads import Scratch

__all__ = ["CrossEdges", "PairCounts", "class_counts", "count_pairs", "span"]


class PairCounts(NamedTuple):
    """Cross edges of pairs of classes, and what is to be said about how they were found."""

    cross: CrossEdges  # of (P,) arrays
    again: npt.NDArray[np.bool_]  # (P,) measured again in float64: too much was within float32's rounding
    trees: npt.NDArray[np.intp]  # (P,) orthogonal trees or neighbours used, at most k


def count_pairs(
    x: Any,
    starts: npt.NDArray[np.intp],
    pairs: npt.NDArray[np.intp],
    *,
    metric: str,
    graph: str,
    k: int,
    exact: bool,
    max_memory: int | None,
    name: str,
    advance: Callable[[int], Any] = lambda n: None,
) -> PairCounts:
    """Cross edges of the graph over each pair of classes.

    Parameters
    ----------
    x : (N, d) array
        Finite points, class by class.
    starts : (K + 1,) array
        Rows ``starts[k]:starts[k + 1]`` are class k.
    pairs : (P, 2) array
        Class numbers, lower first.
    metric, graph, k, exact, max_memory
        See `hpfunc.pairwise_hp`.
    name : str
        What errors call the points.
    advance : callable
        Told the number of pairs done.
    """
    x = _prepare(x, metric)[0]
    trees = np.full(len(pairs), k)
    on_device = namespace(x) is not np
    if graph == "mst" and k == 1 and on_device:
        with x.device:
            cross, again = device.cross_edges(
                x, starts, pairs, exact=exact, max_memory=max_memory, cosine=metric == "cosine", advance=advance
            )
        return PairCounts(cross, again, trees)
    if graph == "mst" and k == 1:
        cross, again = cross_edges(x, starts, pairs, exact=exact, budget=max_bytes(max_memory), advance=advance)
        return PairCounts(cross, again, trees)
    if on_device:
        raise TypeError(
            f"{name} lives on a CUDA device, where graph={graph!r} with k={k} is not built; pass a host copy (x.get())"
        )
    cross = CrossEdges(*(np.full(len(pairs), np.nan) for _ in CrossEdges._fields))
    for p, (a, b) in enumerate(pairs):
        pooled = pool(x[starts[a] : starts[a + 1]], x[starts[b] : starts[b + 1]])
        if graph == "knn":
            counts = nearest_neighbours(pooled, k)
        else:
            counts, trees[p] = orthogonal_trees(pooled, k)
        for field, value in zip(cross, counts, strict=True):
            field[p] = value
        advance(1)
    return PairCounts(cross, np.zeros(len(pairs), bool), trees)


def class_counts(
    x: Any, starts: npt.NDArray[np.intp], *, metric: str, max_memory: int | None, name: str
) -> npt.NDArray[np.float64]:
    """Mean number of edges between every two classes, ``(K, K)``, over all minimum spanning trees of all points."""
    x = _prepare(x, metric)[0]
    label = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    if namespace(x) is not np:
        with x.device:
            found = device.spanning_tree(x, exact=True, max_memory=max_memory, cosine=metric == "cosine")
        if found is not None:
            one, other = label[found.edges].T
            counts = np.zeros((len(starts) - 1, len(starts) - 1))
            np.add.at(counts, (one, other), 1.0)
            counts += counts.T
            np.fill_diagonal(counts, 0)
            return counts
        x = x.get()
    first = equal_rows(x, np.array([0, len(x)]))
    vertices, place = np.unique(first, return_inverse=True)
    members = np.zeros((len(vertices), len(starts) - 1))
    np.add.at(members, (place, label), 1)
    tree = _span(x[vertices], max_memory, name, exact=True)
    return count_classes(solve(x, vertices, members, np.concatenate([tree.edges, tree.tied])))


def span(
    x: Any, *, metric: str, exact: bool, max_memory: int | None, name: str
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """One minimum spanning tree of all points: ``(n - 1, 2)`` edges, lower row first, and their lengths.

    Of edges of equal length, those of lower rows are taken.
    """
    x, exponent = _prepare(x, metric)
    if namespace(x) is not np:
        with x.device:
            found = device.spanning_tree(x, exact=exact, max_memory=max_memory, cosine=metric == "cosine")
        if found is None:
            x = x.get()
        else:
            edges, squared = np.sort(found.edges, axis=1), found.squared
    if namespace(x) is np:
        tree = _span(x, max_memory, name, exact=exact)
        edges = np.sort(np.concatenate([tree.edges, tree.tied]), axis=1)
        squared = squared_distances(x, edges[:, 0], edges[:, 1])
    order = np.lexsort((edges[:, 1], edges[:, 0], squared))
    kept = order[np.sort(minimum_tree(len(x), edges[order], np.arange(1, len(order) + 1))) - 1]
    edges, squared = edges[kept], squared[kept]
    return edges, squared / 2 if metric == "cosine" else np.ldexp(np.sqrt(squared), exponent)


def _span(x: Any, max_memory: int | None, name: str, *, exact: bool) -> Spanning:
    """The minimum spanning trees of one cloud."""
    dtype = working_dtype(x)
    room = max_bytes(max_memory)
    # The centred points, the table of distances, the heaviest paths and what they are made of.
    if dtype.itemsize * (x.size + 6 * len(x) ** 2) <= room:
        centred = prepare(x, np.array([0, len(x)]))
        heaviest = [np.empty((len(x), len(x)), centred.dtype)]
        return spanning_trees(x, centred, heaviest, Scratch(), exact=exact)[0].tree
    need = tiled.bytes_needed(len(x), x.shape[1], dtype.itemsize)
    if need > room:
        raise ValueError(
            f"{name}: {len(x)} points of {x.shape[1]} features need about {need:,} bytes of working memory, more than "
            f"max_memory allows ({room:,}); raise max_memory or take fewer samples"
        )
    return tiled.spanning_by_tiles(x, dtype)


def _prepare(x: Any, metric: str) -> tuple[Any, int]:
    """Points whose Euclidean distances are in the order of the metric, safely scaled; and by what power of two."""
    return (unit_rows(x), 0) if metric == "cosine" else rescale(x)
