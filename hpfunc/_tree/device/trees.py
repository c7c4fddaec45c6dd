"""Minimum spanning trees of classes that stand in a table.

Prim's algorithm (``prim.cu``) takes one step for each point, in one block of threads for each pair, and so serves many
pairs at once. Boruvka's (``boruvka.cu``, ``lightest.cu``) takes a few rounds, in which the whole device works on one
tree, and so serves where trees are few and large.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hpfunc._arrays import namespace
from hpfunc._arrays.types import Floats, Ints
from hpfunc._tree.device.compiler import kernel
from hpfunc._tree.device.tables import DeviceTable

__all__ = [
    "CROWDED", "MOST_PLACES", "TIED", "UNIQUE", "Accuracy", "PairTrees", "forest_bytes", "grow_pairs", "grow_tree",
    "slack_of", "team_for",
]  # fmt: skip

# The status of a pair, with the same numbers as in pair.cuh: the tree is certain; too many bounds overlap; lengths tie.
UNIQUE, CROWDED, TIED = 0, 1, 2

# Threads for a pair of up to so many places, of which each thread has four; in larger pairs each thread has more.
_TEAMS = {128: 32, 512: 128, 1024: 256}
_LARGEST_TEAM = 512
# Pairs of up to so many places share a block of threads, one warp for each.
_WARP_PLACES = 128
# A larger pair takes a thread too much memory of its own.
MOST_PLACES = 2**15

# As in forest.cuh: 64-bit words of memory, for the description of the forest and for each vertex.
_HEADER, _WORDS = 64, 9
_THREADS = 256


class Accuracy(NamedTuple):
    """What must be certain of a tree."""

    exact: bool  # whether it is the tree of the distances; if not, of their bounds, whatever rounding did to them
    cosine: bool  # whether points are directions, whose own rounding counts too


class PairTrees(NamedTuple):
    """What is counted of P trees, on the host. Where the status is not UNIQUE, the counts mean nothing."""

    status: npt.NDArray[np.int64]
    crossing: npt.NDArray[np.int64]
    sums: Floats  # (P, 4) of degrees: over vertices squared and cubed, over edges of products; and leaves


def grow_pairs(table: DeviceTable, pairs: Ints, accuracy: Accuracy) -> PairTrees:
    """Count the cross edges of the minimum spanning trees of pairs of classes ``(P, 2)`` of a table."""
    xp, (first, second) = namespace(table.bounds), np.diff(table.classes.places)[pairs.T]
    places = first + second
    few = places <= _WARP_PLACES
    order = np.argsort(~few, kind="stable")
    on_device, results = xp.asarray(pairs[order].astype(np.int32)), xp.zeros((len(pairs), 6), np.uint64)
    n_few = int(few.sum())
    for part in (slice(0, n_few), slice(n_few, len(pairs))):
        if part.start < part.stop:
            _launch(table, on_device[part], int(places[order[part]].max()), accuracy, results[part])
    found = np.empty((len(pairs), 6), np.int64)
    found[order] = results.get()
    return PairTrees(found[:, 0], found[:, 1], found[:, 2:].astype(np.float64))


def _launch(table: DeviceTable, pairs: Any, largest: int, accuracy: Accuracy, results: Any) -> None:
    """Run the kernel for pairs of at most ``largest`` places; ``results`` are filled on the device."""
    team, quads = team_for(largest)
    teams = 4 if team == 32 else 1  # of a block
    bounds, classes, x = table.bounds, table.classes, table.x
    prim = kernel(namespace(bounds), "prim", bounds.dtype, x.dtype, (f"TEAM={team}", f"QUADS={quads}"))
    slack, least = slack_of(x.shape[1], cosine=accuracy.cosine)
    prim(
        (-(-len(pairs) // teams),),
        (team * teams,),
        (
            bounds, len(bounds), classes.layout, pairs, np.int32(len(pairs)), table.error,
            np.int32(len(classes.sizes)), table.relative, x, x.shape[1], slack, least, np.int32(accuracy.exact),
            results,
        ),
    )  # fmt: skip


def team_for(places: int) -> tuple[int, int]:
    """Choose the threads for a pair of so many places, and the quads of places for each thread."""
    team = next((team for most, team in _TEAMS.items() if places <= most), _LARGEST_TEAM)
    quads = 1
    while 4 * team * quads < places:
        quads *= 2
    return team, quads


def slack_of(d: int, *, cosine: bool) -> tuple[float, float]:
    """Return how far a sum of d squared differences in float64 may be off, in any order: relative, and at least.

    Both are twice what either of two sums may be off: where they are told apart, the sums of the host are in the same
    order. The directions that a cosine is measured between are rounded too, on the host perhaps in another way.
    """
    eps = float(np.finfo(np.float64).eps)
    return 2 * (d + 4) * eps, (8 * (d + 8) * eps if cosine else 0.0)


def forest_bytes(n_places: int) -> int:
    """Return the memory that the rounds take beside the table."""
    return 8 * (_HEADER + _WORDS * n_places)


def grow_tree(table: DeviceTable, class_a: int, class_b: int | None, accuracy: Accuracy) -> tuple[Ints, int]:
    """Find the minimum spanning tree of two classes of a table, or of one.

    Returns
    -------
    (n - 1, 2) array
        The edges, lower end first, in ascending order; points are numbered as they follow in both classes.
    int
        What became of the tree, one of the three above. Unless it is UNIQUE, the edges mean nothing.
    """
    xp, classes, x = namespace(table.bounds), table.classes, table.x
    chosen = [class_a] if class_b is None else [class_a, class_b]
    size, places = int(classes.sizes[chosen].sum()), int(np.diff(classes.places)[chosen].sum())
    memory, found = xp.empty(_HEADER + _WORDS * places, np.uint64), xp.zeros((size, 2), np.int32)
    slack, least = slack_of(x.shape[1], cosine=accuracy.cosine)

    def launch(name: str, n_threads: int, *arguments: object) -> None:
        run = kernel(xp, name, table.bounds.dtype, x.dtype)
        run((-(-n_threads // _THREADS),), (_THREADS,), arguments or (memory,))

    launch(
        "begin", places, table.bounds, len(table.bounds), classes.layout, np.int32(class_a),
        np.int32(-1 if class_b is None else class_b), table.error, np.int32(len(classes.sizes)), table.relative, x,
        x.shape[1], slack, least, np.int32(accuracy.exact), memory, found,
    )  # fmt: skip
    # In each round at least every second component is joined to another.
    for _ in range((size - 1).bit_length()):
        launch("nearest", 32 * places)
        launch("weigh", 32 * places)
        launch("choose", places)
        launch("join", places)
        launch("relabel", places)
    (status, _), *_ = rows = found.get().astype(np.intp)
    padding = int(np.diff(classes.places)[class_a] - classes.sizes[class_a])
    edges = rows[1:] - padding * (rows[1:] >= classes.sizes[class_a])
    return edges[np.lexsort(edges.T[::-1])], int(status)
