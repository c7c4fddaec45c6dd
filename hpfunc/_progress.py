"""Progress bars, the same for every long step."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import Any

__all__ = ["progress_bar"]

# Seconds between two lines of a bar that goes to a file.
_PAUSE = 10


def progress_bar(show: bool, what: str, total: int | None = None, done: int = 0) -> AbstractContextManager[Any]:
    """A tqdm bar over ``what``, or one that shows nothing; in a file it is a line now and then."""
    if not show:
        # tqdm.auto looks for a notebook's widgets, and warns where they are missing, although nothing is shown.
        from tqdm import tqdm as plain

        hidden: AbstractContextManager[Any] = plain(disable=True)
        return hidden
    from tqdm.auto import tqdm

    options: dict[str, Any] = {}
    in_notebook = any(part.__module__ == "tqdm.notebook" for part in tqdm.__mro__)
    if not in_notebook and not sys.stderr.isatty():
        options = {"file": _Lines(), "mininterval": _PAUSE, "maxinterval": _PAUSE, "ncols": 80}
    bar: AbstractContextManager[Any] = tqdm(desc=what, total=total, initial=done, **options)
    return bar


class _Lines:
    """Standard error, where each state of a bar is a line of its own rather than written over the last."""

    def write(self, text: str) -> None:
        state = text.strip("\r\n ")
        if state:
            sys.stderr.write(f"{state}\n")

    def flush(self) -> None:
        sys.stderr.flush()
