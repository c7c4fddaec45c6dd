"""Choose which samples are taken: the first of each class, or a random draw from each class."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from hpfunc._arrays import Label
from hpfunc._support.keys import RandomKey, generator

__all__ = ["Chooser", "choose_positions"]


class Chooser:
    """Hold the samples of one class that are chosen so far, while its samples are offered one after the other.

    Without a key these are the first. With a key every sample of the class draws a number, the n-th sample the n-th
    number of the class's own stream, and the smallest numbers win. So the choice depends neither on the other classes
    nor on how many samples come at a time, and a draw of more samples contains every draw of fewer.
    """

    def __init__(self, label: Label, per_class: int | None, key: RandomKey | None) -> None:
        self._per_class = per_class
        self._draws = None if key is None else _draws(generator(key, "sample", label))
        self._seen = 0
        self._held: list[tuple[float, int, Any]] = []

    @property
    def full(self) -> bool:
        """Tell whether no further sample can be chosen."""
        return self._draws is None and self._per_class is not None and len(self._held) >= self._per_class

    def offer(self, item: Any) -> None:
        """Offer the next sample of the class."""
        priority = -(self._seen if self._draws is None else next(self._draws))
        self._seen += 1
        entry = (priority, -self._seen, item)
        if self._per_class is None or len(self._held) < self._per_class:
            heapq.heappush(self._held, entry)
        elif priority > self._held[0][0]:
            heapq.heapreplace(self._held, entry)

    @property
    def chosen(self) -> list[Any]:
        """List the chosen samples, in the order they came."""
        return [item for _, _, item in sorted(self._held, key=lambda entry: -entry[1])]


def choose_positions(
    labels: Sequence[Label], classes: Sequence[Label], per_class: int | None, key: RandomKey | None
) -> list[list[int]]:
    """List for each class the positions in ``labels`` that are chosen, in order."""
    choosers = {label: Chooser(label, per_class, key) for label in classes}
    for position, label in enumerate(labels):
        if label in choosers and not choosers[label].full:
            choosers[label].offer(position)
    return [chooser.chosen for chooser in choosers.values()]


def _draws(random: np.random.Generator) -> Iterator[float]:
    """Yield one number after the other; a block of them at a time gives the same numbers faster."""
    while True:
        yield from random.random(1024).tolist()
