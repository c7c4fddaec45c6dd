"""The warnings of tasks, which may run where no caller's line is, issued where the sweep was called."""

from __future__ import annotations

from collections.abc import Iterable

from hpfunc._support.warn import warn

__all__ = ["Heard"]

# A warning names this many parts of a sweep.
_LISTED = 20


class Heard:
    """What the tasks warned of, each text once: at once for the first task, at the end for all others that had it."""

    def __init__(self) -> None:
        self._parts: dict[str, list[str]] = {}

    def add(self, part: str, messages: Iterable[str]) -> None:
        """Issue what no other part of the sweep has warned of."""
        for message in messages:
            parts = self._parts.setdefault(message, [])
            if part not in parts:
                parts.append(part)
                if len(parts) == 1:
                    warn(f"{part}: {message}")

    def tell_others(self) -> None:
        """Issue what several parts warned of once more, with all but the first of them named."""
        for message, (_, *others) in self._parts.items():
            if others:
                more = f", and {len(others) - _LISTED} more" if len(others) > _LISTED else ""
                warn(f"{', '.join(others[:_LISTED])}{more}, as before: {message}")
