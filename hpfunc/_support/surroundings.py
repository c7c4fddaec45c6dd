"""Keep results apart from what the caller has set for the whole process or thread."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numpy as np

from hpfunc._support.keywords import check_arguments

__all__ = ["unaffected"]

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def unaffected(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Run a public function under error settings of its own, whatever ``np.seterr`` or ``np.errstate`` the caller set.

    `numpy.errstate` is a decorator too, but a warning that passes through its frame would point into NumPy.
    """

    @functools.wraps(function)
    def run(*args: Arguments.args, **options: Arguments.kwargs) -> Result:
        check_arguments(function, len(args), options)
        with np.errstate(all="ignore"):
            return function(*args, **options)

    return run
