"""Draw samples of a layer and divide them into folds, and raise or warn where there are too few."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hpfunc._arrays import as_labels, namespace
from hpfunc._arrays.types import Ints
from hpfunc._measure.layers import ClassPoints, CopyCheck, NamedLayer
from hpfunc._stats.partition import draw_samples, part_samples
from hpfunc._support.checks import check_count
from hpfunc._support.keys import RandomKey, check_key
from hpfunc._support.warn import warn

__all__ = ["SampleOptions", "draw_and_part"]

# With fewer samples of a class in a fold, HP says little about the whole class.
_FEW = 5
# Folds are called uneven if one fold has more than this many times as many samples as another.
_UNEVEN = 2


class SampleOptions(NamedTuple):
    """Say how many samples of each class to draw, and how to divide them into folds; see `hpfunc.pairwise_hp`."""

    samples_per_class: int | None
    folds: int | None
    repeats: int
    key: RandomKey | None
    grouped: bool

    def check(self) -> None:
        """Raise TypeError or ValueError for options that do not go together."""
        for name, value in (("samples_per_class", self.samples_per_class), ("folds", self.folds)):
            if value is not None:
                check_count(name, value)
        check_count("repeats", self.repeats)
        if self.key is not None:
            check_key(self.key)
        if self.folds is None and (self.repeats != 1 or self.grouped):
            what = f"repeats={self.repeats}" if self.repeats != 1 else "groups"
            raise ValueError(f"{what} goes with folds; pass for example folds=10")
        if self.folds == 1:
            raise ValueError("folds=1 is the whole sample; pass folds=None for it, or 2 or more")
        if self.key is None and (self.folds is not None or self.samples_per_class is not None):
            what = "folds" if self.folds is not None else "samples_per_class"
            raise ValueError(f"{what} needs a key, since samples are drawn at random; pass an integer such as key=0")
        if self.key is not None and self.folds is None and self.samples_per_class is None:
            raise ValueError("key has no use without folds or samples_per_class; leave it out, or pass one of them")

    def attrs(self) -> dict[str, Any]:
        """Return the options that were given, as attrs of a result."""
        given = {"samples_per_class": self.samples_per_class, "folds": self.folds}
        attrs: dict[str, Any] = {name: int(value) for name, value in given.items() if value is not None}
        if self.folds is not None:
            attrs |= {"repeats": int(self.repeats), "hp_clipped": 0}
        # As text: attrs of a file hold no integers of more than 64 bits.
        return attrs if self.key is None else {**attrs, "key": str(self.key)}


class SampleIdentity(NamedTuple):
    """Identify the samples of a layer, class by class."""

    position: npt.NDArray[np.int64]  # (N,) position in the data set, different within a class
    groups: npt.NDArray[Any] | None  # (N,) which samples belong together


def draw_and_part(
    layer: NamedLayer, classes: ClassPoints, options: SampleOptions, key: RandomKey, check: CopyCheck
) -> tuple[ClassPoints, Ints | None]:
    """Draw samples of each class, and divide them into folds.

    Returns
    -------
    ClassPoints
        The samples drawn; all of them unless ``samples_per_class`` is given.
    numpy.ndarray or None
        The fold of each of them in each repeat, ``(repeats, N)``; None without folds.
    """
    identity = _identify(layer, classes)
    if options.samples_per_class is not None:
        _check_class_sizes(classes, options.samples_per_class, layer.where)
        rows = draw_samples(classes.starts, classes.names.tolist(), identity.position, options.samples_per_class, key)
        starts = np.arange(len(classes.names) + 1) * options.samples_per_class
        held = classes.held + len(rows) * classes.points[0].nbytes
        check(classes.points, starts, held, layer.where)
        classes, identity = _select(classes, identity, rows, starts)
        classes = classes._replace(held=held)
    if options.folds is None:
        return classes, None
    fold = part_samples(
        classes.starts, classes.names.tolist(), identity.position, identity.groups,
        folds=options.folds, repeats=options.repeats, key=key,
    )  # fmt: skip
    _check_fold_sizes(classes, fold, options, layer)
    return classes, fold


def _identify(layer: NamedLayer, classes: ClassPoints) -> SampleIdentity:
    """Read position and group of each sample, or raise unless positions differ within each class."""
    groups = layer.groups
    if groups is not None:
        groups = as_labels(groups, len(classes.order), "groups")[classes.order]
    if layer.index is None:
        return SampleIdentity(classes.order.astype(np.int64), groups)
    index = np.asarray(layer.index)
    if index.dtype.kind not in "iu" or index.shape != classes.order.shape:
        raise TypeError(
            f"{layer.where}: the coord 'index' has dtype {index.dtype} and shape {index.shape}; expected "
            f"{len(classes.order)} integers, the position of each sample in its data set"
        )
    index = index[classes.order].astype(np.int64)
    for name, low, high in zip(classes.names, classes.starts[:-1], classes.starts[1:], strict=True):
        positions, times = np.unique(index[low:high], return_counts=True)
        if len(positions) < high - low:
            raise ValueError(
                f"{layer.where}: the coord 'index' holds {positions[times.argmax()]} more than once in class "
                f"{name.item()!r}; give samples different positions, or drop the coord to go by row"
            )
    return SampleIdentity(index, groups)


def _check_class_sizes(classes: ClassPoints, n: int, where: str) -> None:
    """Raise ValueError unless each class has n samples."""
    sizes = np.diff(classes.starts)
    if sizes.min() < n:
        few = classes.names[sizes.argmin()].item()
        raise ValueError(
            f"{where}: class {few!r} has {sizes.min()} samples, fewer than samples_per_class={n}; pass "
            f"{sizes.min()} or less, or leave this class out"
        )


def _select(
    classes: ClassPoints, identity: SampleIdentity, rows: Ints, starts: Ints
) -> tuple[ClassPoints, SampleIdentity]:
    """Keep the given rows, whose classes start where ``starts`` says."""
    points = classes.points[rows if namespace(classes.points) is np else namespace(classes.points).asarray(rows)]
    groups = None if identity.groups is None else identity.groups[rows]
    kept = SampleIdentity(identity.position[rows], groups)
    return ClassPoints(points, classes.names, classes.order[rows], starts), kept


def _check_fold_sizes(classes: ClassPoints, fold: Ints, options: SampleOptions, layer: NamedLayer) -> None:
    """Raise ValueError for fewer than 2 samples of a class in a fold; warn of fewer than 5, and of uneven folds."""
    assert options.folds is not None
    n_classes = len(classes.names)
    label = np.repeat(np.arange(n_classes), np.diff(classes.starts))
    sizes = [np.bincount(label * options.folds + part, minlength=n_classes * options.folds) for part in fold]
    fewest: Any = np.min(sizes, axis=0)
    least, name = int(fewest.min()), classes.names[int(fewest.argmin()) // options.folds].item()
    samples = f"{least} sample" + ("" if least == 1 else "s")
    if least < 2:
        uneven = " (groups stay together)" if layer.groups is not None else ""
        raise ValueError(
            f"{layer.where}: folds={options.folds} leaves {samples} of class {name!r} in a fold{uneven}, and a fold "
            "needs 2 of each class; pass fewer folds or more samples"
        )
    if least < _FEW:
        warn(
            f"{layer.where}: folds={options.folds} leaves {samples} of class {name!r} in a fold; HP of so few samples "
            "is far from HP of the whole class: pass fewer folds or more samples"
        )
    in_fold = np.reshape(sizes, (-1, n_classes, options.folds))
    fullest, emptiest = in_fold.max(axis=2), in_fold.min(axis=2)
    worst = np.unravel_index((fullest / emptiest).argmax(), fullest.shape)
    # Without groups, the sizes of folds differ by at most one.
    if layer.groups is not None and fullest[worst] > _UNEVEN * emptiest[worst]:
        warn(
            f"{layer.where}: groups make the folds uneven, with {emptiest[worst]} to {fullest[worst]} samples of class "
            f"{classes.names[worst[1]].item()!r}; HP depends on the number of samples: pass fewer folds or smaller "
            "groups"
        )
