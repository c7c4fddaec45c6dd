"""Paths that the netCDF library can open."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["check_path"]


def check_path(path: Path) -> None:
    r"""Raise ValueError where a name holds a backslash, which netCDF takes for a separator on every system.

    A path of Windows, such as ``C:\runs``, is one odd name elsewhere, and what was written could not be read again.
    """
    if os.sep == "/" and "\\" in str(path.absolute()):
        raise ValueError(f"{path} has a backslash in its path, which the netCDF library takes for a /; rename it")
