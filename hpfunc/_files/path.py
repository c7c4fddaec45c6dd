"""Take paths as users write them."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

__all__ = ["as_path"]


def as_path(value: str | PathLike[str], name: str) -> Path:
    """Give a path in which ``~`` stands for the home folder, as xarray writes files.

    Raises
    ------
    TypeError
        If ``value`` is not a path.
    ValueError
        If there is no such home folder.
    """
    if not isinstance(value, (str, PathLike)):
        raise TypeError(f"{name} is a {type(value).__name__}; expected a path, as a string or a pathlib.Path")
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{name}={str(value)!r} names a home folder that is not known ({error})") from None
