"""Count the cross edges of k orthogonal minimum spanning trees of every pair of classes of a layer.

Take edges in rising order and put each into the first of k forests in which its ends are not yet joined: these forests
are the k successive trees. Where the k-th forest of *some* edges joins the ends of an edge by lighter ones, the k-th
forest of *all* edges does so too (by induction over the order and over the forests), and none of them contains the
edge. So the measured edges of k trees of bounds exclude nearly all edges of a class (`find_class_edges`); those that
are left, and the lightest cross edges, exclude nearly all edges between two classes (`count_trees_of_pair`).
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np

from hpfunc._arrays.types import Array, Floats, Ints, ParallelMap
from hpfunc._tree.exact import squared_distances
from hpfunc._tree.graphs.layer_bounds import LayerBounds, merge_pair
from hpfunc._tree.graphs.pair_graphs import count_weighted, weigh_trees
from hpfunc._tree.mst.kruskal import kruskal_ranks
from hpfunc._tree.mst.prim import edges_of_order, gaps_from_weights, place_maxima, prim, prim_order_of_tree
from hpfunc._tree.mst.tie_counts import CrossEdges
from hpfunc._tree.mst.ties import tied_edges
from hpfunc._tree.threads import Scratch

__all__ = ["MeasuredEdges", "bytes_for_successive_trees", "count_trees_of_pair", "find_class_edges"]

# A class or a pair is crowded where more than this many edges for each point and tree are left.
_CROWDED = 8
# Points of each class, for each tree, whose lightest cross edges are always measured.
_NEAREST = 4
# Entries of the tables of all classes whose trees are grown together.
_BATCH_ENTRIES = 2**23


class MeasuredEdges(NamedTuple):
    """Hold edges and their weights, each edge once."""

    ends: Ints  # (E, 2) points
    weights: Floats  # (E,) squared distances

    def select(self, numbers: Ints) -> MeasuredEdges:
        """Return the edges of some numbers."""
        return MeasuredEdges(self.ends[numbers], self.weights[numbers])


def bytes_for_successive_trees(starts: Ints, k: int) -> int:
    """Estimate the bytes of the edges of all classes, of the tables of a batch of them, and of one pair."""
    sizes = np.diff(starts)
    largest, batch = float(sizes.max()), len(sizes) * float(sizes.max()) ** 2
    tables = 8 * min(batch, max(largest**2, _BATCH_ENTRIES))
    return int(starts[-1] * k * _CROWDED * 24 + tables + largest**2 * 60 + largest * k * _CROWDED * 400)


def find_class_edges(
    layer: LayerBounds, k: int, scratch: Scratch, parallel_map: ParallelMap
) -> list[MeasuredEdges | None]:
    """Find the candidate edges of the k successive trees of every class, several classes at a time.

    Parameters
    ----------
    layer : LayerBounds
        Of all samples, equal ones too.
    k : int
    scratch : Scratch
    parallel_map : callable
        Apply a function to every class, possibly in threads.

    Returns
    -------
    list of MeasuredEdges or None
        Points are counted from the start of the class. None if there are no k trees, or too many edges.
    """
    sizes = np.diff(layer.starts)
    by_size = np.argsort(sizes, kind="stable")
    found: dict[int, MeasuredEdges | None] = {}
    step = max(1, _BATCH_ENTRIES // int(sizes.max()) ** 2)
    for classes in np.split(by_size, range(step, len(by_size), step)):
        found.update(zip(classes.tolist(), _find_edges_of_batch(layer, classes, k, scratch, parallel_map), strict=True))
    return [found[c] for c in range(len(sizes))]


def _find_edges_of_batch(
    layer: LayerBounds, classes: Ints, k: int, scratch: Scratch, parallel_map: ParallelMap
) -> list[MeasuredEdges | None]:
    """Find the edges of some classes; see `find_class_edges`."""
    sizes = np.diff(layer.starts)[classes]
    batch = np.empty((len(classes), sizes.max(), sizes.max()), layer.centred.dtype)

    def fill(g: int) -> None:
        table = batch[g, : sizes[g], : sizes[g]]
        table[:] = layer.within(int(classes[g]), scratch)
        np.fill_diagonal(table, np.inf)
        # Prim's algorithm reads what lies past the end of a class, if only to exclude it.
        batch[g, sizes[g] :], batch[g, :, sizes[g] :] = np.inf, np.inf

    deque(parallel_map(fill, range(len(classes))), maxlen=0)
    taken: list[list[tuple[Ints, Array]]] = [[] for _ in classes]
    complete = np.ones(len(classes), bool)
    for _ in range(k):
        grown = prim(batch, sizes)

        def take_tree(g: int, vertices: Array = grown.vertices, gaps: Array = grown.gaps) -> None:
            """Take the edges of the tree of one class out of its table."""
            table, n = batch[g, : sizes[g], : sizes[g]], sizes[g]
            complete[g] &= np.isfinite(gaps[g, :n]).all()
            if complete[g]:
                ends = edges_of_order(table, vertices[g, :n])
                taken[g].append((ends, table[tuple(ends.T)]))
                table[tuple(ends.T)] = table[tuple(ends.T[::-1])] = np.inf

        deque(parallel_map(take_tree, range(len(classes))), maxlen=0)

    def finish(g: int) -> MeasuredEdges | None:
        table = batch[g, : sizes[g], : sizes[g]]
        for ends, bounds in taken[g]:
            table[tuple(ends.T)] = table[tuple(ends.T[::-1])] = bounds
        trees = np.concatenate([ends for ends, _ in taken[g]]) if complete[g] else None
        return None if trees is None else _light_edges_of_class(layer, int(classes[g]), table, trees, k, scratch)

    return list(parallel_map(finish, range(len(classes))))


def _light_edges_of_class(
    layer: LayerBounds, class_number: int, table: Array, trees: Ints, k: int, scratch: Scratch
) -> MeasuredEdges | None:
    """Find the edges of a class that k trees of its bounds do not exclude; None if these are too many.

    Parameters
    ----------
    layer : LayerBounds
    class_number : int
    table : (n, n) array
        Bounds.
    trees : (E, 2) array
        The edges of k trees.
    k : int
    scratch : Scratch
    """
    rows, n = layer.rows(class_number), len(table)
    # Vertices in the canonical order, equal samples in the order of their rows.
    point = np.argsort(layer.rank[rows], kind="stable")
    vertex = np.empty_like(point)
    vertex[point] = np.arange(n)
    for spare in range(k + 1):
        first = _measure(layer, trees, rows.start, rows.start)
        edges = first._replace(ends=np.sort(vertex[first.ends], axis=1))
        last = _forests(n, edges, k)[-1]
        if len(last) == n - 1:
            break
        # Measuring changed the order of the edges, so that the last forest leaves points out: add another tree.
        another = _next_tree(table, trees)
        if another is None or spare == k:
            return None
        trees = np.concatenate([trees, another])
    light = np.triu(table <= _path_limits(layer, edges.select(last), vertex, vertex, scratch), 1)
    if np.count_nonzero(light) > _CROWDED * k * n:
        return None
    ends = np.stack(np.divmod(np.flatnonzero(light), n), axis=1)
    return _measure(layer, ends, rows.start, rows.start)


def _next_tree(table: Array, taken: Ints) -> Ints | None:
    """Return a minimum spanning tree of a table without the edges taken, or None if there is none."""
    left = table.copy()
    left[tuple(taken.T)] = left[tuple(taken.T[::-1])] = np.inf
    vertices, gaps = (part[0] for part in prim(left[None], np.array([len(left)])))
    return edges_of_order(left, vertices) if np.isfinite(gaps).all() else None


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


def _path_limits(layer: LayerBounds, tree: MeasuredEdges, rows: Ints, cols: Ints, scratch: Scratch) -> Array:
    """Compute limits of the path maxima in a tree.

    Parameters
    ----------
    layer : LayerBounds
    tree : MeasuredEdges
    rows, cols : (m,) and (n,) arrays
        Vertices.
    scratch : Scratch

    Returns
    -------
    (m, n) array
        In ``scratch``.
    """
    n_vertices = len(tree.weights) + 1
    vertices, numbers = prim_order_of_tree(n_vertices, *tree)
    place = np.empty_like(vertices)
    place[vertices] = np.arange(n_vertices)
    maxima = place_maxima(gaps_from_weights(layer.limits(tree.weights[numbers])), scratch)
    # Rows come first because whole rows are copied at once. ("clip" is the mode that writes without a copy.)
    of_rows = scratch("limits of rows", (len(rows), n_vertices), maxima.dtype)
    np.take(maxima, place[rows], axis=0, out=of_rows, mode="clip")
    limits = scratch("limits", (len(rows), len(cols)), maxima.dtype)
    return np.take(of_rows, place[cols], axis=1, out=limits, mode="clip")


def count_trees_of_pair(
    layer: LayerBounds, own: list[MeasuredEdges | None], pair: Ints, k: int, scratch: Scratch
) -> CrossEdges | None:
    """Count the cross edges of k successive trees of two classes; None if bounds leave too much undecided."""
    own_a, own_b = own[pair[0]], own[pair[1]]
    if own_a is None or own_b is None:
        return None
    table = layer.between(int(pair[0]), int(pair[1]), scratch)
    (m, n), (first_a, first_b) = table.shape, layer.starts[pair]
    members, place_a, place_b = merge_pair(layer, *pair)
    point = np.concatenate([place_a, place_b])
    # Vertices in the canonical order, equal samples in the order of their rows.
    vertex = np.empty(m + n, np.intp)
    vertex[np.argsort(point, kind="stable")] = np.arange(m + n)
    across = _choose_lightest(layer, table, (own_a, own_b), k)

    def join(across: Ints) -> MeasuredEdges:
        cross = _measure(layer, across, first_a, first_b)
        ends = np.concatenate([own_a.ends, own_b.ends + m, cross.ends + np.array([0, m])])
        weights = np.concatenate([own_a.weights, own_b.weights, cross.weights])
        return MeasuredEdges(np.sort(vertex[ends], axis=1), weights)

    edges = join(np.stack(np.divmod(across, n), axis=1))
    forests = _forests(m + n, edges, k)
    if len(forests[-1]) < m + n - 1:
        return None
    light = table <= _path_limits(layer, edges.select(forests[-1]), vertex[:m], vertex[m:], scratch)
    if np.count_nonzero(light) > _CROWDED * k * (m + n):
        return None
    left = np.flatnonzero(light)
    # If every light edge was chosen before, the forests are already known.
    if not np.isin(left, across, assume_unique=True).all():
        edges = join(np.stack(np.divmod(left, n), axis=1))
        forests = _forests(m + n, edges, k)
        if len(forests[-1]) < m + n - 1:
            return None
    return _count(members, np.sort(point), edges, forests)


def _choose_lightest(layer: LayerBounds, table: Array, own: tuple[MeasuredEdges, MeasuredEdges], k: int) -> Ints:
    """Choose cross edges that the trees are likely to contain: the k lightest of each point near the other class.

    Returns
    -------
    (E,) array
        Places of the edges in the flat table, each once.
    """
    chosen = []
    for side, bounds in enumerate((table, table.T)):
        near, least = np.zeros(len(bounds)), bounds.min(axis=1)
        np.maximum.at(near, own[side].ends.reshape(-1), np.repeat(own[side].weights, 2))
        is_near = least <= layer.limits(near)
        # The points nearest to the other class are chosen whatever edges they have in their own class.
        is_near[np.argpartition(least, min(_NEAREST * k, len(least)) - 1)[: _NEAREST * k]] = True
        source, kept = np.flatnonzero(is_near), min(k, bounds.shape[1])
        target = np.argpartition(bounds[source], kept - 1, axis=1)[:, :kept]
        ends = np.stack([np.repeat(source, kept), target.reshape(-1)], axis=1)
        chosen.append(ends if side == 0 else ends[:, ::-1])
    return np.asarray(np.unique(np.concatenate(chosen) @ [table.shape[1], 1]))


def _count(members: Floats, point: Ints, edges: MeasuredEdges, forests: list[Ints]) -> CrossEdges:
    """Count the cross edges of successive trees.

    Parameters
    ----------
    members : (G, 2) array
    point : (V,) array
        The point of every vertex.
    edges : MeasuredEdges
        All candidate edges of the trees.
    forests : list of (V - 1,) arrays
        The edge numbers of each tree.
    """
    unique, left, trees = len(members) == len(point), np.arange(len(edges.weights)), []
    for forest in forests:
        tree = np.isin(left, forest)
        unique = unique and not tied_edges(len(point), edges.ends[left], edges.weights[left], tree).any()
        trees.append(point[edges.ends[left[tree]]])
        left = left[~tree]
    counts = count_weighted(members, *weigh_trees(trees))
    return counts if unique else counts._replace(low=np.nan, high=np.nan)
