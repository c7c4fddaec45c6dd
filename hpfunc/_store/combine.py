"""Finished checkpoints as one Dataset."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from hpfunc._labels.schema import Label
from hpfunc._store.folder import MANIFEST, DamagedError, StoreKey, differences, labels_of, part_of, shared, verify
from hpfunc._store.read import read_results

__all__ = ["assemble", "is_store", "join", "open_store", "read_part", "unlike"]


def is_store(path: Path) -> bool:
    """Whether a folder is the store of a sweep."""
    return (path / MANIFEST).is_file()


def open_store(folder: Path) -> xr.Dataset:
    """All finished checkpoints; values as dask arrays where dask is installed.

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
    for label in labels:
        try:
            key = verify(folder / part_of(label))
        except DamagedError as error:
            raise ValueError(f"{error}; the sweep, called again, will redo checkpoint {label!r}") from error
        key = shared(key)
        found = differences(common or key, key) or differences(key, common or key)
        if found:
            raise ValueError(f"{folder} holds checkpoints {labels[0]!r} and {label!r}, made differently: {found}")
        common = key
        parts.append(read_part(folder, label, lazy=lazy))
        why = unlike(parts[0], parts[-1])
        if why is not None:
            raise ValueError(f"{folder}: checkpoints {labels[0]!r} and {label!r} differ: {why}")
    whole = join(parts, labels)
    # Not by a lambda, nor by methods of the parts: what is sent to a worker takes this along.
    whole.set_close(functools.partial(_close_all, [part._close for part in parts]))
    return whole


def _close_all(closers: Sequence[Callable[[], None] | None]) -> None:
    for close in closers:
        if close is not None:
            close()


def read_part(folder: Path, label: Label, *, lazy: bool = False) -> xr.Dataset:
    """The results of one finished checkpoint, with the dim ``checkpoint``."""
    path = folder / part_of(label)
    part = read_results(path, lazy=lazy)
    if "checkpoint" not in part.dims or part.checkpoint.values.tolist() != [label]:
        raise ValueError(f"{path} is not of checkpoint {label!r}; the file was renamed or copied")
    del part.attrs["hpfunc_key"]
    return part


def unlike(one: xr.Dataset, other: xr.Dataset) -> str | None:
    """Say in which layers or pairs two results differ, or None where they do not."""
    here, there = one.layer.values.tolist(), other.layer.values.tolist()
    if here != there:
        odd = [name for name in (*here, *there) if (name in here) != (name in there)]
        what = f"the layers {', '.join(odd[:10])}" if odd else "the same layers, in another order"
        return f"only one of them has {what}"
    mine, others = _pairs(one), _pairs(other)
    if mine != others:
        odd = sorted(set(mine) ^ set(others))[:10]
        return f"only one of them has the pairs {str(odd)[1:-1]}; pass classes= that both hold"
    widths, theirs = one.n_features.values, other.n_features.values
    for at in np.flatnonzero(widths != theirs)[:1]:
        return f"layer {here[at]!r} has {widths[at]} features at one and {theirs[at]} at the other"
    return None


def _pairs(results: xr.Dataset) -> list[tuple[Any, Any]]:
    return list(zip(results.class_a.values.tolist(), results.class_b.values.tolist(), strict=True))


def assemble(results: Sequence[xr.Dataset], label: Label, splits: list[str]) -> xr.Dataset:
    """The results of one checkpoint, split by split, with the dims ``checkpoint`` and ``split``."""
    whole = concat(results, "split", splits).expand_dims(checkpoint=[label])
    whole.coords["split"].attrs["long_name"] = "Data"
    whole.coords["checkpoint"].attrs["long_name"] = "Checkpoint"
    return whole


def join(parts: Sequence[xr.Dataset], labels: list[Label]) -> xr.Dataset:
    """The results of all checkpoints."""
    whole = concat(parts, "checkpoint", labels)
    whole.coords["checkpoint"].attrs["long_name"] = "Checkpoint"
    return whole


def concat(results: Sequence[xr.Dataset], dim: str, labels: list[Any] | None = None) -> xr.Dataset:
    """Results along a dim, which may be new; what they must have in common was compared before."""
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
