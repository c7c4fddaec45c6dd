"""The pairs between two lots of classes: candidates from one block of distances, Kruskal, what rounding left open."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hpfunc._tree.distances import Centred, block, centre, differences, upper_bound
from hpfunc._tree.exact import squared_distances
from hpfunc._tree.exchange import Bounded, kruskal, settle
from hpfunc._tree.resolve import CrossEdges, count_cross, solve
from hpfunc._tree.paths import minimax
from hpfunc._tree.spanning import Cloud, rounded_up

__all__ = ["Layer", "Lot", "Points", "average", "between"]

Ints = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]

# A pair with more candidates than so many for each of its samples is done again more precisely.
_CROWDED = 30


# So many ways from a class to another are tried for every point.
_BRIDGES = 32


class Points(NamedTuple):
    """Distinct points, class by class."""

    x: Any  # (N, d)
    starts: Ints  # (K + 1,)
    copies: Ints  # (N,) how many samples of the class equal each point


class Layer(NamedTuple):
    """All that the pairs of a layer share."""

    points: Points
    centred: Centred  # for the blocks between classes
    clouds: list[Cloud]


class Lot(NamedTuple):
    """Some classes as one side of a block, each filled up to the size m of the largest."""

    classes: Ints  # (r,)
    heaviest: npt.NDArray[Any]  # (r, m, m) 0 past the end of a class
    one: Ints  # (r, m - 1) one end of each tree edge, -1 past the end
    other: Ints  # (r, m - 1)
    weights: npt.NDArray[np.float64]  # (r, m - 1)


class _Candidates(NamedTuple):
    """Edges between two lots of classes that may stand in minimum spanning trees."""

    pair: Ints  # (E,) number of the pair
    one: Ints  # (E,) point of the first class
    other: Ints  # (E,) point of the second class
    lower: npt.NDArray[np.float64]  # (E,) lower bound of the squared distance


def between(layer: Layer, one: Lot, other: Lot, chosen: Ints, *, exact: bool) -> tuple[Ints, CrossEdges, Bools]:
    """Cross edges of the chosen pairs between two lots of classes."""
    number, i, j = chosen.T
    classes = np.stack([one.classes[i], other.classes[j]], axis=1)
    error, relative = layer.centred.error[classes[:, 0], classes[:, 1]], layer.centred.relative
    lower = block(layer.centred, one.classes, other.classes)
    found = _candidates(lower, error, relative, one.heaviest, other.heaviest, i, j)
    sizes = np.diff(layer.points.starts)[classes].sum(axis=1)
    crowded = np.bincount(found.pair, minlength=len(chosen)) > _CROWDED * sizes
    crowded &= exact and relative == 0
    found = _select(found, ~crowded[found.pair])

    m, n = one.heaviest.shape[1], other.heaviest.shape[1]
    edges = _pooled_edges(found, one, other, chosen, error, relative)
    tree = np.zeros(len(edges.graph), bool)
    pooled = edges.ends + (edges.graph * (m + n))[:, None]
    tree[kruskal(len(chosen) * (m + n), pooled, edges.lower)] = True
    if not exact:
        counts = _count_all(edges, tree, m, len(chosen), m + n)
        counts.low[:] = counts.high[:] = np.nan
        return number, counts, np.zeros(len(chosen), bool)

    rows = layer.points.starts[classes[edges.graph[:, None], (edges.ends >= m).astype(np.intp)]]
    rows = rows + edges.ends - m * (edges.ends >= m)
    tree, tied = settle(
        edges, tree, lambda e: squared_distances(layer.points.x, rows[e, 0], rows[e, 1]), len(chosen), m + n
    )
    counts = _count_all(edges, tree, m, len(chosen), m + n)
    ambiguous = np.maximum.reduceat(layer.points.copies, layer.points.starts[:-1]) > 1
    ambiguous |= np.array([len(cloud.tree.tied) > 0 for cloud in layer.clouds])
    for p in np.flatnonzero(tied | crowded | ambiguous[classes].any(axis=1)):
        candidates = _candidates_again(layer, classes[p]) if crowded[p] else rows[edges.graph == p]
        tied_within = [layer.clouds[k].tree.tied + layer.points.starts[k] for k in classes[p]]
        exact_counts = average(layer.points, classes[p], np.concatenate([candidates, *tied_within]))
        for field, value in zip(counts, exact_counts, strict=True):
            field[p] = value
    return number, counts, crowded | np.array([cloud.tree.again for cloud in layer.clouds])[classes].any(axis=1)


def _candidates(
    lower: npt.NDArray[Any],
    error: npt.NDArray[np.float64],
    relative: float,
    heaviest_one: npt.NDArray[Any],
    heaviest_other: npt.NDArray[Any],
    i: Ints,
    j: Ints,
) -> _Candidates:
    """Edges no heavier than the way through both trees that was found for them.

    Parameters
    ----------
    lower : (r, m, c, n) array
        Lower bounds of the squared distances between the points of r and c classes.
    error : (P,) array
        Of each pair, and
    relative : float
        of all: see `distances.upper_bound`.
    heaviest_one : (r, m, m) array
    heaviest_other : (c, n, n) array
        The heaviest weight on the way between two points of a class, rounded up.
    i, j : (P,) array
        The pairs: places of their classes among the r and the c.
    """
    parts: list[tuple[Any, ...]] = []
    for k in np.unique(j):
        # All pairs with one class of the second lot.
        pair = np.flatnonzero(j == k)
        class_, heaviest = i[pair, None], heaviest_other[k]
        distances = lower[:, :, k] if len(pair) == len(lower) else lower[i[pair], :, k]
        nearest = distances.argmin(axis=2)
        least = np.take_along_axis(distances, nearest[..., None], axis=2)[..., 0]
        across = rounded_up(upper_bound(least, error[pair, None], relative), lower.dtype)
        bridge = _bridges(across, heaviest_one[i[pair]] if len(pair) < len(lower) else heaviest_one)
        # The best of them for every point, how heavy the way is, and where it arrives.
        ways = np.maximum(heaviest_one[class_, bridge], np.take_along_axis(across, bridge, axis=1)[..., None])
        best = ways.argmin(axis=1)
        way = np.take_along_axis(ways, best[:, None], axis=1)[:, 0]
        arrivals = np.take_along_axis(nearest, bridge, axis=1)
        # Most points are too far from the other class to stand in any candidate.
        furthest = heaviest[arrivals].max(axis=(1, 2))
        at, one = np.nonzero(least <= np.maximum(way, furthest[:, None]))
        limit = heaviest[arrivals[at, best[at, one]]]
        np.maximum(limit, way[at, one, None], out=limit)
        rows = distances[at, one]
        # Hits are few; the flat search for them is the fast one.
        row, other = np.divmod(np.flatnonzero(rows <= limit), limit.shape[1])
        parts.append((pair[at[row]], one[row], other, rows[row, other].astype(np.float64)))
    fields: list[Any] = [np.concatenate(field) for field in zip(*parts, strict=True)]
    return _Candidates(*fields)


def _bridges(across: npt.NDArray[Any], heaviest: npt.NDArray[Any]) -> Ints:
    """The points of each class from which it may be best to cross to the other, and perhaps some more: ``(r, k)``.

    Let p be the point with the lightest way across. Another point q is of no use where its own way across is no
    lighter than the way that leads to p first: wherever one starts, going to q and over is no lighter than going to q,
    on to p, and over. Of those of use the lightest are taken: more ways would spare hardly any candidate.
    """
    lightest = across.argmin(axis=1)[:, None]
    class_ = np.arange(len(across))
    detour = np.maximum(heaviest[class_, lightest[:, 0]], np.take_along_axis(across, lightest, axis=1))
    useful = across < detour
    np.put_along_axis(useful, lightest, True, axis=1)
    most = min(int(useful.sum(axis=1).max()), _BRIDGES)
    return np.argsort(np.where(useful, across, np.inf), axis=1)[:, :most]


def _select(found: _Candidates, which: Bools) -> _Candidates:
    fields: list[Any] = [field[which] for field in found]
    return _Candidates(*fields)


def _pooled_edges(
    found: _Candidates, one: Lot, other: Lot, chosen: Ints, error: npt.NDArray[np.float64], relative: float
) -> Bounded:
    """All edges that the trees of the chosen pairs lie in; the points of the second class come after the first's."""
    m = one.heaviest.shape[1]
    graphs, ends, weights = [found.pair], [np.stack([found.one, found.other + m], axis=1)], [found.lower]
    for lot, which, shift in ((one, chosen[:, 1], 0), (other, chosen[:, 2], m)):
        graph, step = np.nonzero(lot.one[which] >= 0)
        at = which[graph], step
        graphs.append(graph)
        ends.append(np.stack([lot.one[at], lot.other[at]], axis=1) + shift)
        weights.append(lot.weights[at])
    graph, lower = np.concatenate(graphs), np.concatenate(weights)
    upper = lower.copy()
    upper[: len(found.pair)] = upper_bound(found.lower, error[found.pair], relative)
    return Bounded(graph, np.concatenate(ends), lower, upper)


