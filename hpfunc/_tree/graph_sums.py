"""Compute the sums over a graph that its null distribution needs: powers of weights and degrees, paths, triangles."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hpfunc._arrays.types import Floats, Ints

__all__ = ["ThirdOrder", "sum_at", "sum_tree", "sum_weighted"]

# Above this share of all possible edges, a dense product counts triangles faster than a sparse one.
_DENSE = 0.05
# Entries of the dense tables that are multiplied at a time.
_TABLE = 2**18
# A vertex is a leaf if its weighted degree is at most 1, up to rounding.
_LEAF = 1 + 1e-9


class ThirdOrder(NamedTuple):
    """Hold, for one or more graphs, the sums from which the third moment is computed.

    The degree of a vertex is the sum of the weights of its edges.
    """

    weight3: Floats  # sum over edges of the cubed weight
    degree3: Floats  # sum over vertices of the cubed degree
    degree_weight2: Floats  # sum over vertices of the degree times the sum of its edges' squared weights
    edge_degrees: Floats  # sum over edges of the weight times the degrees of both ends
    triangles: Floats  # sum over triangles of the product of their weights
    leaves: Floats  # number of vertices of degree 1 at most


def sum_tree(n: int, edges: Ints) -> tuple[float, ThirdOrder]:
    """Sum the squared degrees, and the third order, of one tree of n vertices and ``(n - 1, 2)`` edges of weight 1."""
    degree = np.bincount(edges.reshape(-1), minlength=n).astype(np.float64)
    degree2 = float((degree**2).sum())
    products = float(degree[edges].prod(axis=1).sum())
    third = (len(edges), (degree**3).sum(), degree2, products, 0.0, (degree == 1).sum())
    return degree2, ThirdOrder(*(np.asarray(float(value)) for value in third))


def sum_weighted(
    size: Floats, ends: Ints, weight: Floats, graph: Ints | None = None, n_graphs: int | None = None
) -> ThirdOrder:
    """Compute the sums over one or more graphs of samples that are given by their distinct points.

    Parameters
    ----------
    size : (G,) array
        Samples that equal each point.
    ends : (E, 2) array
        Edges between points, each once. An edge from a point to itself joins its copies.
    weight : (E,) array
        Their weights, each spread evenly over the pairs of samples that the edge stands for.
    graph : (G,) array, optional
        The number of the graph of each point; by default there is one graph.
    n_graphs : int, optional

    Returns
    -------
    ThirdOrder
        Of ``(n_graphs,)`` arrays, or of scalars if there is one graph by default.
    """
    of_point = np.zeros(len(size), np.intp) if graph is None else graph
    source, target = ends.T
    own = source == target
    pairs = np.where(own, size[source] * (size[source] - 1) / 2, size[source] * size[target])
    used = pairs > 0
    source, target, own, weight = source[used], target[used], own[used], weight[used]
    each = weight / pairs[used]
    degree = (np.bincount(source, weight, len(size)) + np.bincount(target, weight, len(size))) / size
    squares = np.bincount(source, weight * each, len(size)) + np.bincount(target, weight * each, len(size))
    inside = np.bincount(source[own], each[own], len(size)).astype(np.float64)
    triangles = _triangles(size, of_point, n_graphs or 1, source[~own], target[~own], each[~own], inside)
    edge, point = of_point[source], of_point
    sums = [
        np.bincount(index, values, n_graphs or 1).astype(np.float64)
        for index, values in (
            (edge, weight * each**2),
            (point, size * degree**3),
            (point, degree * squares),
            (edge, weight * degree[source] * degree[target]),
            (point, np.where(degree <= _LEAF, size, 0)),
        )
    ]
    sums.insert(4, triangles)
    return ThirdOrder(*(values[0] if graph is None else values for values in sums))


def sum_at(index: Ints, values: Floats, n: int) -> Floats:
    """Add up the values that have the same index, in their order: ``(n,)``."""
    # Without any values, bincount would return integers.
    return np.bincount(index, values, minlength=n).astype(np.float64)


def _triangles(
    size: Floats, of_point: Ints, n_graphs: int, source: Ints, target: Ints, each: Floats, inside: Floats
) -> Floats:
    """Sum the products of three weights over the triangles of samples of each graph: ``(n_graphs,)``.

    Parameters
    ----------
    size, of_point : (G,) arrays
    n_graphs : int
    source, target : (E,) arrays
        Edges between different points.
    each : (E,) array
        Weight of an edge between one sample of each end.
    inside : (G,) array
        Weight of an edge between two copies of a point.
    """
    # Triangles of samples at one point, at two points, and at three.
    at_one_point = np.bincount(of_point, size * (size - 1) * (size - 2) / 6 * inside**3, n_graphs)
    couples = size * (size - 1) / 2 * inside
    at_two_points = each**2 * (couples[source] * size[target] + couples[target] * size[source])
    weight = each * np.sqrt(size[source] * size[target])
    result = at_one_point + np.bincount(of_point[source], at_two_points, n_graphs)
    return np.asarray(result + _triangles_between(of_point, n_graphs, source, target, weight))


def _triangles_between(of_point: Ints, n_graphs: int, source: Ints, target: Ints, weight: Floats) -> Floats:
    """Sum the products of three weights over the triangles of graphs without loops: ``(n_graphs,)``.

    A graph is NaN if one of its weights is.
    """
    of_edge = of_point[source]
    n_points, n_edges = np.bincount(of_point, minlength=n_graphs), np.bincount(of_edge, minlength=n_graphs)
    result = np.zeros(n_graphs) * np.bincount(of_edge, weight, n_graphs)
    counted = ~np.isnan(result) & (n_edges >= 3)
    is_dense = counted & (n_edges > _DENSE * n_points**2)
    rest = np.flatnonzero((counted & ~is_dense)[of_edge])
    if rest.size:
        from scipy import sparse  # slow to import

        # Each edge stands in the row of its higher end, so that each triangle is found once.
        rows, cols = np.sort(np.stack([source[rest], target[rest]]), axis=0)[::-1].astype(np.int32)
        lower = sparse.coo_array((weight[rest], (rows, cols)), shape=(len(of_point), len(of_point))).tocsr()
        products = (lower @ lower).multiply(lower).tocsr()
        # Sorted, so that the order of summation does not depend on the other graphs.
        products.sort_indices()
        point = np.repeat(np.arange(len(of_point)), np.diff(products.indptr))
        result += sum_at(of_point[point], products.data, n_graphs)
    if is_dense.any():
        # Number the points within each graph.
        by_graph = np.argsort(of_point, kind="stable")
        local = np.empty_like(by_graph)
        local[by_graph] = np.arange(len(by_graph)) - (np.cumsum(n_points) - n_points)[of_point[by_graph]]
        for n in np.unique(n_points[is_dense]).tolist():
            same = np.flatnonzero(is_dense & (n_points == n))
            step = max(1, _TABLE // n**2)
            for lo in range(0, len(same), step):
                some = same[lo : lo + step]
                result[some] = _dense_triangles(n, some, of_edge, local[source], local[target], weight)
    return np.asarray(result)


def _dense_triangles(n: int, graphs: Ints, of_edge: Ints, source: Ints, target: Ints, weight: Floats) -> Floats:
    """Sum the products over the triangles of graphs of n points each, the points numbered within their graph."""
    edges = np.flatnonzero(np.isin(of_edge, graphs))
    number = np.searchsorted(graphs, of_edge[edges])
    table = np.zeros((len(graphs), n, n))
    table[number, source[edges], target[edges]] = table[number, target[edges], source[edges]] = weight[edges]
    return np.asarray(((table @ table) * table).reshape(len(graphs), -1).sum(axis=1)) / 6
