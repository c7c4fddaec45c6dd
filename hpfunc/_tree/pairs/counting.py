"""From candidates to counts of cross edges, for many pairs of classes at once.

The tree of a class is known by its run (`trees`): the heaviest edge between two places of it is that of the path. Of a
pair only the points matter at which candidates end. Between two that follow one another in the run, only the heaviest
edge can fall out of the tree when another way round is lighter; it stands for the way. So what Kruskal's algorithm is
given has three edges at most for each candidate, however many points there are.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hpfunc._tree.distances import block, centre, differences, upper_bound
from hpfunc._tree.exact import THIN, squared_distances
from hpfunc._tree.mst.certify import Bounded, kruskal, settle
from hpfunc._tree.mst.path_maxima import minimax
from hpfunc._tree.mst.tie_counts import CrossEdges, count_cross, solve
from hpfunc._tree.pairs.candidates import Candidates, Layer, Points, light_edges
from hpfunc._tree.pairs.forest import Trees
from hpfunc._tree.threads import Scratch

__all__ = ["average", "count_candidates"]

Ints = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

# A pair with more candidates than so many for each of its samples is done again more precisely.
_CROWDED = 30


def count_candidates(
    layer: Layer, trees: Trees, pairs: Ints, found: Candidates, *, exact: bool
) -> tuple[CrossEdges, Bools]:
    """Cross edges of pairs of classes, and which pairs were measured again in float64.

    Parameters
    ----------
    layer : Layer
    trees : Trees
        Of the layer's classes.
    pairs : (P, 2) array
        Class numbers.
    found : Candidates
        Of these pairs.
    exact : bool
        See `pairs.cross_edges`.
    """
    points, relative = layer.points, layer.centred.relative
    n_points = np.diff(points.starts)[pairs].sum(axis=1)
    crowded = np.bincount(found.pair, minlength=len(pairs)) > _CROWDED * n_points
    crowded &= exact and relative == 0
    if crowded.any():
        found = found.select(~crowded[found.pair])
    rows = np.stack([found.one, found.other], axis=1) + points.starts[pairs[found.pair]]
    upper = upper_bound(found.lower, layer.centred.error[pairs[:, 0], pairs[:, 1]][found.pair], relative)
    if exact and points.x.shape[1] <= THIN and len(rows):
        # To measure them all takes less time than to sort out those that rounding does not tell apart.
        upper = squared_distances(points.x, rows[:, 0], rows[:, 1])
        found = found._replace(lower=upper)
        kept = _undominated(trees, found, rows)
        found, rows, upper = found.select(kept), rows[kept], upper[kept]
    edges, n_vertices, ways = _reduce(trees, found, upper, rows)
    tree = np.zeros(len(edges.graph), bool)
    tree[kruskal(n_vertices, edges.ends, edges.lower)] = True
    rows = np.concatenate([rows, trees.edges[ways]])
    tied = np.zeros(len(pairs), bool)
    if exact:
        tree, tied = settle(
            edges, tree, lambda e: squared_distances(points.x, rows[e, 0], rows[e, 1]), len(pairs), n_vertices
        )
        # A way that fell out may have been spared, had an equal edge of its class been taken for it.
        tied[edges.graph[len(found.pair) :][trees.tied[ways] & ~tree[len(found.pair) :]]] = True
    counts = _count(trees, points.starts, pairs, edges.graph, rows, tree, len(found.pair))
    if not exact:
        counts.low[:] = counts.high[:] = np.nan
        return counts, np.zeros(len(pairs), bool)

    ambiguous = np.maximum.reduceat(points.copies, points.starts[:-1]) > 1
    ambiguous |= np.array([len(cloud.tree.tied) > 0 for cloud in layer.clouds])
    for p in np.flatnonzero(tied | crowded | ambiguous[pairs].any(axis=1)):
        mine = found.pair == p
        candidates = _candidates_again(layer, pairs[p]) if crowded[p] else rows[: len(mine)][mine]
        within = [
            np.concatenate([layer.clouds[k].tree.edges, layer.clouds[k].tree.tied]) + points.starts[k] for k in pairs[p]
        ]
        exact_counts = average(points, pairs[p], np.concatenate([candidates, *within]))
        for field, value in zip(counts, exact_counts, strict=True):
            field[p] = value
    return counts, crowded | np.array([cloud.tree.again for cloud in layer.clouds])[pairs].any(axis=1)


def _undominated(trees: Trees, found: Candidates, rows: Ints) -> Ints:
    """Which candidates of known weight are no heavier than the way over the lightest at the same point."""
    kept = np.arange(len(rows))
    for side in (0, 1):
        point, weight = found.pair[kept] * len(trees.place) + rows[kept, side], found.lower[kept]
        # Candidates come pair by pair, and by the points of the first class: half of this is sorted already.
        order = np.argsort(point, kind="stable")
        kept, point, weight = kept[order], point[order], weight[order]
        new = np.flatnonzero(np.append(True, point[1:] != point[:-1]))
        number = np.diff(np.append(new, len(point)))
        least = np.repeat(np.minimum.reduceat(weight, new), number)
        # Where several are lightest, the last of them stands for all.
        last = np.maximum.reduceat(np.where(weight == least, np.arange(len(weight)), -1), new)
        lo, hi = np.sort(trees.place[rows[np.stack([kept, np.repeat(kept[last], number)]), 1 - side]], axis=0)
        detour = least
        apart = np.flatnonzero(lo < hi)
        detour[apart] = np.maximum(least[apart], trees.weights[trees.heaviest(lo[apart] + 1, hi[apart] + 1)])
        kept = kept[weight <= detour]
    return kept


def _reduce(trees: Trees, found: Candidates, upper: Floats, rows: Ints) -> tuple[Bounded, int, Ints]:
    """The candidates, and the ways between the points at which they end.

    Returns
    -------
    edges : Bounded
        The candidates, then the ways.
    n_vertices : int
        Points at which candidates end, of all pairs.
    ways : (W,) array
        The places of the edges that stand for the ways.
    """
    n_points = len(trees.place)
    half = 2 * found.pair[:, None] + np.arange(2)
    ends, vertex = np.unique(half * n_points + trees.place[rows], return_inverse=True)
    half_of_end, place = np.divmod(ends, n_points)
    before = np.flatnonzero(half_of_end[1:] == half_of_end[:-1])
    ways = trees.heaviest(place[before] + 1, place[before + 1] + 1)
    lower, upper = (np.concatenate([bound, trees.weights[ways]]) for bound in (found.lower, upper))
    vertices = np.concatenate([vertex.reshape(-1, 2), np.stack([before, before + 1], axis=1)])
    graph = np.concatenate([found.pair, half_of_end[before] // 2])
    return Bounded(graph, vertices, lower, upper), len(ends), ways


def _count(trees: Trees, starts: Ints, pairs: Ints, graph: Ints, rows: Ints, tree: Bools, n_cross: int) -> CrossEdges:
    """Cross edges and degrees of unique trees, of all pairs at once."""
    cross = np.arange(len(tree)) < n_cross
    mean = np.bincount(graph[tree & cross], minlength=len(pairs)).astype(np.float64)
    # Degrees are those within the classes, but for the ends of edges that came in or fell out.
    changed = np.flatnonzero(tree == cross)
    key, place = np.unique((graph[changed, None] * starts[-1] + rows[changed]).reshape(-1), return_inverse=True)
    pair, row = np.divmod(key, starts[-1])
    more = np.bincount(place.reshape(-1), np.repeat(np.where(tree[changed], 1, -1), 2), minlength=len(key))
    squares = np.add.reduceat(np.square(trees.degree), starts[:-1])[pairs].sum(axis=1).astype(np.float64)
    degree2 = squares + np.bincount(pair, more * (2 * trees.degree[row] + more), minlength=len(pairs))
    weight = np.diff(starts)[pairs].sum(axis=1) - 1.0
    return CrossEdges(mean, mean.copy(), mean.copy(), weight, weight.copy(), degree2)


def _candidates_again(layer: Layer, pair: Ints, *, by_differences: bool = False) -> Ints:
    """Candidates of one pair, as rows: by products in float64, or else by differences."""
    starts, scratch = layer.points.starts, Scratch()
    rows = np.concatenate([np.arange(starts[k], starts[k + 1]) for k in pair])
    halves = np.array([0, starts[pair[0] + 1] - starts[pair[0]], len(rows)])
    points = layer.points.x[rows]
    wide = np.dtype(np.float64)
    centred = differences(points.astype(wide), halves) if by_differences else centre(points, halves, wide)
    trees = [layer.clouds[k].tree for k in pair]
    one, other = (minimax(len(tree.edges) + 1, tree.edges, tree.weights)[None] for tree in trees)
    lower = block(centred, np.array([0]), np.array([1]), one.shape[1], other.shape[1], scratch)
    only = np.zeros(1, np.intp)
    found = light_edges(lower, centred.error[:1, 1], centred.relative, one, other, only, only, scratch)
    if len(found.pair) > _CROWDED * len(rows) and not by_differences:
        return _candidates_again(layer, pair, by_differences=True)
    return np.stack([found.one + starts[pair[0]], found.other + starts[pair[1]]], axis=1)


def average(points: Points, pair: Ints, edges: Ints) -> CrossEdges:
    """Cross edges of two classes over all their minimum spanning trees, whose edges are all among ``edges``."""
    spans = [np.arange(points.starts[k], points.starts[k + 1]) for k in pair]
    vertices = np.concatenate(spans)
    place = np.empty(len(points.x), np.intp)
    place[vertices] = np.arange(len(vertices))
    members = np.zeros((len(vertices), 2))
    members[: len(spans[0]), 0] = points.copies[spans[0]]
    members[len(spans[0]) :, 1] = points.copies[spans[1]]
    return count_cross(solve(points.x, vertices, members, place[edges]))
