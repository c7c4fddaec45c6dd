"""Count the pairs of a layer in threads: find the candidates of each block, and count them in batches of blocks."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from hpfunc._arrays.types import Bools, Ints
from hpfunc._tree.mst.tie_counts import CrossEdges
from hpfunc._tree.pairs.blocking import take_batches
from hpfunc._tree.pairs.counting import PairBatch
from hpfunc._tree.pairs.types import Candidates, PairBlock
from hpfunc._tree.threads import Scratch

__all__ = ["count_blocks"]


def count_blocks(
    starts: Ints,
    blocks: list[PairBlock],
    find: Callable[[PairBlock, Scratch], Candidates],
    count: Callable[[Ints, Candidates], tuple[CrossEdges, Bools]],
    threads: ThreadPoolExecutor,
    *,
    n_pairs: int,
    n_parts: int = 1,
    advance: Callable[[int], Any],
) -> tuple[CrossEdges, Bools]:
    """Count pairs of classes, or of parts of classes, block by block, all blocks in threads.

    Parameters
    ----------
    starts : (K n_parts + 1,) array
        Points ``starts[k]:starts[k + 1]`` are class k, or part k of all parts, those of each class together.
    blocks : list of PairBlock
        Between classes.
    find : callable
        Find the candidates of a block, of all parts of each pair.
    count : callable
        Count the cross edges of pairs of classes, or of parts, given as numbers ``(P, 2)`` and by their candidates;
        tell which pairs were measured again in float64.
    threads : ThreadPoolExecutor
    n_pairs : int
        Pairs of classes in all blocks.
    n_parts : int
        Parts of each class.
    advance : callable
        Called with the number of pairs done.

    Returns
    -------
    CrossEdges
        Of arrays ``(n_parts n_pairs,)``, part after part.
    numpy.ndarray
        The pairs that were measured again in float64.
    """
    result = CrossEdges(*(np.full(n_parts * n_pairs, np.nan) for _ in CrossEdges._fields))
    remeasured, scratch = np.zeros(n_parts * n_pairs, bool), Scratch()

    def work(batch: PairBatch, place: int) -> tuple[Ints, CrossEdges, Bools] | None:
        """Find the candidates of a block. The thread that finishes a batch counts all its candidates."""
        found = batch.keep(place, find(batch.blocks[place], scratch))
        if found is None:
            return None
        return batch.number, *count(batch.pairs, found)

    # The size of a batch counts the points of all parts of its classes.
    n_points = np.add.reduceat(np.diff(starts), np.arange(0, len(starts) - 1, n_parts))
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
