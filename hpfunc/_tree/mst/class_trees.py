"""Exact minimum spanning trees of every class, batched.

Exact by construction. Prim's algorithm on lower bounds gives a tree T and its path maxima. By the cycle property, an
edge of any minimum spanning tree is no heavier than every edge that it could replace: its lower bound is at most the
upper bound of the path maximum in T between its ends. All such candidate edges are kept, those of T among them, and
where rounding leaves their order undecided they are measured by direct differences in float64 (`kruskal.certify`). A
class with too many of them is measured again in float64 (`remeasure`).
"""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

import numpy as np

from hpfunc._tree.distances import CentredPoints, fill_class_bounds, upper_bound
from hpfunc._tree.exact import squared_distances
from hpfunc._tree.memory import check_ties
from hpfunc._tree.mst import remeasure
from hpfunc._tree.mst.kruskal import BoundedEdges, certify, kruskal
from hpfunc._tree.mst.prim import (
    PrimOrder,
    candidate_edges,
    edges_of_order,
    fill_all_path_maxima,
    fill_path_maxima,
    gaps_from_weights,
    prim,
    prim_order_of_tree,
    round_up,
)
from hpfunc._tree.mst.remeasure import TreeWithTies
from hpfunc._tree.reduce.limits import Reduction
from hpfunc._tree.threads import Scratch, StageClock, timed
from hpfunc._tree.types import Array, Bools, Floats, Ints, ParallelMap

__all__ = ["BATCH_VERTICES", "ClassTree", "grow_class_trees"]

# Vertices of all graphs that Prim's algorithm is given at a time, so that its state stays in the second-level cache.
BATCH_VERTICES = 80_000
# Path maxima that are computed at a time, so that they stay in the second-level cache.
_MAXIMA = 2**18


class ClassTree(NamedTuple):
    """Hold the minimum spanning trees of one class of n points, and the order in which Prim visited the points."""

    tree: TreeWithTies
    visited: Ints  # (n,)


class _ClassBatch(NamedTuple):
    """Hold g classes whose trees are grown together."""

    x: Any  # (N, d) the points of all classes
    centred: CentredPoints
    classes: Ints  # (g,) class numbers
    sizes: Ints  # (g,)
    table: Array  # (g, n, n) lower bounds of the squared distances, infinite past the end of a class
    orders: list[PrimOrder]  # g Prim orders of the lower bounds
    path_maxima: list[Array]  # g arrays (n_k, n_k) to be filled
    reduction: Reduction | None  # where the table holds reduced distances
    max_bytes: float  # to work in
    clock: StageClock | None


def grow_class_trees(
    x: Any,
    centred: CentredPoints,
    path_maxima: list[Array],
    scratch: Scratch,
    *,
    exact: bool,
    max_bytes: float = np.inf,
    reduction: Reduction | None = None,
    clock: StageClock | None = None,
    parallel_map: ParallelMap = map,
) -> list[ClassTree]:
    """Find the minimum spanning trees of every class.

    Parameters
    ----------
    x : (N, d) array
        The points themselves.
    centred : CentredPoints
        The same points, centred by class; or their reduced coordinates.
    path_maxima : list of (n, n) arrays
        One array for each class, to be filled with its path maxima, rounded up; as limits of reduced distances where
        there is a reduction.
    scratch : Scratch
    exact : bool
        If False, return the trees of the lower bounds, with these bounds as weights.
    max_bytes : int
        Bytes to work in.
    reduction : Reduction, optional
        What tells of the true distances, where ``centred`` holds reduced coordinates.
    clock : StageClock, optional
        Told the seconds that exact distances take.
    parallel_map : callable
        Apply a function to every class, in threads perhaps.
    """
    sizes = np.diff(centred.starts)
    by_size = np.argsort(sizes, kind="stable")
    n_batches = min(len(sizes), max(1, round(len(sizes) * int(sizes.max()) / BATCH_VERTICES)))
    found: dict[int, ClassTree] = {}
    for classes in np.array_split(by_size, n_batches):
        table = _bounds_within(centred, classes, parallel_map, scratch)
        orders = [
            PrimOrder(vertices[:n], gaps[:n])
            for vertices, gaps, n in zip(*prim(table, sizes[classes]), sizes[classes], strict=True)
        ]
        maxima = [path_maxima[k] for k in classes]
        batch = _ClassBatch(x, centred, classes, sizes[classes], table, orders, maxima, reduction, max_bytes, clock)
        trees = _exact_trees(batch, parallel_map, scratch) if exact else _rough_trees(batch, scratch)
        found.update(zip(classes.tolist(), trees, strict=True))
    return [found[k] for k in range(len(sizes))]


