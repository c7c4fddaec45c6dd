"""Read points on disk in another order of their rows, without a copy of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from hpfunc._arrays.types import Array, Ints

__all__ = ["RowsInOrder", "is_on_disk"]


def is_on_disk(array: Any) -> bool:
    """Tell whether a NumPy array is a view of a file."""
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap):
            return True
        array = array.base
    return False


class RowsInOrder:
    """Present ``(N, d)`` points on disk in another order of all rows. Rows are read when they are asked for.

    Parameters
    ----------
    points : (N, d) array
    order : (N,) array
        The row of ``points`` that stands at each place: a permutation.
    """

    def __init__(self, points: Array, order: Ints) -> None:
        self._points, self._order = points, order
        self.shape, self.dtype, self.size, self.nbytes = points.shape, points.dtype, points.size, points.nbytes
        self.ndim = 2

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, key: Any) -> Any:
        """Return rows, or some features of rows, as an array; some features of all rows are not read yet."""
        rows, features = key if isinstance(key, tuple) else (key, slice(None))
        if isinstance(rows, slice) and rows == slice(None):
            return RowsInOrder(self._points[:, features], self._order)
        return np.asarray(self._points[self._order[rows], features])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """Read all points."""
        return np.asarray(self._points[self._order], dtype)

    def astype(self, dtype: Any) -> Array:
        """Read all points as numbers of another type."""
        return np.asarray(self, dtype)

    def max(self) -> Any:
        """Return the largest number."""
        return self._points.max()

    def min(self) -> Any:
        """Return the smallest number."""
        return self._points.min()
