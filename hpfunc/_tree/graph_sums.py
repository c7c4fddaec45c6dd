"""Compute the sums over a graph that its null distribution needs: powers of weights and degrees, paths, triangles."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hpfunc._arrays.types import Floats, Ints

__all__ = ["ThirdOrder", "sum_tree", "sum_weighted"]

# Above this share of all possible edges, a dense product counts triangles faster than a sparse one.
_DENSE = 0.05
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


def sum_weighted(size: Floats, ends: Ints, weight: Floats) -> ThirdOrder:
    """Compute the sums over a graph of samples that is given by its distinct points.

    Parameters
    ----------
    size : (G,) array
        Samples that equal each point.
    ends : (E, 2) array
        Edges between points, each once. An edge from a point to itself joins its copies.
    weight : (E,) array
        Their weights, each spread evenly over the pairs of samples that the edge stands for.
    """
    source, target = ends.T
    own = source == target
    pairs = np.where(own, size[source] * (size[source] - 1) / 2, size[source] * size[target])
    used = pairs > 0
    source, target, own, weight = source[used], target[used], own[used], weight[used]
    each = weight / pairs[used]
    degree = (np.bincount(source, weight, len(size)) + np.bincount(target, weight, len(size))) / size
    squares = np.bincount(source, weight * each, len(size)) + np.bincount(target, weight * each, len(size))
    inside = np.bincount(source[own], each[own], len(size)).astype(np.float64)
    sums = (
        (weight * each**2).sum(),
        (size * degree**3).sum(),
        (degree * squares).sum(),
        (weight * degree[source] * degree[target]).sum(),
        _triangles(size, source[~own], target[~own], each[~own], inside),
        size[degree <= _LEAF].sum(),
    )
    return ThirdOrder(*(np.asarray(float(value)) for value in sums))


def _triangles(size: Floats, source: Ints, target: Ints, each: Floats, inside: Floats) -> float:
    """Sum the products of three weights over the triangles of samples.

    Parameters
    ----------
    size : (G,) array
    source, target : (E,) arrays
        Edges between different points.
    each : (E,) array
        Weight of an edge between one sample of each end.
    inside : (G,) array
        Weight of an edge between two copies of a point.
    """
    # Triangles of samples at one point, at two points, and at three.
    at_one_point = (size * (size - 1) * (size - 2) / 6 * inside**3).sum()
    couples = size * (size - 1) / 2 * inside
    at_two_points = (each**2 * (couples[source] * size[target] + couples[target] * size[source])).sum()
    at_three_points = _triangles_between(len(size), source, target, each * np.sqrt(size[source] * size[target]))
    return float(at_one_point + at_two_points + at_three_points)


def _triangles_between(n: int, source: Ints, target: Ints, weight: Floats) -> float:
    """Sum the products of three weights over the triangles of a graph without loops."""
    if len(source) < 3 or np.isnan(weight).any():
        return float(0 * weight.sum())
    if len(source) > _DENSE * n**2:
        table = np.zeros((n, n))
        table[source, target] = table[target, source] = weight
        return float(((table @ table) * table).sum()) / 6
    from scipy import sparse  # slow to import

    ends = np.concatenate([source, target]).astype(np.int32), np.concatenate([target, source]).astype(np.int32)
    matrix = sparse.coo_array((np.tile(weight, 2), ends), shape=(n, n)).tocsr()
    return float((matrix @ matrix).multiply(matrix).sum()) / 6
