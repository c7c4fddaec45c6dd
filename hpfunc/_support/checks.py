"""Check options: one of several words, a count, a yes or no."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = ["check_count", "check_flag", "check_option"]


def check_option(name: str, value: object, allowed: Iterable[object]) -> None:
    """Raise ValueError, listing the values, unless ``value`` is one of ``allowed``."""
    choices = list(allowed)
    # An array compares entry by entry, so values of another type are not compared at all.
    if not any(isinstance(value, type(choice)) and value == choice for choice in choices):
        raise ValueError(f"{name}={value!r} is not known; choose one of {', '.join(map(repr, choices))}")


def check_count(name: str, value: Any, what: str = "an integer of 1 or more") -> int:
    """Return a count as an int.

    Parameters
    ----------
    name : str
        What errors call the option.
    value : int
        A positive integer of any kind: of Python, NumPy or a tensor without axes.
    what : str
        What the error asks for.

    Raises
    ------
    TypeError
        If ``value`` is no integer; True and False are none.
    ValueError
        If it is below 1.
    """
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        count = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}={value!r} is a {type(value).__name__}; pass {what}") from None
    if count < 1:
        raise ValueError(f"{name}={value!r} is not positive; pass {what}")
    return count


def check_flag(name: str, value: Any) -> bool:
    """Return a flag as a bool, or raise TypeError unless it is True or False, of Python or of NumPy."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}={value!r} is a {type(value).__name__}; pass True or False")
    return bool(value)
