"""Find the candidate edges of the minimum spanning trees of many classes, from tables of lower bounds."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from hpfunc._arrays.types import Array, Bools, Floats, Ints
from hpfunc._tree.exact import LayerPoints
from hpfunc._tree.memory import UNLIMITED, SpareBytes
from hpfunc._tree.mst import remeasure
from hpfunc._tree.mst.prim import (
    PrimOrder,
    edges_of_order,
    fill_all_path_maxima,
    fill_path_maxima,
    gaps_from_weights,
    prim_order_of_tree,
    round_up,
)
from hpfunc._tree.reduce.limits import Reduction
from hpfunc._tree.rounding import upper_bound
from hpfunc._tree.threads import Scratch

__all__ = ["ClassBatch", "ClassCandidates", "fill_maxima_of_tree", "find_candidates"]

# Path maxima that are computed and compared at a time, so that they stay in the second-level cache.
_MAXIMA = 2**18


class ClassBatch(NamedTuple):
    """Hold g classes whose trees are grown together."""

    points: LayerPoints  # of all classes
    classes: Ints  # (g,) class numbers
    sizes: Ints  # (g,)
    table: Array  # (g, n, n) lower bounds of the squared distances, infinite past the end of a class
    error: Floats  # (g,) error bound of each class; see `rounding.upper_bound`
    relative: float  # relative error of all classes; see `rounding.upper_bound`
    path_maxima: list[Array]  # g arrays (n_k, n_k) to be filled
    reduction: Reduction | None = None  # where the table holds reduced distances
    spare: SpareBytes = UNLIMITED  # memory for ties and near ties

    def spans(self) -> list[range]:
        """Divide the g classes so that a table of each span stays in the second-level cache."""
        step, n = max(1, _MAXIMA // self.table.shape[1] ** 2), len(self.classes)
        return [range(lo, min(lo + step, n)) for lo in range(0, n, step)]

    def points_of(self, graph: Any, vertices: Ints) -> Ints:
        """Return the points of the layer, given the place of each class in the batch and vertices of that class."""
        return np.asarray(self.points.starts[self.classes[graph]] + vertices)


class ClassCandidates(NamedTuple):
    """Hold the candidate edges of some classes of a batch, and bounds of their weights."""

    graph: Ints  # (E,) place of the class in the batch, rising
    edges: Ints  # (E, 2) counted from the start of the class, the higher first
    lower: Floats  # (E,)
    upper: Floats  # (E,)
    n_spare: Ints  # (g,) candidates of each class beyond the edges of a tree; if crowded, one more than allowed
    crowded: Bools  # (g,) whether a class has so many that it is measured again; its edges are left out


def find_candidates(batch: ClassBatch, orders: list[PrimOrder], span: range, scratch: Scratch) -> ClassCandidates:
    """Fill the path maxima of some classes, and find the edges that are no heavier than them."""
    if batch.reduction is None:
        _fill_maxima_of_orders(batch, orders, span, scratch)
    else:
        for g in span:
            n = batch.sizes[g]
            edges = edges_of_order(batch.table[g, :n, :n], orders[g].vertices)
            upper = batch.reduction.bounds(*batch.points_of(g, edges).T)[1]
            fill_maxima_of_tree(batch, g, edges, upper, scratch)
    sizes = batch.sizes[span.start : span.stop]
    if batch.reduction is None:
        most = remeasure.CROWDED * sizes
    else:
        most = np.array([batch.reduction.most_edges(n * n // 2, n) for n in sizes.tolist()])
    graph, edges, crowded = _light_edges(batch, span, most, scratch)
    n_spare = np.where(crowded, most + 1, np.bincount(graph - span.start, minlength=len(span)) - (sizes - 1))
    lower = batch.table[graph, edges[:, 0], edges[:, 1]].astype(np.float64)
    upper = upper_bound(lower, batch.error[graph], batch.relative)
    found = ClassCandidates(graph, edges, lower, upper, n_spare, crowded)
    return found if batch.reduction is None else _measure_spare(batch, batch.reduction, span, found)


def _fill_maxima_of_orders(batch: ClassBatch, orders: list[PrimOrder], span: range, scratch: Scratch) -> None:
    """Fill the path maxima of some classes from their Prim orders."""
    dtype, rounded = batch.path_maxima[0].dtype, []
    for g in span:
        upper = upper_bound(orders[g].gaps.astype(np.float64), batch.error[g], batch.relative)
        rounded.append(PrimOrder(orders[g].vertices, round_up(upper, dtype)))
    fill_all_path_maxima(rounded, [batch.path_maxima[g] for g in span], scratch)


def _light_edges(batch: ClassBatch, span: range, most: Ints, scratch: Scratch) -> tuple[Ints, Ints, Bools]:
    """Find the edges of some classes that are no heavier than their path maxima.

    Parameters
    ----------
    batch : ClassBatch
    span : range
        Places of g classes in the batch.
    most : (g,) array
        A class with more edges than this, beyond those of a tree, is crowded.
    scratch : Scratch

    Returns
    -------
    graph : (E,) array
        Place of the class in the batch, rising.
    edges : (E, 2) array
        Counted from the start of the class, the higher first.
    crowded : (g,) array
        Classes whose edges are left out.
    """
    n, crowded = batch.table.shape[1], np.zeros(len(span), bool)
    light = scratch("light", (len(span), n, n), np.bool_)
    for i, (g, entries) in enumerate(zip(span, light, strict=True)):
        size = batch.sizes[g]
        np.less_equal(batch.table[g, :size, :size], batch.path_maxima[g], out=entries[:size, :size])
        entries[size:] = entries[:, size:] = False
        # Both halves of the table and its diagonal are counted.
        crowded[i] = np.count_nonzero(entries) > 2 * (most[i] + size - 1) + size
        if crowded[i]:
            entries[:] = False
    # True entries are few, so a search through the flat array is the fastest.
    graph, place = np.divmod(np.flatnonzero(light), n * n)
    rows, cols = np.divmod(place, n)
    once = rows > cols
    return graph[once] + span.start, np.stack([rows[once], cols[once]], axis=1), crowded


def _measure_spare(batch: ClassBatch, reduction: Reduction, span: range, found: ClassCandidates) -> ClassCandidates:
    """Bound candidates by direct differences in classes that have spare ones, and drop those that are too heavy."""
    graph, edges, lower, upper, n_spare, crowded = found
    measured = np.flatnonzero((n_spare > 0)[graph - span.start])
    if not measured.size:
        return found
    ends = batch.points_of(graph[measured, None], edges[measured])
    lower[measured], upper[measured] = reduction.bounds(*ends.T)
    limits = np.concatenate(
        [batch.path_maxima[g][*edges[measured][graph[measured] == g].T] for g in np.unique(graph[measured])]
    )
    kept = np.ones(len(graph), bool)
    kept[measured] = reduction.limits(lower[measured]) <= limits
    n_spare = np.where(crowded, n_spare, n_spare - np.bincount(graph[~kept] - span.start, minlength=len(span)))
    return ClassCandidates(graph[kept], edges[kept], lower[kept], upper[kept], n_spare, crowded)


def fill_maxima_of_tree(batch: ClassBatch, g: int, edges: Ints, weights: Floats, scratch: Scratch) -> Ints:
    """Fill the path maxima of class g of a batch from one of its trees; return the vertices in Prim order: ``(n,)``."""
    vertices, edge_numbers = prim_order_of_tree(len(edges) + 1, edges, weights)
    limits = weights[edge_numbers] if batch.reduction is None else batch.reduction.limits(weights[edge_numbers])
    gaps = gaps_from_weights(round_up(limits, batch.path_maxima[g].dtype))
    fill_path_maxima(PrimOrder(vertices, gaps), batch.path_maxima[g], scratch)
    return vertices
