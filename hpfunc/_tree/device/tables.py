"""Points centred by class on the device, and the table of lower bounds of all their squared distances.

The bounds are those of `hpfunc._tree.distances` and `hpfunc._tree.rounding`, from which the formulas come; only where
they are computed differs. Products are cuBLAS's own float32 or float64: its TF32 mode, whose error they do not hold
for, is never asked for.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np

from hpfunc._arrays import namespace
from hpfunc._arrays.types import Ints
from hpfunc._tree.device.compiler import kernel
from hpfunc._tree.exact import THIN
from hpfunc._tree.rounding import TERMS, error_bound

__all__ = [
    "DeviceCentred", "DeviceTable", "PlacedClasses", "centre_classes", "centred_bytes", "fill_table", "multiply",
    "place_classes", "table_bytes",
]  # fmt: skip

# Numbers converted to float64 at a time.
_SLAB = 2**24
# At most so many bytes for such a slab, its squares, kernels and what rounds up.
_ASIDE = 2**28
# Blocks of threads that keep a device busy: the points of a class are added up in shares until there are so many.
_BLOCKS = 2048


class PlacedClasses(NamedTuple):
    """K classes and their places in a table: those of a class are its points, then padding to a multiple of 4."""

    sizes: Ints  # (K,) points
    places: Ints  # (K + 1,) first place of each class, and the number of all
    layout: Any  # (K, 3) int64 on the device: first place, first row among the points, points
    label: Any  # (places,) int32 on the device: class of each place


class DeviceCentred(NamedTuple):
    """Points centred by class and what a bound needs beside their products; all on the device."""

    panels: list[Any]  # (places, w) centred points, so many features at a time
    norms: Any  # (places,) |x'|^2
    along: Any  # (K, places) x'.m_k
    between: Any  # (K, K) |m_a - m_b|^2
    error: Any  # (K, K) bound on the error of a distance between classes a and b


class DeviceTable(NamedTuple):
    """Lower bounds of all squared distances between the points of K classes."""

    bounds: Any  # (places, places) symmetric; what concerns padding means nothing
    classes: PlacedClasses
    error: Any  # (K, K) half of what to add for an upper bound
    relative: float  # what to add beside that for each unit of a lower bound; not 0 if taken by differences
    x: Any  # (N, d) the points themselves


def place_classes(xp: Any, rows: Ints, sizes: Ints) -> PlacedClasses:
    """Give classes their places in a table.

    Parameters
    ----------
    xp : module
        CuPy.
    rows, sizes : (K,) arrays
        The first row of each class among the points, and its number of points.
    """
    padded = -(-sizes // 4) * 4
    places = np.concatenate([[0], np.cumsum(padded)])
    layout = xp.asarray(np.stack([places[:-1], rows, sizes], axis=1).astype(np.int64))
    return PlacedClasses(sizes, places, layout, xp.asarray(np.repeat(np.arange(len(sizes), dtype=np.int32), padded)))


def centred_bytes(n_places: float, n_classes: int, d: int, itemsize: int) -> float:
    """Return the memory for centred points, products with the middles, and slabs in float64 (`centre_classes`)."""
    shared = 16.0 * n_places * (n_classes + 1) + 24.0 * n_classes * d + 100.0 * n_classes**2
    return n_places * d * itemsize + shared + min(_ASIDE, 24 * n_places * max(d, n_classes))


def table_bytes(sizes: Ints, d: int, itemsize: int) -> int:
    """Return the memory that `fill_table` takes for classes of these sizes."""
    n_places = float((-(-sizes // 4) * 4).sum())
    beside = 0.0 if d <= THIN else centred_bytes(n_places, len(sizes), d, itemsize)
    return int(beside + itemsize * n_places**2)


def fill_table(x: Any, classes: PlacedClasses, dtype: Any) -> DeviceTable:
    """Return the table of some classes of the points ``x``, measured in ``dtype``; of thin points in float64."""
    xp, n_places, d = namespace(x), int(classes.places[-1]), x.shape[1]
    bounds = xp.empty((n_places, n_places), dtype)
    if d <= THIN:
        base = side = 0  # null
        eps, least = float(np.finfo(np.float64).eps), float(np.finfo(np.float64).tiny)
        error, relative = xp.full((len(classes.sizes),) * 2, least), 8 * (d + 4) * eps
    else:
        centred = centre_classes(x, classes, dtype)
        for p, panel in enumerate(centred.panels):
            _cublas().syrk("N", panel, out=bounds, beta=float(p > 0), lower=True)
        base, side = (centred.between - centred.error).astype(dtype), xp.empty(centred.along.shape, dtype)
        grid = (-(-n_places // 256), len(classes.sizes))
        arguments = (centred.norms, centred.along, classes.label, n_places, side)
        kernel(xp, "sides", dtype, x.dtype)(grid, (256,), arguments)
        error, relative, least = centred.error, 0.0, 0.0
    table = kernel(xp, "table", dtype, x.dtype, ("THIN",) if d <= THIN else ())
    table(
        (-(-n_places // 32), -(-n_places // 32)),
        (32, 8),
        (
            bounds, n_places, classes.label, base, side, np.int32(len(classes.sizes)), classes.layout, x, d,
            relative, least,
        ),
    )  # fmt: skip
    return DeviceTable(bounds, classes, error, relative, x)


def centre_classes(x: Any, classes: PlacedClasses, dtype: Any) -> DeviceCentred:
    """Centre the points of every class, and bound the error of the distances between classes."""
    xp, n_places, d = namespace(x), int(classes.places[-1]), x.shape[1]
    panels, middles = _centre(x, classes, dtype)
    offsets = middles.astype(np.float64)
    offsets -= offsets.mean(axis=0)
    norms, along = xp.zeros(n_places), xp.zeros((len(offsets), n_places))
    for p, panel in enumerate(panels):
        part = offsets[:, p * TERMS : (p + 1) * TERMS]
        step = max(1, _SLAB // panel.shape[1])
        for lo in range(0, n_places, step):
            # What is lost here of denormal numbers is within the bound.
            wide = panel[lo : lo + step].astype(np.float64)
            along[:, lo : lo + step] += part @ wide.T
            wide *= wide
            norms[lo : lo + step] += wide.sum(axis=1)
    gram = offsets @ offsets.T
    length2 = gram.diagonal()
    # By products of the middles: what they may be off is part of the bound (`error_bound`, "wide").
    between = xp.maximum(length2[:, None] + length2 - 2 * gram, 0)
    radius = xp.empty(len(offsets))
    kernel(xp, "radii", dtype, x.dtype)((len(offsets),), (32,), (norms, classes.layout, radius))
    furthest = between + 4 * (d + 8) * float(np.finfo(np.float64).eps) * (length2[:, None] + length2)
    error = xp.ascontiguousarray(error_bound(radius, length2, furthest, d, dtype))
    return DeviceCentred(panels, norms, along, between, error)


def _centre(x: Any, classes: PlacedClasses, dtype: Any) -> tuple[list[Any], Any]:
    """Return panels of centred points, and the middles ``(K, d)`` that were taken from them."""
    xp, d, n_classes, n_places = namespace(x), x.shape[1], len(classes.sizes), int(classes.places[-1])
    blocks = -(-d // 128) * n_classes
    shares = max(1, min(_BLOCKS // blocks, int(classes.sizes.max()) // 16))
    flat, middles = xp.empty(n_places * d, dtype), xp.empty((n_classes, d), dtype)
    partial = xp.empty((shares, n_classes, d))
    grid = (-(-d // 128), n_classes, shares)
    kernel(xp, "sums", dtype, x.dtype)(grid, (128,), (x, d, classes.layout, partial))
    arguments = (x, d, classes.layout, partial, n_places, TERMS, flat, middles)
    kernel(xp, "centre", dtype, x.dtype)(grid, (128,), arguments)
    edges = [*range(0, d, TERMS), d]
    panels = [flat[n_places * lo : n_places * hi].reshape(n_places, hi - lo) for lo, hi in itertools.pairwise(edges)]
    return panels, middles


def multiply(rows: Any, cols: Any, out: Any, *, add: bool) -> None:
    """Write the products of all rows of two arrays to ``out``, or add them to what is there."""
    _cublas().gemm("N", "T", rows, cols, out=out, beta=float(add))


def _cublas() -> Any:
    """Return CuPy's products. They load a library that CuPy itself does without."""
    try:
        from cupy import cublas
    except ImportError as error:
        raise ImportError(
            f"CuPy cannot multiply matrices ({error}); install hpfunc[cuda12] or hpfunc[cuda13] to match your driver"
        ) from None
    return cublas