def _count_all(edges: Bounded, tree: Bools, m: int, n_graphs: int, n_vertices: int) -> CrossEdges:
    """Cross edges and degrees of unique trees, of all graphs at once."""
    graph, ends = edges.graph[tree], edges.ends[tree]
    crossing = (ends[:, 0] < m) != (ends[:, 1] < m)
    mean = np.bincount(graph[crossing], minlength=n_graphs).astype(np.float64)
    degree = np.bincount((ends + (graph * n_vertices)[:, None]).reshape(-1), minlength=n_graphs * n_vertices)
    degree2 = np.square(degree).reshape(n_graphs, n_vertices).sum(axis=1).astype(np.float64)
    weight = np.bincount(graph, minlength=n_graphs).astype(np.float64)
    return CrossEdges(mean, mean.copy(), mean.copy(), weight, weight.copy(), degree2)


def _candidates_again(layer: Layer, pair: Ints, *, by_differences: bool = False) -> Ints:
    """Candidates of one pair, and the trees of its classes, as rows: by products in float64, or else by differences."""
    starts = layer.points.starts
    rows = np.concatenate([np.arange(starts[k], starts[k + 1]) for k in pair])
    halves = np.array([0, starts[pair[0] + 1] - starts[pair[0]], len(rows)])
    points = layer.points.x[rows]
    centred = differences(points, halves) if by_differences else centre(points, halves, np.dtype(np.float64))
    trees = [layer.clouds[k].tree for k in pair]
    heaviest = [minimax(len(tree.edges) + 1, tree.edges, tree.weights)[None] for tree in trees]
    lower = block(centred, np.array([0]), np.array([1]))
    none = np.zeros(1, np.intp)
    found = _candidates(lower, centred.error[:1, 1], centred.relative, *heaviest, none, none)
    if len(found.pair) > _CROWDED * len(rows) and not by_differences:
        return _candidates_again(layer, pair, by_differences=True)
    between = np.stack([found.one + starts[pair[0]], found.other + starts[pair[1]]], axis=1)
    return np.concatenate([between, *(tree.edges + starts[k] for tree, k in zip(trees, pair, strict=True))])


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
