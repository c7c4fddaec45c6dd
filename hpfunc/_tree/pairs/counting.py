"""Count the cross edges of many pairs of classes at once, from candidate edges.

The tree of a class is known by its Prim order (`class_trees`): the path maximum between two places is the largest gap
between them. For a pair, only the points at which candidates end matter. Between two consecutive points of these in the
Prim order, only the heaviest edge can leave the tree where a lighter detour exists, so it represents the whole path. So
Kruskal's algorithm is given at most three edges for each candidate, however many points there are.
"""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import numpy as np

from hpfunc._arrays.types import Bools, Floats, Ints
from hpfunc._tree.exact import THIN
from hpfunc._tree.mst.kruskal import BoundedEdges, certify, kruskal
from hpfunc._tree.mst.lay_out import ClassTrees
from hpfunc._tree.mst.tie_counts import CrossEdges
from hpfunc._tree.pairs import recount
from hpfunc._tree.pairs.point_list import PointList, list_points
from hpfunc._tree.pairs.types import Candidates, LayerData, PairBlock

__all__ = ["PairBatch", "count_candidates"]


class PairBatch:
    """Gather the candidates of several blocks, so that their pairs are counted together.

    Where classes have parts, the pairs are those of equal parts: all parts of the first pair, then of the second.
    """

    def __init__(self, blocks: list[PairBlock], n_parts: int, n_pairs: int) -> None:
        self.blocks, self.n_parts, part = blocks, n_parts, np.arange(n_parts)
        number = np.concatenate([block.number for block in blocks])
        self.number = (number[:, None] + part * n_pairs).reshape(-1)
        class_a = np.concatenate([block.rows.classes[block.row_place] for block in blocks])
        class_b = np.concatenate([block.cols.classes[block.col_place] for block in blocks])
        classes = np.stack([class_a, class_b], axis=1)
        self.pairs = (classes[:, None] * n_parts + part[:, None]).reshape(-1, 2)
        self._found: dict[int, Candidates] = {}
        self._lock = threading.Lock()

    def keep(self, place: int, found: Candidates) -> Candidates | None:
        """Keep the candidates of a block; after the last block return all, their pairs numbered as in ``pairs``."""
        with self._lock:
            self._found[place] = found
            if len(self._found) < len(self.blocks):
                return None
        first = np.cumsum([0] + [len(block.number) * self.n_parts for block in self.blocks])
        parts = [self._found[p]._replace(pair=self._found[p].pair + first[p]) for p in range(len(self.blocks))]
        fields: list[Any] = [np.concatenate(field) for field in zip(*parts, strict=True)]
        return Candidates(*fields)


class _MeasuredCandidates(NamedTuple):
    """Hold candidates as rows of the layer, with an upper bound of each."""

    found: Candidates  # of E candidates
    rows: Ints  # (E, 2)
    upper: Floats  # (E,)


class _PairGraphs(NamedTuple):
    """Hold the graphs of several pairs: E candidates, then W edges that represent paths in the class trees."""

    edges: BoundedEdges  # (E + W) edges between the points at which candidates end
    n_vertices: int  # number of these points in all pairs
    paths: Ints  # (W,) places of the tree edges that represent the paths
    half: Ints  # (W,) the class of each path
    positions: Ints  # (E, 2) ends of each candidate in the list of points


def count_candidates(
    layer: LayerData, trees: ClassTrees, pairs: Ints, found: Candidates, *, exact: bool
) -> tuple[CrossEdges, Bools]:
    """Count the cross edges of pairs of classes, and tell which pairs were measured again in float64.

    Parameters
    ----------
    layer : LayerData
    trees : ClassTrees
        Of the layer's classes.
    pairs : (P, 2) array
        Class numbers.
    found : Candidates
        Of these pairs.
    exact : bool
        See `count_pairs.cross_edges`.
    """
    crowded = np.zeros(len(pairs), bool)
    if exact and layer.centred.relative == 0:
        n_points = np.diff(layer.points.starts)[pairs].sum(axis=1)
        crowded = np.bincount(found.pair, minlength=len(pairs)) > recount.CROWDED * n_points
        crowded[found.pair[np.isinf(found.upper)]] = True
    if crowded.any():
        found = _select(found, ~crowded[found.pair])
    candidates = _measure_candidates(layer, trees, pairs, found, exact=exact)
    points = list_points(layer.points.starts, pairs)
    graphs = _build_graphs(trees, points, candidates)
    tree, tied = _find_trees(layer, trees, graphs, candidates.rows, len(pairs), exact=exact)
    counts = _count_trees(trees, points, graphs, tree)
    if not exact:
        counts.low[:] = counts.high[:] = np.nan
        return counts, np.zeros(len(pairs), bool)
    has_copies = np.maximum.reduceat(layer.points.copies, layer.points.starts[:-1]) > 1
    tied |= (has_copies | trees.has_ties)[pairs].any(axis=1)
    _count_again(layer, pairs, counts, np.flatnonzero(tied & ~crowded), candidates.rows, candidates.found.pair)
    for p in np.flatnonzero(crowded):
        rows = recount.candidates_in_float64(layer, pairs[p])
        _count_again(layer, pairs, counts, np.array([p]), rows, np.full(len(rows), p))
    return counts, crowded | trees.remeasured[pairs].any(axis=1)


