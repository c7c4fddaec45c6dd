"""Points centred by class on the device, and blocks of lower bounds of their squared distances.

The same bounds as in `hpfunc._tree.distances`, from which the formulas come; only where they are computed differs.
Products are cuBLAS's own float32 or float64: its TF32 mode, whose error they do not hold for, is never asked for.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hpfunc._arrays import namespace
from hpfunc._tree.device.compiler import kernel
from hpfunc._tree.distances import TERMS, error_bound
from hpfunc._tree.exact import THIN

__all__ = ["Block", "Layer", "fill", "keep_within", "prepare", "tile"]

Ints = npt.NDArray[np.intp]

# Numbers converted to float64 at a time.
_SLAB = 2**24


class Layer(NamedTuple):
    """Points of K classes and what a distance between any two needs; all on the device but ``starts``."""

    x: Any  # (N, d) float32 or float64
    starts: Ints  # (K + 1,) rows of class k are starts[k]:starts[k + 1]
    starts_there: Any  # the same, int64
    label: Any  # (N,) int32 class of each point
    panels: list[Any]  # (N, w) centred points, so many features at a time; none where differences are taken
    norms: Any  # (N,) |x'|^2
    along: Any  # (N, K) x'.m_k
    between: Any  # (K, K) |m_a - m_b|^2
    error: Any  # (K, K) bound on the error of a distance between classes a and b
    relative: float  # what to add to a lower bound for each unit of it; if not 0, by differences
    dtype: np.dtype[Any]  # of the bounds


class Block(NamedTuple):
    """Bounds between points ``row0 + i`` and ``col0 + j``, both ways round."""

    strip: Any  # (rows, cols)
    back: Any  # (cols, rows)
    row0: int
    col0: int


def prepare(x: Any, starts: Ints, dtype: Any) -> Layer:
    """Points ``(N, d)``, float32 or float64, ready to be measured in ``dtype``."""
    xp = namespace(x)
    n_classes, d = len(starts) - 1, x.shape[1]
    there = xp.asarray(starts.astype(np.int64))
    label = xp.asarray(np.repeat(np.arange(n_classes, dtype=np.int32), np.diff(starts)))
    if d <= THIN:
        none, eps = xp.empty((0, 0)), float(np.finfo(np.float64).eps)
        error = xp.full((n_classes, n_classes), np.finfo(np.float64).tiny)
        return Layer(x, starts, there, label, [], none, none, none, error, 8 * (d + 4) * eps, np.dtype(np.float64))
    panels, middles = _centre(x, starts, there, dtype)
    offsets = middles.astype(np.float64)
    offsets -= offsets.mean(axis=0)
    norms, along = xp.zeros(len(x)), xp.zeros((len(x), n_classes))
    for p, panel in enumerate(panels):
        part = offsets[:, p * TERMS : (p + 1) * TERMS].T
        step = max(1, _SLAB // panel.shape[1])
        for lo in range(0, len(x), step):
            wide = panel[lo : lo + step].astype(np.float64)
            along[lo : lo + step] += wide @ part
            wide *= wide
            norms[lo : lo + step] += wide.sum(axis=1)
    gram = offsets @ offsets.T
    length2 = gram.diagonal()
    # By products of the middles: what they may be off is part of the bound (`error_bound`, "wide").
    between = xp.maximum(length2[:, None] + length2 - 2 * gram, 0)
    radius = xp.asarray(np.sqrt(np.maximum.reduceat(norms.get(), starts[:-1])))
    furthest = between + 4 * (d + 8) * float(np.finfo(np.float64).eps) * (length2[:, None] + length2)
    error = xp.ascontiguousarray(error_bound(radius, length2, furthest, d, dtype))
    return Layer(x, starts, there, label, panels, norms, along, between, error, 0.0, np.dtype(dtype))


def _centre(x: Any, starts: Ints, there: Any, dtype: Any) -> tuple[list[Any], Any]:
    """Panels of centred points, and the middles ``(K, d)`` that were taken from them."""
    xp, (n, d) = namespace(x), x.shape
    flat, middles = xp.empty(n * d, dtype), xp.empty((len(starts) - 1, d), dtype)
    centre = kernel(xp, "centre", dtype, x.dtype)
    centre((-(-d // 128), len(starts) - 1), (128,), (x, n, d, there, TERMS, flat, middles))
    edges = [*range(0, d, TERMS), d]
    return [flat[n * lo : n * hi].reshape(n, hi - lo) for lo, hi in itertools.pairwise(edges)], middles


def fill(layer: Layer, rows: tuple[int, int], cols: tuple[int, int]) -> Block:
    """Lower bounds between all classes of two ranges ``(first, past the last)``; ``cols`` does not begin before."""
    xp = namespace(layer.x)
    (row0, row1), (col0, col1) = layer.starts[list(rows)].tolist(), layer.starts[list(cols)].tolist()
    here, there = slice(row0, row1), slice(col0, col1)
    strip = xp.empty((row1 - row0, col1 - col0), layer.dtype)
    back = xp.empty((col1 - col0, row1 - row0), layer.dtype)
    one = other = 0  # null
    if layer.panels:
        _product(layer, here, there, strip)
        a = layer.label[here]
        own = xp.take_along_axis(layer.along[here], a[:, None].astype(np.int64), axis=1)
        one = layer.norms[here, None] + 2 * (own - layer.along[here]) + (layer.between - layer.error)[a]
        own = xp.take_along_axis(layer.along[there], layer.label[there, None].astype(np.int64), axis=1)
        other = (layer.norms[there, None] - 2 * (layer.along[there, rows[0] : rows[1]] - own)).T
        one, other = (xp.ascontiguousarray(v.astype(layer.dtype)) for v in (one, other))
    table = kernel(xp, "table", layer.dtype, layer.x.dtype, () if layer.panels else ("THIN",))
    table(
        (-(-strip.shape[1] // 32), -(-strip.shape[0] // 32)),
        (32, 8),
        (
            strip, back, *strip.shape, row0, col0, layer.label, one, len(layer.starts) - 1, other, np.int32(rows[0]),
            layer.x, layer.x.shape[1], float(layer.relative), float(np.finfo(np.float64).tiny),
        ),
    )  # fmt: skip
    return Block(strip, back, row0, col0)


def keep_within(layer: Layer, block: Block, classes: tuple[int, int], blocks: Any, blocks_at: Any) -> None:
    """Copy the blocks of classes with themselves to where they are kept, each ``(n, n)`` and symmetric."""
    xp = namespace(layer.x)
    first, last = classes
    n = int(np.diff(layer.starts)[first:last].max())
    within = kernel(xp, "within", layer.dtype, layer.x.dtype, () if layer.panels else ("THIN",))
    within(
        (min(-(-n * n // 256), 1024), last - first),
        (256,),
        (
            block.strip, block.back, *block.strip.shape, block.row0, block.col0, layer.starts_there, np.int32(first),
            blocks, blocks_at,
        ),
    )  # fmt: skip


def tile(layer: Layer, panels: list[Any], norms: Any, rows: slice, cols: slice) -> Any:
    """Lower bounds between some points and others of a single class, given centred points and norms in any order."""
    xp = namespace(layer.x)
    result = xp.empty((len(norms[rows]), len(norms[cols])), layer.dtype)
    _product(layer._replace(panels=panels), rows, cols, result)
    result *= -2
    result += (norms[rows] - layer.error[0, 0]).astype(layer.dtype)[:, None]
    result += norms[cols].astype(layer.dtype)
    return result


def _product(layer: Layer, rows: slice, cols: slice, out: Any) -> None:
    """Products of centred points, summed over a panel of features at a time."""
    cublas = _cublas()
    for p, panel in enumerate(layer.panels):
        cublas.gemm("N", "T", panel[rows], panel[cols], out=out, beta=float(p > 0))


def _cublas() -> Any:
    """CuPy's products. They load a library that CuPy itself does without."""
    try:
        from cupy import cublas
    except ImportError as error:
        raise ImportError(
            f"CuPy cannot multiply matrices ({error}); install hpfunc[cuda12] or hpfunc[cuda13] to match your driver"
        ) from None
    return cublas
