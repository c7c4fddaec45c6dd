"""Explicit randomness: a key and names give a generator, the same ones on every machine and backend."""

from __future__ import annotations

import hashlib

import numpy as np

__all__ = ["check_key", "generator"]


def check_key(key: object, name: str = "key") -> tuple[int, ...]:
    """A key as a tuple of non-negative integers.

    Raises
    ------
    TypeError
        Unless ``key`` is an integer or a non-empty tuple of integers.
    ValueError
        If one is negative.
    """
    parts = key if isinstance(key, tuple) else (key,)
    if not parts or any(isinstance(p, bool) or not isinstance(p, (int, np.integer)) for p in parts):
        raise TypeError(f"{name}={key!r} is not a key; pass an integer or a tuple of integers, such as {name}=0")
    if any(p < 0 for p in parts):
        raise ValueError(f"{name}={key!r} is negative; keys are integers of 0 or more")
    return tuple(int(p) for p in parts)


def generator(key: int | tuple[int, ...], *names: object) -> np.random.Generator:
    """A generator that depends on the key and on names (of a class, a layer), and on nothing else.

    Folding by name rather than by position keeps one layer's draws the same when another is added.
    """
    digest = hashlib.sha256("\x1f".join(f"{type(n).__name__}:{n}" for n in names).encode()).digest()
    words = np.frombuffer(digest, dtype="<u4").tolist() if names else []
    parts = check_key(key)
    # The count in front keeps (1,) + names apart from (1, 2) + names.
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([len(parts), *parts, *words])))