def _count_again(layer: LayerData, pairs: Ints, counts: CrossEdges, chosen: Ints, rows: Ints, pair: Ints) -> None:
    """Replace the counts of the chosen pairs by those over all trees, given candidates and the pair of each."""
    if not chosen.size:
        return
    number = np.full(len(pairs), -1)
    number[chosen] = np.arange(len(chosen))
    order = np.flatnonzero(number[pair] >= 0)
    order = order[np.argsort(pair[order], kind="stable")]
    again = recount.count_every_tree(layer, pairs[chosen], rows[order], number[pair[order]])
    for field, values in zip(counts, again, strict=True):
        field[chosen] = values


def _select(found: Candidates, which: Any) -> Candidates:
    """Return the candidates of given numbers, or those where a mask is true."""
    fields: list[Any] = [field[which] for field in found]
    return Candidates(*fields)


def _measure_candidates(
    layer: LayerData, trees: ClassTrees, pairs: Ints, found: Candidates, *, exact: bool
) -> _MeasuredCandidates:
    """Find the rows of candidates; measure them for thin points, and drop those that prove too heavy."""
    rows = np.stack([found.source, found.target], axis=1) + layer.points.starts[pairs[found.pair]]
    if exact and layer.points.x.shape[1] <= THIN and len(rows):
        # Measuring all candidates takes less time than certifying those that rounding cannot tell apart.
        weights = layer.points.distances(rows[:, 0], rows[:, 1])
        found = found._replace(lower=weights)
        kept = _drop_detoured(trees, found, rows)
        return _MeasuredCandidates(_select(found, kept), rows[kept], weights[kept])
    return _MeasuredCandidates(found, rows, found.upper)


def _drop_detoured(trees: ClassTrees, found: Candidates, rows: Ints) -> Ints:
    """Keep the candidates of known weight that are no heavier than the path over the lightest one at the same point.

    Parameters
    ----------
    trees : ClassTrees
    found : Candidates
        Their ``lower`` is the weight itself.
    rows : (E, 2) array

    Returns
    -------
    (kept,) array
        Candidate numbers.
    """
    kept = np.arange(len(rows))
    for side in (0, 1):
        point, weight = found.pair[kept] * len(trees.place) + rows[kept, side], found.lower[kept]
        # Candidates come pair by pair, and by the points of the first class, so half of this is sorted already.
        order = np.argsort(point, kind="stable")
        kept, point, weight = kept[order], point[order], weight[order]
        new = np.flatnonzero(np.append(True, point[1:] != point[:-1]))
        number = np.diff(np.append(new, len(point)))
        least = np.repeat(np.minimum.reduceat(weight, new), number)
        # If several candidates are equally light, keep the last of them.
        last = np.maximum.reduceat(np.where(weight == least, np.arange(len(weight)), -1), new)
        far_ends = rows[np.stack([kept, np.repeat(kept[last], number)]), 1 - side]
        lo, hi = np.sort(trees.place[far_ends], axis=0)
        detour = least
        apart = np.flatnonzero(lo < hi)
        detour[apart] = np.maximum(least[apart], trees.weights[trees.heaviest(lo[apart] + 1, hi[apart] + 1)])
        kept = kept[weight <= detour]
    return kept


