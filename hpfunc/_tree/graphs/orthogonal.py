"""Count the cross edges of k orthogonal minimum spanning trees of every pair of classes of a layer.

The edges of the trees of two classes are among those of the trees of each class and a few cross edges
(`class_forests`). Let a point of a class be joined to the hub of its class, in the last of its k trees, by edges no
heavier than its way; and let the hubs of both classes be joined in the last of k forests of some edges. Then a cross
edge heavier than the ways of both its ends and than the path between the hubs is in none of the k trees
(`count_trees_of_block`).
"""

from __future__ import annotations

import numpy as np

from hpfunc._arrays.types import Array, Bools, Floats, Ints
from hpfunc._tree.exact import squared_distances
from hpfunc._tree.graphs.blocks import GraphBlock, MergedBlock, merge_block, most_of_block, ranges
from hpfunc._tree.graphs.class_forests import CLASS_ENTRIES, CROWDED, ClassForests
from hpfunc._tree.graphs.forests import OrderedEdges, graphs_with_ties, sort_into_forests
from hpfunc._tree.graphs.layer_bounds import LayerBounds
from hpfunc._tree.graphs.pair_graphs import count_weighted, weigh_trees
from hpfunc._tree.mst.tie_counts import CrossEdges
from hpfunc._tree.threads import Scratch

__all__ = ["bytes_for_successive_trees", "count_trees_of_block"]

# Points of each class, for each tree, whose lightest cross edges are measured to find a path between the hubs.
_NEAREST = 4


def bytes_for_successive_trees(starts: Ints, k: int) -> int:
    """Estimate the bytes of the edges of all classes, of the tables of a batch of them, and of one block."""
    largest, (entries, vertices) = float(np.diff(starts).max()), most_of_block(starts)
    tables = 8 * min((len(starts) - 1) * largest**2, max(largest**2, CLASS_ENTRIES))
    edges = vertices * k * CROWDED
    return int(starts[-1] * k * 60 + tables + entries * 12 + largest**2 * 40 + edges * 150)


def count_trees_of_block(
    layer: LayerBounds, own: ClassForests, block: GraphBlock, k: int, scratch: Scratch
) -> tuple[CrossEdges, Bools]:
    """Count the cross edges of k successive trees of the pairs of a block.

    Parameters
    ----------
    layer : LayerBounds
    own : ClassForests
        Complete for the classes of the block.
    block : GraphBlock
    k : int
    scratch : Scratch

    Returns
    -------
    CrossEdges
        Of ``(P,)`` arrays.
    counted : (P,) array
        False for pairs of which bounds leave too much undecided, whose counts mean nothing.
    """
    table = layer.between(block.class_a, block.classes_b, scratch)
    limits = layer.limits(own.ways)
    row_limits = limits[layer.rows(block.class_a)]
    col_limits = np.full(table.shape[1:], -np.inf, table.dtype)
    for p, c in enumerate(block.classes_b):
        rows = layer.rows(int(c))
        col_limits[p, : rows.stop - rows.start] = limits[rows]
    within = _own_edges(layer, own, block)
    chosen = _choose_cross_edges(table, row_limits, col_limits, k)
    between_hubs = _join_hubs(layer, own, block, within, chosen, k)
    light = np.less_equal(
        table,
        np.maximum(row_limits[:, None], layer.limits(between_hubs))[:, :, None],
        out=scratch("light", table.shape, np.bool_),
    )
    light |= np.less_equal(table, col_limits, out=scratch("light of columns", table.shape, np.bool_))
    n_points = np.bincount(block.pair)
    n_light = np.count_nonzero(light, axis=(0, 2))
    counted = np.isfinite(between_hubs) & (n_light <= CROWDED * k * n_points)
    light[:, ~counted] = False
    source, pair, target = np.unravel_index(np.flatnonzero(light), table.shape)
    cross = np.stack([block.first[pair, 0] + source, block.first[pair, 1] + target], axis=1)

    def heaviest() -> Floats:
        return np.asarray(np.maximum(own.ways[block.row[cross]].max(axis=1), between_hubs[pair]))

    cross = cross[layer.may_weigh(block.row[cross], heaviest)]
    edges = _join(layer, own, block, within, cross)
    forest = sort_into_forests(len(block.row), edges, k)
    n_last = np.bincount(edges.graph[forest == k - 1], minlength=len(n_points))
    counted &= n_last == n_points - 1
    return _count(merge_block(layer, block), edges, forest, k), counted


def _own_edges(layer: LayerBounds, own: ClassForests, block: GraphBlock) -> OrderedEdges:
    """List the edges within both classes of every pair of a block."""
    classes = np.stack([np.full_like(block.classes_b, block.class_a), block.classes_b], axis=1).reshape(-1)
    counts = np.diff(own.starts)[classes]
    numbers = ranges(own.starts[classes], counts)
    rows = own.ends[numbers]
    ends = rows + np.repeat(block.first.reshape(-1) - layer.starts[classes], counts)[:, None]
    return OrderedEdges(block.pair[ends[:, 0]], ends, own.weights[numbers], own.forest[numbers], own.canonical[rows])


