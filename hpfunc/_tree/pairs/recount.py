"""Count pairs again over all their minimum spanning trees: where edges tie or float32 leaves too much undecided."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

from hpfunc._arrays.types import Ints
from hpfunc._tree.distances import block_bounds, centre, differences
from hpfunc._tree.exact import LayerPoints
from hpfunc._tree.memory import SpareBytes
from hpfunc._tree.mst.prim import tree_path_maxima
from hpfunc._tree.mst.tie_counts import CrossEdges, count_cross, find_every_tree
from hpfunc._tree.pairs.candidates import BlockBounds, find_light_edges
from hpfunc._tree.pairs.point_list import list_points
from hpfunc._tree.pairs.types import Candidates, LayerData
from hpfunc._tree.threads import Scratch

__all__ = ["CROWDED", "average_over_trees", "candidates_in_float64", "count_every_tree"]

# A pair with more candidates than this for each sample is measured more precisely: by products in float64 after
# float32, by differences after float64.
CROWDED = 30
# Small pairs are counted together until they have this many edges. Then the fixed cost of a batch hardly matters.
_BATCH_EDGES = 2**14


def count_every_tree(layer: LayerData, pairs: Ints, rows: Ints, pair: Ints) -> CrossEdges:
    """Count the cross edges of pairs of classes over all minimum spanning trees, many small pairs at once.

    Parameters
    ----------
    layer : LayerData
    pairs : (P, 2) array
        Class numbers.
    rows : (E, 2) array
        All candidate cross edges, from a row of the first class to one of the second.
    pair : (E,) array
        The number of the pair of each, in rising order.

    Returns
    -------
    CrossEdges
        Of ``(P,)`` arrays.
    """
    classes, place = np.unique(pairs, return_inverse=True)
    within = [np.concatenate([tree.edges, tree.tied]) for tree, _ in (layer.class_trees[k] for k in classes)]
    trees = _ClassEdges(np.concatenate(within), np.cumsum([0, *map(len, within)]))
    place, result = place.reshape(-1, 2), CrossEdges(*(np.empty(len(pairs)) for _ in CrossEdges._fields))
    first = np.searchsorted(pair, np.arange(len(pairs) + 1))
    for lo, hi in _batches(np.diff(first) + np.diff(trees.starts)[place].sum(axis=1)):
        found = slice(first[lo], first[hi])
        counts = _count_batch(layer, pairs[lo:hi], rows[found], pair[found] - lo, trees, place[lo:hi])
        for field, values in zip(result, counts, strict=True):
            field[lo:hi] = values
    return result


class _ClassEdges(NamedTuple):
    """Hold the edges of all minimum spanning trees of some classes."""

    edges: Ints  # (E, 2) counted from the start of the class
    starts: Ints  # (K + 1,) edges starts[k]:starts[k + 1] are those of class k


def _batches(n_edges: Ints) -> list[tuple[int, int]]:
    """Divide pairs into batches ``(first, last + 1)`` of few edges each. A pair of many edges is a batch by itself."""
    borders, total = [0], 0
    for p, n in enumerate(n_edges.tolist()):
        if total + n > _BATCH_EDGES and total:
            borders.append(p)
            total = 0
        total += n
    return list(itertools.pairwise([*borders, len(n_edges)]))


def _count_batch(layer: LayerData, pairs: Ints, rows: Ints, pair: Ints, trees: _ClassEdges, place: Ints) -> CrossEdges:
    """Count pairs at once, given the place ``(P, 2)`` of each class among ``trees``; see `count_every_tree`."""
    starts = layer.points.starts
    first = list_points(starts, pairs).first
    # Candidates join the two classes of a pair; the other edges lie within one of them.
    between = rows - starts[pairs[pair]] + first[pair]
    inner = list_points(trees.starts, place).numbers
    lengths = np.diff(trees.starts)[place].reshape(-1)
    within = trees.edges[inner] + np.repeat(first.reshape(-1), lengths)[:, None]
    return _count_graphs(layer.points, pairs, np.concatenate([between, within]), layer.spare)


def average_over_trees(points: LayerPoints, pair: Ints, edges: Ints, spare: SpareBytes) -> CrossEdges:
    """Count the cross edges of two classes over all minimum spanning trees, given edges that contain all these trees.

    Parameters
    ----------
    points : LayerPoints
    pair : (2,) array
        Class numbers, the lower first.
    edges : (E, 2) array
        Rows.
    spare : SpareBytes
        Memory for ties and near ties.

    Returns
    -------
    CrossEdges
        Of numbers.
    """
    rows, offset = list_points(points.starts, pair[None])[:2]
    place = np.empty(points.starts[-1], np.intp)
    place[rows] = rows + offset
    return CrossEdges(*(values[0] for values in _count_graphs(points, pair[None], place[edges], spare)))


def _count_graphs(points: LayerPoints, pairs: Ints, edges: Ints, spare: SpareBytes) -> CrossEdges:
    """Count P pairs, given edges ``(E, 2)`` between the points of all pairs as `point_list.list_points` lists them."""
    listed = list_points(points.starts, pairs)
    rows, first = listed.numbers, listed.first
    ends = np.append(first[1:, 0], len(rows))
    graph = listed.half // 2
    members = np.zeros((len(rows), 2))
    members[np.arange(len(rows)), listed.half % 2] = points.copies[rows]
    with spare.for_ties(len(edges), int((ends - first[:, 0]).max())):
        return count_cross(find_every_tree(points.x, points.rows_of(rows), members, edges), graph, len(pairs))


def candidates_in_float64(layer: LayerData, pair: Ints) -> Ints:
    """Find the candidate cross edges of one pair as rows ``(E, 2)``.

    Products in float64 are tried first. Where they leave too many edges undecided, differences leave only ties.
    """
    starts, spare = layer.points.starts, layer.spare
    n = int(np.diff(starts)[pair].sum())
    with spare.to_remeasure(n, layer.points.x.shape[1]):
        found = _candidates(layer, pair, min(CROWDED * n, spare.most_edges), by_differences=False)
        if found is None:
            found = _candidates(layer, pair, spare.most_edges, by_differences=True)
    if found is None:
        spare.refuse(n)
    return np.stack([found.source + starts[pair[0]], found.target + starts[pair[1]]], axis=1)


def _candidates(layer: LayerData, pair: Ints, most: float, *, by_differences: bool) -> Candidates | None:
    """Find candidates by products or differences in float64; return None if there are more than ``most``."""
    starts, scratch = layer.points.starts, Scratch()
    rows = np.concatenate([np.arange(starts[k], starts[k + 1]) for k in pair])
    halves = np.array([0, starts[pair[0] + 1] - starts[pair[0]], len(rows)])
    points = layer.points.x[layer.points.rows_of(rows)]
    wide = np.dtype(np.float64)
    centred = differences(points.astype(wide), halves) if by_differences else centre(points, halves, wide)
    trees = [layer.class_trees[k].tree for k in pair]
    row_maxima, col_maxima = (tree_path_maxima(len(tree.edges) + 1, tree.edges, tree.weights)[None] for tree in trees)
    lower = block_bounds(centred, np.array([0]), np.array([1]), row_maxima.shape[1], col_maxima.shape[1], scratch)
    only = np.zeros(1, np.intp)
    bounds = BlockBounds(
        lower, only, only, centred.error[:1, 1], centred.relative, row_maxima, col_maxima, only, only
    )  # fmt: skip
    found, _ = find_light_edges(bounds, scratch, np.array([most]))
    return None if len(found.pair) > most else found
