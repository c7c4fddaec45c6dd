"""Count the cross edges of k orthogonal minimum spanning trees of every pair of classes of a layer.

Take edges in rising order and put each into the first of k forests in which its ends are not yet joined: these forests
are the k successive trees. Where the k-th forest of *some* edges joins the ends of an edge by lighter ones, the k-th
forest of *all* edges does so too (by induction over the order and over the forests), and the edge stands in none of
them. So k trees of bounds, measured, exclude nearly all edges of a class (`find_class_edges`); those that are left, and
the lightest edges across, exclude nearly all edges between two classes (`count_trees_of_pair`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hpfunc._tree.exact import squared_distances
from hpfunc._tree.graphs.layer_bounds import LayerBounds, merge_pair
from hpfunc._tree.graphs.pair_graphs import count_weighted, weigh_trees
from hpfunc._tree.mst.kruskal import kruskal_ranks
from hpfunc._tree.mst.prim import (
    PrimOrder,
    edges_of_order,
    fill_path_maxima,
    gaps_from_weights,
    prim,
    prim_order_of_tree,
)  # fmt: skip
from hpfunc._tree.mst.tie_counts import CrossEdges
from hpfunc._tree.mst.ties import tied_edges
from hpfunc._tree.threads import Scratch
from hpfunc._tree.types import Array, Floats, Ints

__all__ = ["MeasuredEdges", "bytes_for_trees", "count_trees_of_pair", "find_class_edges"]

# A class or a pair is crowded where more than this many edges for each point and tree are left.
_CROWDED = 8
# Lightest edges across for each tree that are measured whatever their ends.
_LIGHTEST = 8


class MeasuredEdges(NamedTuple):
    """Hold edges and their weights, each edge once."""

    ends: Ints  # (E, 2) points
    weights: Floats  # (E,) squared distances


def bytes_for_trees(starts: Ints, k: int) -> int:
    """Estimate the bytes of the edges of all classes, and of the tables and edges of one pair."""
    largest = 2.0 * float(np.diff(starts).max())
    return int(starts[-1] * k * _CROWDED * 24 + largest**2 * 20 + largest * k * _CROWDED * 200)


def find_class_edges(layer: LayerBounds, class_number: int, k: int, scratch: Scratch) -> MeasuredEdges | None:
    """Find the edges of a class that may stand in its k successive trees; None if there are no k, or too many edges.

    Parameters
    ----------
    layer : LayerBounds
        Of all samples, equal ones too.
    class_number, k : int
    scratch : Scratch

    Returns
    -------
    MeasuredEdges
        Its points are counted from the start of the class.
    """
    rows = layer.rows(class_number)
    n = rows.stop - rows.start
    table = layer.within(class_number, scratch).copy()
    trees, left = [], table.copy()
    np.fill_diagonal(left, np.inf)
    for _ in range(k):
        vertices, gaps = (part[0] for part in prim(left[None], np.array([n])))
        if not np.isfinite(gaps).all():
            return None
        trees.append(edges_of_order(left, vertices))
        left[tuple(trees[-1].T)] = left[tuple(trees[-1].T[::-1])] = np.inf
    # Vertices in the canonical order, equal samples in that of their rows.
    point = np.argsort(layer.rank[rows], kind="stable")
    vertex = np.empty_like(point)
    vertex[point] = np.arange(n)
    first = _measure(layer, np.concatenate(trees), rows.start, rows.start)
    limits = _path_limits(layer, n, first._replace(ends=np.sort(vertex[first.ends], axis=1)), k, scratch)
    if limits is None:
        return None
    light = np.triu(table <= limits[vertex][:, vertex], 1)
    if np.count_nonzero(light) > _CROWDED * k * n:
        return None
    ends = np.stack(np.divmod(np.flatnonzero(light), n), axis=1)
    return _measure(layer, ends, rows.start, rows.start)


def _measure(layer: LayerBounds, ends: Ints, first_source: int, first_target: int) -> MeasuredEdges:
    """Measure edges whose ends are counted from given rows."""
    return MeasuredEdges(ends, squared_distances(layer.x, ends[:, 0] + first_source, ends[:, 1] + first_target))


def _forests(n: int, edges: MeasuredEdges, k: int) -> list[Ints]:
    """Return the edge numbers of k successive minimum spanning forests of n vertices."""
    left = np.lexsort((edges.ends[:, 1], edges.ends[:, 0], edges.weights))
    forests = []
    for _ in range(k):
        taken = np.zeros(len(left), bool)
        taken[kruskal_ranks(n, edges.ends[left], np.arange(1, len(left) + 1)) - 1] = True
        forests.append(left[taken])
        left = left[~taken]
    return forests


def _path_limits(layer: LayerBounds, n: int, edges: MeasuredEdges, k: int, scratch: Scratch) -> Array | None:
    """Compute limits of the path maxima in the k-th forest of some edges, ``(n, n)``; None if it is no tree."""
    last = _forests(n, edges, k)[-1]
    if len(last) < n - 1:
        return None
    vertices, numbers = prim_order_of_tree(n, edges.ends[last], edges.weights[last])
    gaps = gaps_from_weights(layer.limits(edges.weights[last][numbers]))
    limits = scratch("limits", (n, n), gaps.dtype)
    fill_path_maxima(PrimOrder(vertices, gaps), limits, scratch)
    return limits


def count_trees_of_pair(
    layer: LayerBounds, own: list[MeasuredEdges | None], pair: Ints, k: int, scratch: Scratch
) -> CrossEdges | None:
    """Count the cross edges of k successive trees of two classes; None if bounds leave too much undecided."""
    own_a, own_b = own[pair[0]], own[pair[1]]
    if own_a is None or own_b is None:
        return None
    table = layer.between(int(pair[0]), int(pair[1]), scratch).copy()
    (m, n), (first_a, first_b) = table.shape, layer.starts[pair]
    members, place_a, place_b = merge_pair(layer, *pair)
    point = np.concatenate([place_a, place_b])
    # Vertices in the canonical order, equal samples in that of their rows.
    vertex = np.empty(m + n, np.intp)
    vertex[np.argsort(point, kind="stable")] = np.arange(m + n)
    across = _choose_lightest(layer, table, (own_a, own_b), k)

    def join(across: Ints) -> MeasuredEdges:
        cross = _measure(layer, across, first_a, first_b)
        ends = np.concatenate([own_a.ends, own_b.ends + m, cross.ends + np.array([0, m])])
        weights = np.concatenate([own_a.weights, own_b.weights, cross.weights])
        return MeasuredEdges(np.sort(vertex[ends], axis=1), weights)

    limits = _path_limits(layer, m + n, join(across), k, scratch)
    if limits is None:
        return None
    light = table <= limits[vertex[:m]][:, vertex[m:]]
    if np.count_nonzero(light) > _CROWDED * k * (m + n):
        return None
    edges = join(np.stack(np.divmod(np.flatnonzero(light), n), axis=1))
    return _count(members, np.sort(point), edges, k)


def _choose_lightest(layer: LayerBounds, table: Array, own: tuple[MeasuredEdges, MeasuredEdges], k: int) -> Ints:
    """Choose edges across that are likely to stand in the trees: the k lightest of points near the other class."""
    chosen = []
    for side, bounds in enumerate((table, table.T)):
        near = np.zeros(len(bounds))
        np.maximum.at(near, own[side].ends.reshape(-1), np.repeat(own[side].weights, 2))
        kept = min(k, bounds.shape[1])
        source = np.flatnonzero(bounds.min(axis=1) <= layer.limits(near))
        target = np.argpartition(bounds[source], kept - 1, axis=1)[:, :kept] if source.size else source[:, None]
        ends = np.stack([np.repeat(source, target.shape[1]), target.reshape(-1)], axis=1)
        chosen.append(ends if side == 0 else ends[:, ::-1])
    lightest = np.argpartition(table, min(_LIGHTEST * k, table.size) - 1, axis=None)[: _LIGHTEST * k]
    chosen.append(np.stack(np.divmod(lightest, table.shape[1]), axis=1))
    keys = np.unique(np.concatenate(chosen) @ [table.shape[1], 1])
    return np.stack(np.divmod(keys, table.shape[1]), axis=1)


def _count(members: Floats, point: Ints, edges: MeasuredEdges, k: int) -> CrossEdges | None:
    """Count the cross edges of k successive trees that lie in given edges.

    Parameters
    ----------
    members : (G, 2) array
    point : (V,) array
        The point of every vertex.
    edges : MeasuredEdges
    k : int
    """
    unique, left, trees = len(members) == len(point), np.arange(len(edges.weights)), []
    for forest in _forests(len(point), edges, k):
        if len(forest) < len(point) - 1:
            return None
        tree = np.isin(left, forest)
        unique = unique and not tied_edges(len(point), edges.ends[left], edges.weights[left], tree).any()
        trees.append(point[edges.ends[left[tree]]])
        left = left[~tree]
    counts = count_weighted(members, *weigh_trees(trees))
    return counts if unique else counts._replace(low=np.nan, high=np.nan)
