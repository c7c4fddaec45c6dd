"""Write HDF5 files that mean harm; see `benchmarks.hostile`. Each function writes one file and returns its path."""

from __future__ import annotations

import contextlib
import os
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np


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
    _repeat_heap_object(path, size, 5)
    return path


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


def wide_attributes(folder: Path) -> Path:
    """Let 900 attributes be one sequence of 300,000 numbers."""
    import h5py

    path, size = folder / "wide.nc", 300_000
    with hdf5(path) as file:
        values = file.create_dataset("hp", (1,), "f8", track_order=False)
        values[0] = 1
        for number in range(900):
            held = np.empty(1, object)
            held[0] = np.arange(5 if number else size)
            values.attrs.create(f"a{number:03}", held, dtype=h5py.vlen_dtype("i8"))
    _repeat_heap_object(path, size, 5)
    return path


def _repeat_heap_object(path: Path, long: int, short: int) -> None:
    """Let all objects of a heap that have the short length be the object of the long one."""
    content = bytearray(path.read_bytes())
    # A string or sequence is its length, the address of a heap, and a number in it.
    place = rb".{6}\0\0.{2}\0\0"
    found = re.search(re.escape(struct.pack("<I", long)) + place, content, re.DOTALL)
    assert found is not None
    for match in re.finditer(re.escape(struct.pack("<I", short)) + place, bytes(content), re.DOTALL):
        content[match.start() : match.end()] = found[0]
    path.write_bytes(content)


def string_of_two_gigabytes(folder: Path) -> Path:
    """Declare a string of two gigabytes: the HDF5 library allocates them before it looks for the string."""
    import h5py

    path = folder / "string.nc"
    with hdf5(path) as file:
        labels = file.create_dataset("layer", (2,), h5py.string_dtype())
        labels[:] = ["aaaa", "bbbb"]
        place = labels.id.get_offset()
    content = bytearray(path.read_bytes())
    content[place : place + 4] = struct.pack("<I", 2**31 - 1)
    path.write_bytes(content)
    return path


def large_chunk(folder: Path) -> Path:
    """Declare a chunk of eight gigabytes, packed into 8 MB, of two dims that are one value each."""
    with hdf5(folder / "chunk.nc") as file:
        values = file.create_dataset("hp", (1, 1), "f8", chunks=(1, 2**27), maxshape=(1, None), compression="gzip")
        packed = zlib.compressobj(1)
        chunk = b"".join([packed.compress(bytes(2**24)) for _ in range(64)] + [packed.flush()])
        values.id.write_direct_chunk((0, 0), chunk)
    return folder / "chunk.nc"


def nearly_a_dim(folder: Path) -> Path:
    """Declare eight gigabytes without values, under nearly the name that netCDF gives to a dim without labels."""
    with hdf5(folder / "dim.nc") as file:
        dim = file.create_dataset("x", (2 * 10**9,), "f4")
        dim.make_scale(f"This is a netCDF dimension but not a netCDF variable{10**9:10}")
        values = file.create_dataset("hp", (1,), "f8")
        values[0] = 1
        values.dims[0].attach_scale(dim)
    return folder / "dim.nc"


def packed_labels(folder: Path) -> Path:
    """Pack 800 MB of labels into 800 kB: xarray reads labels as it opens a file."""
    with hdf5(folder / "packed.nc") as file:
        labels = file.create_dataset("layer", (10**8,), "i8", chunks=(10**6,), compression="gzip")
        chunk = zlib.compress(bytes(8 * 10**6))
        for number in range(100):
            labels.id.write_direct_chunk((number * 10**6,), chunk)
        labels.make_scale("layer")
    return folder / "packed.nc"


def long_names(folder: Path) -> Path:
    with hdf5(folder / "names.nc") as file:
        for number in range(400):
            file[f"{number:03}" + "n" * 60_000] = 1.0
    return folder / "names.nc"


def many_attributes(folder: Path) -> Path:
    """Give one variable 4,990 attributes in a heap, which the HDF5 library lists anew for each of them."""
    import h5py

    with h5py.File(folder / "many.nc", "w", track_order=True, libver="latest") as file:
        file["hp"] = 1.0
        for number in range(4990):
            file["hp"].attrs[f"a{number}"] = 1
    return folder / "many.nc"


def damaged_index(folder: Path) -> Path:
    """Change a byte in the tree that finds chunks."""
    import h5py

    path = folder / "index.nc"
    with h5py.File(path, "w", track_order=True, libver="latest") as file:
        file.create_dataset("hp", data=np.ones((100, 100)), chunks=(10, 10), maxshape=(None, None))
    content = bytearray(path.read_bytes())
    content[content.index(b"BTHD") + 6] ^= 255
    path.write_bytes(content)
    return path
