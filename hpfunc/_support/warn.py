"""Issue warnings that point at the user's own line, however deep in the package they arise."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator
from contextvars import ContextVar

from hpfunc._support.progress import bars_aside

__all__ = ["kept_warnings", "warn"]

# One list for each thread or task; before Python 3.14 warnings.catch_warnings would catch those of all threads.
_KEPT: ContextVar[list[str] | None] = ContextVar("_KEPT", default=None)


def warn(message: str) -> None:
    """Issue a UserWarning at the innermost line outside this package, or keep it inside `kept_warnings`."""
    kept = _KEPT.get()
    if kept is not None:
        kept.append(message)
        return
    frame, level = sys._getframe(), 1
    # From Python 3.12 on, warnings.warn does this itself (skip_file_prefixes).
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "hpfunc":
        frame, level = frame.f_back, level + 1
    with bars_aside():
        warnings.warn(message, stacklevel=level)


@contextlib.contextmanager
def kept_warnings() -> Iterator[list[str]]:
    """Collect what `warn` would issue in this thread, for work whose caller's line is in another thread or process."""
    kept: list[str] = []
    token = _KEPT.set(kept)
    try:
        yield kept
    finally:
        _KEPT.reset(token)