def _bounds_within(centred: CentredPoints, classes: Ints, parallel_map: ParallelMap, scratch: Scratch) -> Array:
    """Compute lower bounds of the squared distances within g classes: ``(g, n, n)``, infinite past the end of each."""
    sizes = np.diff(centred.starts)[classes]
    n = int(sizes.max())
    table = np.empty((len(classes), n, n), centred.dtype)

    def fill(g: int) -> None:
        fill_class_bounds(centred, int(classes[g]), table[g, : sizes[g], : sizes[g]], scratch)
        table[g, :, sizes[g] :] = np.inf

    deque(parallel_map(fill, range(len(classes))), maxlen=0)
    return table


def _rough_trees(batch: _ClassBatch, scratch: Scratch) -> list[ClassTree]:
    """Return, for each class, one tree of the lower bounds, with the lower bounds as its weights."""
    trees = []
    for table, order, path_maxima in zip(batch.table, batch.orders, batch.path_maxima, strict=True):
        vertices, gaps = order
        edges = edges_of_order(table.T, vertices)
        fill_path_maxima(PrimOrder(vertices, round_up(gaps, path_maxima.dtype)), path_maxima, scratch)
        trees.append(ClassTree(TreeWithTies(edges, gaps[1:].astype(np.float64), edges[:0]), vertices))
    return trees


class _ClassCandidates(NamedTuple):
    """Hold the candidate edges of one class of n points, and bounds of their weights."""

    edges: Ints  # (E, 2) counted from the start of the class, the higher first
    lower: Floats  # (E,)
    upper: Floats  # (E,)
    n_spare: int  # how many edges are more than a tree has
    crowded: bool  # whether they are so many that the class is measured again; then the fields above are empty


def _exact_trees(batch: _ClassBatch, parallel_map: ParallelMap, scratch: Scratch) -> list[ClassTree]:
    """Return the exact trees of each class."""
    classes = range(len(batch.classes))
    if batch.reduction is None:
        _fill_maxima_of_orders(batch, parallel_map, scratch)
    found = list(parallel_map(lambda g: _find_candidates(batch, g, scratch), classes))
    tree, tied = _certify_candidates(batch, found)

    def finish(g: int) -> ClassTree:
        start = batch.centred.starts[batch.classes[g]]
        points = batch.x[start : start + batch.sizes[g]]
        if found[g].crowded or tied[g]:
            check_ties(found[g].n_spare + len(points), batch.max_bytes)
        if found[g].crowded:
            edges = remeasure.candidates_in_float64(points)
            exact = remeasure.tree_with_ties(points, edges)._replace(remeasured=batch.table.dtype != np.float64)
        elif tied[g]:
            exact = remeasure.tree_with_ties(points, found[g].edges)
        else:
            edges = found[g].edges[tree[g]]
            with timed(batch.clock, "exact distances"):
                exact = TreeWithTies(edges, squared_distances(points, *edges.T), edges[:0])
        if batch.reduction is None and not found[g].crowded:
            return ClassTree(exact, batch.orders[g].vertices)
        return ClassTree(exact, _fill_maxima_of_tree(batch, g, exact.edges, exact.weights, scratch))

    return list(parallel_map(finish, classes))


