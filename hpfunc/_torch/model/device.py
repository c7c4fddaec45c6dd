"""Choose the device where the work happens, the model's own or the one that was asked for, and bring tensors there."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import torch
from torch import nn

from hpfunc._torch.nested import map_leaves

__all__ = ["as_device", "device_of", "dtype_of", "moved", "on_device"]


def as_device(value: Any, name: str = "device") -> torch.device:
    """Return a device that exists.

    Raises
    ------
    ValueError
        If it is unknown, or not on this machine.
    """
    try:
        device = torch.device(value)
        place = torch.empty(0, device=device).device
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        count = torch.cuda.device_count()
        there = ", ".join(["cpu", *(f"cuda:{k}" for k in range(count))])
        raise ValueError(f"{name}={value!r} cannot be used ({reason}); on this machine there are {there}") from None
    if place.type == "meta":
        raise ValueError(f"{name}={value!r} holds no values; on it nothing can be collected")
    return place


def device_of(model: nn.Module) -> torch.device | None:
    """Return the device of the model's first parameter or buffer, or None if it has neither."""
    for tensor in itertools.chain(model.parameters(), model.buffers()):
        if tensor.device.type == "meta":
            raise ValueError("model is on the meta device and holds no values; materialise it first")
        return tensor.device
    return None


def dtype_of(model: nn.Module) -> torch.dtype | None:
    """Return the dtype of the model's floating parameters, or None if they have none in common."""
    dtypes = {p.dtype for p in model.parameters() if p.dtype.is_floating_point}
    return dtypes.pop() if len(dtypes) == 1 else None


def on_device(model: nn.Module, device: torch.device | None) -> nn.Module:
    """Return the model, or a copy of it on another device: the caller's stays where it is."""
    if device is None or device_of(model) in (None, device):
        return model
    try:
        return copy.deepcopy(model).to(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"device={str(device)!r}: the model cannot be copied there ({error}); move it yourself"
        ) from error


def moved(inputs: Any, device: torch.device | None, dtype: torch.dtype | None) -> Any:
    """Bring the tensors of nested inputs to a device, floating ones to the model's dtype."""

    def move(leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor):
            return leaf
        return leaf.to(device, dtype if leaf.dtype.is_floating_point else None)

    return map_leaves(move, inputs)
