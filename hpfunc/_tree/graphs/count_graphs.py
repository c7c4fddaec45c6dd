"""Count the cross edges of graphs other than one tree, for every pair of classes of a layer.

The work that pairs share is done once for the layer (`layer_bounds`); then each pair is counted in a thread. Pairs
whose bounds leave too much undecided are counted from their points alone (`pair_graphs`), as are all pairs where there
is too little memory for what they share.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hpfunc._arrays.types import Ints
from hpfunc._tree.graphs.layer_bounds import bytes_for_layer_bounds, find_layer_bounds
from hpfunc._tree.graphs.neighbours import bytes_for_neighbours, count_neighbours_of_pair, find_own_neighbours
from hpfunc._tree.graphs.orthogonal import bytes_for_successive_trees, count_trees_of_pair, find_class_edges
from hpfunc._tree.graphs.pair_graphs import (
    bytes_for_pair_graph,
    merge_equal_samples,
    nearest_neighbours,
    orthogonal_trees,
)
from hpfunc._tree.memory import SpareBytes, bytes_for_any_ties, check_bytes
from hpfunc._tree.mst.tie_counts import CrossEdges
from hpfunc._tree.options import GraphOptions
from hpfunc._tree.threads import Scratch, n_threads, worker_threads

__all__ = ["count_graphs"]

# The counts of a pair, and the number of trees or neighbours.
_PairCount = tuple[CrossEdges, int]


def count_graphs(
    x: Any,
    starts: Ints,
    pairs: Ints,
    options: GraphOptions,
    *,
    max_bytes: int,
    name: str,
    advance: Callable[[int], Any] = lambda n: None,
) -> tuple[CrossEdges, Ints]:
    """Count the cross edges of the graph over each pair of classes, on the host.

    Parameters
    ----------
    x, starts, pairs, name, advance
        As in `hpfunc._tree.pairs.count_pairs.count_pairs`, the points as `exact.points_for_metric` gives them.
    options : GraphOptions
        ``held`` counts all copies of the points.
    max_bytes : int
        Bytes to work in.

    Returns
    -------
    CrossEdges
        Of arrays ``(P,)``.
    numpy.ndarray
        ``(P,)``, trees or neighbours used, at most k.
    """
    graph, k = options.graph, options.k
    largest = int(np.diff(starts)[pairs].sum(axis=1).max())
    need = options.held + bytes_for_pair_graph(largest, x.shape[1], x.dtype.itemsize, graph)
    enough = need + (bytes_for_any_ties(largest, x.shape[1]) if graph == "knn" else 0)
    check_bytes(need, max_bytes, f"{name}: graph={graph!r} with k={k} over a pair of {largest} samples", enough)
    spare = SpareBytes(max_bytes, need, enough)
    cross, trees = CrossEdges(*(np.full(len(pairs), np.nan) for _ in CrossEdges._fields)), np.full(len(pairs), k)

    def keep(p: int, counted: _PairCount) -> None:
        for field, value in zip(cross, counted[0], strict=True):
            field[p] = value
        trees[p] = counted[1]
        advance(1)

    left = []
    for p, counted in enumerate(_count_by_layer(x, starts, pairs, options, max_bytes)):
        if counted is None:
            left.append(p)
        else:
            keep(p, counted)
    for p in left:
        class_a, class_b = (x[starts[c] : starts[c + 1]] for c in pairs[p])
        samples = merge_equal_samples(class_a, class_b)
        keep(p, (nearest_neighbours(samples, k, spare), k) if graph == "knn" else orthogonal_trees(samples, k))
    return cross, trees


def _count_by_layer(
    x: Any, starts: Ints, pairs: Ints, options: GraphOptions, max_bytes: int
) -> list[_PairCount | None]:
    """Count the pairs from bounds that they share; None for a pair that must be counted from its points alone."""
    k, is_knn, scratch = options.k, options.graph == "knn", Scratch()
    n_bytes, count_pair = (
        (bytes_for_neighbours, count_neighbours_of_pair)
        if is_knn
        else (bytes_for_successive_trees, count_trees_of_pair)
    )
    for_graph = options.held + n_bytes(starts, k) * n_threads()
    full, reduced = (
        for_graph + bytes_for_layer_bounds(x, starts, reduced=small) <= max_bytes for small in (False, True)
    )
    if not full:
        return [None] * len(pairs)
    with worker_threads() as threads:
        # Trees use no reduction: measuring their edges would change the order so much that the last tree left samples
        # out.
        may_reduce = is_knn and reduced
        layer = find_layer_bounds(x, starts, pairs, merge=is_knn, may_reduce=may_reduce, parallel_map=threads.map)
        if is_knn:
            numbers = range(len(starts) - 1)
            classes: list[Any] = list(threads.map(lambda c: find_own_neighbours(layer, c, k, scratch), numbers))
        else:
            classes = list(find_class_edges(layer, k, scratch, threads.map))
        counts = list(threads.map(lambda pair: count_pair(layer, classes, pair, k, scratch), pairs))
    return [None if count is None else (count, k) for count in counts]
