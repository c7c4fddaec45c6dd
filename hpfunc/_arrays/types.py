"""Name the types of arrays that all modules share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Array", "Bools", "Floats", "Ints", "ParallelMap"]

Array = npt.NDArray[Any]  # of the points' dtype or of the working precision
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]  # indices and counts

# Apply a function to every item: the built-in `map`, or the `map` of a thread pool.
ParallelMap = Callable[..., Iterable[Any]]
