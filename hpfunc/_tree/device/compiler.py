"""The CUDA kernels: texts beside this module, compiled when first used, for each device and combination of types."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from importlib import resources
from typing import Any

import numpy as np

__all__ = ["KERNELS", "kernel", "source"]

# Each kernel, and the texts that it is made of, in their order.
_PRIM = (
    "floats.cuh", "warp.cuh", "team.cuh", "measure.cuh", "pair.cuh", "contest.cuh", "degrees.cuh", "prim.cu",
)  # fmt: skip
_BORUVKA = ("floats.cuh", "warp.cuh", "measure.cuh", "pair.cuh", "forest.cuh", "boruvka.cu", "lightest.cu")
_POINTS = ("floats.cuh", "measure.cuh", "points.cu")
KERNELS = {
    "prim": _PRIM,
    **dict.fromkeys(("begin", "nearest", "weigh", "choose", "join", "relabel"), _BORUVKA),
    "table": ("floats.cuh", "table.cu"),
    "sums": ("floats.cuh", "centre.cu"),
    "centre": ("floats.cuh", "centre.cu"),
    "sides": ("sides.cu",),
    "radii": ("sides.cu",),
    "widen": _POINTS,
    "lengths": _POINTS,
}
_C_TYPES = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}


def source(name: str) -> str:
    """Return the whole text of a kernel."""
    folder = resources.files("hpfunc._tree.device") / "kernels"
    return "\n".join((folder / file).read_text(encoding="utf-8") for file in KERNELS[name])


def kernel(xp: Any, name: str, real: Any, point: Any, defines: Sequence[str] = ()) -> Any:
    """Compile a kernel for the current device, or return it if that was done before.

    Parameters
    ----------
    xp : module
        CuPy.
    name : str
        One of `KERNELS`.
    real, point : dtype
        Of the table of bounds, and of the points: float32 or float64.
    defines : sequence of str
        Further macros, such as ``"TEAM=256"``.
    """
    number = xp.cuda.Device().id
    module = _module(xp, number, KERNELS[name], np.dtype(real), np.dtype(point), tuple(defines))
    return module.get_function(name)


@functools.cache
def _module(
    xp: Any, device: int, files: tuple[str, ...], real: np.dtype[Any], point: np.dtype[Any], defines: tuple[str, ...]
) -> Any:
    name = next(name for name, texts in KERNELS.items() if texts == files)
    macros = (f"REAL={_C_TYPES[real]}", f"POINT={_C_TYPES[point]}", *defines)
    return xp.RawModule(code=source(name), options=("--std=c++17", *(f"-D{macro}" for macro in macros)))