def _build_graphs(trees: ClassTrees, points: PointList, candidates: _MeasuredCandidates) -> _PairGraphs:
    """Join the points at which the candidates of each pair end by the edges that represent the paths between them."""
    found, rows, upper = candidates
    positions = trees.place.take(rows)
    positions += points.shift.take(found.pair, axis=0)
    is_end = np.zeros(len(points.numbers), bool)
    is_end[positions] = True
    ends = np.flatnonzero(is_end)
    vertex = (np.cumsum(is_end) - 1).take(positions)
    half, place = points.half[ends], points.numbers[ends]
    before = np.flatnonzero(half[1:] == half[:-1])
    paths = trees.heaviest(place[before] + 1, place[before + 1] + 1)
    lower, upper = (np.concatenate([bound, trees.weights[paths]]) for bound in (found.lower, upper))
    vertices = np.concatenate([vertex, np.stack([before, before + 1], axis=1)])
    graph = np.concatenate([found.pair, half[before] // 2])
    return _PairGraphs(BoundedEdges(graph, vertices, lower, upper), len(ends), paths, half[before], positions)


def _find_trees(
    layer: LayerData, trees: ClassTrees, graphs: _PairGraphs, rows: Ints, n_pairs: int, *, exact: bool
) -> tuple[Bools, Bools]:
    """Find the edges of one minimum spanning tree of each graph, and the pairs that may have several.

    Parameters
    ----------
    layer : LayerData
    trees : ClassTrees
    graphs : _PairGraphs
    rows : (E, 2) array
        Ends of the candidates as rows of the layer.
    n_pairs : int
    exact : bool

    Returns
    -------
    tree : (E + W,) array
    tied : (n_pairs,) array
        All False unless ``exact``.
    """
    edges, n_found = graphs.edges, len(rows)
    tree, tied = np.zeros(len(edges.graph), bool), np.zeros(n_pairs, bool)
    tree[kruskal(graphs.n_vertices, edges.ends, edges.lower)] = True
    if not exact:
        return tree, tied

    def measure(few: Ints) -> Floats:
        # The numbers rise, so those of candidates come first.
        is_path = few >= n_found
        ends = np.concatenate([rows[few[~is_path]], trees.edges[graphs.paths[few[is_path] - n_found]]])
        return layer.points.distances(*ends.T)

    tree, tied = certify(edges, tree, measure, n_pairs, graphs.n_vertices)
    # A path that left the tree could have stayed if an edge of equal weight in its class had left instead.
    tied[edges.graph[n_found:][trees.tied[graphs.paths] & ~tree[n_found:]]] = True
    return tree, tied


def _count_trees(trees: ClassTrees, points: PointList, graphs: _PairGraphs, tree: Bools) -> CrossEdges:
    """Count the cross edges and sum the degrees of one tree of each pair, as if it were the only one."""
    n_found, n_pairs = len(graphs.positions), len(points.first)
    joined, left = np.flatnonzero(tree[:n_found]), np.flatnonzero(~tree[n_found:])
    pair_joined, pair_left = graphs.edges.graph[joined], graphs.half[left] // 2
    mean = np.bincount(pair_joined, minlength=n_pairs).astype(np.float64)
    in_joined = graphs.positions.take(joined, axis=0).T
    in_left = trees.ends.take(graphs.paths[left], axis=1) + points.shift.reshape(-1)[graphs.half[left]]
    # Degrees are those within the classes, except at the ends of edges that joined or left the tree.
    n_points = len(points.numbers)
    degree = trees.degree.take(points.numbers).astype(np.float64)
    degree += np.bincount(in_joined.reshape(-1), minlength=n_points)
    degree -= np.bincount(in_left.reshape(-1), minlength=n_points)
    head, tail = (end.take(points.numbers) + points.offset for end in trees.ends)
    products = degree.take(head) * degree.take(tail)
    # Every place except the first of each class holds an edge of a class tree.
    products[points.first.reshape(-1)] = 0
    begin = points.first[:, 0]
    edge_degrees = np.add.reduceat(products, begin)
    for sign, pair, (head, tail) in ((1, pair_joined, in_joined), (-1, pair_left, in_left)):
        edge_degrees += sign * np.bincount(pair, degree.take(head) * degree.take(tail), minlength=n_pairs)
    square = degree * degree
    degree2, degree3, leaves = (np.add.reduceat(v, begin) for v in (square, square * degree, 1.0 * (degree == 1)))
    weight = np.diff(np.append(begin, n_points)) - 1.0
    return CrossEdges(
        mean, mean.copy(), mean.copy(), weight, weight.copy(), degree2,
        weight3=weight.copy(), degree3=degree3, degree_weight2=degree2.copy(), edge_degrees=edge_degrees,
        triangles=np.zeros(n_pairs), leaves=leaves,
    )  # fmt: skip