def _fill_maxima_of_orders(batch: _ClassBatch, parallel_map: ParallelMap, scratch: Scratch) -> None:
    """Fill the path maxima of all classes of the batch from their Prim orders, several small classes at a time."""
    relative, dtype = batch.centred.relative, batch.path_maxima[0].dtype

    def fill(some: range) -> None:
        orders = []
        for g in some:
            (vertices, gaps), k = batch.orders[g], batch.classes[g]
            upper = upper_bound(gaps.astype(np.float64), batch.centred.error[k, k], relative)
            orders.append(PrimOrder(vertices, round_up(upper, dtype)))
        fill_all_path_maxima(orders, [batch.path_maxima[g] for g in some], scratch)

    step, n = max(1, _MAXIMA // batch.table.shape[1] ** 2), len(batch.classes)
    deque(parallel_map(fill, [range(lo, min(lo + step, n)) for lo in range(0, n, step)]), maxlen=0)


def _find_candidates(batch: _ClassBatch, g: int, scratch: Scratch) -> _ClassCandidates:
    """Return the candidate edges of class g of the batch; where there is a reduction, fill its path maxima first."""
    n, path_maxima = batch.sizes[g], batch.path_maxima[g]
    k, table = batch.classes[g], batch.table[g, :n, :n]
    start, error, relative = batch.centred.starts[k], batch.centred.error[k, k], batch.centred.relative
    if batch.reduction is not None:
        edges = edges_of_order(table, batch.orders[g].vertices)
        _fill_maxima_of_tree(batch, g, edges, batch.reduction.bounds(*(start + edges.T))[1], scratch)
    edges = candidate_edges(table, path_maxima, scratch)
    n_spare = len(edges) - (n - 1)
    limit = remeasure.CROWDED * n if batch.reduction is None else batch.reduction.most_edges(n * n // 2, n)
    if n_spare > limit:
        return _ClassCandidates(edges[:0], np.empty(0), np.empty(0), n_spare, True)
    if n_spare and batch.reduction is not None:
        lower, upper = batch.reduction.bounds(*(start + edges.T))
        kept = batch.reduction.limits(lower) <= path_maxima[edges[:, 0], edges[:, 1]]
        edges = edges[kept]
        return _ClassCandidates(edges, lower[kept], upper[kept], len(edges) - (n - 1), False)
    lower = table[edges[:, 0], edges[:, 1]].astype(np.float64)
    return _ClassCandidates(edges, lower, upper_bound(lower, error, relative), n_spare, False)


def _fill_maxima_of_tree(batch: _ClassBatch, g: int, edges: Ints, weights: Floats, scratch: Scratch) -> Ints:
    """Fill the path maxima of class g of the batch from a tree of it; return the vertices ``(n,)`` in Prim order."""
    vertices, edge_numbers = prim_order_of_tree(len(edges) + 1, edges, weights)
    limits = weights[edge_numbers] if batch.reduction is None else batch.reduction.limits(weights[edge_numbers])
    gaps = gaps_from_weights(round_up(limits, batch.path_maxima[g].dtype))
    fill_path_maxima(PrimOrder(vertices, gaps), batch.path_maxima[g], scratch)
    return vertices


def _certify_candidates(batch: _ClassBatch, found: list[_ClassCandidates]) -> tuple[list[Bools], Bools]:
    """Decide which candidates form the tree of each class: a mask for each class, and which classes have ties."""
    counts = [len(candidates.edges) for candidates in found]
    graph = np.repeat(np.arange(len(found)), counts)
    # Without an edge to spare, all candidates of a class are its tree.
    tree = np.array([candidates.n_spare == 0 for candidates in found])[graph]
    tied = np.zeros(len(found), bool)
    if (open_edges := np.flatnonzero(~tree)).size:
        edges, lower, upper = (np.concatenate([candidates[f] for candidates in found])[open_edges] for f in range(3))
        graph, n = graph[open_edges], batch.table.shape[1]
        rows = batch.centred.starts[batch.classes][graph, None] + edges
        bounded = BoundedEdges(graph, edges + graph[:, None] * n, lower, upper)
        lightest = np.zeros(len(open_edges), bool)
        lightest[kruskal(len(found) * n, bounded.ends, lower)] = True

        def measure(few: Ints) -> Floats:
            with timed(batch.clock, "exact distances"):
                return squared_distances(batch.x, *rows[few].T)

        tree[open_edges], tied = certify(bounded, lightest, measure, len(found), len(found) * n)
    return np.split(tree, np.cumsum(counts)[:-1]), tied
