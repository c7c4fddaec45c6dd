"""What a Zarr folder declares, read from its own metadata files before any library opens it.

A codec is looked up by its name, and one of them is pickle, which runs what it reads: only those are let through that
do nothing but pack bytes. A chunk that is not there reads as the fill value, NaN: here it is an error.
"""

from __future__ import annotations

import math
import os
import re
import stat
from pathlib import Path
from typing import Any

from hpfunc._files.json import read_json
from hpfunc._files.limits import check_declared

__all__ = ["check_zarr"]

_METADATA = {"zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata"}
_LARGEST_METADATA = 2**24
_MOST_ENTRIES = 1_000_000

_CODECS = {"blosc", "bytes", "crc32c", "gzip", "lz4", "shuffle", "transpose", "vlen-utf8", "zlib", "zstd"}
_NUMBER = re.compile(r"[<>|]?(?:[biuf](?P<bytes>[1248])|U(?P<letters>[0-9]{1,6})|S(?P<chars>[0-9]{1,6}))")
_NAMED = re.compile(r"bool|(?:u?int|float)(?P<bits>8|16|32|64)|string|variable_length_utf8")
_CHUNK = re.compile(r"c|(?:c[/.])?[0-9]+(?:[/.][0-9]+)*")


def check_zarr(folder: Path) -> None:
    """Raise ValueError unless the arrays of a Zarr folder are plain, whole and of sizes that it can hold."""
    files = _walk(folder)
    arrays = {}
    for name in {path.partition("/")[0] for path in files if "/" in path}:
        metadata = _metadata(folder / name)
        if metadata is not None:
            arrays[name] = metadata
    declared = sum(_declared(name, metadata) for name, metadata in arrays.items())
    check_declared(declared, sum(files.values()))
    for name, (shape, chunks, _) in arrays.items():
        needed = math.prod(-(-size // chunk) for size, chunk in zip(shape, chunks, strict=True))
        inside = (path.removeprefix(f"{name}/") for path in files if path.startswith(f"{name}/"))
        there = sum(_CHUNK.fullmatch(path) is not None for path in inside)
        if there < needed:
            raise ValueError(
                f"variable {name!r:.100} has {there} of its {needed} chunks; the others would read as NaN (Zarr leaves "
                "out chunks of NaN only, unless results.to_zarr(..., write_empty_chunks=True))"
            )


def _walk(folder: Path) -> dict[str, int]:
    """The files below a folder, by their path in it, and their sizes."""
    files: dict[str, int] = {}
    for where, folders, names in os.walk(folder):
        for name in (*folders, *names):
            entry = Path(where, name)
            status = entry.lstat()
            if stat.S_ISREG(status.st_mode):
                files[entry.relative_to(folder).as_posix()] = status.st_size
            elif not stat.S_ISDIR(status.st_mode):
                raise ValueError(f"{entry} is a link or a device, which a Zarr folder does not need")
        if len(files) > _MOST_ENTRIES:
            raise ValueError(f"it has more than {_MOST_ENTRIES:,} files")
    return files


_Metadata = tuple[list[int], list[int], int]


def _metadata(folder: Path) -> _Metadata | None:
    """Shape, shape of a chunk and bytes of an item, None for what is no array."""
    for name in ("zarr.json", ".zarray"):
        if (folder / name).exists():
            content = read_json(folder / name, _LARGEST_METADATA)
            if not isinstance(content, dict):
                raise ValueError(f"{folder / name} is no JSON object")
            if content.get("node_type") == "group":
                raise ValueError(f"it holds the group {folder.name!r:.100}; results have none")
            try:
                return _version3(content) if name == "zarr.json" else _version2(content)
            except (KeyError, TypeError, AttributeError) as error:
                raise ValueError(f"{folder / name} does not describe an array ({error!r:.200})") from error
    return None


def _version2(content: dict[str, Any]) -> _Metadata:
    filters = content["filters"] or []
    for codec in (content["compressor"], *filters):
        _check_codec(None if codec is None else codec["id"])
    text = any(codec["id"] == "vlen-utf8" for codec in filters)
    width = 8 if content["dtype"] == "|O" and text else _width(content["dtype"])
    return _sizes(content["shape"]), _sizes(content["chunks"]), width


def _version3(content: dict[str, Any]) -> _Metadata:
    for codec in content["codecs"]:
        _check_codec(codec if isinstance(codec, str) else codec["name"])
    if content.get("storage_transformers"):
        raise ValueError("it has storage transformers, which are not known")
    grid = content["chunk_grid"]
    if grid["name"] != "regular":
        raise ValueError(f"its chunks have the grid {grid['name']!r:.100}; expected a regular one")
    kind = content["data_type"]
    if isinstance(kind, dict) and kind["name"] in ("fixed_length_utf32", "null_terminated_bytes"):
        [width] = _sizes([kind["configuration"]["length_bytes"]])
    else:
        width = _width(kind)
    return _sizes(content["shape"]), _sizes(grid["configuration"]["chunk_shape"]), width


def _declared(name: str, metadata: _Metadata) -> int:
    shape, chunks, width = metadata
    if len(shape) != len(chunks) or 0 in chunks:
        raise ValueError(f"variable {name!r:.100} has the shape {shape} and chunks of {chunks}")
    # To read one value, all of its chunk is made.
    return width * max(math.prod(shape), math.prod(chunks))


def _sizes(values: Any) -> list[int]:
    if not isinstance(values, list) or not all(type(v) is int and 0 <= v < 2**63 for v in values) or len(values) > 32:
        raise ValueError(f"it declares the sizes {values!r:.100}")
    return values


def _width(dtype: Any) -> int:
    """Bytes of an item; a string of no fixed length counts as a pointer."""
    match = isinstance(dtype, str) and (_NUMBER.fullmatch(dtype) or _NAMED.fullmatch(dtype))
    if not match:
        raise ValueError(f"it holds the data type {dtype!r:.100}; expected numbers or strings")
    found = {name: int(number) for name, number in match.groupdict().items() if number}
    widths = {"bytes": 1, "letters": 4, "chars": 1, "bits": 1 / 8}
    return int(sum(number * widths[name] for name, number in found.items())) or 8


def _check_codec(name: Any) -> None:
    if name is not None and name not in _CODECS:
        raise ValueError(f"it is packed by {name!r:.100}; what is read is packed by {', '.join(sorted(_CODECS))}")
