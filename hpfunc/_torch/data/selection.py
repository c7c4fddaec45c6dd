"""Choose samples of each class from any data set, and hand them out in batches, each loaded once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from hpfunc._arrays import Label, as_label, stack_labels
from hpfunc._support.keys import RandomKey
from hpfunc._torch.data.items import LabelPlace
from hpfunc._torch.data.labels import sorted_classes
from hpfunc._torch.data.open import open_source
from hpfunc._torch.data.repeats import warn_of_repeats
from hpfunc._torch.data.sampling import Chooser, choose_positions
from hpfunc._torch.data.sources import LabelledSource, Loaded, Sample, StreamedSource
from hpfunc._torch.nested import take_samples

__all__ = ["ChosenSamples", "SampleBatch", "choose_samples"]


@dataclasses.dataclass(frozen=True)
class SampleBatch:
    """Hold the samples of one forward pass, and their rows in the result.

    ``least`` is the smallest number of samples that the model receives: the caller's own batches have no fewer.
    """

    inputs: Any
    rows: np.ndarray[Any, Any]
    least: int = 1

    @property
    def count(self) -> int:
        """Return how many samples the model is given."""
        return max(len(self.rows), self.least)

    def filled(self) -> Any:
        """Return inputs of ``count`` samples: first the batch's own, as in ``rows``, then the same ones repeated."""
        own = len(self.rows)
        if self.count == own:
            return self.inputs
        return take_samples(self.inputs, torch.arange(self.count, device="cpu") % own, own)


@dataclasses.dataclass(frozen=True)
class ChosenSamples:
    """Hold the chosen samples, class by class in the order of the classes, and in data order within each class.

    ``labels`` and ``index`` (position in the data set) hold one entry for each sample; ``index`` is None where the
    positions cannot be known. ``batches()`` loads the samples, in the order that is cheapest to read.
    """

    labels: np.ndarray[Any, Any]
    index: np.ndarray[Any, Any] | None
    batches: Callable[[], Iterator[SampleBatch]]


def choose_samples(
    data: Any,
    *,
    classes: Sequence[Any] | None,
    per_class: int | None,
    key: RandomKey | None,
    batch_size: int,
    label: LabelPlace = None,
) -> ChosenSamples:
    """Choose up to ``per_class`` samples of each class.

    Where labels are known beforehand, only the chosen samples are loaded, batch by batch, when they are asked for.
    Otherwise every sample must be loaded to learn its label, and the chosen ones are held on the host until they are
    used. A sample that comes more than once counts once.
    """
    wanted = None if classes is None else _check_classes(classes)
    source = open_source(data, label, batch_size)
    if isinstance(source, LabelledSource):
        return _choose_labelled(source, wanted, per_class, key)
    return _choose_streamed(source, wanted, per_class, key)


def _check_classes(classes: Sequence[Any]) -> list[Label]:
    """Return classes as labels; raise unless they are a list of different labels."""
    if isinstance(classes, (str, bytes)) or not hasattr(classes, "__iter__"):
        raise TypeError(f"classes={classes!r} is not a list of labels; pass such as classes=[0, 1]")
    labels = [as_label(label, "classes") for label in classes]
    repeated = sorted({repr(label) for label in labels if labels.count(label) > 1})
    if repeated:
        raise ValueError(f"classes names {', '.join(repeated)} more than once")
    if not labels:
        raise ValueError("classes is empty; name at least one class, or pass None for all")
    return labels


def _choose_labelled(
    source: LabelledSource, wanted: list[Label] | None, per_class: int | None, key: RandomKey | None
) -> ChosenSamples:
    classes = sorted_classes(source.labels) if wanted is None else wanted
    chosen = choose_positions(source.labels, classes, per_class, key)
    _check_found(classes, chosen, source.labels)
    positions = [position for members in chosen for position in members]
    row_of = {position: row for row, position in enumerate(positions)}
    groups = source.groups(sorted(positions))

    def batches() -> Iterator[SampleBatch]:
        loaded = source.load(groups)
        for group in groups:
            # The inputs are not kept in a variable, which would hold them while the next are loaded.
            yield _as_batch(next(loaded), [row_of[position] for position in group], source.least)

    labels = [source.labels[position] for position in positions]
    index = np.array([source.index(position) for position in positions])
    return ChosenSamples(stack_labels(labels, "classes"), index, batches)


def _choose_streamed(
    source: StreamedSource, wanted: list[Label] | None, per_class: int | None, key: RandomKey | None
) -> ChosenSamples:
    choosers = {} if wanted is None else {label: Chooser(label, per_class, key) for label in wanted}
    seen: dict[Label, None] = {}
    for sample in source.samples():
        seen[sample.label] = None
        if wanted is None and sample.label not in choosers:
            choosers[sample.label] = Chooser(sample.label, per_class, key)
        if sample.label in choosers and not choosers[sample.label].full:
            choosers[sample.label].offer(sample)
        if wanted is not None and all(chooser.full for chooser in choosers.values()):
            break
    classes = sorted_classes(list(seen)) if wanted is None else wanted
    chosen: list[list[Sample]] = [choosers[label].chosen for label in classes]
    _check_found(classes, chosen, list(seen))
    for label, members in zip(classes, chosen, strict=True):
        if not source.by_position or any(sample.index is None for sample in members):
            warn_of_repeats([sample.content for sample in members], label)
    held = [sample for members in chosen for sample in members]

    def batches() -> Iterator[SampleBatch]:
        for loaded in source.batches(held):
            yield _as_batch(loaded, range(len(held)), source.least)

    index = [sample.index for sample in held]
    return ChosenSamples(
        stack_labels([sample.label for sample in held], "classes"),
        None if any(place is None for place in index) else np.array(index),
        batches,
    )


def _as_batch(loaded: Loaded, rows: Sequence[int], least: int) -> SampleBatch:
    """Add to loaded inputs their rows in the result; ``rows`` are the rows of the samples that were asked for."""
    return SampleBatch(loaded.inputs, np.array([rows[place] for place in loaded.places]), least)


def _check_found(classes: list[Label], chosen: list[list[Any]], labels: Sequence[Label]) -> None:
    """Raise ValueError unless there are samples, and some of each class."""
    if not labels:
        raise ValueError("data is empty: it has no samples")
    absent = [repr(label) for label, members in zip(classes, chosen, strict=True) if not members]
    if absent:
        found = ", ".join(repr(label) for label in sorted(set(labels), key=lambda x: (isinstance(x, str), x)))
        raise ValueError(f"data has no sample of class {', '.join(absent)}; its labels are {found}")
