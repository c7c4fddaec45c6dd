"""Lay out the graphs of pairs with few samples as tables of weights, so that every labelling of them can be tried."""

from __future__ import annotations

from typing import Any

import numpy as np

from hpfunc._arrays import namespace, to_host
from hpfunc._arrays.types import Floats, Ints
from hpfunc._tree.distances import prepare
from hpfunc._tree.exact import LayerPoints, points_for_metric, squared_distances
from hpfunc._tree.graphs.pair_graphs import DistinctSamples, merge_equal_samples, neighbour_edges, orthogonal_edges
from hpfunc._tree.mst.class_trees import grow_class_trees
from hpfunc._tree.mst.prim import place_maxima, prim
from hpfunc._tree.mst.tie_counts import find_every_tree
from hpfunc._tree.options import GraphOptions
from hpfunc._tree.threads import Scratch

__all__ = ["weight_tables"]

# Points of the pairs that are processed at a time.
_BATCH_POINTS = 20_000
# Distances of the pairs that are measured at a time.
_DISTANCES = 2**18


def weight_tables(x: Any, starts: Ints, pairs: Ints, options: GraphOptions) -> list[Floats]:
    """Compute the ``(n, n)`` edge weights of the graph of each pair, its samples in any order.

    Parameters
    ----------
    x : (N, d) array
        Finite points, class by class.
    starts : (K + 1,) array
    pairs : (P, 2) array
        Class numbers of pairs of n samples each, n being small.
    options : GraphOptions
    """
    classes, place = np.unique(pairs, return_inverse=True)
    # Few points: those of a device array are brought to the host, in one copy.
    rows = np.concatenate([np.arange(starts[c], starts[c + 1]) for c in classes])
    x, pairs = to_host(x[namespace(x).asarray(rows)]), place.reshape(-1, 2)
    starts = np.concatenate([[0], np.cumsum(np.diff(starts)[classes])])
    x = points_for_metric(x, options.metric)[0]
    tables: list[Any] = _unique_tree_tables(x, starts, pairs) if options.is_one_tree else [None] * len(pairs)
    remaining = [p for p, table in enumerate(tables) if table is None]
    step = max(1, _BATCH_POINTS // int(np.diff(starts)[pairs].sum(axis=1).max()))
    for first in range(0, len(remaining), step):
        numbers = remaining[first : first + step]
        samples = [merge_equal_samples(*(x[starts[c] : starts[c + 1]] for c in pairs[p])) for p in numbers]
        if options.is_one_tree:
            found = _tree_tables(samples)
        else:
            edges = neighbour_edges if options.graph == "knn" else orthogonal_edges
            found = [_table(s.members.sum(axis=1), *edges(s, options.k)[:2]) for s in samples]
        for p, table in zip(numbers, found, strict=True):
            tables[p] = table
    return tables


def _unique_tree_tables(x: Any, starts: Ints, pairs: Ints) -> list[Floats | None]:
    """Lay out the minimum spanning tree of each pair, many pairs at once; None where there may be several trees."""
    tables: list[Floats | None] = [None] * len(pairs)
    totals = np.diff(starts)[pairs].sum(axis=1)
    for n in np.unique(totals).tolist():
        step = max(1, _DISTANCES // (n * n))
        same = np.flatnonzero(totals == n)
        for some in np.split(same, range(step, len(same), step)):
            rows = np.stack([np.concatenate([np.arange(starts[c], starts[c + 1]) for c in pairs[p]]) for p in some])
            i, j = np.triu_indices(n, 1)
            weights = np.full((len(some), n, n), np.inf)
            distances = squared_distances(x, rows[:, i].reshape(-1), rows[:, j].reshape(-1)).reshape(len(some), -1)
            weights[:, i, j] = weights[:, j, i] = distances
            order = prim(weights, np.full(len(some), n))
            # Samples are in Prim order: a tree contains an edge if it is no heavier than the path maximum of its ends.
            by_place = np.take_along_axis(weights, order.vertices[:, :, None], axis=1)
            by_place = np.take_along_axis(by_place, order.vertices[:, None], axis=2)
            light = by_place <= place_maxima(np.ascontiguousarray(order.gaps), Scratch())
            for p, table in zip(some.tolist(), light, strict=True):
                if np.count_nonzero(table) == 2 * (n - 1):
                    tables[p] = table.astype(np.float64)
    return tables


def _tree_tables(samples: list[DistinctSamples]) -> list[Floats]:
    """Lay out the minimum spanning trees of several clouds, averaged where there are several."""
    starts = np.concatenate([[0], np.cumsum([len(s.x) for s in samples])])
    x = np.concatenate([s.x for s in samples])
    centred = prepare(x, starts)
    path_maxima = [np.empty((len(s.x), len(s.x)), centred.dtype) for s in samples]
    points, tables = LayerPoints(x, starts, np.ones(len(x), np.intp)), []
    for s, grown in zip(samples, grow_class_trees(points, centred, path_maxima, Scratch(), exact=True), strict=True):
        size, edges = s.members.sum(axis=1), grown.tree.edges
        weight = np.ones(len(edges))
        if len(grown.tree.tied) or len(size) < size.sum():
            every = find_every_tree(s.x, np.arange(len(s.x)), s.members, np.concatenate([edges, grown.tree.tied]))
            size = every.merged.members.sum(axis=1)
            own = np.repeat(np.arange(len(size))[:, None], 2, axis=1)
            edges = np.concatenate([every.merged.edges, own])
            weight = np.concatenate([every.probability, size - 1])
        tables.append(_table(size, edges, weight))
    return tables


def _table(size: Floats, ends: Ints, weight: Floats) -> Floats:
    """Spread the weights of edges between points evenly over the samples at both ends."""
    source, target = ends.T
    own = source == target
    pairs = np.where(own, size[source] * (size[source] - 1) / 2, size[source] * size[target])
    used = pairs > 0
    table = np.zeros((len(size), len(size)))
    table[source[used], target[used]] = table[target[used], source[used]] = weight[used] / pairs[used]
    point = np.repeat(np.arange(len(size)), size.astype(np.intp))
    spread = table[np.ix_(point, point)]
    np.fill_diagonal(spread, 0)
    return spread
