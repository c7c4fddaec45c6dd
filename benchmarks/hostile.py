"""Make files that mean harm, kind by kind, for the tests and for ``python -m benchmarks.promises``.

Each function writes one file into a folder and returns its path. `KINDS` names them, with words of the error that must
refuse them. None of the files is larger than 40 MB.
"""

from __future__ import annotations

import contextlib
import os
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

__all__ = ["JSON_KINDS", "NETCDF_KINDS", "Kind"]


class Kind(NamedTuple):
    """Hold what makes a file, and a pattern of the error that refuses it."""

    make: Callable[[Path], Path]
    words: str


@contextlib.contextmanager
def hdf5(path: Path) -> Iterator[Any]:
    """Open a new file whose root group is like that of a netCDF file."""
    import h5py

    with h5py.File(path, "w", track_order=True) as file:
        yield file


def group_cycle(folder: Path) -> Path:
    """Put a group into itself: the netCDF-C library walks it until the stack ends."""
    with hdf5(folder / "cycle.nc") as file:
        group = file.create_group("g")
        group["g"] = group
    return folder / "cycle.nc"


def many_groups(folder: Path) -> Path:
    with hdf5(folder / "groups.nc") as file:
        for number in range(20_000):
            file.create_group(str(number))
    return folder / "groups.nc"


def many_variables(folder: Path) -> Path:
    with hdf5(folder / "variables.nc") as file:
        for number in range(3_000):
            file[str(number)] = 1.0
    return folder / "variables.nc"


def soft_link(folder: Path) -> Path:
    import h5py

    with hdf5(folder / "soft.nc") as file:
        file["hp"] = h5py.SoftLink("/elsewhere")
    return folder / "soft.nc"


def external_link(folder: Path) -> Path:
    import h5py

    with hdf5(folder / "link.nc") as file:
        file["hp"] = h5py.ExternalLink("/etc/passwd", "/")
    return folder / "link.nc"


def second_name(folder: Path) -> Path:
    """Give one variable two names."""
    with hdf5(folder / "names.nc") as file:
        file["hp"] = 1.0
        file["other"] = file["hp"]
    return folder / "names.nc"


def external_storage(folder: Path) -> Path:
    """Keep the values of a variable in ``/etc/passwd``: they came back as data."""
    with hdf5(folder / "storage.nc") as file:
        file.create_dataset("hp", (4,), "u1", external=[("/etc/passwd", 0, 4)])
    return folder / "storage.nc"


def virtual_pipe(folder: Path) -> Path:
    """Keep the values of a variable in a pipe, whose opening waits for a writer."""
    import h5py

    pipe = folder / "values"
    os.mkfifo(pipe)
    with hdf5(folder / "virtual.nc") as file:
        layout = h5py.VirtualLayout((10,), "f8", maxshape=(None,))
        source = h5py.VirtualSource(str(pipe), "x", (10,), maxshape=(None,))
        layout[0 : h5py.h5s.UNLIMITED] = source[0 : h5py.h5s.UNLIMITED]
        file.create_virtual_dataset("hp", layout)
    return folder / "virtual.nc"


def huge_variable(folder: Path) -> Path:
    with hdf5(folder / "huge.nc") as file:
        file.create_dataset("hp", (10**12,), "f8")
    return folder / "huge.nc"


def no_values(folder: Path) -> Path:
    """Declare eight gigabytes of which nothing is written: they would read as zeros."""
    with hdf5(folder / "empty.nc") as file:
        file.create_dataset("hp", (10**9,), "f8")
    return folder / "empty.nc"


def missing_chunks(folder: Path) -> Path:
    with hdf5(folder / "chunks.nc") as file:
        file.create_dataset("hp", (10**6,), "f8", chunks=(1000,))
    return folder / "chunks.nc"


def chunk_bomb(folder: Path) -> Path:
    """Pack a gigabyte into a chunk of 8 kB."""
    with hdf5(folder / "bomb.nc") as file:
        values = file.create_dataset("hp", (1000,), "f8", chunks=(1000,), compression="gzip")
        values.id.write_direct_chunk((0,), zlib.compress(bytes(10**9)))
    return folder / "bomb.nc"


