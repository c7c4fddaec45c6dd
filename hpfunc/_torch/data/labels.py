"""Find the labels of a data set without loading its samples, and put classes in order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from torch.utils.data import ConcatDataset, Subset, TensorDataset

from hpfunc._arrays import Label, as_label, label_array
from hpfunc._torch.data.items import LABEL_KEYS, LabelPlace

__all__ = ["known_labels", "sorted_classes"]


def sorted_classes(labels: Iterable[Label]) -> list[Label]:
    """Return the labels that occur, each once, in order."""
    found = set(labels)
    if len({type(label) for label in found}) > 1:
        raise TypeError("data has labels of both int and str; make them one or the other, or pass classes")
    return sorted(found)


def known_labels(dataset: Any, place: LabelPlace = None) -> list[Label] | None:
    """Return the label of every sample if labels can be read without loading samples, or None.

    They are read from ``targets`` or ``labels``, from the tensors of a TensorDataset, or from a column that can be read
    by its name. Labels that a function of the caller finds are not read in advance.
    """
    if callable(place):
        return None
    if isinstance(dataset, Subset):
        inner = known_labels(dataset.dataset, place)
        return None if inner is None else [inner[i] for i in dataset.indices]
    if isinstance(dataset, ConcatDataset):
        parts = [known_labels(part, place) for part in dataset.datasets]
        return None if any(part is None for part in parts) else [x for part in parts if part for x in part]
    if isinstance(dataset, TensorDataset):
        tensors: dict[Any, Any] = dict(enumerate(dataset.tensors))
        tensors |= {k - len(tensors): values for k, values in tensors.items()}
        values = tensors.get(1 if place is None else place)
        return _labels_in(values, dataset) if len(dataset.tensors) > 1 else None
    if hasattr(dataset, "column_names"):
        keys = [key for key in (LABEL_KEYS if place is None else [place]) if key in dataset.column_names]
        return _labels_in(dataset[keys[0]], dataset) if len(keys) == 1 else None
    for attribute in ("targets", "labels") if place is None else ():
        labels = _labels_in(getattr(dataset, attribute, None), dataset)
        if labels is not None:
            return labels
    return None


def _labels_in(values: Any, dataset: Any) -> list[Label] | None:
    """Return ``values`` as labels if they are an int or str for each sample, else None."""
    try:
        if values is None or isinstance(values, str) or len(values) != len(dataset):
            return None
        labels: Sequence[Label] = label_array(values, "data").tolist()
        transform = getattr(dataset, "target_transform", None)
        return list(labels) if transform is None else [as_label(transform(label), "data") for label in labels]
    except Exception:
        # Something else has this name, or the transform fails, which loading the item will show.
        return None
