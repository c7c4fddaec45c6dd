"""Labels: what counts as one, and where a data set tells them without loading its samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import ConcatDataset, Subset, TensorDataset

__all__ = ["Label", "as_label", "as_label_list", "known_labels", "sorted_classes"]

Label = int | str


def as_label(value: Any, where: str) -> Label:
    """A label as a Python int or str: from an int, a str, a NumPy scalar, or a tensor or array of no axes."""
    if isinstance(value, (torch.Tensor, np.ndarray, np.generic)) and value.ndim == 0:
        value = value.item()
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    shape = f" of shape {tuple(value.shape)}" if hasattr(value, "shape") else ""
    raise TypeError(f"{where} has a label of type {type(value).__name__}{shape}; expected an int or a str")


def as_label_list(values: Any, where: str) -> list[Label]:
    """Labels of several samples, from a sequence or a one-dimensional array or tensor."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().numpy()
    elif type(values).__module__.partition(".")[0] == "cupy":
        values = values.get()
    if isinstance(values, np.ndarray) or not isinstance(values, Sequence):
        values = np.asarray(values)
        if values.ndim != 1:
            raise ValueError(f"{where} has shape {values.shape}; expected one label for each sample")
        values = values.tolist()
    return [as_label(value, where) for value in values]


def sorted_classes(labels: Sequence[Label]) -> list[Label]:
    """The labels that occur, each once, in order."""
    found = set(labels)
    if len({type(label) for label in found}) > 1:
        raise TypeError("data has labels of both int and str; make them one or the other, or pass classes")
    return sorted(found)


def known_labels(dataset: Any) -> list[Label] | None:
    """Every sample's label, where the data set has them at hand (`targets`, `labels`, `tensors`), or None."""
    if isinstance(dataset, Subset):
        inner = known_labels(dataset.dataset)
        return None if inner is None else [inner[i] for i in dataset.indices]
    if isinstance(dataset, ConcatDataset):
        parts = [known_labels(part) for part in dataset.datasets]
        return None if any(part is None for part in parts) else [x for part in parts if part for x in part]
    if isinstance(dataset, TensorDataset):
        return _labels_in(dataset.tensors[1], dataset) if len(dataset.tensors) == 2 else None
    for attribute in ("targets", "labels"):
        labels = _labels_in(getattr(dataset, attribute, None), dataset)
        if labels is not None:
            return labels
    return None


def _labels_in(values: Any, dataset: Any) -> list[Label] | None:
    """``values`` as labels, if that is what they are: an int or str for each sample."""
    try:
        if values is None or isinstance(values, str) or len(values) != len(dataset):
            return None
        labels = as_label_list(values, "data")
        transform = getattr(dataset, "target_transform", None)
        return labels if transform is None else [as_label(transform(label), "data") for label in labels]
    except Exception:
        # Something else of this name; or a transform that fails, which loading the item will show.
        return None
