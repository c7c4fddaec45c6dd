"""Exact minimum spanning trees of single clouds of points, one for each class, all abreast.

Exact by construction. Prim's algorithm on lower bounds gives a tree T, and the heaviest weight on the path in T between
any two points. By the cycle property an edge of any minimum spanning tree is no heavier than every edge that it could
replace: its lower bound is at most the upper bound of the heaviest on its path in T. All such edges are kept, those of
T among them, and where rounding leaves their order in doubt they are measured by direct differences in float64
(`exchange`). A class with too many of them is done again in float64, and if need be by differences.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hpfunc._tree.distances import Centred, centre, differences, upper_bound, within
from hpfunc._tree.exact import squared_distances
from hpfunc._tree.mst.certify import Bounded, kruskal, lightest, settle
from hpfunc._tree.mst.path_maxima import by_vertex, gaps, run_of_vertices
from hpfunc._tree.mst.prim import Runs, prim
from hpfunc._tree.mst.ties import tied_edges
from hpfunc._tree.threads import Scratch

__all__ = ["Cloud", "Spanning", "edges_near", "rounded_up", "spanning_trees", "with_ties"]

Ints = npt.NDArray[np.intp]
Each = Callable[..., Iterable[Any]]

# Vertices of all graphs that Prim works on at a time: its state then stays in the second-level cache.
_ABREAST = 80_000
# A class with more edges in doubt than so many for each point is better measured again in float64.
_CROWDED = 8


class Spanning(NamedTuple):
    """All minimum spanning trees of one cloud of points: one of them, and what may replace its edges."""

    edges: Ints  # (n - 1, 2) a minimum spanning tree, rows counted from the start of the class
    weights: npt.NDArray[np.float64]  # (n - 1,) exact squared distances
    tied: Ints  # (T, 2) the other edges that stand in a minimum spanning tree
    again: bool = False  # whether float32 left too much in doubt, so that float64 did it


class Cloud(NamedTuple):
    """The minimum spanning trees of one cloud, and the order in which Prim's algorithm came to its points."""

    tree: Spanning
    visited: Ints  # (n,)


def spanning_trees(
    x: Any,
    centred: Centred,
    heaviest: list[npt.NDArray[Any]],
    scratch: Scratch,
    *,
    exact: bool,
    each: Each = map,
) -> list[Cloud]:
    """Minimum spanning trees of every class.

    Parameters
    ----------
    x : (N, d) array
        The points themselves.
    centred : Centred
        The same, centred by class.
    heaviest : list of (n, n) arrays
        To be filled with the heaviest weight on the path between any two points of each class, rounded up.
    scratch : Scratch
    exact : bool
        If not, the trees of the lower bounds, with these for weights.
    each : callable
        Applies a function to every class, in threads perhaps.
    """
    sizes = np.diff(centred.starts)
    by_size = np.argsort(sizes, kind="stable")
    portions = min(len(sizes), max(1, round(len(sizes) * int(sizes.max()) / _ABREAST)))
    found: dict[int, Cloud] = {}
    for portion in np.array_split(by_size, portions):
        table = _table(centred, portion, each, scratch)
        runs = _cut(prim(table, sizes[portion]), sizes[portion])
        mine = [heaviest[k] for k in portion]
        if exact:
            clouds = _settled(x, centred, portion, table, runs, mine, each, scratch)
        else:
            clouds = [_rough(*parts, scratch) for parts in zip(table, runs, mine, strict=True)]
        found.update(zip(portion.tolist(), clouds, strict=True))
    return [found[k] for k in range(len(sizes))]


def _table(centred: Centred, portion: Ints, each: Each, scratch: Scratch) -> npt.NDArray[Any]:
    """Lower bounds of the squared distances within some classes, infinite past the end of a class."""
    sizes = np.diff(centred.starts)[portion]
    n = int(sizes.max())
    table = np.empty((len(portion), n, n), centred.dtype)

    def fill(g: int) -> None:
        within(centred, int(portion[g]), table[g, : sizes[g], : sizes[g]], scratch)
        table[g, :, sizes[g] :] = np.inf

    deque(each(fill, range(len(portion))), maxlen=0)
    return table


def _cut(runs: Runs, sizes: Ints) -> list[Runs]:
    """The run of each graph, without what is past its end."""
    return [Runs(vertex[:n], gap[:n]) for vertex, gap, n in zip(*runs, sizes, strict=True)]


def _rough(table: npt.NDArray[Any], run: Runs, heaviest: npt.NDArray[Any], scratch: Scratch) -> Cloud:
    """One tree that Prim's algorithm may have found, and the lower bounds that it went by."""
    vertex, gap = run
    # A point hangs on one of those before it.
    before = np.where(np.tri(len(vertex), k=-1, dtype=bool).T, table[np.ix_(vertex, vertex)], np.inf)
    edges = np.stack([vertex[1:], vertex[before[:, 1:].argmin(axis=0)]], axis=1)
    by_vertex(vertex, rounded_up(gap, heaviest.dtype), heaviest, scratch)
    return Cloud(Spanning(edges, gap[1:].astype(np.float64), edges[:0]), vertex)


