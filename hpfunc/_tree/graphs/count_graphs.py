"""Count the cross edges of graphs other than one tree, for every pair of classes of a layer.

The work that pairs share is done once for the layer (`layer_bounds`); then each pair is counted in a thread. Pairs
whose bounds leave too much undecided are counted from their points alone (`pair_graphs`), as are all pairs where there
is too little memory for what they share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from hpfunc._arrays.types import Ints
from hpfunc._tree.graphs.blocks import group_pairs
from hpfunc._tree.graphs.class_forests import find_class_forests
from hpfunc._tree.graphs.layer_bounds import bytes_for_layer_bounds, find_layer_bounds
from hpfunc._tree.graphs.neighbours import bytes_for_neighbours, count_neighbours_of_block, find_own_neighbours
from hpfunc._tree.graphs.orthogonal import bytes_for_successive_trees, count_trees_of_block
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
    left = np.ones(len(pairs), bool)
    for number, counts in _count_by_layer(x, starts, pairs, options, max_bytes):
        for field, values in zip(cross, counts, strict=True):
            field[number] = values
        left[number] = False
        advance(len(number))
    for p in np.flatnonzero(left):
        class_a, class_b = (x[starts[c] : starts[c + 1]] for c in pairs[p])
        samples = merge_equal_samples(class_a, class_b)
        counted, trees[p] = (
            (nearest_neighbours(samples, k, spare), k) if graph == "knn" else orthogonal_trees(samples, k)
        )
        for field, value in zip(cross, counted, strict=True):
            field[p] = value
        advance(1)
    return cross, trees


def _count_by_layer(
    x: Any, starts: Ints, pairs: Ints, options: GraphOptions, max_bytes: int
) -> Iterator[tuple[Ints, CrossEdges]]:
    """Count pairs from bounds that they share: yield numbers of pairs and their counts.

    Pairs that must be counted from their points alone are left out.
    """
    k, is_knn, scratch = options.k, options.graph == "knn", Scratch()
    n_bytes = bytes_for_neighbours if is_knn else bytes_for_successive_trees
    for_graph = options.held + n_bytes(starts, k) * n_threads()
    full, reduced = (
        for_graph + bytes_for_layer_bounds(x, starts, reduced=small) <= max_bytes for small in (False, True)
    )
    if not full:
        return
    with worker_threads() as threads:
        layer = find_layer_bounds(x, starts, pairs, merge=is_knn, may_reduce=reduced, parallel_map=threads.map)
        own: Any
        if is_knn:
            own = list(threads.map(lambda c: find_own_neighbours(layer, c, k, scratch), range(len(starts) - 1)))
            complete = np.array([found is not None for found in own])
        else:
            own = find_class_forests(layer, k, scratch, threads.map)
            complete = own.complete
        blocks = group_pairs(layer.starts, pairs, np.flatnonzero(complete[pairs].all(axis=1)))
        count = count_neighbours_of_block if is_knn else count_trees_of_block
        counts = threads.map(lambda block: count(layer, own, block, k, scratch), blocks)
        for block, (cross, counted) in zip(blocks, counts, strict=True):
            yield block.number[counted], CrossEdges(*(field[counted] for field in cross))
