"""Bring the values of a layer into the form in which they are kept: dense, samples first, reduced, of one dtype."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from hpfunc._torch.observe.names import entries, matches

__all__ = ["Form", "NotPooledError", "as_dense", "as_form", "dense_entries", "mean_over_space", "pool_tokens"]

# The options of `pool_tokens`, and the mean over space.
_TOKENS = ("first-token", "last-token", "token-mean")
_WORDS = ("mean", *_TOKENS)
_WIDER = {torch.uint16: torch.int32, torch.uint32: torch.int64, torch.complex32: torch.complex64}


class NotPooledError(ValueError):
    """Say that the tokens of a layer are not those of the attention mask."""


@dataclasses.dataclass(frozen=True)
class Form:
    """Say in which form the values of each layer are kept.

    ``reduce`` is None, one of the words that `as_form` accepts, a function, or a mapping from layers (names or globs)
    to these; ``dtype`` is that of floating values, None for their own.
    """

    reduce: Any = None
    dtype: torch.dtype | None = None

    def rows(self, name: str, value: torch.Tensor, axis: int, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Return the value with its samples on the first axis, reduced; ``mask`` marks the tokens ``(n, token)``."""
        rows = value.movedim(axis, 0)
        reduce = self._reduce(name)
        if reduce is None:
            return rows
        if isinstance(reduce, str):
            return mean_over_space(rows) if reduce == "mean" else pool_tokens(reduce, name, rows, mask)
        reduced = reduce(rows)
        if not isinstance(reduced, torch.Tensor) or reduced.ndim == 0 or len(reduced) != len(rows):
            got = tuple(reduced.shape) if isinstance(reduced, torch.Tensor) else f"a {type(reduced).__name__}"
            raise ValueError(
                f"reduce made {got} of layer {name!r} of shape {tuple(rows.shape)}; it must keep the first axis, "
                "which counts the samples"
            )
        return reduced

    def stored_dtype(self, dtype: torch.dtype) -> torch.dtype:
        """Return the dtype in which a value is kept. NumPy has no bfloat16: float32 holds it exactly."""
        if self.dtype is not None and dtype.is_floating_point:
            dtype = self.dtype
        return torch.float32 if dtype is torch.bfloat16 else dtype

    def check(self, names: Sequence[str]) -> None:
        """Raise ValueError if a key of the mapping matches none of these layers."""
        for pattern in self.reduce if isinstance(self.reduce, Mapping) else ():
            if not matches(pattern, names):
                raise ValueError(
                    f"reduce: {pattern!r} is none of the layers that are collected; these are {', '.join(names)}"
                )

    def _reduce(self, name: str) -> Any:
        """Return the word or the function for a layer."""
        if not isinstance(self.reduce, Mapping):
            return self.reduce
        return next((value for pattern, value in self.reduce.items() if matches(pattern, [name])), None)


def as_form(reduce: Any, dtype: Any) -> Form:
    """Check the options ``reduce`` and ``dtype``."""
    for value in reduce.values() if isinstance(reduce, Mapping) else [reduce]:
        if not (value is None or callable(value) or (isinstance(value, str) and value in _WORDS)):
            words = ", ".join(f'"{word}"' for word in _WORDS)
            raise ValueError(
                f"reduce={reduce!r} is not known; choose {words}, a function of a batch of activations, or a mapping "
                "from layers to these"
            )
    return Form(dict(reduce) if isinstance(reduce, Mapping) else reduce, None if dtype is None else _as_dtype(dtype))


def _as_dtype(value: Any) -> torch.dtype:
    """Return a floating dtype that NumPy has too."""
    name = str(value).removeprefix("torch.")
    if not isinstance(value, (str, torch.dtype)):
        with contextlib.suppress(TypeError):
            name = np.dtype(value).name
    dtypes = {"float16": torch.float16, "float32": torch.float32, "float64": torch.float64}
    if name not in dtypes:
        raise ValueError(f"dtype={value!r} is not known; choose one of {', '.join(dtypes)}")
    return dtypes[name]


