"""Say what to write where a public function gets a keyword that it does not know."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar

__all__ = ["check_keywords", "known_keywords"]

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


def check_keywords(function: Callable[..., Any], keywords: Iterable[str]) -> None:
    """Raise TypeError for a keyword that ``function`` does not take, and name the one that was meant."""
    code = function.__code__
    positional = code.co_varnames[: code.co_posonlyargcount]
    known = code.co_varnames[code.co_posonlyargcount : code.co_argcount + code.co_kwonlyargcount]
    for name in keywords:
        if name in known:
            continue
        called = f"{function.__name__}({', '.join(positional)})"
        if name in positional:
            raise TypeError(f"{name}= is a positional-only argument; pass it by its place, as in {called}")
        older = _OLDER_NAMES.get(name)
        if older in known:
            raise TypeError(f"{name}= is a name of the older tool and here an unexpected keyword; write {older}=")
        raise TypeError(
            f"{name}= is an unexpected keyword argument; {called} takes data by their places, and the options "
            f"{', '.join(known) or 'none'}"
        )


def known_keywords(function: Callable[Accepted, Returned]) -> Callable[Accepted, Returned]:
    """Run a public function only with keywords that it takes; see `check_keywords`."""

    @functools.wraps(function)
    def run(*args: Accepted.args, **options: Accepted.kwargs) -> Returned:
        check_keywords(function, options)
        return function(*args, **options)

    return run
