"""Refuse work that needs more memory than is allowed, and lend memory for ties and near ties.

The number of tied distances is known only after they are computed, so work begins if everything except ties fits. The
remaining memory is lent to the clouds of points that need it. If too little remains, the error names the number of
bytes that is enough for any ties.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import numpy as np

__all__ = ["UNLIMITED", "SpareBytes", "bytes_for_any_ties", "bytes_to_remeasure", "check_bytes", "check_copy"]

# Bytes for each candidate edge where all minimum spanning trees are counted. Calls on one-hot points took 468 bytes for
# each of 4.5 million edges and 493 for each of 0.5 million, with all else that they hold, which is estimated apart.
_TIED_EDGE = 400
# Bytes that ties may always take, and a copy of the points: together the 64 MB that the documentation grants beside
# max_memory.
_ALLOWANCE = 32 * 2**20
_SMALL_COPY = 32 * 2**20


def check_bytes(need: float, max_bytes: float, what: str, most: float = 0) -> None:
    """Raise ValueError if more bytes are needed than allowed.

    Parameters
    ----------
    need, max_bytes : float
        Bytes to work in.
    what : str
        What needs the bytes; the error message begins with it.
    most : float
        Bytes that are needed if all distances tie.
    """
    if need > max_bytes:
        raise _too_much(need, max_bytes, what, most)


def check_copy(n_bytes: float, max_bytes: float, what: str, bytes_after: Callable[[], tuple[float, float]]) -> None:
    """Raise ValueError if copies of the points take too many bytes; the error names the bytes of the work after it too.

    ``bytes_after`` returns the bytes that this work needs where few distances tie, and where all of them do.
    A small copy passes: if the work after it does not fit, the error of that work names the bytes for both.
    """
    if n_bytes > max(_SMALL_COPY, max_bytes):
        need, most = bytes_after()
        raise _too_much(n_bytes + need, max_bytes, f"{what}, with a copy of the samples,", n_bytes + most)


def _too_much(need: float, max_bytes: float, what: str, most: float = 0) -> ValueError:
    """Return the error of `check_bytes`."""
    ties = f" (up to {int(most):,} if many distances tie)" if most > need else ""
    return ValueError(
        f"{what} needs about {int(need):,} bytes to work in{ties}, more than max_memory allows ({int(max_bytes):,}); "
        "raise max_memory or take fewer samples of each class"
    )


def bytes_to_remeasure(n: int, d: int) -> int:
    """Estimate the bytes for all distances of n points of d features in float64, and for their path maxima."""
    return 50 * n**2 + 16 * n * d


def bytes_for_any_ties(n: int, d: int) -> int:
    """Estimate the most bytes that ties and near ties of n points of d features can take.

    The distances that are measured again are given up before the edges that tie are counted.
    """
    return max(0, bytes_to_remeasure(n, d) - _ALLOWANCE, _TIED_EDGE * n * (n - 1) // 2 - _ALLOWANCE)


class SpareBytes:
    """Lend memory for ties and near ties to the threads of a layer, never more in total than is left.

    Parameters
    ----------
    max_bytes : float
        Bytes to work in, by default without limit.
    taken : float
        Bytes that other work takes.
    enough : float
        Bytes in all that are enough for any ties; error messages name this number.
    """

    def __init__(self, max_bytes: float = np.inf, taken: float = 0, enough: float = 0) -> None:
        self._max_bytes, self._enough = max_bytes, enough
        self._most = self._left = max(0, max_bytes - taken) + _ALLOWANCE
        self._changed = threading.Condition()

    @property
    def most_edges(self) -> float:
        """Return how many candidate edges fit."""
        return self._most / _TIED_EDGE

    def check(self, n_bytes: float, n: int) -> None:
        """Raise ValueError if work on n points takes more bytes than may ever be lent."""
        if n_bytes > self._most:
            self.refuse(n)

    def refuse(self, n: int) -> NoReturn:
        """Raise ValueError because the ties of n points do not fit."""
        what = f"finding trees of {n:,} points among edges that tie or nearly do"
        raise _too_much(max(self._enough, self._max_bytes + 1), self._max_bytes, what)

    @contextmanager
    def for_ties(self, n_edges: int, n: int) -> Iterator[None]:
        """Lend the bytes needed to find all minimum spanning trees of n points among candidate edges."""
        with self._lent(_TIED_EDGE * n_edges, n):
            yield

    @contextmanager
    def to_remeasure(self, n: int, d: int) -> Iterator[None]:
        """Lend the bytes needed to measure all distances of n points of d features again in float64."""
        with self._lent(bytes_to_remeasure(n, d), n):
            yield

    @contextmanager
    def _lent(self, n_bytes: float, n: int) -> Iterator[None]:
        """Wait until ``n_bytes`` are left, and take them inside the ``with`` block; raise if they can never be left."""
        self.check(n_bytes, n)
        with self._changed:
            self._changed.wait_for(lambda: n_bytes <= self._left)
            self._left -= n_bytes
        try:
            yield
        finally:
            with self._changed:
                self._left += n_bytes
                self._changed.notify_all()


UNLIMITED = SpareBytes()
