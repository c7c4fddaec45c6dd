"""Lay out the graphs of pairs with few samples as tables of weights, so that every labelling of them can be tried."""

from __future__ import annotations

from typing import Any

import numpy as np

from hpfunc._arrays import namespace, to_host
from hpfunc._arrays.types import Bools, Floats, Ints
from hpfunc._tree.exact import points_for_metric, squared_distances
from hpfunc._tree.graphs.pair_graphs import merge_equal_samples, neighbour_edges, orthogonal_edges
from hpfunc._tree.mst.prim import place_maxima, prim
from hpfunc._tree.mst.tie_counts import find_every_tree
from hpfunc._tree.options import GraphOptions
from hpfunc._tree.threads import Scratch

__all__ = ["weight_tables"]

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
    if options.is_one_tree:
        return _tree_tables(x, starts, pairs)
    edges = neighbour_edges if options.graph == "knn" else orthogonal_edges
    samples = (merge_equal_samples(*(x[starts[c] : starts[c + 1]] for c in pair)) for pair in pairs)
    return [_table(s.members.sum(axis=1), *edges(s, options.k)[:2]) for s in samples]


def _tree_tables(x: Any, starts: Ints, pairs: Ints) -> list[Floats]:
    """Lay out the minimum spanning trees of each pair, averaged where there are several, many pairs at once."""
    tables: dict[int, Floats] = {}
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
            found = light.astype(np.float64)
            several = np.flatnonzero(np.count_nonzero(light, axis=(1, 2)) > 2 * (n - 1))
            if several.size:
                in_order = np.take_along_axis(rows[several], order.vertices[several], axis=1)
                found[several] = _average_trees(x, in_order, light[several])
            tables.update(zip(some.tolist(), found, strict=True))
    return [tables[p] for p in range(len(pairs))]


def _average_trees(x: Any, rows: Ints, light: Bools) -> Floats:
    """Average over all minimum spanning trees of several graphs.

    Parameters
    ----------
    x : (N, d) array
    rows : (g, n) array
        The rows of x that are the samples of each graph.
    light : (g, n, n) array
        Whether some minimum spanning tree contains the edge between two samples.

    Returns
    -------
    (g, n, n) array
        The probability that a random tree contains each edge, the samples of each graph in any order.
    """
    (n_graphs, n), (graph, source, target) = rows.shape, np.nonzero(np.triu(light))
    edges = np.stack([graph * n + source, graph * n + target], axis=1)
    merged, _, probability = find_every_tree(x, rows.reshape(-1), np.ones((rows.size, 1)), edges)
    # Number the points within each graph.
    size, of_point = merged.members[:, 0].astype(np.intp), merged.representative // n
    by_graph = np.argsort(of_point, kind="stable")
    local, of_point = np.empty_like(by_graph), of_point[by_graph]
    local[by_graph] = np.arange(len(by_graph)) - np.searchsorted(of_point, of_point)
    (source, target), of_edge = local[merged.edges].T, merged.representative[merged.edges[:, 0]] // n
    table = np.zeros((n_graphs, n, n))
    share = probability / size[merged.edges].prod(axis=1)
    table[of_edge, source, target] = table[of_edge, target, source] = share
    # A random tree joins s equal samples by s - 1 edges, each as likely as any other.
    place = local[by_graph]
    table[of_point, place, place] = 2 / size[by_graph]
    point = np.repeat(place, size[by_graph]).reshape(n_graphs, n)
    spread = table[np.arange(n_graphs)[:, None, None], point[:, :, None], point[:, None, :]]
    spread[:, np.arange(n), np.arange(n)] = 0
    return np.asarray(spread)


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
