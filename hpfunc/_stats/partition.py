"""Draw samples, and divide samples into folds, by numbers that depend on a key, a class and a sample's identity only.

Each sample gets a random number of its own, so neither the order of the samples, nor the layer, nor the machine can
change which fold it falls in.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

from hpfunc._arrays.types import Ints
from hpfunc._support.keys import RandomKey, generator

__all__ = ["draw_samples", "part_samples"]


def draw_samples(starts: Ints, names: list[Any], identity: npt.NDArray[np.int64], n: int, key: RandomKey) -> Ints:
    """Draw n samples of each class, and return their rows, in rising order.

    Parameters
    ----------
    starts : (K + 1,) array
        Rows ``starts[k]:starts[k + 1]`` are class k, which has at least n samples.
    names : list of K
        The classes.
    identity : (N,) array
        An integer for each sample, different within a class.
    """
    chosen = []
    for name, low, high in zip(names, starts[:-1], starts[1:], strict=True):
        numbers = _random_numbers(identity[low:high], key, "samples", name)
        chosen.append(low + np.sort(np.argsort(numbers)[:n]))
    return np.concatenate(chosen)


def part_samples(
    starts: Ints,
    names: list[Any],
    identity: npt.NDArray[np.int64],
    groups: npt.NDArray[Any] | None,
    *,
    folds: int,
    repeats: int,
    key: RandomKey,
) -> Ints:
    """Divide the samples of each class into folds whose sizes differ by at most one, several times.

    Parameters
    ----------
    starts, names, identity
        As in `draw_samples`.
    groups : (N,) array or None
        Samples of one group fall in one fold, whatever their classes. Folds are then as equal as groups allow.

    Returns
    -------
    (repeats, N) array
        The fold of each sample.
    """
    fold = np.empty((repeats, len(identity)), np.intp)
    for repeat in range(repeats):
        if groups is not None:
            fold[repeat] = _part_groups(starts, groups, folds, _Draw(key, repeat))
            continue
        for name, low, high in zip(names, starts[:-1], starts[1:], strict=True):
            order = np.argsort(_random_numbers(identity[low:high], key, "folds", repeat, name))
            fold[repeat, low + order] = np.arange(high - low) % folds
    return fold


class _Draw:
    """Draw the random order of groups in one repeat."""

    def __init__(self, key: RandomKey, repeat: int) -> None:
        self.key, self.repeat = key, repeat

    def order(self, groups: list[Any]) -> Ints:
        """Return the order in which groups are dealt: that of random numbers which depend on the groups' names."""
        digests = [hashlib.sha256(f"{type(g).__name__}:{g}".encode()).digest()[:8] for g in groups]
        identity = np.frombuffer(b"".join(digests), "<i8").astype(np.int64)
        return np.argsort(_random_numbers(identity, self.key, "folds of groups", self.repeat))


def _part_groups(starts: Ints, groups: npt.NDArray[Any], folds: int, draw: _Draw) -> Ints:
    """Deal groups, in random order, each to the fold that holds the fewest samples of its classes."""
    names, group = np.unique(groups, return_inverse=True)
    label = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    members = np.zeros((len(names), len(starts) - 1), np.intp)
    np.add.at(members, (group, label), 1)
    filled = np.zeros((folds, len(starts) - 1), np.intp)
    fold_of = np.empty(len(names), np.intp)
    for g in draw.order(names.tolist()):
        # If several folds are equally full, take the first: the groups are already in random order.
        fold_of[g] = np.argmin(filled @ members[g])
        filled[fold_of[g]] += members[g]
    return fold_of[group]


def _random_numbers(identity: npt.NDArray[np.int64], key: RandomKey, *names: object) -> npt.NDArray[np.uint64]:
    """Give each identity a random number, different for different identities (SplitMix64, a bijection)."""
    seeds = generator(key, *names).bit_generator.random_raw(2)
    numbers = identity.astype(np.int64).view(np.uint64)
    for seed in seeds.astype(np.uint64):
        numbers = _mix(numbers ^ seed)
    return numbers


def _mix(z: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Scatter 64-bit integers, as SplitMix64 does.

    Steele, Lea & Flood 2014, doi:10.1145/2660193.2660195: one step of the state, then their ``mix64variant13``.
    """
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
