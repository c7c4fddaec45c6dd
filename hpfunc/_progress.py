"""Progress bars, the same for every long step."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

__all__ = ["progress_bar"]


def progress_bar(show: bool, what: str, total: int | None = None) -> AbstractContextManager[Any]:
    """A tqdm bar over ``what``, or one that shows nothing."""
    from tqdm.auto import tqdm

    bar: AbstractContextManager[Any] = tqdm(desc=what, total=total, disable=not show)
    return bar
