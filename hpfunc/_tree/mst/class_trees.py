"""Exact minimum spanning trees of every class, batched.

Exact by construction. Prim's algorithm on lower bounds gives a tree T and its path maxima. By the cycle property, an
edge of any minimum spanning tree is no heavier than every edge that it could replace: its lower bound is at most the
upper bound of the path maximum in T between its ends. All such candidate edges are kept, those of T among them, and
where rounding leaves their order undecided they are measured by direct differences in float64 (`kruskal.certify`). A
class with too many of them is measured again in float64 (`remeasure`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from hpfunc._arrays.types import Array, Bools, Ints, ParallelMap
from hpfunc._tree.distances import CentredPoints, fill_class_bounds
from hpfunc._tree.exact import LayerPoints
from hpfunc._tree.memory import UNLIMITED, SpareBytes
from hpfunc._tree.mst import remeasure
from hpfunc._tree.mst.class_candidates import ClassBatch, ClassCandidates, fill_maxima_of_tree, find_candidates
from hpfunc._tree.mst.kruskal import BoundedEdges, certify, kruskal
from hpfunc._tree.mst.prim import PrimOrder, edges_of_order, fill_path_maxima, prim, round_up
from hpfunc._tree.mst.remeasure import TreeWithTies
from hpfunc._tree.reduce.limits import Reduction
from hpfunc._tree.threads import Scratch, for_each

__all__ = ["BATCH_VERTICES", "ClassTree", "grow_class_trees", "grow_trees"]

# Vertices of all graphs that Prim's algorithm is given at a time, so that its state stays in the second-level cache.
BATCH_VERTICES = 80_000


class ClassTree(NamedTuple):
    """Hold the minimum spanning trees of one class of n points, and the order in which Prim visited the points."""

    tree: TreeWithTies
    visited: Ints  # (n,)


def grow_class_trees(
    points: LayerPoints,
    centred: CentredPoints,
    path_maxima: list[Array],
    scratch: Scratch,
    *,
    exact: bool,
    spare: SpareBytes = UNLIMITED,
    reduction: Reduction | None = None,
    parallel_map: ParallelMap = map,
) -> list[ClassTree]:
    """Find the minimum spanning trees of every class.

    Parameters
    ----------
    points : LayerPoints
        The points themselves, class by class; their clock is told the seconds that exact distances take.
    centred : CentredPoints
        The same points, centred by class; or their reduced coordinates.
    path_maxima : list of (n, n) arrays
        One array for each class, to be filled with its path maxima, rounded up. With a reduction, they are limits of
        reduced distances.
    scratch : Scratch
    exact : bool
        If False, return the trees of the lower bounds, with these bounds as weights.
    spare : SpareBytes
        Memory for ties and near ties.
    reduction : Reduction, optional
        Bounds the true distances where ``centred`` holds reduced coordinates.
    parallel_map : callable
        Apply a function to every class, possibly in threads.
    """
    sizes = np.diff(centred.starts)
    by_size = np.argsort(sizes, kind="stable")
    n_batches = min(len(sizes), max(1, round(len(sizes) * int(sizes.max()) / BATCH_VERTICES)))
    found: dict[int, ClassTree] = {}
    for classes in np.array_split(by_size, n_batches):
        table, error = _bounds_within(centred, classes, parallel_map, scratch), centred.error[classes, classes]
        maxima = [path_maxima[k] for k in classes]
        batch = ClassBatch(
            points, classes, sizes[classes], table, error, centred.relative, maxima, reduction, spare
        )  # fmt: skip
        trees = grow_trees(batch, scratch, exact=exact, parallel_map=parallel_map)
        found.update(zip(classes.tolist(), trees, strict=True))
    return [found[k] for k in range(len(sizes))]


def grow_trees(batch: ClassBatch, scratch: Scratch, *, exact: bool, parallel_map: ParallelMap = map) -> list[ClassTree]:
    """Find the minimum spanning trees of every class of a batch; see `grow_class_trees`."""
    grown = prim(batch.table, batch.sizes)
    orders = [PrimOrder(vertices[:n], gaps[:n]) for vertices, gaps, n in zip(*grown, batch.sizes, strict=True)]
    return _exact_trees(batch, orders, parallel_map, scratch) if exact else _rough_trees(batch, orders, scratch)


def _bounds_within(centred: CentredPoints, classes: Ints, parallel_map: ParallelMap, scratch: Scratch) -> Array:
    """Compute lower bounds of the squared distances within g classes: ``(g, n, n)``, infinite past the end of each."""
    sizes = np.diff(centred.starts)[classes]
    n = int(sizes.max())
    table = np.empty((len(classes), n, n), centred.dtype)

    def fill(g: int) -> None:
        fill_class_bounds(centred, int(classes[g]), table[g, : sizes[g], : sizes[g]], scratch)
        table[g, :, sizes[g] :] = np.inf

    for_each(fill, len(classes), parallel_map)
    return table


def _rough_trees(batch: ClassBatch, orders: list[PrimOrder], scratch: Scratch) -> list[ClassTree]:
    """Return, for each class, one tree of the lower bounds, with the lower bounds as its weights."""
    trees = []
    for table, order, path_maxima in zip(batch.table, orders, batch.path_maxima, strict=True):
        (vertices, gaps), n = order, len(order.vertices)
        edges = edges_of_order(table[:n, :n].T, vertices)
        fill_path_maxima(PrimOrder(vertices, round_up(gaps, path_maxima.dtype)), path_maxima, scratch)
        trees.append(ClassTree(TreeWithTies(edges, gaps[1:].astype(np.float64), edges[:0]), vertices))
    return trees


def _exact_trees(
    batch: ClassBatch, orders: list[PrimOrder], parallel_map: ParallelMap, scratch: Scratch
) -> list[ClassTree]:
    """Return the exact trees of each class."""
    spans = batch.spans()
    parts = list(parallel_map(lambda span: find_candidates(batch, orders, span, scratch), spans))
    found = ClassCandidates(*(np.concatenate(field) for field in zip(*parts, strict=True)))
    tree, tied = _certify_candidates(batch, found)

    def finish(span: range) -> list[ClassTree]:
        return list(_finish_trees(batch, orders, span, found, tree, tied, scratch))

    return [class_tree for some in parallel_map(finish, spans) for class_tree in some]


def _finish_trees(
    batch: ClassBatch,
    orders: list[PrimOrder],
    span: range,
    found: ClassCandidates,
    tree: Bools,
    tied: Bools,
    scratch: Scratch,
) -> Iterator[ClassTree]:
    """Yield the exact trees of some classes, given which candidates form a tree and which classes have ties."""
    first = np.searchsorted(found.graph, np.arange(span.start, span.stop + 1))
    chosen = slice(first[0], first[-1])
    edges, graph = found.edges[chosen][tree[chosen]], found.graph[chosen][tree[chosen]]
    weights = batch.points.distances(*batch.points_of(graph[:, None], edges).T)
    ends = np.searchsorted(graph, np.arange(span.start, span.stop + 1))
    for g, lo, hi, begin, end in zip(span, ends[:-1], ends[1:], first[:-1], first[1:], strict=True):
        n, crowded = int(batch.sizes[g]), found.crowded[g]
        if crowded or tied[g]:
            points, candidates = batch.points.coordinates(batch.classes[g]), found.edges[begin:end]
            if crowded:
                candidates = remeasure.candidates_in_float64(points, batch.spare)
            with batch.spare.for_ties(len(candidates), n):
                exact = remeasure.tree_with_ties(points, candidates)
            if crowded:
                exact = exact._replace(remeasured=batch.table.dtype != np.float64)
        else:
            exact = TreeWithTies(edges[lo:hi], weights[lo:hi], edges[:0])
        if batch.reduction is None and not crowded:
            yield ClassTree(exact, orders[g].vertices)
        else:
            yield ClassTree(exact, fill_maxima_of_tree(batch, g, exact.edges, exact.weights, scratch))


def _certify_candidates(batch: ClassBatch, found: ClassCandidates) -> tuple[Bools, Bools]:
    """Decide which candidates form the tree of each class: a mask ``(E,)``, and which classes have ties ``(g,)``."""
    n_graphs, n = len(batch.classes), batch.table.shape[1]
    # A class without spare candidates has one tree: all its candidates.
    tree, tied = (found.n_spare == 0)[found.graph], np.zeros(n_graphs, bool)
    open_edges = np.flatnonzero(~tree)
    if open_edges.size:
        graph, edges = found.graph[open_edges], found.edges[open_edges]
        lower, upper = found.lower[open_edges], found.upper[open_edges]
        points = batch.points_of(graph[:, None], edges)
        bounded = BoundedEdges(graph, edges + graph[:, None] * n, lower, upper)
        lightest = np.zeros(len(open_edges), bool)
        lightest[kruskal(n_graphs * n, bounded.ends, lower)] = True
        tree[open_edges], tied = certify(
            bounded, lightest, lambda e: batch.points.distances(*points[e].T), n_graphs, n_graphs * n
        )
    return tree, tied