def dense_entries(call: str, value: Any) -> Iterator[tuple[str, torch.Tensor | None]]:
    """Yield the tensors in what a call returned, each with its name and as `as_dense` gives it."""
    for name, tensor in entries(call, value):
        yield name, as_dense(tensor)


def as_dense(value: torch.Tensor) -> torch.Tensor | None:
    """Return a tensor as a dense one whose rows can be indexed, with the same values.

    Quantised and float8 values become float32, complex32 becomes complex64, and unsigned integers are widened. The
    result is None for values without such a form: nested tensors, masked tensors, integers of 2**63 or more, packed
    bits, tensors of the meta device.
    """
    value = value.detach()
    if value.is_nested or value.is_meta or isinstance(value, torch.masked.MaskedTensor):
        return None
    if value.is_quantized:
        return value.dequantize()
    if value.layout is not torch.strided:
        value = value.to_dense()
    if value.dtype in _WIDER:
        return value.to(_WIDER[value.dtype])
    if value.dtype is torch.uint64:
        signed = value.view(torch.int64)
        return None if bool((signed < 0).any()) else signed
    if value.dtype.is_floating_point and value.dtype.itemsize == 1:
        return value.to(torch.float32) if value.dtype is not getattr(torch, "float4_e2m1fn_x2", None) else None
    known = value.dtype.is_floating_point or value.dtype.is_complex or value.dtype in _INTEGERS
    return value if known else None


_INTEGERS = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def mean_over_space(rows: torch.Tensor) -> torch.Tensor:
    """Average over all axes after the channels of images and volumes ``(n, channel, ...)``.

    Values of fewer than four axes are kept, since a sequence ``(n, step, feature)`` and a signal ``(n, channel, time)``
    cannot be told apart by their shapes.
    """
    if rows.ndim < 4:
        return rows
    # Pixels may be integers, whose mean is not an integer.
    dtype = None if rows.is_floating_point() or rows.is_complex() else torch.float32
    return rows.mean(dim=tuple(range(2, rows.ndim)), dtype=dtype)


def pool_tokens(how: str, name: str, rows: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Reduce ``(n, token, feature)`` to ``(n, feature)``; values of any other number of axes are kept.

    Parameters
    ----------
    how : {"first-token", "last-token", "token-mean"}
        The first token of each sample, the last, or the mean over all.
    name : str
        What errors call the layer.
    rows : torch.Tensor
        The values, samples first.
    mask : torch.Tensor or None
        The batch's attention mask ``(n, token)``: tokens where it is 0 are padding, on either side, and are ignored.
        None: every token counts.
    """
    if rows.ndim != 3:
        return rows
    if mask is None:
        counted = torch.ones(rows.shape[:2], dtype=torch.bool, device=rows.device)
    elif tuple(mask.shape) != tuple(rows.shape[:2]):
        raise NotPooledError(
            f"reduce={how!r}: layer {name!r} has shape {tuple(rows.shape)}, the attention mask {tuple(mask.shape)}; "
            "the mask must be (sample, token), of as many tokens as the layer. Name the layers by a mapping, "
            'reduce={"encoder.*": "token-mean"}, or pass a function'
        )
    else:
        counted = mask.to(rows.device) != 0
    if not bool(counted.any(1).all()):
        raise ValueError(f"reduce={how!r}: the attention mask has a sample without any token, for layer {name!r}")
    if how == "token-mean":
        wide = rows if rows.is_floating_point() or rows.is_complex() else rows.float()
        if mask is None:
            return wide.mean(1)
        # Padding may hold anything, NaN among it: it is replaced, not multiplied by zero.
        kept = torch.where(counted.unsqueeze(2), wide, torch.zeros((), dtype=wide.dtype, device=wide.device))
        # Sums of half precision could overflow.
        total = kept.sum(1, dtype=torch.float32 if wide.dtype.itemsize == 2 else None)
        return (total / counted.sum(1, keepdim=True)).to(wide.dtype)
    places = torch.arange(rows.shape[1], device=rows.device)
    if how == "first-token":
        place = torch.where(counted, places, rows.shape[1]).amin(1)
    else:
        place = torch.where(counted, places, -1).amax(1)
    return rows[torch.arange(len(rows), device=rows.device), place]
