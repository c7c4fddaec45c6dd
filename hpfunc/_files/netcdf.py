"""What a netCDF file declares."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from hpfunc._files.limits import check_declared

__all__ = ["check_netcdf"]

# Labels are short; this is for all of a file.
_MOST_TEXT = 2**26
_MOST_VARIABLES = 1000


def check_netcdf(file: Path) -> None:
    """Raise ValueError unless the arrays of a netCDF file are plain and of sizes that it can hold."""
    import netCDF4

    size = file.stat().st_size
    with file.open("rb") as stream:
        classic = stream.read(3) == b"CDF"
    with netCDF4.Dataset(file) as stored:
        if stored.groups or len(stored.variables) > _MOST_VARIABLES:
            raise ValueError("it holds groups, or more variables than results have")
        declared = sum(_declared(name, variable) for name, variable in stored.variables.items())
        # The classic format does not compress and leaves nothing out.
        check_declared(declared, size, packed=not classic)
        room = _MOST_TEXT
        for name, variable in stored.variables.items():
            if variable.dtype is str:
                room -= _text_size(name, variable, size, room)


def _declared(name: str, variable: Any) -> int:
    """Bytes that a variable takes in memory, by what is declared; a string counts as a pointer."""
    if variable.dtype is str:
        return 8 * int(math.prod(variable.shape))
    kind = variable.dtype.kind if hasattr(variable.dtype, "kind") else ""
    if not kind or kind not in "biufSU" or type(variable.datatype).__name__ in ("VLType", "CompoundType", "EnumType"):
        raise ValueError(f"variable {name!r:.100} is of type {variable.dtype}; expected numbers or strings")
    chunks = variable.chunking()
    # To read one value, all of its chunk is made.
    chunk = math.prod(chunks) if isinstance(chunks, (list, tuple)) else 0
    return int(variable.dtype.itemsize * max(math.prod(variable.shape), chunk))


def _text_size(name: str, variable: Any, size: int, room: int) -> int:
    """Bytes of all strings of a variable, of which each may be as large as the file and all may be the same one."""
    count, at, total = math.prod(variable.shape), 0, 0
    if variable.ndim > 1:
        raise ValueError(f"variable {name!r:.100} holds strings in {variable.ndim} dims; labels have one")
    step = max(1, _MOST_TEXT // size)
    while at < count:
        part = variable[at : at + step] if variable.ndim else [variable[...]]
        total += sum(len(str(text)) for text in part)
        if total > room:
            raise ValueError(f"variable {name!r:.100} holds more than {_MOST_TEXT:,} bytes of text")
        at += step
    return total
