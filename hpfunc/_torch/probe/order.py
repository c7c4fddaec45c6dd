"""Tell whether the rows of a layer stand in the order of the samples, from two passes over the same samples."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

__all__ = ["follows", "sample_axes", "sketch"]

# This many values of a row are compared, spread over the row.
_COMPARED = 256
# A row agrees if this share of its values does: rounding may flip the rest (codes, masks, choices of the largest).
_AGREEING = 0.9


def sketch(value: torch.Tensor, axis: int | None) -> torch.Tensor:
    """Copy some values of each row along ``axis``, spread evenly: ``(row, value)``, float64, on the host.

    Without an axis the whole tensor is one row.
    """
    rows = value.detach()
    rows = rows.unsqueeze(0) if axis is None else rows.movedim(axis, 0)
    if rows.ndim == 1:
        rows = rows.unsqueeze(1)
    along = max(1, int(_COMPARED ** (1 / (rows.ndim - 1)) + 1e-9))
    for dim in range(1, rows.ndim):
        step = max(1, math.ceil(rows.shape[dim] / along))
        rows = rows[(slice(None),) * dim + (slice(step // 2, None, step),)]
    rows = rows.flatten(1).cpu().resolve_conj().resolve_neg()
    if rows.is_complex():
        rows = torch.view_as_real(rows).flatten(1)
    return rows.to(torch.float64).nan_to_num()


def sample_axes(first: Sequence[int], later: Sequence[int], few: int, more: int) -> list[int]:
    """List the axes that may count the samples, for shapes of a batch of ``few`` and of a batch of ``more`` samples.

    This is the only axis along which the shapes differ, if its lengths are those of the batches. For batches of equal
    size it may be any axis of that length; for a single sample it is the first.
    """
    if len(first) != len(later):
        return []
    differing = [axis for axis in range(len(first)) if first[axis] != later[axis]]
    if few != more:
        return [axis for axis in differing if len(differing) == 1 and (first[axis], later[axis]) == (few, more)]
    axes = [axis for axis in range(len(first)) if not differing and first[axis] == few]
    return [axis for axis in axes if few > 1 or axis == 0]


def follows(
    first: torch.Tensor, later: torch.Tensor, index: torch.Tensor, dtype: torch.dtype, *, random: bool
) -> bool | None:
    """Tell whether row i of a later pass is row ``index[i]`` of the first; None where the rows are all alike.

    Parameters
    ----------
    first, later : torch.Tensor
        Sketches of the two passes, ``(row, value)``.
    index : torch.Tensor
        The samples of the later batch, by their place in the first.
    dtype : torch.dtype
        Of the layer: it sets how far rounding may take two values apart.
    random : bool
        Whether the model draws random numbers, so that no two rows agree. The order is then doubted only where the
        later pass is much nearer to the order of the first.
    """
    if len(first) < 2 or first.shape[1] != later.shape[1] or len(later) != len(index):
        return None
    precision = torch.finfo(dtype).eps if dtype.is_floating_point or dtype.is_complex else 0.0
    spread, scale = first.amax(0) - first.amin(0), first.abs().amax(0)
    telling = spread > 30 * precision * scale
    if not telling.any():
        return None
    first, later, spread, scale = first[:, telling], later[:, telling], spread[telling], scale[telling]
    apart = (later - first[index]).abs()
    if random:
        common = min(len(first), len(later))
        in_place = (later[:common] - first[:common]).abs().div(spread).mean()
        return bool(in_place > 0.5 * apart.div(spread).mean())
    allowed = (max(1e-3, 30 * precision) if precision else 0.0) * spread + 30 * precision * scale
    agreeing = (apart <= allowed).double().mean(1) >= _AGREEING
    # Rounding can change one row; a sample that leaves its place moves at least one other sample.
    return int((~agreeing).sum()) < max(2, 0.02 * len(agreeing))