def _settled(
    x: Any,
    centred: Centred,
    portion: Ints,
    table: npt.NDArray[Any],
    runs: list[Runs],
    heaviest: list[npt.NDArray[Any]],
    each: Each,
    scratch: Scratch,
) -> list[Cloud]:
    """The exact trees of some classes."""
    sizes, error = np.diff(centred.starts)[portion], centred.error[portion, portion]

    def look(g: int) -> Ints:
        vertex, gap = runs[g]
        upper = upper_bound(gap.astype(np.float64), error[g], centred.relative)
        by_vertex(vertex, rounded_up(upper, heaviest[g].dtype), heaviest[g], scratch)
        return edges_near(table[g, : sizes[g], : sizes[g]], heaviest[g], scratch)

    near = list(each(look, range(len(portion))))
    spare = np.array([len(ends) for ends in near]) - (sizes - 1)
    crowded = spare > _CROWDED * sizes
    near = [ends[: 0 if much else None] for ends, much in zip(near, crowded, strict=True)]
    graph, ends = np.repeat(np.arange(len(near)), [len(ends) for ends in near]), np.concatenate(near)
    rows = centred.starts[portion][graph, None] + ends
    # Where there is no edge to spare, all are the tree.
    tree, tied = (spare == 0)[graph], np.zeros(len(portion), bool)
    if (some := np.flatnonzero(~tree)).size:
        lower = table[graph[some], ends[some, 0], ends[some, 1]].astype(np.float64)
        n = len(portion) * table.shape[1]
        vertices = ends[some] + graph[some, None] * table.shape[1]
        edges = Bounded(graph[some], vertices, lower, upper_bound(lower, error[graph[some]], centred.relative))
        lightest_bounds = np.zeros(len(some), bool)
        lightest_bounds[kruskal(n, vertices, lower)] = True
        tree[some], tied = settle(
            edges, lightest_bounds, lambda e: squared_distances(x, *rows[some[e]].T), len(portion), n
        )

    def finish(g: int) -> Cloud:
        points, mine = x[centred.starts[portion[g]] : centred.starts[portion[g] + 1]], graph == g
        if crowded[g]:
            found = with_ties(points, _candidates(points))._replace(again=table.dtype != np.float64)
            run, edge = run_of_vertices(len(points), found.edges, found.weights)
            by_vertex(run, gaps(rounded_up(found.weights[edge], heaviest[g].dtype)), heaviest[g], scratch)
        elif tied[g]:
            found = with_ties(points, ends[mine])
        else:
            chosen = ends[mine & tree]
            found = Spanning(chosen, squared_distances(points, *chosen.T), chosen[:0])
        return Cloud(found, runs[g].vertex)

    return list(each(finish, range(len(portion))))


def edges_near(lower: npt.NDArray[Any], heaviest: npt.NDArray[Any], scratch: Scratch) -> Ints:
    """Every edge that may stand in a minimum spanning tree: ``(E, 2)``, the higher row first.

    Parameters
    ----------
    lower : (n, n) array
        Lower bounds of the weights.
    heaviest : (n, n) array
        Upper bounds of the heaviest weight on the path through some tree.
    """
    # Hits are few; the flat search for them is the fast one.
    near = np.less_equal(lower, heaviest, out=scratch("light", lower.shape, np.bool_))
    one, other = np.divmod(np.flatnonzero(near), len(lower))
    once = one > other
    return np.stack([one[once], other[once]], axis=1)


def rounded_up(weights: npt.NDArray[Any], dtype: Any) -> npt.NDArray[Any]:
    """The weights in a precision that may be lower, each by a little too large rather than too small."""
    return np.asarray(np.nextafter(weights.astype(dtype), np.dtype(dtype).type(np.inf)))


def with_ties(points: Any, edges: Ints) -> Spanning:
    """A tree and its ties from edges that hold them all."""
    edges = np.sort(edges, axis=1)
    weights = squared_distances(points, edges[:, 0], edges[:, 1])
    tree = np.zeros(len(edges), bool)
    tree[lightest(len(points), edges, weights)] = True
    return Spanning(edges[tree], weights[tree], edges[tied_edges(len(points), edges, weights, tree)])


def _candidates(points: Any, *, by_differences: bool = False) -> Ints:
    """Edges that hold every minimum spanning tree of one cloud: by products in float64, or else by differences."""
    n, starts, wide = len(points), np.array([0, len(points)]), np.dtype(np.float64)
    centred = differences(points.astype(wide), starts) if by_differences else centre(points, starts, wide)
    scratch, heaviest = Scratch(), np.empty((n, n))
    table = _table(centred, np.array([0]), map, scratch)
    vertex, gap = (part[0] for part in prim(table, np.array([n])))
    by_vertex(vertex, upper_bound(gap, centred.error[0, 0], centred.relative), heaviest, scratch)
    near = edges_near(table[0], heaviest, scratch)
    # What differences leave in doubt are ties.
    if len(near) > n - 1 + _CROWDED * n and not by_differences:
        return _candidates(points, by_differences=True)
    return near
