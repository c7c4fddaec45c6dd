"""Define what the ways of observing a model have in common.

A recorder runs the model on one batch and emits each value the moment it exists: the caller copies it at once,
so that no in-place module can overwrite it and nothing is kept for longer than needed.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from hpfunc._torch.nested import members

__all__ = ["MASK", "Emit", "Forward", "Record", "apply", "as_taken", "mask_in", "plain_forward"]

_log = logging.getLogger("hpfunc")

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
        args, options = as_taken(function, inputs)
        return function(*args, **options)
    if isinstance(inputs, (tuple, list)) and members(inputs) is not None:
        return function(*inputs)
    return function(inputs)


def as_taken(function: Callable[..., Any], inputs: Mapping[str, Any]) -> tuple[list[Any], Mapping[str, Any]]:
    """Divide named inputs into positional and keyword arguments of the function.

    Names that the function does not take (a file name beside the image, say) are left out, and the log says which.
    Where it takes none of them, a single input, or the single tensor among them, is passed by position.

    Raises
    ------
    TypeError
        If the function takes none of several inputs.
    """
    try:
        parameters = inspect.signature(getattr(function, "forward", function)).parameters.values()
    except (TypeError, ValueError):
        return [], inputs
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return [], inputs
    names = {parameter.name for parameter in parameters if parameter.kind is not parameter.POSITIONAL_ONLY}
    taken = {name: value for name, value in inputs.items() if name in names}
    args: list[Any] = []
    if not taken:
        found = [name for name, value in inputs.items() if isinstance(value, torch.Tensor)]
        names = set(found if len(found) == 1 else inputs)
        if len(names) > 1:
            raise TypeError(
                f"the model takes none of the inputs {', '.join(map(repr, inputs))} by name; pass forward=, such as "
                f"lambda model, x: model(x[{next(iter(inputs))!r}])"
            )
        args = [value for name, value in inputs.items() if name in names]
    left_out = [name for name in inputs if name not in taken and name not in names]
    if left_out:
        _log.info("the model does not take the inputs %s, and runs without them", ", ".join(map(repr, left_out)))
    return args, taken


def plain_forward(model: Any, inputs: Any) -> Any:
    """Call the model itself on the inputs."""
    return apply(model, inputs)
