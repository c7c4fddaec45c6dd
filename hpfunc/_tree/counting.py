"""From candidates to counts of cross edges, for many pairs of classes at once.

Let w be a lower bound of the lightest cross edge of a pair. Points that a way within their class joins by edges below
w are joined in every minimum spanning tree, and by edges of their class: they are one vertex here. In the run of a
class (`prim`) such points stand side by side. What is left of the two trees are the edges from w on.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hpfunc._tree.between import Candidates, Layer, Points, light_edges
from hpfunc._tree.distances import block, centre, differences, upper_bound
from hpfunc._tree.exact import squared_distances
from hpfunc._tree.exchange import Bounded, lightest, settle
from hpfunc._tree.paths import minimax
from hpfunc._tree.resolve import CrossEdges, count_cross, solve
from hpfunc._tree.spanning import Cloud
from hpfunc._tree.threads import Scratch

__all__ = ["Trees", "average", "collect_trees", "count_candidates"]

Ints = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]

# A pair with more candidates than so many for each of its samples is done again more precisely.
_CROWDED = 30


class Trees(NamedTuple):
    """The trees of all K classes, one behind the other; N points, N - K edges."""

    edges: Ints  # (N - K, 2) rows
    weights: npt.NDArray[np.float64]  # (N - K,)
    degree: Ints  # (N,) of each point
    run: Ints  # (N,) rows in the order of the runs
    gap: npt.NDArray[np.float64]  # (N,) upper bounds of the weights between them, infinite at the first of a class


def collect_trees(starts: Ints, clouds: list[Cloud]) -> Trees:
    """Put the trees of all classes together."""
    edges = np.concatenate([cloud.tree.edges + start for cloud, start in zip(clouds, starts[:-1], strict=True)])
    gap = np.concatenate([cloud.gap for cloud in clouds]).astype(np.float64)
    gap[starts[:-1]] = np.inf
    return Trees(
        edges,
        np.concatenate([cloud.tree.weights for cloud in clouds]),
        np.bincount(edges.reshape(-1), minlength=int(starts[-1])),
        np.concatenate([cloud.run + start for cloud, start in zip(clouds, starts[:-1], strict=True)]),
        gap,
    )


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
        few = ~crowded[found.pair]
        found = Candidates(*(field[few] for field in found))
    rows = np.stack([found.one, found.other], axis=1) + points.starts[pairs[found.pair]]
    edges, n_vertices, kept = _contract(layer, trees, pairs, found, rows)
    tree = np.zeros(len(edges.graph), bool)
    tree[lightest(n_vertices, edges.ends, edges.lower)] = True
    rows = np.concatenate([rows, trees.edges[kept]])
    tied = np.zeros(len(pairs), bool)
    if exact:
        tree, tied = settle(
            edges, tree, lambda e: squared_distances(points.x, rows[e, 0], rows[e, 1]), len(pairs), n_vertices
        )
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
            np.concatenate([layer.clouds[k].tree.edges, layer.clouds[k].tree.tied]) + points.starts[k]
            for k in pairs[p]
        ]
        exact_counts = average(points, pairs[p], np.concatenate([candidates, *within]))
        for field, value in zip(counts, exact_counts, strict=True):
            field[p] = value
    return counts, crowded | np.array([cloud.tree.again for cloud in layer.clouds])[pairs].any(axis=1)


def _contract(
    layer: Layer, trees: Trees, pairs: Ints, found: Candidates, rows: Ints
) -> tuple[Bounded, int, Ints]:
    """The pairs with all points merged that edges lighter than any cross edge join.

    Returns
    -------
    edges : Bounded
        The candidates, then what is left of the trees, between merged points.
    n_vertices : int
        Merged points of all pairs.
    kept : (E,) array
        The edges of the trees that are left.
    """
    starts, sizes = layer.points.starts, np.diff(layer.points.starts)
    least = np.full(len(pairs), np.inf)
    np.minimum.at(least, found.pair, found.lower)
    # One entry for each class of each pair, `half`, and for each point or edge of these.
    half_least, classes = np.repeat(least, 2), pairs.reshape(-1)
    half, at = _spread(starts[classes], sizes[classes])
    apart = trees.gap[at] >= half_least[half]
    merged = np.cumsum(apart) - 1
    first = np.cumsum(sizes[classes]) - sizes[classes]
    place = np.empty(len(at), np.intp)
    place[trees.run[at] - starts[classes[half]] + first[half]] = merged

    shift = first - starts[classes]
    half_of_edge, kept = _spread(starts[classes] - classes, sizes[classes] - 1)
    ends = np.sort(place[trees.edges[kept] + shift[half_of_edge, None]], axis=1)
    left = ends[:, 0] != ends[:, 1]
    half_of_edge, kept, ends = half_of_edge[left], kept[left], ends[left]
    across = place[rows + np.stack([shift[2 * found.pair], shift[2 * found.pair + 1]], axis=1)]
    lower = np.concatenate([found.lower, trees.weights[kept]])
    upper = lower.copy()
    error = layer.centred.error[pairs[:, 0], pairs[:, 1]]
    upper[: len(across)] = upper_bound(found.lower, error[found.pair], layer.centred.relative)
    graph = np.concatenate([found.pair, half_of_edge // 2])
    return Bounded(graph, np.concatenate([across, ends]), lower, upper), int(apart.sum()), kept


def _spread(starts: Ints, lengths: Ints) -> tuple[Ints, Ints]:
    """For ranges of numbers one behind the other: which range each entry is of, and the number."""
    which = np.repeat(np.arange(len(starts)), lengths)
    return which, np.arange(len(which)) + (starts - np.cumsum(lengths) + lengths)[which]


def _count(
    trees: Trees, starts: Ints, pairs: Ints, graph: Ints, rows: Ints, tree: Bools, n_cross: int
) -> CrossEdges:
    """Cross edges and degrees of unique trees, of all pairs at once."""
    cross = np.arange(len(tree)) < n_cross
    mean = np.bincount(graph[tree & cross], minlength=len(pairs)).astype(np.float64)
    # Degrees are those within the classes, but for the ends of edges that came in or fell out.
    changed = np.flatnonzero(tree == cross)
    key, place = np.unique((graph[changed, None] * starts[-1] + rows[changed]).reshape(-1), return_inverse=True)
    pair, row = np.divmod(key, starts[-1])
    more = np.bincount(place.reshape(-1), np.repeat(np.where(tree[changed], 1, -1), 2), minlength=len(key))
    squares = np.add.reduceat(np.square(trees.degree), starts[:-1])[pairs].sum(axis=1)
    degree2 = squares + np.bincount(pair, more * (2 * trees.degree[row] + more), minlength=len(pairs))
    weight = np.diff(starts)[pairs].sum(axis=1) - 1.0
    return CrossEdges(mean, mean.copy(), mean.copy(), weight, weight.copy(), degree2)


def _candidates_again(layer: Layer, pair: Ints, *, by_differences: bool = False) -> Ints:
    """Candidates of one pair, as rows: by products in float64, or else by differences."""
    starts, scratch = layer.points.starts, Scratch()
    rows = np.concatenate([np.arange(starts[k], starts[k + 1]) for k in pair])
    halves = np.array([0, starts[pair[0] + 1] - starts[pair[0]], len(rows)])
    points = layer.points.x[rows]
    centred = differences(points, halves) if by_differences else centre(points, halves, np.dtype(np.float64))
    trees = [layer.clouds[k].tree for k in pair]
    heaviest = [minimax(len(tree.edges) + 1, tree.edges, tree.weights)[None] for tree in trees]
    lower = block(centred, np.array([0]), np.array([1]), scratch)
    only = np.zeros(1, np.intp)
    found = light_edges(lower, centred.error[:1, 1], centred.relative, *heaviest, only, only, scratch)
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