def long_string(folder: Path) -> Path:
    """Let 40,000 labels be one string of two megabytes."""
    import h5py

    path, count = folder / "labels.nc", 40_000
    with hdf5(path) as file:
        labels = file.create_dataset("layer", (count,), h5py.string_dtype())
        labels[:] = "y"
        labels[0] = "x" * 2**21
        place = labels.id.get_offset()
    content = bytearray(path.read_bytes())
    content[place : place + 16 * count] = content[place : place + 16] * count
    path.write_bytes(content)
    return path


def shared_attributes(folder: Path) -> Path:
    """Let 900 attributes be one string of a megabyte."""
    path, size = folder / "attributes.nc", 2**20
    with hdf5(path) as file:
        values = file.create_dataset("hp", (1,), "f8", track_order=False)
        values[0] = 1
        values.attrs["a000"] = "x" * size
        for number in range(1, 900):
            values.attrs[f"a{number:03}"] = "yyyyy"
    content = bytearray(path.read_bytes())
    # A string is its length, the address of a heap, and a number in it.
    place = rb".{6}\0\0.{2}\0\0"
    long = re.search(re.escape(struct.pack("<I", size)) + place, content, re.DOTALL)
    assert long is not None
    for short in re.finditer(re.escape(struct.pack("<I", 5)) + place, bytes(content), re.DOTALL):
        content[short.start() : short.end()] = long[0]
    path.write_bytes(content)
    return path


def odd_type(name: str, dtype: Callable[[], Any]) -> Callable[[Path], Path]:
    """Give the function that writes a variable of a type that no result has."""

    def make(folder: Path) -> Path:
        with hdf5(folder / f"{name}.nc") as file:
            file.create_dataset("hp", (2,), dtype())
        return folder / f"{name}.nc"

    return make


def named_type(folder: Path) -> Path:
    with hdf5(folder / "type.nc") as file:
        file["hp"] = np.dtype("f8")
    return folder / "type.nc"


def old_group(folder: Path) -> Path:
    """Keep the links of the root group in a tree of the older kind."""
    import h5py

    with h5py.File(folder / "old.nc", "w", libver="earliest") as file:
        file["hp"] = 1.0
    return folder / "old.nc"


def cut_short(folder: Path) -> Path:
    path = folder / "cut.nc"
    with hdf5(path) as file:
        file["hp"] = np.ones(1000)
    path.write_bytes(path.read_bytes()[:-100])
    return path


def endless_heap(folder: Path) -> Path:
    """Let an object of the heap of strings have no size: the HDF5 library walks the heap without end."""
    import h5py

    path = folder / "heap.nc"
    with hdf5(path) as file:
        file.create_dataset("layer", (2,), h5py.string_dtype())[:] = ["aaaa", "bbbb"]
    content = bytearray(path.read_bytes())
    heap = content.index(b"GCOL")
    # The second object: index, references, four bytes unused, size.
    second = content.index(b"bbbb", heap) - 16
    content[second : second + 16] = struct.pack("<HHIQ", 0, 0, 0, 0)
    path.write_bytes(content)
    return path


