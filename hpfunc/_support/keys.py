"""Make generators from a key and names: the same on every machine and backend."""

from __future__ import annotations

import hashlib

import numpy as np

__all__ = ["RandomKey", "check_key", "generator"]

RandomKey = int | tuple[int, ...]


def check_key(key: object, name: str = "key") -> tuple[int, ...]:
    """Return a key as a tuple of non-negative integers.

    Raises
    ------
    TypeError
        Unless ``key`` is an integer or a non-empty tuple of integers.
    ValueError
        If an integer is negative.
    """
    parts = key if isinstance(key, tuple) else (key,)
    if not parts or any(isinstance(p, bool) or not isinstance(p, (int, np.integer)) for p in parts):
        raise TypeError(f"{name}={key!r} is not a key; pass an integer or a tuple of integers, such as {name}=0")
    if any(p < 0 for p in parts):
        raise ValueError(f"{name}={key!r} is negative; keys are integers of 0 or more")
    return tuple(int(p) for p in parts)


def generator(key: RandomKey, *names: object) -> np.random.Generator:
    """Make a generator from a key and names (of a class, a layer); nothing else changes what it draws.

    Names rather than positions are folded in, so that the draws of a layer stay the same when layers are added.
    """
    digest = hashlib.sha256("\x1f".join(f"{type(n).__name__}:{n}" for n in names).encode()).digest()
    words = np.frombuffer(digest, dtype="<u4").tolist() if names else []
    parts = check_key(key)
    # The count in front tells the key (1,) with names from the key (1, 2) with names.
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([len(parts), *parts, *words])))
