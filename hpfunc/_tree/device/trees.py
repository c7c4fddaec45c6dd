"""Prim's algorithm for many pairs at once, by the kernel ``prim.cu``."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hpfunc._arrays import namespace
from hpfunc._tree.device.compiler import kernel
from hpfunc._tree.device.tables import Block, Layer

__all__ = ["CROWDED", "TIED", "UNIQUE", "Trees", "grow", "slack_of"]

# What becomes of a pair, as in contest.cuh: its tree is certain; too many bounds overlap; lengths tie.
UNIQUE, CROWDED, TIED = 0, 1, 2

# Pairs of up to so many points are each given a warp.
_WARP_POINTS = 128
# Shared memory of a block beside the arena, with room to spare.
_STATIC_BYTES = 9 * 1024


class Trees(NamedTuple):
    """What is counted of P trees, on the host. Where the status is not UNIQUE, the counts mean nothing."""

    status: npt.NDArray[np.int32]
    crossing: npt.NDArray[np.int32]
    degree2: npt.NDArray[np.float64]
    edges: npt.NDArray[np.intp] | None  # (n - 1, 2) vertices, if a single tree's edges were asked for


def grow(
    layer: Layer, blocks: Any, blocks_at: Any, block: Block, pairs: npt.NDArray[np.intp], *, exact: bool, cosine: bool,
    edges: bool = False,
) -> Trees:  # fmt: skip
    """Minimum spanning trees of pairs of classes.

    Parameters
    ----------
    layer : Layer
    blocks, blocks_at : arrays
        Bounds within classes, and where those of each begin.
    block : Block
        Bounds between the classes of the pairs.
    pairs : (P, 2) array
        Class numbers, lower first; -1 for no second class.
    exact : bool
        If not, the tree of the bounds, whatever rounding did to them.
    cosine : bool
        Whether points are directions, whose own rounding counts too.
    edges : bool
        Whether to bring back the edges, of a single tree.
    """
    sizes = np.diff(layer.starts)
    points = sizes[pairs[:, 0]] + np.where(pairs[:, 1] < 0, 0, sizes[pairs[:, 1]])
    result = Trees(np.empty(len(pairs), np.int32), np.empty(len(pairs), np.int32), np.empty(len(pairs)), None)
    for few in (True, False):
        which = np.flatnonzero((points <= _WARP_POINTS) == few)
        if which.size:
            part = _grow(layer, blocks, blocks_at, block, pairs[which], int(points[which].max()), exact, cosine, edges)
            result.status[which], result.crossing[which] = part.status, part.crossing
            result.degree2[which] = part.degree2
            result = result._replace(edges=part.edges)
    return result


def _grow(
    layer: Layer, blocks: Any, blocks_at: Any, block: Block, pairs: npt.NDArray[np.intp], largest: int, exact: bool,
    cosine: bool, edges: bool,
) -> Trees:  # fmt: skip
    """The same for pairs of about one size."""
    xp = namespace(layer.x)
    team = 32 if largest <= _WARP_POINTS else 128 if largest <= 512 else 256 if largest <= 1024 else 512
    teams = 4 if team == 32 else 1
    prim = kernel(xp, "prim", layer.dtype, layer.x.dtype, (f"TEAM={team}",))
    arena = -(-largest * (2 * layer.dtype.itemsize + 8) // 16) * 16
    scratch, shared = 0, teams * arena
    limits = layer.x.device.attributes
    if shared > limits["MaxSharedMemoryPerBlock"] - _STATIC_BYTES:
        if shared <= limits["MaxSharedMemoryPerBlockOptin"] - _STATIC_BYTES:
            prim.max_dynamic_shared_size_bytes = shared
        else:
            scratch, shared = xp.empty(len(pairs) * arena, np.uint8), 0
    status, crossing = (xp.empty(len(pairs), np.int32) for _ in range(2))
    degree2 = xp.zeros(len(pairs), np.uint64)
    found: Any = xp.empty((len(pairs), largest - 1, 2), np.int32) if edges else 0
    slack, least = slack_of(layer.x.shape[1], cosine)
    prim(
        (-(-len(pairs) // teams),),
        (team * teams,),
        (
            blocks, blocks_at, block.strip, block.back, *block.strip.shape, block.row0, block.col0,
            xp.asarray(pairs.astype(np.int32)), np.int32(len(pairs)), layer.starts_there, layer.error,
            len(layer.starts) - 1, float(layer.relative), layer.x, layer.x.shape[1], slack, least, np.int32(exact),
            scratch, arena, status, crossing, degree2, found, largest - 1,
        ),
        shared_mem=shared,
    )  # fmt: skip
    tree = found[0].get().astype(np.intp) if edges else None
    return Trees(status.get(), crossing.get(), degree2.get().astype(np.float64), tree)


def slack_of(d: int, cosine: bool) -> tuple[float, float]:
    """How far a sum of d squared differences in float64 may be off, in any order: relative, and at least.

    Twice what either of two sums may be, so that their order is that of the same sums on the host for certain. The
    directions that a cosine is measured between are rounded too, on the host perhaps another way.
    """
    eps = float(np.finfo(np.float64).eps)
    return 2 * (d + 4) * eps, (8 * (d + 8) * eps if cosine else 0.0)