def _join(layer: LayerBounds, own: ClassForests, block: GraphBlock, within: OrderedEdges, cross: Ints) -> OrderedEdges:
    """Append cross edges, given by their vertices ``(E, 2)``, to the edges within classes."""
    rows = block.row[cross]
    weights, earliest = squared_distances(layer.x, *rows.T), np.zeros(len(cross), np.intp)
    across = OrderedEdges(block.pair[cross[:, 0]], cross, weights, earliest, own.canonical[rows])
    return OrderedEdges(*(np.concatenate(field) for field in zip(within, across, strict=True)))


def _choose_cross_edges(table: Array, row_limits: Array, col_limits: Array, k: int) -> Ints:
    """Choose cross edges that are likely to join the hubs of both classes of each pair in each of k forests.

    Parameters
    ----------
    table : (m, P, n) array
        Bounds, infinite past the end of a class.
    row_limits, col_limits : (m,) and (P, n) arrays
        Limits of the ways from every point to the hub of its class.
    k : int

    Returns
    -------
    (E, 3) array
        Source, pair and target of each edge, each once.
    """
    n_pairs = table.shape[1]
    # (P, m or n): how near each point is to the other class and to the hub of its own.
    to_rows, to_cols = table.min(axis=2).T, table.min(axis=0)
    # Take 2 k - 2 points of each class. There are (2 k - 2)**2 edges between them, but a forest of these points has at
    # most 4 k - 5. So k - 1 forests cannot hold all of these edges, and the last of k forests joins the classes.
    n_best = max(1, 2 * k - 2)
    sources, targets = (
        _smallest(np.maximum(least, limits), max(_NEAREST * k, n_best), n_best)
        for least, limits in ((to_rows, row_limits), (to_cols, col_limits))
    )
    pair, size = np.arange(n_pairs)[:, None], table.shape[2]
    from_sources = np.maximum(table[sources, pair], col_limits[:, None])  # (P, s, n)
    from_targets = np.maximum(table[:, pair, targets].transpose(1, 2, 0), row_limits)  # (P, t, m)
    nearest_target, nearest_source = (_smallest(bounds, k, 1) for bounds in (from_sources, from_targets))
    parts = (
        (sources[:, :n_best, None], targets[:, None, :n_best]),
        (sources[:, :, None], nearest_target),
        (nearest_source, targets[:, :, None]),
    )
    keys = [((source * n_pairs + pair[..., None]) * size + target).reshape(-1) for source, target in parts]
    flat = np.unique(np.concatenate(keys))
    flat = flat[np.isfinite(table.reshape(-1)[flat])]
    return np.stack(np.unravel_index(flat, table.shape), axis=1)


def _smallest(values: Array, number: int, first: int) -> Ints:
    """Return the places of the smallest values along the last axis, the ``first`` smallest first."""
    last = min(number, values.shape[-1]) - 1
    return np.argpartition(values, sorted({min(first - 1, last), last}), axis=-1)[..., : last + 1]


def _join_hubs(
    layer: LayerBounds, own: ClassForests, block: GraphBlock, within: OrderedEdges, chosen: Ints, k: int
) -> Floats:
    """Return the heaviest edge between the hubs of each pair in the last of k forests: ``(P,)``, infinite without one.

    Parameters
    ----------
    layer, own, block
        As in `count_trees_of_block`.
    within : OrderedEdges
    chosen : (E, 3) array
        Source, pair and target of some cross edges.
    k : int
    """
    source, pair, target = chosen.T
    cross = np.stack([block.first[pair, 0] + source, block.first[pair, 1] + target], axis=1)
    edges = _join(layer, own, block, within, cross)
    last = np.flatnonzero(sort_into_forests(len(block.row), edges, k) == k - 1)
    last = last[last >= len(within.weights)]
    heaviest = np.maximum(edges.weights[last], own.ways[block.row[edges.ends[last]]].max(axis=1))
    result = np.full(len(block.first), np.inf)
    np.minimum.at(result, edges.graph[last], heaviest)
    return result


def _count(merged: MergedBlock, edges: OrderedEdges, forest: Ints, k: int) -> CrossEdges:
    """Count the cross edges of successive trees.

    Parameters
    ----------
    merged : MergedBlock
    edges : OrderedEdges
        All candidate edges of the trees.
    forest : (E,) array
        The number of the tree of each edge; k for none.
    k : int
    """
    members, pair, point = merged
    n_pairs = int(pair[-1]) + 1
    counts = count_weighted(members, pair, n_pairs, *weigh_trees(point[edges.ends[forest < k]], k))
    # Points are fewer than vertices where samples are equal.
    several = np.bincount(pair, minlength=n_pairs) < np.bincount(pair[point], minlength=n_pairs)
    several[graphs_with_ties(len(point), edges, forest, k)] = True
    counts.low[several] = counts.high[several] = np.nan
    return counts
