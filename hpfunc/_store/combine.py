"""Join finished checkpoints into one Dataset."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from hpfunc._labels.schema import Label, why_not_results
from hpfunc._store.folder import (
    MANIFEST,
    DamagedError,
    StoreKey,
    key_differences,
    labels_of,
    part_of,
    shared_key,
    verify,
)
from hpfunc._store.read import read_results

__all__ = ["assemble", "concat", "is_store", "join", "layout_difference", "open_store", "read_part"]


def is_store(path: Path) -> bool:
    """Tell whether a folder is the store of a sweep."""
    return (path / MANIFEST).is_file()


def open_store(folder: Path) -> xr.Dataset:
    """Open all finished checkpoints of a store; their values are dask arrays where dask is installed.

    Raises
    ------
    ValueError
        If there are none, or a file is damaged, or they do not fit together: which, and why.
    """
    lazy = find_spec("dask") is not None
    parts: list[xr.Dataset] = []
    common: StoreKey | None = None
    labels = [label for label in labels_of(folder) if (folder / part_of(label)).exists()]
    if not labels:
        raise ValueError(f"{folder} is the store of a sweep that has not finished a checkpoint yet")
    keys = verify([folder / part_of(label) for label in labels])
    for label in labels:
        key = keys[folder / part_of(label)]
        if isinstance(key, DamagedError):
            raise ValueError(f"{key}; the sweep, called again, will redo checkpoint {label!r}")
        key = shared_key(key)
        found = key_differences(common or key, key) or key_differences(key, common or key)
        if found:
            raise ValueError(f"{folder} holds checkpoints {labels[0]!r} and {label!r}, made differently: {found}")
        common = key
        parts.append(read_part(folder, label, lazy=lazy))
        why = layout_difference(parts[0], parts[-1])
        if why is not None:
            raise ValueError(f"{folder}: checkpoints {labels[0]!r} and {label!r} differ: {why}")
    whole = join(parts, labels)
    # A module function, because the Dataset is pickled with it for workers; lambdas and bound methods would not do.
    whole.set_close(functools.partial(_close_all, [part._close for part in parts]))
    return whole


def _close_all(closers: Sequence[Callable[[], None] | None]) -> None:
    """Close the files of all parts."""
    for close in closers:
        if close is not None:
            close()


def read_part(folder: Path, label: Label, *, lazy: bool = False) -> xr.Dataset:
    """Read the results of one finished checkpoint that `verify` has seen, with the dim ``checkpoint``."""
    path = folder / part_of(label)
    part = read_results(path, lazy=lazy, checked=True, why_not=why_not_results)
    if "checkpoint" not in part.dims or part.checkpoint.values.tolist() != [label]:
        raise ValueError(f"{path} is not of checkpoint {label!r}; the file was renamed or copied")
    del part.attrs["hpfunc_key"]
    return part


def layout_difference(first: xr.Dataset, second: xr.Dataset) -> str | None:
    """Say in which layers, pairs or numbers of features two results differ, or None where they do not."""
    first_layers, second_layers = first.layer.values.tolist(), second.layer.values.tolist()
    if first_layers != second_layers:
        odd = [name for name in (*first_layers, *second_layers) if (name in first_layers) != (name in second_layers)]
        what = f"the layers {', '.join(odd[:10])}" if odd else "the same layers, in another order"
        return f"only one of them has {what}"
    first_pairs, second_pairs = _pairs(first), _pairs(second)
    if first_pairs != second_pairs:
        odd = sorted(set(first_pairs) ^ set(second_pairs))[:10]
        return f"only one of them has the pairs {str(odd)[1:-1]}; pass classes= that both hold"
    first_widths, second_widths = first.n_features.values, second.n_features.values
    for at in np.flatnonzero(first_widths != second_widths)[:1]:
        return f"layer {first_layers[at]!r} has {first_widths[at]} features at one and {second_widths[at]} at the other"
    return None


def _pairs(results: xr.Dataset) -> list[tuple[Any, Any]]:
    return list(zip(results.class_a.values.tolist(), results.class_b.values.tolist(), strict=True))


def assemble(results: Sequence[xr.Dataset], label: Label, splits: list[str]) -> xr.Dataset:
    """Put the results of one checkpoint on each split together, with the dims ``checkpoint`` and ``split``."""
    whole = concat(results, "split", splits).expand_dims(checkpoint=[label])
    whole.coords["split"].attrs["long_name"] = "Data"
    whole.coords["checkpoint"].attrs["long_name"] = "Checkpoint"
    return whole


def join(parts: Sequence[xr.Dataset], labels: list[Label]) -> xr.Dataset:
    """Put the results of all checkpoints together."""
    whole = concat(parts, "checkpoint", labels)
    weights = [part.attrs["weights"] for part in parts if "weights" in part.attrs]
    if weights:
        whole.attrs["weights"] = "; ".join(weights)
    whole.coords["checkpoint"].attrs["long_name"] = "Checkpoint"
    return whole


def concat(results: Sequence[xr.Dataset], dim: str, labels: list[Any] | None = None) -> xr.Dataset:
    """Put results together along a dim, which may be new; what they must have in common was compared before."""
    # Every choice is spelled out: xarray's defaults are changing.
    whole = xr.concat(
        results,
        dim,
        data_vars="all",
        coords="minimal",
        compat="override",
        join="exact",
        combine_attrs="override",
    )
    return whole if labels is None else whole.assign_coords({dim: labels})
