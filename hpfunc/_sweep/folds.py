"""Check the options of folds, and hand each data set its groups of samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from hpfunc._measure.folds import SampleOptions

__all__ = ["fold_options", "with_groups"]


def fold_options(folds: Any, repeats: Any, key: Any, groups: Any, splits: list[str]) -> dict[str, Any]:
    """Check the options of folds, and return those that `pairwise_hp` is to be given: none without folds.

    Groups become a dict from split to array.
    """
    SampleOptions(None, folds, repeats, None if folds is None else key, groups is not None).check()
    if folds is None:
        return {}
    options = {"folds": folds, "repeats": repeats, "key": key}
    if groups is None:
        return options
    if isinstance(groups, str):
        raise TypeError(
            f"groups={groups!r} is a string; in a sweep pass an array, one entry for each sample of the data"
        )
    if isinstance(groups, Mapping):
        missing = [split for split in splits if split not in groups]
        if missing:
            raise ValueError(f"groups has no entry for the data {missing[0]!r}; pass one for each of {splits}")
    of_split = {split: groups[split] if isinstance(groups, Mapping) else groups for split in splits}
    return {**options, "groups": {split: np.asarray(values) for split, values in of_split.items()}}


def with_groups(pairing: Mapping[str, Any], activations: xr.Dataset, split: str) -> dict[str, Any]:
    """Return the options of `pairwise_hp` with the groups of the samples that were collected."""
    if "groups" not in pairing:
        return dict(pairing)
    groups, index = pairing["groups"][split], activations.coords["index"].values
    if groups.ndim != 1 or (len(index) and index.max() >= len(groups)):
        raise ValueError(
            f"groups of data {split!r} has shape {groups.shape}, and the data set has a sample {index.max()}; pass one "
            "entry for each sample"
        )
    return {**pairing, "groups": groups[index]}
