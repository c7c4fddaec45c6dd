"""The distribution of the cross edges of a fixed graph under random labels: its moments, and p-values from them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hpfunc._arrays.types import Floats, ParallelMap

__all__ = ["Graphs", "enumerated_pvalues", "few_labellings", "null_moments", "significance", "third_moment"]

# Pairs of at most this many labellings, and this many samples, are tested by trying every labelling.
_MOST_LABELLINGS, _MOST_SAMPLES = 1000, 20
# A skewness below this changes no digit that matters.
_STRAIGHT = 1e-4
_TOLERANCE = 1e-9
# Tails that are computed at a time; a thread takes about a millisecond.
_PART = 512


class Graphs(Protocol):
    """Hold the sums over one or more weighted graphs that the moments need; see `hpfunc._tree.graph_sums`."""

    @property
    def weight(self) -> Any: ...
    @property
    def weight2(self) -> Any: ...
    @property
    def degree2(self) -> Any: ...
    @property
    def weight3(self) -> Any: ...
    @property
    def degree3(self) -> Any: ...
    @property
    def degree_weight2(self) -> Any: ...
    @property
    def edge_degrees(self) -> Any: ...
    @property
    def triangles(self) -> Any: ...
    @property
    def leaves(self) -> Any: ...


def null_moments(m: Any, n: Any, weight: Any, weight2: Any, degree2: Any) -> tuple[Any, Any]:
    """Compute mean and variance of the cross edges of a fixed weighted graph under random labelling.

    Parameters
    ----------
    m, n : int arrays
        Samples of each class.
    weight, weight2 : arrays
        Sum of the edge weights, and of their squares.
    degree2 : array
        Sum over the samples of their squared weighted degrees.

    Notes
    -----
    With all weights 1 and a tree this is the variance of Friedman & Rafsky (1979); NaN for fewer than 4 samples.
    """
    m, n = np.asarray(m, np.float64), np.asarray(n, np.float64)
    total = m + n
    with np.errstate(divide="ignore", invalid="ignore"):
        one = 2 * (m * n) / (total * (total - 1))
        two = 4 * ((m * (m - 1)) * (n * (n - 1))) / (total * (total - 1) * (total - 2) * (total - 3))
        adjacent = degree2 - 2 * weight2
        mean = weight * one
        variance = weight2 * one + adjacent * one / 2 + (weight**2 - weight2 - adjacent) * two - mean**2
    # A variance of exactly 0 can leave a rounding error after cancellation.
    variance = np.where(variance <= 1e-12 * mean**2, 0.0, variance)
    few = total < 4
    return np.where(few, np.nan, mean), np.where(few, np.nan, variance)


def third_moment(m: Any, n: Any, graphs: Graphs) -> Any:
    """Compute the third central moment of the cross edges of a fixed weighted graph under random labelling.

    The expectation of the cube is a sum over ordered triples of edges. How likely all three are to cross depends on
    the shape that they form; the sums over a graph say how much weight each shape has.

    Parameters
    ----------
    m, n : int arrays
        Samples of each class.
    graphs : Graphs
    """
    m, n = np.asarray(m, np.float64), np.asarray(n, np.float64)
    edge, path, two, star, path3, path_edge, three = _chances(m, n)
    w, w2, w3 = graphs.weight, graphs.weight2, graphs.weight3
    adjacent = graphs.degree2 - 2 * w2  # ordered pairs of different edges that share a vertex
    doubled = graphs.degree_weight2 - 2 * w3  # one edge of an adjacent pair taken twice
    stars = graphs.degree3 - 3 * graphs.degree_weight2 + 4 * w3
    paths = 6 * (graphs.edge_degrees - graphs.degree_weight2 + w3 - 3 * graphs.triangles)
    # A triangle counts in its six orders; its three edges never all cross.
    triangles = 6 * graphs.triangles
    path_edges = 3 * (adjacent * w - 2 * doubled) - 3 * stars - 3 * triangles - 2 * paths
    disjoint = w**3 - 3 * w2 * w + 2 * w3 - stars - triangles - paths - path_edges
    cube = w3 * edge + 3 * (doubled * path + (w2 * w - w3 - doubled) * two)
    cube = cube + stars * star + paths * path3 + path_edges * path_edge + disjoint * three
    mean = w * edge
    square = w2 * edge + adjacent * path + (w**2 - w2 - adjacent) * two
    return cube - 3 * mean * square + 2 * mean**3


def _chances(m: Any, n: Any) -> tuple[Any, ...]:
    """Compute how likely all edges cross of an edge, path of 2, 2 edges, star, path of 3, path and edge, 3 edges."""
    of_m, of_n, of_all = _falling(m, 3), _falling(n, 3), _falling(m + n, 6)

    def split(a: int, b: int) -> Any:
        """Return the chance that a given vertices are of one class and b others of the other."""
        return (of_m[a] * of_n[b] + of_m[b] * of_n[a]) / np.maximum(of_all[a + b], 1)

    path3 = split(2, 2)
    return split(1, 1), split(1, 2), 2 * path3, split(1, 3), path3, 2 * split(2, 3), 4 * split(3, 3)


def _falling(x: Any, most: int) -> list[Any]:
    """Compute 1, x, x (x - 1), ... of up to ``most`` factors; each is 0 where x is less than their number."""
    products = [np.ones_like(x)]
    for i in range(most):
        products.append(products[-1] * np.maximum(x - i, 0))
    return products


def significance(cross: Any, m: Any, n: Any, graphs: Graphs, parallel_map: ParallelMap = map) -> tuple[Floats, Floats]:
    """Compute z score and lower-tail p-value of cross edges against random labels on the same graph.

    Where cross edges cannot vary, z is NaN and the p-value 1; for fewer than 4 samples both are NaN.

    Notes
    -----
    The p-value is the tail of Pearson's type III distribution with the exact first three moments, half a step above the
    count. It is never below two chances that are known exactly: that of the observed labelling itself, and the chance
    that all samples of the smaller class are leaves, which gives at most as many cross edges as there are such samples.
    """
    from scipy.special import gammainc, gammaincc, gammaln, ndtr  # slow to import

    m, n = np.asarray(m, np.float64), np.asarray(n, np.float64)
    mean, variance = null_moments(m, n, graphs.weight, graphs.weight2, graphs.degree2)
    few, total = np.minimum(m, n), m + n
    with np.errstate(divide="ignore", invalid="ignore"):
        deviation = np.sqrt(variance)
        z = np.where(variance > 0, (cross - mean) / deviation, np.nan)
        skewness = third_moment(m, n, graphs) / deviation**3
        # The step between possible counts: 1 for a tree, 1/k for k trees, less where trees are averaged.
        reached = (cross + graphs.weight2 / graphs.weight / 2 - mean) / deviation
        shape = 4 / skewness**2
        left = np.maximum(shape + np.sign(skewness) * reached * np.sqrt(shape), 0)
        # Each tail takes long to compute, so it is computed only where it is needed.
        right, shape, left = np.broadcast_arrays(skewness > 0, shape, left)
        tail = np.empty(left.shape)
        for which, function in ((right, gammainc), (~right, gammaincc)):
            tail[which] = _by_parts(function, shape[which], left[which], parallel_map)
        tail = np.where(np.abs(skewness) < _STRAIGHT, ndtr(reached), tail)
        leaves = np.maximum(graphs.leaves, few)
        chance = gammaln(leaves + 1) - gammaln(leaves - few + 1) - gammaln(total + 1) + gammaln(total - few + 1)
        leafy = (graphs.leaves >= few) & (cross > few - _TOLERANCE)
        one = gammaln(few + 1) + gammaln(total - few + 1) - gammaln(total + 1)
        pvalue = np.maximum(tail, np.exp(np.where(leafy, np.maximum(chance, one), one)))
    constant = (variance == 0) & ~np.isnan(cross)
    return z, np.where(constant, 1.0, np.where(np.isnan(z), np.nan, pvalue))


def _by_parts(function: Callable[..., Any], shape: Floats, left: Floats, parallel_map: ParallelMap) -> Floats:
    """Evaluate a function of two ``(P,)`` arrays, possibly in threads."""

    def evaluate(lo: int) -> Floats:
        part = slice(lo, lo + _PART)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(function(shape[part], left[part]))

    return np.concatenate([np.empty(0), *parallel_map(evaluate, range(0, len(shape), _PART))])


def few_labellings(m: int, n: int) -> bool:
    """Tell whether the labellings of m and n samples are few enough to try each."""
    return 4 <= m + n <= _MOST_SAMPLES and math.comb(m + n, m) <= _MOST_LABELLINGS


def enumerated_pvalues(cross: Floats, m: int, n: int, tables: Sequence[Floats]) -> Floats:
    """Compute lower-tail p-values by trying every labelling: ``(P,)``.

    Parameters
    ----------
    cross : (P,) array
        The counts that were observed.
    m, n : int
        Samples of each class.
    tables : P arrays (m + n, m + n)
        Edge weights.
    """
    labels = _labellings(m, n)
    # An edge crosses if just one of its ends is of the first class; each stands twice in a table.
    apart = (labels[:, :, None] != labels[:, None, :]).reshape(len(labels), -1) / 2
    counts = apart @ np.stack([table.reshape(-1) for table in tables], axis=1)
    return np.where(np.isnan(cross), np.nan, (counts <= cross + _TOLERANCE).mean(axis=0))


def _labellings(m: int, n: int) -> npt.NDArray[np.bool_]:
    """List every choice of m of m + n samples, ``(choices, m + n)``."""
    chosen = np.array(list(itertools.combinations(range(m + n), m)))
    labels = np.zeros((len(chosen), m + n), bool)
    np.put_along_axis(labels, chosen, True, axis=1)
    return labels
