"""Say what to write where a public function gets arguments that it does not take."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar

__all__ = ["check_arguments", "known_arguments"]

Accepted = ParamSpec("Accepted")
Returned = TypeVar("Returned")

# Names of the tool that hpfunc replaces.
_OLDER_NAMES = {
    "num_samples": "samples_per_class",
    "n": "n_permutations",
    "batches": "batch_size",
    "storage_dir": "store",
    "stages": "checkpoints",
}


def check_arguments(function: Callable[..., Any], n_given: int, keywords: Iterable[str]) -> None:
    """Raise TypeError for arguments that a function does not take, and say what to write instead.

    Parameters
    ----------
    function : callable
        A function of Python; of public ones data are positional-only and options keyword-only.
    n_given : int
        How many arguments were passed by their places.
    keywords : iterable of str
        The names of the other arguments.

    Raises
    ------
    TypeError
        For too many arguments by their places, and for a keyword that is none of the function.
    """
    code = function.__code__
    positional = code.co_varnames[: code.co_posonlyargcount]
    known = code.co_varnames[code.co_posonlyargcount : code.co_argcount + code.co_kwonlyargcount]
    called = f"{function.__name__}({', '.join(positional)})"
    if n_given > code.co_argcount and not code.co_flags & inspect.CO_VARARGS:
        pair = (
            "pass inputs and labels as one pair, (inputs, labels), and options"
            if "data" in positional
            else "pass options"
        )
        raise TypeError(f"{called} takes {code.co_argcount} arguments by their places, not {n_given}; {pair} by name")
    for name in keywords:
        if name in known:
            continue
        if name in positional:
            raise TypeError(f"{name}= is a positional-only argument; pass it by its place, as in {called}")
        older = _OLDER_NAMES.get(name)
        if older in known:
            raise TypeError(f"{name}= is a name of the older tool and here an unexpected keyword; write {older}=")
        raise TypeError(
            f"{name}= is an unexpected keyword argument; {called} takes data by their places, and the options "
            f"{', '.join(known) or 'none'}"
        )


def known_arguments(function: Callable[Accepted, Returned]) -> Callable[Accepted, Returned]:
    """Run a public function only with arguments that it takes; see `check_arguments`."""

    @functools.wraps(function)
    def run(*args: Accepted.args, **options: Accepted.kwargs) -> Returned:
        check_arguments(function, len(args), options)
        return function(*args, **options)

    return run
