"""Count the pairs of a layer in threads: find the candidates of each block, and count them in batches of blocks."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from hpfunc._tree.mst.lay_out import lay_out_trees
from hpfunc._tree.mst.tie_counts import CrossEdges
from hpfunc._tree.pairs.blocking import take_batches
from hpfunc._tree.pairs.counting import PairBatch, count_candidates
from hpfunc._tree.pairs.types import Candidates, LayerData, PairBlock
from hpfunc._tree.threads import Scratch
from hpfunc._tree.types import Bools, Ints

__all__ = ["count_blocks"]


def count_blocks(
    layer: LayerData,
    blocks: list[PairBlock],
    find: Callable[[PairBlock, Scratch], Candidates],
    threads: ThreadPoolExecutor,
    *,
    n_pairs: int,
    n_parts: int = 1,
    exact: bool,
    advance: Callable[[int], Any],
) -> tuple[CrossEdges, Bools]:
    """Count pairs of classes, or of parts of classes, block by block, all blocks in threads.

    Parameters
    ----------
    layer : LayerData
        Of the classes, or of their parts.
    blocks : list of PairBlock
        Between classes.
    find : callable
        Find the candidates of a block, of all parts of each pair.
    threads : ThreadPoolExecutor
    n_pairs : int
        Pairs of classes in all blocks.
    n_parts : int
        Parts of each class.
    exact, advance
        As in `count_pairs.cross_edges`.

    Returns
    -------
    CrossEdges
        Of arrays ``(n_parts n_pairs,)``, part after part.
    numpy.ndarray
        The pairs that were measured again in float64.
    """
    result = CrossEdges(*(np.full(n_parts * n_pairs, np.nan) for _ in CrossEdges._fields))
    remeasured, scratch = np.zeros(n_parts * n_pairs, bool), Scratch()
    trees = lay_out_trees(layer.points.starts, layer.class_trees)

    def work(batch: PairBatch, place: int) -> tuple[Ints, CrossEdges, Bools] | None:
        """Find the candidates of a block. The thread that finishes a batch counts all its candidates."""
        found = batch.keep(place, find(batch.blocks[place], scratch))
        if found is None:
            return None
        return batch.number, *count_candidates(layer, trees, batch.pairs, found, exact=exact)

    # A part of a class holds its share of the points; together they are those of the class in each repeat.
    n_points = np.add.reduceat(np.diff(layer.points.starts), np.arange(0, len(layer.points.starts) - 1, n_parts))
    jobs = [
        threads.submit(work, batch, place)
        for batch in (PairBatch(some, n_parts, n_pairs) for some in take_batches(blocks, n_points))
        for place in range(len(batch.blocks))
    ]
    for job in jobs:
        if (counted := job.result()) is None:
            continue
        number, counts, remeasured_here = counted
        for field, values in zip(result, counts, strict=True):
            field[number] = values
        remeasured[number] = remeasured_here
        advance(len(number))
    return result, remeasured
