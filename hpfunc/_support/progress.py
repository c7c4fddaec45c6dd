"""Show progress bars, the same for every long step."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Literal

__all__ = ["ProgressBar", "bars_aside"]

# Seconds between two lines of a bar that goes to a file, and what such a line says.
_PAUSE = 10
_LINE = "{desc}: {percentage:.0f} %, {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}]"


class ProgressBar:
    """Show one tqdm bar, or nothing: a line in a terminal, a widget in a notebook, lines in a log.

    The bar appears when its total is known: from the start, or by `expect`.
    """

    def __init__(self, show: bool, what: str, total: int | None = None, done: int = 0) -> None:
        # A program without a console has no standard error.
        self._show, self._what, self._bar = show and sys.stderr is not None, what, None
        if total is not None:
            self.expect(total, done)

    def expect(self, total: int, done: int = 0) -> None:
        """Set the total and show the bar; a bar that is already shown stays as it is."""
        if self._show and self._bar is None:
            self._bar = _bar(desc=self._what, total=total, initial=done)

    def update(self, n: int) -> None:
        """Count ``n`` more as done."""
        if self._bar is not None:
            self._bar.update(n)

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.close()


@contextlib.contextmanager
def bars_aside() -> Iterator[None]:
    """Clear every bar from the screen, also bars of the caller, while other text is written there."""
    module = sys.modules.get("tqdm.std")
    if module is None or sys.stderr is None or _place() not in ("terminal", "notebook"):
        yield
    else:
        with module.tqdm.external_write_mode(file=sys.stderr):
            yield


def _bar(**options: Any) -> Any:
    """Make the bar that suits the place where standard error goes.

    tqdm.auto would choose too, but it warns in a notebook without widgets.
    """
    from tqdm.std import tqdm

    place = _place()
    if place == "widgets":
        from tqdm.notebook import tqdm as widget

        return widget(**options)
    if place == "notebook":
        return tqdm(ncols=80, file=sys.stderr, **options)
    if place == "terminal":
        # With leave=None a bar below one of the caller's own leaves no line behind.
        return tqdm(dynamic_ncols=True, leave=None, file=sys.stderr, **options)
    lines = _Lines()
    return tqdm(file=lines, mininterval=_PAUSE, maxinterval=_PAUSE, bar_format=_LINE, position=0, **options)


def _place() -> Literal["widgets", "notebook", "terminal", "log"]:
    """Tell what standard error is."""
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = get_ipython() if get_ipython is not None else None
    if shell is not None and "IPKernelApp" in shell.config:
        from tqdm import notebook

        return "notebook" if notebook.IProgress is None else "widgets"
    return "terminal" if getattr(sys.stderr, "isatty", bool)() else "log"


class _Lines:
    """Write each new state of a bar to standard error on a new line, instead of over the previous state."""

    def __init__(self) -> None:
        self._last = ""

    def write(self, text: str) -> None:
        state = text.strip("\r\n ")
        # tqdm writes the last state twice: once when the work is done and once when the bar is closed.
        count = state.partition(" [")[0]
        if state and count != self._last:
            self._last = count
            sys.stderr.write(f"{state}\n")

    def flush(self) -> None:
        sys.stderr.flush()
