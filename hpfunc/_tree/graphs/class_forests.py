"""Find the k successive minimum spanning trees of every class of a layer.

The measured edges of k trees of estimated weights exclude nearly all edges of a class (`forests`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hpfunc._arrays.types import Array, Bools, Floats, Ints, ParallelMap
from hpfunc._tree.exact import squared_distances
from hpfunc._tree.graphs.forests import OrderedEdges, sort_into_forests
from hpfunc._tree.graphs.layer_bounds import LayerBounds
from hpfunc._tree.mst.kruskal import components
from hpfunc._tree.mst.prim import (
    RangeMaximum,
    edges_of_order,
    gaps_from_weights,
    place_maxima,
    prim,
    prim_order_of_tree,
)
from hpfunc._tree.mst.ties import tied_edges
from hpfunc._tree.threads import Scratch, for_each

__all__ = ["CLASS_ENTRIES", "CROWDED", "ClassForests", "find_class_forests"]

# A class or a pair is crowded where more than this many edges for each point and tree are left.
CROWDED = 16
# Entries of the tables of all classes whose trees are grown together.
CLASS_ENTRIES = 2**23
# The measured edges may leave points out of the last forest. For a few rounds, this many further edges are measured at
# each of these points. A point that is still left out counts as infinitely far away, which excludes no edge.
_MORE_EDGES, _ROUNDS = 2, 3
# Vertices that are tried as the hub of a tree.
_HUBS = 16


class ClassForests(NamedTuple):
    """Hold the edges of k successive trees of every class, and the edges that tie with those of the last tree."""

    starts: Ints  # (K + 1,) edges starts[c]:starts[c + 1] are those of class c
    ends: Ints  # (E, 2) rows of the layer
    weights: Floats  # (E,) squared distances
    forest: Ints  # (E,) number of the tree, from 0; k for an edge that only ties
    ways: Floats  # (N,) heaviest edge between each point and the hub of its class in the last tree
    complete: Bools  # (K,) whether the class has k trees, and few enough edges were left
    canonical: Ints  # (N,) place of each row in the canonical order, equal samples in the order of their rows


# The edges of a class without k trees.
_NO_FORESTS = np.empty((0, 2), np.intp), np.empty(0), np.empty(0, np.intp)


class _Tree(NamedTuple):
    """Hold a tree as vertices in an order in which the largest gap between two is their path maximum."""

    vertices: Ints  # (n,)
    gaps: Floats  # (n - 1,) between each place and the next


def find_class_forests(layer: LayerBounds, k: int, scratch: Scratch, parallel_map: ParallelMap) -> ClassForests:
    """Find the k successive trees of every class of all samples, equal ones too, several classes at a time."""
    sizes, n_classes = np.diff(layer.starts), len(layer.starts) - 1
    canonical = np.empty(len(layer.rank), np.intp)
    canonical[np.argsort(layer.rank, kind="stable")] = np.arange(len(canonical))
    ways, found = np.full(len(canonical), np.inf), {}
    by_size = np.argsort(sizes, kind="stable")
    step = max(1, CLASS_ENTRIES // int(sizes.max()) ** 2)
    for classes in np.split(by_size, range(step, n_classes, step)):
        tables, trees = _grow_trees(layer, classes, k, scratch, parallel_map)

        def finish(g: int, classes: Ints = classes, tables: list[Array] = tables, trees: list[Ints] = trees) -> None:
            rows = layer.rows(int(classes[g]))
            found[int(classes[g])] = _find_forests(
                layer, int(classes[g]), tables[g], trees[g], canonical[rows], ways[rows], k, scratch
            )

        for_each(finish, len(classes), parallel_map)
    parts = [found[c] for c in range(n_classes)]
    ends, weights, forest = (np.concatenate(field) for field in zip(*parts, strict=True))
    starts = np.concatenate([[0], np.cumsum([len(part[1]) for part in parts])])
    complete = np.diff(starts) > 0
    return ClassForests(starts, ends, weights, forest, ways, complete, canonical)


def _grow_trees(
    layer: LayerBounds, classes: Ints, k: int, scratch: Scratch, parallel_map: ParallelMap
) -> tuple[list[Array], list[Ints]]:
    """Grow k successive trees of the estimated weights of some classes.

    Returns
    -------
    tables : list of (n, n) arrays
        Estimated weights; infinite on the diagonal and at the edges of the trees.
    trees : list of (E, 2) arrays
        The edges of the trees of each class; fewer than k trees where the edges end.
    """
    sizes = np.diff(layer.starts)[classes]
    batch = np.empty((len(classes), sizes.max(), sizes.max()), layer.centred.dtype)
    tables = [batch[g, :n, :n] for g, n in enumerate(sizes)]

    def fill(g: int) -> None:
        tables[g][:] = layer.estimates(int(classes[g]), layer.within(int(classes[g]), scratch), scratch)
        np.fill_diagonal(tables[g], np.inf)
        # Prim's algorithm reads what lies past the end of a class, if only to exclude it.
        batch[g, sizes[g] :], batch[g, :, sizes[g] :] = np.inf, np.inf

    for_each(fill, len(classes), parallel_map)
    taken: list[list[Ints]] = [[] for _ in classes]
    for _ in range(k):
        grown = prim(batch, sizes)

        def take_tree(g: int, vertices: Array = grown.vertices, gaps: Array = grown.gaps) -> None:
            if np.isfinite(gaps[g, : sizes[g]]).all():
                ends = edges_of_order(tables[g], vertices[g, : sizes[g]])
                tables[g][tuple(ends.T)] = tables[g][tuple(ends.T[::-1])] = np.inf
                taken[g].append(ends)

        for_each(take_tree, len(classes), parallel_map)
    return tables, [np.sort(np.concatenate([np.empty((0, 2), np.intp), *ends]), axis=1) for ends in taken]


def _find_forests(
    layer: LayerBounds, c: int, table: Array, ends: Ints, canonical: Ints, ways: Floats, k: int, scratch: Scratch
) -> tuple[Ints, Floats, Ints]:
    """Find the k successive trees of one class of n points.

    Parameters
    ----------
    layer : LayerBounds
    c : int
        Class number.
    table : (n, n) array
        Estimated weights, infinite at the edges given by ``ends``; changed.
    ends : (E, 2) array
        Edges that are likely to exclude most others, counted from the start of the class.
    canonical : (n,) array
    ways : (n,) array
        To be filled.
    k : int
    scratch : Scratch

    Returns
    -------
    ends, weights, forest
        As in `ClassForests`; no edges if there are no k trees, or too many edges are left.
    """
    first, n = layer.rows(c).start, len(table)

    def sort() -> Ints:
        none = np.zeros(len(ends), np.intp)
        return sort_into_forests(n, OrderedEdges(none, ends, weights, none, canonical[ends]), k)

    weights = squared_distances(layer.x, *(ends.T + first))
    forest = sort()
    for _ in range(_ROUNDS):
        more = _edges_of_loose_points(table, ends[forest == k - 1])
        if not len(more):
            break
        table[tuple(more.T)] = table[tuple(more.T[::-1])] = np.inf
        ends = np.concatenate([ends, more])
        weights = np.append(weights, squared_distances(layer.x, *(more.T + first)))
        forest = sort()
    last = forest == k - 1
    tree = _order_tree(n, ends[last], weights[last])
    if layer.reduction is not None:
        table = layer.within(c, scratch)
        table[tuple(ends.T)] = table[tuple(ends.T[::-1])] = np.inf
    light = _light_edges(layer, table, tree, scratch)
    if len(light) > CROWDED * k * n:
        return _NO_FORESTS
    light = light[layer.may_weigh(light + first, lambda: _path_maxima(tree, light))]
    if len(light):
        ends = np.concatenate([ends, light])
        weights = np.append(weights, squared_distances(layer.x, *(light.T + first)))
        forest = sort()
        last = forest == k - 1
        tree = _order_tree(n, ends[last], weights[last])
    if np.count_nonzero(last) < n - 1:
        return _NO_FORESTS
    kept = (forest < k) | tied_edges(n, ends, weights, last)
    ways[:] = _ways_to_hub(tree)
    return ends[kept] + first, weights[kept], forest[kept]


def _edges_of_loose_points(table: Array, last: Ints) -> Ints:
    """Return the lightest edges of a table at each point outside the largest tree of a forest: ``(E, 2)``."""
    label = components(len(table), last)[1]
    source = np.flatnonzero(label != np.bincount(label).argmax())
    n_more = min(_MORE_EDGES, len(table))
    target = np.argpartition(table[source], n_more - 1, axis=1)[:, :n_more]
    ends = np.sort(np.stack([np.repeat(source, n_more), target.reshape(-1)], axis=1), axis=1)
    ends = ends[np.isfinite(table[tuple(ends.T)])]
    return np.stack(np.divmod(np.unique(ends @ [len(table), 1]), len(table)), axis=1)


def _order_tree(n: int, ends: Ints, weights: Floats) -> _Tree:
    """Order the vertices of a tree; edges of infinite weight join the parts of a forest."""
    count, label = components(n, ends) if len(ends) < n - 1 else (1, np.zeros(n, np.intp))
    if count > 1:
        first = np.unique(label, return_index=True)[1]
        joints = np.stack([np.repeat(first[0], count - 1), first[1:]], axis=1)
        ends, weights = np.concatenate([ends, joints]), np.append(weights, np.full(count - 1, np.inf))
    vertices, numbers = prim_order_of_tree(n, ends, weights)
    return _Tree(vertices, weights[numbers])


def _light_edges(layer: LayerBounds, table: Array, tree: _Tree, scratch: Scratch) -> Ints:
    """Return the edges of a table of bounds that a tree does not exclude: ``(E, 2)``, the lower end first."""
    n, place = len(table), np.empty_like(tree.vertices)
    place[tree.vertices] = np.arange(len(table))
    maxima = place_maxima(gaps_from_weights(layer.limits(tree.gaps)), scratch)
    # Rows come first because whole rows are copied at once. ("clip" is the mode that writes without a copy.)
    rows = np.take(maxima, place, axis=0, out=scratch("rows", (n, n), maxima.dtype), mode="clip")
    limits = np.take(rows, place, axis=1, out=scratch("limits", (n, n), maxima.dtype), mode="clip")
    light = np.less_equal(table, limits, out=scratch("light", (n, n), np.bool_))
    source, target = np.divmod(np.flatnonzero(light), n)
    # Edges that are measured already are infinite in the table; they are not light, even where the limit is infinite.
    return np.stack([source, target], axis=1)[(source < target) & np.isfinite(table[source, target])]


def _path_maxima(tree: _Tree, ends: Ints) -> Floats:
    """Return the heaviest edge of the path in a tree between the ends of each edge: ``(E,)``."""
    place = np.empty_like(tree.vertices)
    place[tree.vertices] = np.arange(len(place))
    lo, hi = np.sort(place[ends], axis=1).T
    return np.asarray(tree.gaps[RangeMaximum(tree.gaps, len(place))(lo, hi)])


def _ways_to_hub(tree: _Tree) -> Floats:
    """Return the heaviest edge between each vertex and a hub, a vertex from which most are reached by light edges."""
    n, best = len(tree.vertices), np.full(len(tree.vertices), np.inf)
    for hub in np.unique(np.linspace(0, n - 1, min(n, _HUBS)).astype(np.intp)):
        ways = np.zeros(n)
        ways[hub + 1 :] = np.maximum.accumulate(tree.gaps[hub:])
        ways[:hub] = np.maximum.accumulate(tree.gaps[:hub][::-1])[::-1]
        if ways.sum() < best.sum():
            best = ways
    result = np.empty(n)
    result[tree.vertices] = best
    return result
