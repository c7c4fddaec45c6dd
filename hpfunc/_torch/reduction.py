"""In which form a layer is kept: the samples first, reduced, of which dtype."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from hpfunc._torch.observe.names import matches

__all__ = ["Form", "as_form", "mean_over_space"]

Reduce = Callable[[torch.Tensor], torch.Tensor]


@dataclasses.dataclass(frozen=True)
class Form:
    """What is kept of a layer's value.

    ``reduce`` is None, a function, or a mapping from layers (names or globs) to functions, where the text "mean"
    stands for `mean_over_space`; ``dtype`` is that of floating values, None for their own.
    """

    reduce: Any = None
    dtype: torch.dtype | None = None

    def rows(self, name: str, value: torch.Tensor, axis: int) -> torch.Tensor:
        """The value with its samples on the first axis, reduced."""
        if value.ndim <= axis or value.layout is not torch.strided:
            raise ValueError(
                f"layer {name!r} is {value.layout} of shape {tuple(value.shape)} for this batch; expected a dense "
                f"tensor with the samples on axis {axis}, as the first samples gave"
            )
        rows = value.detach().movedim(axis, 0)
        function = self._function(name)
        if function is None:
            return rows
        reduced = function(rows)
        if not isinstance(reduced, torch.Tensor) or reduced.ndim == 0 or len(reduced) != len(rows):
            got = tuple(reduced.shape) if isinstance(reduced, torch.Tensor) else f"a {type(reduced).__name__}"
            raise ValueError(
                f"reduce made {got} of layer {name!r} of shape {tuple(rows.shape)}; it must keep the first axis, "
                "which counts the samples"
            )
        return reduced

    def stored_dtype(self, dtype: torch.dtype) -> torch.dtype:
        """The dtype in which a value is kept. NumPy has no bfloat16: float32 holds it exactly."""
        if self.dtype is not None and dtype.is_floating_point:
            dtype = self.dtype
        return torch.float32 if dtype is torch.bfloat16 else dtype

    def check(self, names: Sequence[str]) -> None:
        """Raise ValueError if a key of the mapping means none of these layers."""
        for pattern in self.reduce if isinstance(self.reduce, Mapping) else ():
            if not matches(pattern, names):
                raise ValueError(
                    f"reduce: {pattern!r} is none of the layers that are collected; these are {', '.join(names)}"
                )

    def _function(self, name: str) -> Reduce | None:
        reduce = self.reduce
        if isinstance(reduce, Mapping):
            hits = [function for pattern, function in reduce.items() if matches(pattern, [name])]
            reduce = hits[0] if hits else None
        return mean_over_space if reduce == "mean" else reduce


def as_form(reduce: Any, dtype: Any) -> Form:
    """The options ``reduce`` and ``dtype``, checked."""
    for one in reduce.values() if isinstance(reduce, Mapping) else [reduce]:
        if not (one is None or callable(one) or one == "mean"):
            raise ValueError(
                f'reduce={reduce!r} is not known; choose "mean", a function of a batch of activations, or a mapping '
                "from layers to these"
            )
    return Form(dict(reduce) if isinstance(reduce, Mapping) else reduce, None if dtype is None else _as_dtype(dtype))


def _as_dtype(value: Any) -> torch.dtype:
    """A floating dtype that NumPy has too."""
    name = str(value).removeprefix("torch.")
    if not isinstance(value, (str, torch.dtype)):
        with contextlib.suppress(TypeError):
            name = np.dtype(value).name
    dtypes = {"float16": torch.float16, "float32": torch.float32, "float64": torch.float64}
    if name not in dtypes:
        raise ValueError(f"dtype={value!r} is not known; choose one of {', '.join(dtypes)}")
    return dtypes[name]


def mean_over_space(rows: torch.Tensor) -> torch.Tensor:
    """The mean over all axes after the channels of images and volumes ``(n, channel, ...)``.

    Values of fewer than four axes are kept: of a sequence ``(n, step, feature)`` and a signal
    ``(n, channel, time)`` the shape does not tell which axis is which.
    """
    if rows.ndim < 4:
        return rows
    # Pixels may be integers, which have no mean of their own kind.
    dtype = None if rows.is_floating_point() or rows.is_complex() else torch.float32
    return rows.mean(dim=tuple(range(2, rows.ndim)), dtype=dtype)
