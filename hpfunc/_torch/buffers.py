"""Keep activations: one tensor for each layer, as large as it will be, filled batch by batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr

from hpfunc._arrays import from_tensor
from hpfunc._support.memory import free_bytes, free_device_bytes, release_device_memory
from hpfunc._torch.probe import LayerPlan

__all__ = ["Rows", "as_dataset", "check_fits", "split_layers", "why_not_shared"]


class Rows:
    """The rows of every layer.

    Each batch is copied as soon as it exists: a later in-place module cannot change it, and nothing is held twice.
    """

    def __init__(self, layers: Sequence[LayerPlan], count: int, store: torch.device | None) -> None:
        self.tensors = {
            layer.name: torch.empty((count, *layer.shape), dtype=layer.dtype, device=store or layer.device)
            for layer in layers
        }

    def write(self, name: str, values: torch.Tensor, rows: np.ndarray[Any, Any]) -> None:
        """Copy the values of a layer to some of its rows."""
        target = self.tensors[name]
        if values.shape[1:] != target.shape[1:] or len(values) != len(rows):
            raise ValueError(
                f"layer {name!r} has shape {tuple(values.shape)} for this batch, after {tuple(target.shape[1:])} for "
                f"a sample of the first, with {len(rows)} samples in the batch; all samples must give one shape. Name "
                'the layers that do, or pass reduce=, such as "token-mean" for padded texts'
            )
        if rows[-1] - rows[0] == len(rows) - 1 and (np.diff(rows) == 1).all():
            target[rows[0] : rows[-1] + 1].copy_(values)
        else:
            places = torch.from_numpy(rows).to(target.device)
            target.index_copy_(0, places, values.to(target.device, target.dtype))


def as_dataset(
    tensors: Mapping[str, torch.Tensor], labels: np.ndarray[Any, Any], index: np.ndarray[Any, Any] | None
) -> xr.Dataset:
    """Name the dims of each layer, and share its memory as a variable of a Dataset; without positions no ``index``."""
    dims = _dims(tensors)
    return xr.Dataset(
        {name: (dims[name], from_tensor(tensor, name)) for name, tensor in tensors.items()},
        coords={"label": ("sample", labels)} | ({} if index is None else {"index": ("sample", index)}),
    )


def _dims(tensors: Mapping[str, Any]) -> dict[str, list[str]]:
    """Name the dims of each variable: ``<layer>_0``, ``<layer>_1``, ...

    The second call of ``relu`` is the variable ``relu_1``, and xarray takes a variable that bears a dim's name for
    that dim's coordinate: where the two meet, the dim gets a further underscore.
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


def split_layers(layers: Iterable[LayerPlan], count: int, max_bytes: int) -> list[list[LayerPlan]]:
    """Divide layers, in their order, into groups of at most so many bytes; a larger layer stands alone."""
    groups: list[list[LayerPlan]] = [[]]
    left = max_bytes
    for layer in layers:
        size = layer.nbytes * count
        if groups[-1] and size > left:
            groups.append([])
            left = max_bytes
        groups[-1].append(layer)
        left -= size
    return groups


def why_not_shared(layers: Sequence[LayerPlan]) -> str | None:
    """Say why arrays cannot be had where the rows arise, or return None if they can."""
    for device in {layer.device for layer in layers}:
        try:
            from_tensor(torch.empty(1, device=device), "a layer")
        except TypeError as error:
            return str(error)
    return None


def check_fits(layers: Sequence[LayerPlan], count: int, store: torch.device | None, max_bytes: int | None) -> None:
    """Raise ValueError if the rows would take more than ``max_bytes``, or than each device has free."""
    if max_bytes is not None:
        _check_bytes(layers, count, max_bytes, f"max_memory={_readable(max_bytes)}")
        return
    for device in {store or layer.device for layer in layers}:
        free = _free_bytes(device)
        if free is not None:
            here = [layer for layer in layers if (store or layer.device) == device]
            _check_bytes(here, count, free, f"the {_readable(free)} that are free on {device}")


def _check_bytes(layers: Sequence[LayerPlan], count: int, max_bytes: int, what: str) -> None:
    sizes = {layer.name: layer.nbytes * count for layer in layers}
    needed = sum(sizes.values())
    if needed > max_bytes:
        largest = sorted(sizes, key=lambda name: -sizes[name])[:5]
        listed = ", ".join(f"{name} {_readable(sizes[name])}" for name in largest)
        raise ValueError(
            f"{count} samples of {len(sizes)} layers need {_readable(needed)} of memory, more than {what}; the largest "
            f'are {listed}. Name fewer layers, pass reduce="mean", dtype="float16" or store="cpu", or take fewer '
            "samples_per_class"
        )


def _free_bytes(device: torch.device) -> int | None:
    """Count the bytes that can still be had, or return None where the system does not tell."""
    if device.type != "cuda":
        return free_bytes()
    release_device_memory()
    return free_device_bytes(device.index)


def _readable(count: float) -> str:
    """Write a number of bytes with a unit."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"
