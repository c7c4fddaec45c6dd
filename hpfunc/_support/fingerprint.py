"""Describe options by text that is the same in every process, so that two sweeps can be compared."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Mapping
from types import CodeType
from typing import Any

import numpy as np

__all__ = ["describe"]

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def describe(value: Any) -> str:
    """Describe an option in words: numbers and strings as they are, a function by its name and its code."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{describe(k)}: {describe(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple, np.ndarray)):
        return "[" + ", ".join(map(describe, value)) + "]"
    if isinstance(value, functools.partial):
        return f"partial({describe(value.func)}, {describe(value.args)}, {describe(value.keywords)})"
    code = getattr(value, "__code__", None)
    if isinstance(code, CodeType):
        held = [cell.cell_contents for cell in value.__closure__ or ()]
        inside = [_code(code), describe(held), describe(value.__defaults__ or ()), describe(value.__kwdefaults__ or {})]
        digest = hashlib.sha256("\n".join(inside).encode()).hexdigest()
        return f"{value.__qualname__} ({digest[:12]})"
    return _ADDRESS.sub("", repr(value))


def _code(code: CodeType) -> str:
    """Describe what a function does, without the place where it was written."""
    consts = [_code(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    return repr((code.co_code, code.co_names, code.co_varnames, consts))
