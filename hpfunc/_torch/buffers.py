"""Keep activations: one tensor for each layer, allocated at full size and filled batch by batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr

from hpfunc._arrays import from_tensor
from hpfunc._support.memory import free_bytes, free_device_bytes, max_bytes, release_device_memory
from hpfunc._torch.probe import LayerPlan

__all__ = ["DeviceMemory", "Rows", "as_dataset", "check_fits", "split_layers", "why_not_shared"]


class Rows:
    """Hold ``count`` rows of each layer, on one device or on the device that computes the layer.

    Each batch is copied as soon as it exists: a later in-place module cannot change it, and nothing is held twice.
    """

    def __init__(self, count: int, store: torch.device | None) -> None:
        self.tensors: dict[str, torch.Tensor] = {}
        self._count, self._store = count, store

    def write(self, layer: LayerPlan, values: torch.Tensor, rows: np.ndarray[Any, Any]) -> None:
        """Copy the values of a layer to some of its rows; the first call allocates memory for all rows."""
        target = self.tensors.get(layer.name)
        if target is None or target.shape[1:] != layer.shape:
            device = self._store or layer.device
            target = torch.empty((self._count, *layer.shape), dtype=layer.dtype, device=device)
            self.tensors[layer.name] = target
        if rows[-1] - rows[0] == len(rows) - 1 and (np.diff(rows) == 1).all():
            target[rows[0] : rows[-1] + 1].copy_(values)
        else:
            places = torch.from_numpy(rows).to(target.device)
            target.index_copy_(0, places, values.to(target.device, target.dtype))


class DeviceMemory:
    """Read once for each device how much memory is free there, before rows take some of it."""

    def __init__(self) -> None:
        self._free: dict[torch.device, int | None] = {}

    def free(self, device: torch.device) -> int | None:
        """Count the bytes that are still free on a device, or return None where the system does not tell."""
        if device not in self._free:
            if device.type == "cuda":
                release_device_memory()
            self._free[device] = free_device_bytes(device.index) if device.type == "cuda" else free_bytes()
        return self._free[device]

    def half(self, device: torch.device) -> int:
        """Count the bytes that a group of layers may take."""
        free = self.free(device)
        return max_bytes(None) if free is None else free // 2


def as_dataset(
    tensors: Mapping[str, torch.Tensor], labels: np.ndarray[Any, Any], index: np.ndarray[Any, Any] | None
) -> xr.Dataset:
    """Make a Dataset whose variables share the memory of tensors; without positions it has no coord ``index``."""
    dims = _dims(tensors)
    return xr.Dataset(
        {name: (dims[name], from_tensor(tensor, name)) for name, tensor in tensors.items()},
        coords={"label": ("sample", labels)} | ({} if index is None else {"index": ("sample", index)}),
    )


def _dims(tensors: Mapping[str, Any]) -> dict[str, list[str]]:
    """Name the dims of each variable: ``<layer>_0``, ``<layer>_1``, ...

    The second call of ``relu`` is the variable ``relu_1``, and xarray treats a variable with the name of a dim as the
    coordinate of that dim: where the names collide, the dim gets a further underscore.
    """
    dims = {}
    for name, tensor in tensors.items():
        dims[name] = ["sample"]
        for axis in range(tensor.ndim - 1):
            dim, underscores = f"{name}_{axis}", 1
            while dim in tensors:
                underscores += 1
                dim = f"{name}{'_' * underscores}{axis}"
            dims[name].append(dim)
    return dims


def split_layers(layers: Iterable[LayerPlan], count: int, most: int) -> list[list[LayerPlan]]:
    """Divide layers, in order, into groups of at most ``most`` bytes; a larger layer forms a group of its own."""
    groups: list[list[LayerPlan]] = [[]]
    left = most
    for layer in layers:
        size = layer.nbytes * count
        if groups[-1] and size > left:
            groups.append([])
            left = most
        groups[-1].append(layer)
        left -= size
    return groups


def why_not_shared(layers: Sequence[LayerPlan]) -> str | None:
    """Say why rows cannot be shared as arrays on the device that computes them, or return None if they can."""
    for device in {layer.device for layer in layers}:
        try:
            from_tensor(torch.empty(1, device=device), "a layer")
        except TypeError as error:
            return str(error)
    return None


def check_fits(
    layers: Sequence[LayerPlan], count: int, store: torch.device | None, most: int | None, memory: DeviceMemory
) -> None:
    """Raise ValueError if the rows would take more than ``most`` bytes, or, for None, more than a device has free."""
    if most is not None:
        _check_bytes(layers, count, most, f"max_memory={_readable(most)}")
        return
    for device in {store or layer.device for layer in layers}:
        free = memory.free(device)
        if free is not None:
            here = [layer for layer in layers if (store or layer.device) == device]
            _check_bytes(here, count, free, f"the {_readable(free)} that are free on {device}")


def _check_bytes(layers: Sequence[LayerPlan], count: int, most: int, what: str) -> None:
    sizes = {layer.name: layer.nbytes * count for layer in layers}
    needed = sum(sizes.values())
    if needed > most:
        largest = sorted(sizes, key=lambda name: -sizes[name])[:5]
        listed = ", ".join(f"{name} {_readable(sizes[name])}" for name in largest)
        raise ValueError(
            f"{count} samples of {len(sizes)} layers need {_readable(needed)} of memory, more than {what}; the largest "
            f'are {listed}. Name fewer layers, pass reduce="mean", dtype="float16" or store="cpu", or take fewer '
            "samples_per_class"
        )


def _readable(count: float) -> str:
    """Write a number of bytes with a unit."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"