def content(name: str, data: bytes) -> Callable[[Path], Path]:
    """Give the function that writes these bytes."""

    def make(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return make


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.nc")
    return folder / "pipe.nc"


def zarr_folder(folder: Path) -> Path:
    """Write a Zarr store whose filter would run what it reads."""
    store = folder / "store.zarr"
    (store / "layer").mkdir(parents=True)
    (store / ".zgroup").write_text('{"zarr_format": 2}', encoding="utf-8")
    (store / "layer" / ".zarray").write_text('{"filters": [{"id": "pickle"}], "dtype": "|O"}', encoding="utf-8")
    return store


def _dtype(kind: str) -> Callable[[], Any]:
    def make() -> Any:
        import h5py

        return {"numbers": lambda: h5py.vlen_dtype("f8"), "references": lambda: h5py.ref_dtype}[kind]()

    return make


_HDF5 = b"\x89HDF\r\n\x1a\n"

NETCDF_KINDS = {
    "group in itself": Kind(group_cycle, "is a group or a type"),
    "20,000 groups": Kind(many_groups, "more than 1,000 variables"),
    "3,000 variables": Kind(many_variables, "more than 1,000 variables"),
    "soft link": Kind(soft_link, "is a link to elsewhere"),
    "external link": Kind(external_link, "is a link to elsewhere"),
    "two names": Kind(second_name, "another name of an object"),
    "external storage": Kind(external_storage, "values in other files"),
    "virtual, from a pipe": Kind(virtual_pipe, "values in other files"),
    "declares 8 TB": Kind(huge_variable, "declares 8,000,000,000,000 bytes; the limit"),
    "nothing written": Kind(no_values, "has no values in the file"),
    "missing chunks": Kind(missing_chunks, r"lacks the chunk at \(0,\)"),
    "chunk bomb": Kind(chunk_bomb, "unpacks to another size than its 8,000 bytes"),
    "one string, 40,000 labels": Kind(long_string, "more than 67,108,864 bytes of text"),
    "one string, 900 attributes": Kind(shared_attributes, "attributes .* take more than 1,048,576 bytes"),
    "compound": Kind(odd_type("compound", lambda: [("a", "f8")]), "of the type"),
    "sequences": Kind(odd_type("sequences", _dtype("numbers")), "of the type"),
    "references": Kind(odd_type("references", _dtype("references")), "of the type"),
    "bytes": Kind(odd_type("bytes", lambda: "S5"), "of the type"),
    "named type": Kind(named_type, "is a group or a type"),
    "older group": Kind(old_group, "root group is of a kind"),
    "cut short": Kind(cut_short, "cut short or damaged"),
    "endless heap": Kind(endless_heap, "cut short or damaged"),
    "header of nothing": Kind(content("header.nc", _HDF5 + b"\xff" * 500), "cut short or damaged"),
    "signature alone": Kind(content("signature.nc", _HDF5), "cut short or damaged"),
    "classic format": Kind(content("classic.nc", b"CDF\x01" + b"\xff" * 500), "classic netCDF format"),
    "text": Kind(content("text.nc", b"checkpoint,hp\n0,0.5\n"), "is not a netCDF file"),
    "JSON": Kind(content("preDict.json", b'{"(0, 1) train": {}}'), "read_seed_results"),
    "pipe": Kind(pipe, "is not a regular file"),
    "Zarr": Kind(zarr_folder, r"if you trust its source, write hpfunc\.label_pairs\(xarray\.open_zarr\(path\)\)"),
}

_ENTRY = b'{"(0, 1) train": {"Euclid initial": %s}}'

JSON_KINDS = {
    "deep lists": Kind(content("a.json", b"[" * 100_000), "nested too deeply"),
    "deep objects": Kind(content("a.json", b'{"a":' * 100_000), "nested too deeply"),
    "16 MB of lists": Kind(content("a.json", b"[" + b"[]," * 5_500_000 + b"0]"), "more than 1,000,000 keys and values"),
    "16 MB of a key": Kind(content("a.json", b'{"' + b"x" * (2**24 - 10) + b'": 1}'), "is not of the form"),
    "too large": Kind(content("a.json", b" " * 2**25), "more than 16,777,216 bytes"),
    "a long number": Kind(content("a.json", _ENTRY % (b"9" * 100_000)), "older tool"),
    "NaN": Kind(content("a.json", _ENTRY % b"NaN"), "NaN"),
    "a key twice": Kind(content("a.json", b'{"(0, 1) train": {}, "(0, 1) train": {}}'), "twice"),
    "a lone surrogate": Kind(content("a.json", b'{"(0, 1) tr\\ud800": {"Euclid fc": 0.5}}'), "lone surrogate"),
}
