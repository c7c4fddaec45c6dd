"""From any data set to batches of chosen samples, each loaded once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from hpfunc._support.keys import RandomKey
from hpfunc._torch.data.labels import Label, as_label, sorted_classes
from hpfunc._torch.data.open import open_source
from hpfunc._torch.data.sampling import Chooser, choose_positions
from hpfunc._torch.data.sources import LabelledSource, StreamedSource, collate

__all__ = ["ChosenSamples", "SampleBatch", "choose_samples"]


@dataclasses.dataclass(frozen=True)
class SampleBatch:
    """Inputs for the model, and the rows of the result where these samples stand."""

    inputs: Any
    rows: np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class ChosenSamples:
    """The chosen samples, grouped by class in the order of the classes and in data order within each class.

    ``labels`` and ``index`` (position in the data set) hold one entry for each sample; ``batches()`` loads the
    samples, in the order that is cheapest to read.
    """

    labels: np.ndarray[Any, Any]
    index: np.ndarray[Any, Any]
    batches: Callable[[], Iterator[SampleBatch]]


def choose_samples(
    data: Any, *, classes: Sequence[Any] | None, per_class: int | None, key: RandomKey | None, batch_size: int
) -> ChosenSamples:
    """Choose up to ``per_class`` samples of each class.

    Where the labels are at hand only the chosen samples are ever loaded, by batches, when asked for. Otherwise
    every sample must be loaded to learn its label, and the chosen ones are held on the host until they are used.
    """
    wanted = None if classes is None else _check_classes(classes)
    source = open_source(data, batch_size)
    if isinstance(source, LabelledSource):
        return _choose_known(source, wanted, per_class, key)
    return _choose_streamed(source, wanted, per_class, key)


def _check_classes(classes: Sequence[Any]) -> list[Label]:
    if isinstance(classes, (str, bytes)) or not hasattr(classes, "__iter__"):
        raise TypeError(f"classes={classes!r} is not a list of labels; pass such as classes=[0, 1]")
    labels = [as_label(label, "classes") for label in classes]
    repeated = sorted({repr(label) for label in labels if labels.count(label) > 1})
    if repeated:
        raise ValueError(f"classes names {', '.join(repeated)} more than once")
    if not labels:
        raise ValueError("classes is empty; name at least one class, or pass None for all")
    return labels


def _choose_known(
    source: LabelledSource, wanted: list[Label] | None, per_class: int | None, key: RandomKey | None
) -> ChosenSamples:
    classes = sorted_classes(source.labels) if wanted is None else wanted
    chosen = choose_positions(source.labels, classes, per_class, key)
    _check_found(classes, chosen, source.labels)
    positions = [position for members in chosen for position in members]
    row_of = {position: row for row, position in enumerate(positions)}
    groups = [[p for p in group if p in row_of] for group in source.groups(sorted(positions))]
    groups = [group for group in groups if group]

    def batches() -> Iterator[SampleBatch]:
        loaded = source.load(groups)
        for group in groups:
            # Not in a variable, which would hold it while the next is loaded.
            yield SampleBatch(next(loaded), np.array([row_of[p] for p in group]))

    return ChosenSamples(
        _as_array([source.labels[p] for p in positions]), np.array([source.index(p) for p in positions]), batches
    )


def _choose_streamed(
    source: StreamedSource, wanted: list[Label] | None, per_class: int | None, key: RandomKey | None
) -> ChosenSamples:
    choosers = {} if wanted is None else {label: Chooser(label, per_class, key) for label in wanted}
    seen: dict[Label, None] = {}
    for index, label, inputs in source.samples():
        seen[label] = None
        if wanted is None and label not in choosers:
            choosers[label] = Chooser(label, per_class, key)
        if label in choosers and not choosers[label].full:
            choosers[label].offer((index, inputs))
        if wanted is not None and all(chooser.full for chooser in choosers.values()):
            break
    classes = sorted_classes(list(seen)) if wanted is None else wanted
    chosen = [choosers[label].chosen for label in classes]
    _check_found(classes, chosen, list(seen))
    held = [sample for members in chosen for sample in members]

    def batches() -> Iterator[SampleBatch]:
        for start in range(0, len(held), source.batch_size()):
            part = held[start : start + source.batch_size()]
            inputs = collate([inputs for _, inputs in part], [index for index, _ in part])
            yield SampleBatch(inputs, np.arange(start, start + len(part)))

    labels = [label for label, members in zip(classes, chosen, strict=True) for _ in members]
    return ChosenSamples(_as_array(labels), np.array([index for index, _ in held]), batches)


def _check_found(classes: list[Label], chosen: list[list[Any]], labels: Sequence[Label]) -> None:
    """Raise ValueError unless there are samples, and some of each class."""
    if not labels:
        raise ValueError("data is empty: it has no samples")
    absent = [repr(label) for label, members in zip(classes, chosen, strict=True) if not members]
    if absent:
        found = ", ".join(repr(label) for label in sorted(set(labels), key=lambda x: (isinstance(x, str), x)))
        raise ValueError(f"data has no sample of class {', '.join(absent)}; its labels are {found}")


def _as_array(labels: list[Label]) -> np.ndarray[Any, Any]:
    """Labels as an array of int64 or of strings."""
    if len({type(label) for label in labels}) > 1:
        raise TypeError("classes has both int and str labels; make them one or the other")
    return np.array(labels, dtype=np.int64 if isinstance(labels[0], int) else np.str_)
