"""What the ways of observing a model have in common.

A recorder runs the model on one batch and emits each value the moment it exists: the caller copies it at once,
so that no in-place module can overwrite it and nothing is kept for longer than needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hpfunc._torch.nested import members

__all__ = ["Emit", "Forward", "Record", "apply", "plain_forward"]

# emit(name of the call, its value, whether no other call happened inside it)
Emit = Callable[[str, Any, bool], None]
# record(inputs, emit) -> what the model returned
Record = Callable[[Any, Emit], Any]
# forward(model, inputs) -> what the model returned
Forward = Callable[[Any, Any], Any]


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
