"""Where activations are kept: one tensor for each layer, as large as it will be, filled batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from hpfunc._arrays import from_tensor
from hpfunc._support.memory import free_bytes, free_device_bytes, release_device_memory
from hpfunc._torch.probe import Layer

__all__ = ["Rows"]


class Rows:
    """The rows of every layer.

    Each batch is copied as soon as it exists: a later in-place module cannot change it, and nothing is held twice.
    """

    def __init__(
        self, layers: Sequence[Layer], count: int, store: torch.device | None, max_memory: int | None = None
    ) -> None:
        _check_memory(layers, count, store, max_memory)
        _check_shareable(layers, store)
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


def _check_shareable(layers: Sequence[Layer], store: torch.device | None) -> None:
    """Raise ValueError, before the work and not after it, if arrays cannot be had where the rows would be."""
    for device in {store or layer.device for layer in layers}:
        try:
            from_tensor(torch.empty(1, device=device), 'store="device"')
        except TypeError as error:
            raise ValueError(f'{error}; here: pass store="cpu"') from None


def _check_memory(layers: Sequence[Layer], count: int, store: torch.device | None, limit: int | None) -> None:
    """Raise ValueError if the rows would take more than ``limit`` bytes, or than each device has free."""
    if limit is not None:
        _check_fits(layers, count, limit, f"max_memory={_readable(limit)}")
        return
    for device in {store or layer.device for layer in layers}:
        if device.type == "cuda":
            release_device_memory()
        free = _free_bytes(device)
        if free is not None:
            there = [layer for layer in layers if (store or layer.device) == device]
            _check_fits(there, count, free, f"the {_readable(free)} that are free on {device}")


def _check_fits(layers: Sequence[Layer], count: int, limit: int, what: str) -> None:
    sizes = {layer.name: layer.nbytes * count for layer in layers}
    needed = sum(sizes.values())
    if needed > limit:
        largest = sorted(sizes, key=lambda name: -sizes[name])[:5]
        listed = ", ".join(f"{name} {_readable(sizes[name])}" for name in largest)
        raise ValueError(
            f"{count} samples of {len(sizes)} layers need {_readable(needed)} of memory, more than {what}; the largest "
            f'are {listed}. Name fewer layers, pass reduce="mean", dtype="float16" or store="cpu", or take fewer '
            "samples_per_class"
        )


def _free_bytes(device: torch.device) -> int | None:
    """Memory that can still be had, or None where the system does not tell."""
    return free_device_bytes(device.index) if device.type == "cuda" else free_bytes()


def _readable(count: float) -> str:
    """Bytes, with a unit."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"
