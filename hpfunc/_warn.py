"""Warnings that point at the user's own line, however deep in the package they arise."""

from __future__ import annotations

import sys
import warnings

__all__ = ["warn"]


def warn(message: str) -> None:
    """Issue a UserWarning at the innermost line outside this package."""
    frame, level = sys._getframe(), 1
    # From Python 3.12 on, warnings.warn does this itself (skip_file_prefixes).
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "hpfunc":
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)
