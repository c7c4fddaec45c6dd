"""Where activations are kept: one tensor for each layer, as large as it will be, filled batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from hpfunc._torch.survey import Layer

__all__ = ["Rows"]


class Rows:
    """The rows of every layer.

    Each batch is copied as soon as it exists: a later in-place module cannot change it, and nothing is held twice.
    """

    def __init__(
        self, layers: Sequence[Layer], count: int, store: torch.device | None, max_memory: int | None = None
    ) -> None:
        _check_memory(layers, count, max_memory)
        self.tensors = {
            layer.name: torch.empty((count, *layer.shape), dtype=layer.dtype, device=store or layer.device)
            for layer in layers
        }

    def write(self, name: str, values: torch.Tensor, at: np.ndarray[Any, Any]) -> None:
        """Copy values to the rows ``at``."""
        target = self.tensors[name]
        if values.shape[1:] != target.shape[1:] or len(values) != len(at):
            raise ValueError(
                f"layer {name!r} has shape {tuple(values.shape)} for this batch, after {tuple(target.shape[1:])} for "
                f"a sample of the first, with {len(at)} samples in the batch; all samples must give one shape"
            )
        if at[-1] - at[0] == len(at) - 1 and (np.diff(at) == 1).all():
            target[at[0] : at[-1] + 1].copy_(values)
        else:
            place = torch.from_numpy(at).to(target.device)
            target.index_copy_(0, place, values.to(target.device, target.dtype))


def _check_memory(layers: Sequence[Layer], count: int, limit: int | None) -> None:
    """Raise ValueError if ``count`` samples of all layers need more than ``limit`` bytes, or than there are free."""
    sizes = {layer.name: layer.nbytes * count for layer in layers}
    needed = sum(sizes.values())
    if limit is None or needed <= limit:
        return
    largest = sorted(sizes, key=lambda name: -sizes[name])[:5]
    listed = ", ".join(f"{name} {_readable(sizes[name])}" for name in largest)
    raise ValueError(
        f"max_memory={_readable(limit)} is less than the {_readable(needed)} that {count} samples of {len(sizes)} "
        f'layers need; the largest are {listed}. Name fewer layers, reduce="mean", dtype="float16", or '
        "take fewer samples_per_class"
    )


def _readable(count: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"
