"""Issue the warnings of tasks where the sweep was called: the tasks may run where no caller's line is."""

from __future__ import annotations

from collections.abc import Iterable

from hpfunc._support.warn import warn

__all__ = ["SweepWarnings"]

# A warning names this many parts of a sweep.
_LISTED = 20


class SweepWarnings:
    """Collect warnings by their text: issue each for its first task at once, and for all others at the end."""

    def __init__(self) -> None:
        self._parts: dict[str, list[str]] = {}

    def add(self, part: str, messages: Iterable[str]) -> None:
        """Issue the messages that no other part of the sweep has given, and note which part gave each."""
        for message in messages:
            parts = self._parts.setdefault(message, [])
            if part not in parts:
                parts.append(part)
                if len(parts) == 1:
                    warn(f"{part}: {message}")

    def report_others(self) -> None:
        """Issue each message of several parts once more, with all parts but the first named."""
        for message, (_, *others) in self._parts.items():
            if others:
                more = f", and {len(others) - _LISTED} more" if len(others) > _LISTED else ""
                warn(f"{', '.join(others[:_LISTED])}{more}, as before: {message}")
