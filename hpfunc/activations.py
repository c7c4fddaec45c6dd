"""From a torch model and a data set to the activations of every layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hpfunc._arrays import check_option, from_tensor
from hpfunc._random import check_key

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["collect_activations"]


def collect_activations(
    model: Any,
    data: Any,
    /,
    *,
    layers: Sequence[str] | None = None,
    classes: Sequence[int | str] | None = None,
    samples_per_class: int | None = 1000,
    key: int | tuple[int, ...] | None = None,
    batch_size: int = 256,
    device: Any = None,
    store: str = "device",
    method: str | Callable[[Any], Mapping[str, Any]] = "hooks",
    reduce: Any = None,
    dtype: Any = None,
    forward: Callable[[Any, Any], Any] | None = None,
    max_memory: int | None = None,
    progress: bool = False,
) -> xr.Dataset:
    """Run a model over samples of each class and keep what every layer gave, without changing the model."""
    import xarray as xr

    from hpfunc._torch import collect
    from hpfunc._torch.data import choose_samples
    from hpfunc._torch.form import Form
    from hpfunc._torch.record import plain_forward

    check_option("store", store, ("device", "cpu"))
    if not callable(method):
        check_option("method", method, ("hooks", "fx", "snapshot"))
    if key is not None:
        check_key(key)
    with collect.observed(model, method=method, forward=forward or plain_forward, device=device) as record:
        chosen = choose_samples(data, classes=classes, limit=samples_per_class, key=key, batch_size=batch_size)
        tensors = collect.collect_rows(
            record,
            chosen,
            layers=layers,
            form=Form(reduce, dtype),
            store=None,
            max_memory=max_memory,
            progress=progress,
        )
    dims = _dims(tensors)
    return xr.Dataset(
        {name: (dims[name], from_tensor(tensor, name)) for name, tensor in tensors.items()},
        coords={"label": ("sample", chosen.labels), "index": ("sample", chosen.index)},
    )


def _dims(tensors: Mapping[str, Any]) -> dict[str, list[str]]:
    """The dims of each variable: ``<layer>_0``, ``<layer>_1``, ...

    The second call of ``relu`` is the variable ``relu_1``, and xarray takes a variable of a dim's name for that
    dim's coordinate: where they meet, the dim gets a further underscore.
    """
    dims = {}
    for name, tensor in tensors.items():
        dims[name] = ["sample"]
        for axis in range(tensor.ndim - 1):
            dim = f"{name}_{axis}"
            while dim in tensors:
                dim = f"{dim[: -len(str(axis))]}_{axis}"
            dims[name].append(dim)
    return dims
