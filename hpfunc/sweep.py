"""Every checkpoint of a training, on every data set: the statistic of all layers and pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from hpfunc._progress import progress_bar
from hpfunc._schema import check_labels
from hpfunc.activations import collect_activations
from hpfunc.pairwise import pairwise_hp

__all__ = ["sweep"]


def sweep(
    checkpoints: Mapping[Any, Any],
    data: Mapping[str, Any],
    /,
    *,
    build: Callable[[], Any] | None = None,
    progress: bool = False,
    layers: Sequence[str] | None = None,
    classes: Sequence[int | str] | None = None,
    samples_per_class: int | None = 1000,
    key: int | tuple[int, ...] | None = None,
    batch_size: int = 256,
    device: Any = None,
    method: str | Callable[[Any], Mapping[str, Any]] = "hooks",
    reduce: Any = None,
    dtype: Any = None,
    forward: Callable[[Any, Any], Any] | None = None,
    pairs: Iterable[tuple[Any, Any]] | None = None,
    metric: str = "euclidean",
    graph: str = "mst",
    k: int = 1,
    exact: bool = True,
    max_memory: int | None = None,
) -> xr.Dataset:
    """Measure every checkpoint on every data set: `collect_activations`, then `pairwise_hp`.

    One checkpoint is in memory at a time, and the activations of one data set. All checkpoints see the same samples.

    Parameters
    ----------
    checkpoints : mapping
        Label (integers, such as epochs, or strings) to a path, a state dict or a ``torch.nn.Module``. Files are read
        by ``torch.load(weights_only=True)``: what is more than plain tensors is refused. Files that end in
        ``.safetensors`` are read if that package is installed. Modules are left as they were.
    data : mapping
        Name of the split (a string) to the data set, as in `collect_activations`.
    build : callable
        Makes a module that the weights fit, for each checkpoint a new one: often the class itself. Not needed where
        all checkpoints are modules.
    progress : bool
        Show a bar that counts checkpoints times splits.
    layers, classes, samples_per_class, key, batch_size, device, method, reduce, dtype, forward
        As in `collect_activations`.
    pairs, metric, graph, k, exact
        As in `pairwise_hp`.
    max_memory : int, optional
        The limit in bytes, for the activations of one data set and again for the statistic of one layer.

    Returns
    -------
    xarray.Dataset
        The variables of `pairwise_hp` with the dims ``(checkpoint, split, layer, pair)``.

    Raises
    ------
    TypeError
        If ``checkpoints`` or ``data`` is no mapping from such labels, if a checkpoint is none of the three,
        or if ``build`` is needed and makes no module.
    ValueError
        If a checkpoint is missing, damaged, holds more than plain tensors or does not fit the module (keys
        and shapes are named); if checkpoints or splits differ in their layers, classes or samples (nothing
        is filled with NaN); and as in `collect_activations` and `pairwise_hp`.

    Examples
    --------
    >>> import numpy as np, torch
    >>> import hpfunc as hp
    >>> def build():
    ...     return torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU())
    >>> labels = np.repeat([0, 1, 2], 20)
    >>> points = np.random.default_rng(0).normal(size=(60, 4)).astype("float32") + labels[:, None]
    >>> runs = hp.sweep({0: build().state_dict(), 9: build()}, {"test": (points, labels)}, build=build)
    >>> dict(runs.sizes)
    {'checkpoint': 2, 'split': 1, 'layer': 3, 'pair': 3}
    """
    from hpfunc._torch.checkpoint import check_source, load_module

    _check_mapping(checkpoints, "checkpoints", int, str)
    _check_mapping(data, "data", str)
    for label, source in checkpoints.items():
        check_source(source, build, _named(label))
    collecting: dict[str, Any] = {
        "layers": layers, "classes": classes, "samples_per_class": samples_per_class, "key": key,
        "batch_size": batch_size, "device": device, "method": method, "reduce": reduce, "dtype": dtype,
        "forward": forward, "max_memory": max_memory,
    }  # fmt: skip
    pairing: dict[str, Any] = {
        "pairs": None if pairs is None else list(pairs), "metric": metric, "graph": graph, "k": k,
        "exact": exact, "max_memory": max_memory,
    }  # fmt: skip
    seen: list[_Measured] = []
    with progress_bar(progress, "checkpoints x data", total=len(checkpoints) * len(data)) as bar:
        for label, source in checkpoints.items():
            model = load_module(source, build, _named(label))
            for split, samples in data.items():
                where = f"{_named(label)} on data {split!r}"
                try:
                    measured = _measure(where, split, model, samples, collecting, pairing)
                except Exception as error:
                    error.add_note(f"in sweep, at {where}")
                    raise
                _check_alike(seen, measured)
                seen.append(measured)
                bar.update()
            # Or it would be in memory beside the next one.
            del model
    return _assemble([measured.result for measured in seen], list(checkpoints), list(data))


class _Measured(NamedTuple):
    where: str
    split: str
    result: xr.Dataset
    samples: dict[str, np.ndarray[Any, Any]]


def _measure(
    where: str, split: str, model: Any, samples: Any, collecting: dict[str, Any], pairing: dict[str, Any]
) -> _Measured:
    """One checkpoint on one data set; the activations are gone when it returns."""
    activations = collect_activations(model, samples, **collecting)
    taken = {name: activations.coords[name].values for name in ("label", "index")}
    return _Measured(where, split, pairwise_hp(activations, **pairing), taken)


def _check_alike(seen: list[_Measured], new: _Measured) -> None:
    """Raise ValueError where the new result has other layers, pairs or samples than those before it."""
    for old in seen[:1]:
        layers, others = old.result.layer.values.tolist(), new.result.layer.values.tolist()
        odd = [name for name in (*layers, *others) if (name in layers) != (name in others)]
        if odd or layers != others:
            what = f"the layers {', '.join(odd)}" if odd else "the same layers, in another order"
            raise ValueError(f"{old.where} and {new.where} differ: only one of them has {what}; sweep them apart")
        pairs, others = _pairs(old.result), _pairs(new.result)
        if pairs != others:
            odd = sorted(set(pairs) ^ set(others))
            raise ValueError(
                f"{old.where} and {new.where} differ: only one of them has the pairs {str(odd[:10])[1:-1]}; pass "
                "classes= that both hold"
            )
        for layer, width, other in zip(layers, old.result.n_features, new.result.n_features, strict=True):
            if width != other:
                raise ValueError(
                    f"{old.where} and {new.where} differ: layer {layer!r} has {int(width)} features at one and "
                    f"{int(other)} at the other; sweep them apart"
                )
    for old in [measured for measured in seen if measured.split == new.split][:1]:
        if any(not np.array_equal(old.samples[name], new.samples[name]) for name in old.samples):
            raise ValueError(
                f"{old.where} and {new.where} saw different samples; pass a data set that gives the same samples each "
                "time (a loader that shuffles by its own generator does not)"
            )


def _pairs(result: xr.Dataset) -> list[tuple[Any, Any]]:
    return list(zip(result.class_a.values.tolist(), result.class_b.values.tolist(), strict=True))


def _assemble(results: list[xr.Dataset], labels: list[Any], splits: list[str]) -> xr.Dataset:
    """All results, checkpoint by checkpoint, as one Dataset."""
    rows = [
        _concat(results[start : start + len(splits)], "split", splits) for start in range(0, len(results), len(splits))
    ]
    whole = _concat(rows, "checkpoint", labels)
    whole.coords["checkpoint"].attrs["long_name"] = "Checkpoint"
    whole.coords["split"].attrs["long_name"] = "Data"
    return whole


def _concat(results: list[xr.Dataset], dim: str, labels: list[Any]) -> xr.Dataset:
    # Every choice is spelled out: xarray's defaults are changing. The coords were compared before.
    whole = xr.concat(
        results,
        dim,
        data_vars="all",
        coords="minimal",
        compat="override",
        join="exact",
        combine_attrs="override",
    )
    return whole.assign_coords({dim: labels})


def _named(label: Any) -> str:
    return f"checkpoint {label!r}"


def _check_mapping(value: object, name: str, *kinds: type) -> None:
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} is a {type(value).__name__}; expected a mapping from label to what it stands for")
    check_labels(value, name, kinds=kinds)
