"""Describe options by text that is the same in every process, so that two sweeps can be compared."""

from __future__ import annotations

import functools
import hashlib
import re
import sys
from collections.abc import Mapping
from types import CodeType
from typing import Any

import numpy as np

__all__ = ["describe"]

# Longer arrays are described by a digest of their bytes.
_MOST_NUMBERS = 1000
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def describe(value: Any) -> str:
    """Describe an option in words: numbers and strings as they are, a function by its name and its code.

    Long arrays, tensors and modules, which a function may hold, are described by a digest of their values.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{describe(k)}: {describe(v)}" for k, v in value.items()) + "}"
    if isinstance(value, np.ndarray) and value.size > _MOST_NUMBERS and not value.dtype.hasobject:
        return f"array({value.dtype.str}, {value.shape}, {_digest(np.ascontiguousarray(value))})"
    if isinstance(value, (list, tuple, np.ndarray)):
        return "[" + ", ".join(map(describe, value)) + "]"
    if isinstance(value, functools.partial):
        return f"partial({describe(value.func)}, {describe(value.args)}, {describe(value.keywords)})"
    code = getattr(value, "__code__", None)
    if isinstance(code, CodeType):
        # A function that names itself holds itself.
        held = [cell.cell_contents for cell in value.__closure__ or () if cell.cell_contents is not value]
        inside = [_code(code), describe(held), describe(value.__defaults__ or ()), describe(value.__kwdefaults__ or {})]
        digest = _digest("\n".join(inside).encode())
        return f"{value.__qualname__} ({digest})"
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor) and value.layout is torch.strided and not value.is_meta:
        stored = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        return f"tensor({value.dtype}, {tuple(value.shape)}, {_digest(stored)})"
    words = _ADDRESS.sub("", repr(value))
    if torch is not None and isinstance(value, torch.nn.Module):
        return f"{words} {describe(value.state_dict())}"
    return words


def _digest(content: Any) -> str:
    """Compute the first digits of a digest of bytes or of a contiguous array."""
    return hashlib.sha256(content).hexdigest()[:12]


def _code(code: CodeType) -> str:
    """Describe what a function does, without the place where it was written."""
    consts = [_code(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    return repr((code.co_code, code.co_names, code.co_varnames, consts))
