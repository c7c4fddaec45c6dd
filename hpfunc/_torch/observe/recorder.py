"""What the ways of observing a model have in common.

A recorder runs the model on one batch and emits each value the moment it exists: the caller copies it at once,
so that no in-place module can overwrite it and nothing is kept for longer than needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from hpfunc._torch.nested import members

__all__ = ["MASK", "Emit", "Forward", "Record", "apply", "mask_in", "plain_forward"]

# emit(name of the call, its value, the names of the calls directly inside it)
Emit = Callable[[str, Any, Sequence[str]], None]
# The name under which a recorder emits the attention mask that the model was called with, before any layer.
MASK = "the attention mask"
# record(inputs, emit) -> what the model returned
Record = Callable[[Any, Emit], Any]
# forward(model, inputs) -> what the model returned
Forward = Callable[[Any, Any], Any]


def mask_in(values: Any) -> Any:
    """Return the attention mask among named inputs, or None."""
    mask = values.get("attention_mask") if isinstance(values, Mapping) else None
    return mask if isinstance(mask, torch.Tensor) else None


def apply(function: Callable[..., Any], inputs: Any) -> Any:
    """Call with one input, with several by position, or with several by name."""
    if isinstance(inputs, Mapping):
        return function(**inputs)
    if isinstance(inputs, (tuple, list)) and members(inputs) is not None:
        return function(*inputs)
    return function(inputs)


def plain_forward(model: Any, inputs: Any) -> Any:
    """Call the model itself on the inputs."""
    return apply(model, inputs)
