"""Walk nested values (tuples, lists, mappings, named tuples, dataclasses), everywhere by the same rules.

Containers are mappings, named tuples, tuples, lists and dataclass instances. A list or tuple that holds nothing but
plain Python values (strings, numbers, None) is a leaf: as a rule it is a batch of texts or of labels. Everything else
is a leaf, too: tensors, arrays, strings, numbers, objects.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

__all__ = ["holds_samples", "leaves", "map_leaves", "members", "take_samples"]

_PLAIN = (str, bytes, bool, int, float, complex, type(None))


def members(value: Any) -> list[tuple[Any, Any]] | None:
    """List the members of a container with their keys, positions or fields; return None for a leaf."""
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return list(zip(value._fields, value, strict=True))
    if isinstance(value, (tuple, list)):
        return None if all(isinstance(member, _PLAIN) for member in value) else list(enumerate(value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    return None


def leaves(value: Any) -> Iterator[Any]:
    """Yield the leaves of a nested value in their order."""
    inner = members(value)
    if inner is None:
        yield value
    else:
        for _, member in inner:
            yield from leaves(member)


def map_leaves(function: Callable[[Any], Any], value: Any) -> Any:
    """Apply a function to each leaf, and return the same containers around the results.

    A mapping of any kind comes back as a dict; tuples, lists, named tuples and dataclasses keep their kind.
    """
    inner = members(value)
    if inner is None:
        return function(value)
    mapped = {key: map_leaves(function, member) for key, member in inner}
    if isinstance(value, Mapping):
        return mapped
    if isinstance(value, tuple):
        return type(value)(*mapped.values()) if hasattr(value, "_fields") else tuple(mapped.values())
    return list(mapped.values()) if isinstance(value, list) else dataclasses.replace(value, **mapped)


def holds_samples(inputs: Any, count: int) -> bool:
    """Tell whether a list has an entry for each of ``count`` samples, such as a text or an image, not for each input.

    Raises
    ------
    ValueError
        If it may be either: three images of three channels look like three inputs of three samples.
    """
    if not isinstance(inputs, (list, tuple)) or len(inputs) != count:
        return False
    counted = [_counts(leaf, count) for leaf in leaves(inputs)]
    if isinstance(inputs, list) and count > 1 and counted and all(counted):
        raise ValueError(
            f"data: a batch is a list of {count} tensors whose first axis is {count} long, which may be {count} "
            f"samples or {count} inputs; choose another batch size, or collate several inputs to a tuple"
        )
    return not any(counted)


def take_samples(inputs: Any, index: torch.Tensor, count: int) -> Any:
    """Copy the samples ``index`` of a batch of ``count``; leave values that are not a batch unchanged."""
    if holds_samples(inputs, count):
        return type(inputs)(inputs[k] for k in index.tolist())
    if isinstance(inputs, Mapping):
        return {name: take_samples(value, index, count) for name, value in inputs.items()}
    if members(inputs) is not None:
        return map_leaves(lambda leaf: take_samples(leaf, index, count), inputs)
    if isinstance(inputs, torch.Tensor):
        return inputs[index.to(inputs.device)] if _counts(inputs, count) else inputs.clone()
    return inputs[index.numpy()] if _counts(inputs, count) else inputs


def _counts(leaf: Any, count: int) -> bool:
    """Tell whether the first axis of a tensor or array is as long as the batch."""
    return isinstance(leaf, (torch.Tensor, np.ndarray)) and leaf.ndim > 0 and len(leaf) == count
