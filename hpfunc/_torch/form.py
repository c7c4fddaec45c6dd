"""In which form a layer is kept: the samples first, reduced, of which dtype."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from hpfunc._torch.names import matches

__all__ = ["Form", "mean_over_space"]

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


def mean_over_space(rows: torch.Tensor) -> torch.Tensor:
    """The mean over all axes after the channels of images and volumes ``(n, channel, ...)``.

    Values of fewer than four axes are kept: of a sequence ``(n, step, feature)`` and a signal
    ``(n, channel, time)`` the shape does not tell which axis is which.
    """
    return rows.mean(dim=tuple(range(2, rows.ndim))) if rows.ndim >= 4 else rows
