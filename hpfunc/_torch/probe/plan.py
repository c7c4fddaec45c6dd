"""Plan the variables of the result: one for each tensor of a layer, and the words for tensors that are left out."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch

from hpfunc._support.warn import warn

__all__ = ["MIXED", "PARTIAL", "REORDERED", "TABLE", "UNDEFINED", "UNPOOLED", "VARYING", "LayerPlan", "report_left_out"]

# Each text is the reason that a warning gives for a tensor that is left out. A table has no rows of samples; it is left
# out without a warning.
TABLE = "table"
MIXED = "where no axis counts the samples alone; method= with a function can give one row for each sample"
REORDERED = (
    "whose rows do not stand in the order of the samples, because the model reorders or mixes its batch inside; "
    "method= with a function can give the rows in the order of the samples"
)
UNDEFINED = "whose dtype or layout has no dense values (nested, masked, packed or meta tensors)"
PARTIAL = "which do not run for every batch, or give rows for some samples only"
VARYING = (
    "whose samples have different shapes in different batches; reduce= can give all of them one shape, such as "
    '"token-mean" for padded texts'
)
UNPOOLED = "whose tokens are not those of the attention mask, so that reduce= cannot pool them"


@dataclasses.dataclass(frozen=True)
class LayerPlan:
    """Describe one variable of the result: a tensor that a call returned, and the form of one stored sample."""

    name: str
    call: str
    axis: int
    shape: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device

    @property
    def nbytes(self) -> int:
        """Count the bytes of one sample."""
        return int(torch.Size(self.shape).numel()) * self.dtype.itemsize


def report_left_out(names: Sequence[str], reason: str) -> None:
    """Warn of layers that are left out, if there are any."""
    if names:
        warn(f"left out: {', '.join(names[:5])}{', ...' if len(names) > 5 else ''} ({len(names)} in all), {reason}")
