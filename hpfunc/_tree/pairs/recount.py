"""Count one pair again, over all its minimum spanning trees: where edges tie or float32 leaves too much undecided."""

from __future__ import annotations

import numpy as np

from hpfunc._arrays.types import Ints
from hpfunc._tree.distances import block_bounds, centre, differences
from hpfunc._tree.exact import LayerPoints
from hpfunc._tree.memory import SpareBytes
from hpfunc._tree.mst.prim import tree_path_maxima
from hpfunc._tree.mst.tie_counts import CrossEdges, count_cross, find_every_tree
from hpfunc._tree.pairs.candidates import BlockBounds, find_light_edges
from hpfunc._tree.pairs.types import Candidates, LayerData
from hpfunc._tree.threads import Scratch

__all__ = ["CROWDED", "average_over_trees", "candidates_in_float64", "count_every_tree"]

# A pair with more candidates than this for each sample is measured more precisely: by products in float64 after
# float32, by differences after float64.
CROWDED = 30


def count_every_tree(layer: LayerData, pair: Ints, candidates: Ints) -> CrossEdges:
    """Count the cross edges of two classes over all minimum spanning trees, given all candidate cross edges as rows."""
    starts, trees = layer.points.starts, [layer.class_trees[k].tree for k in pair]
    within = [np.concatenate([tree.edges, tree.tied]) + starts[k] for k, tree in zip(pair, trees, strict=True)]
    return average_over_trees(layer.points, pair, np.concatenate([candidates, *within]), layer.spare)


def average_over_trees(points: LayerPoints, pair: Ints, edges: Ints, spare: SpareBytes) -> CrossEdges:
    """Count the cross edges of two classes over all minimum spanning trees, given edges that contain all these trees.

    Parameters
    ----------
    points : LayerPoints
    pair : (2,) array
        Class numbers.
    edges : (E, 2) array
        Rows.
    spare : SpareBytes
        Memory for ties and near ties.
    """
    class_rows = [np.arange(points.starts[k], points.starts[k + 1]) for k in pair]
    vertices = np.concatenate(class_rows)
    place = np.empty(points.starts[-1], np.intp)
    place[vertices] = np.arange(len(vertices))
    members = np.zeros((len(vertices), 2))
    members[: len(class_rows[0]), 0] = points.copies[class_rows[0]]
    members[len(class_rows[0]) :, 1] = points.copies[class_rows[1]]
    with spare.for_ties(len(edges), len(vertices)):
        return count_cross(find_every_tree(points.x, points.rows_of(vertices), members, place[edges]))


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
