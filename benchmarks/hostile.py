"""Make files that mean harm, kind by kind, for the tests and for ``python -m benchmarks.promises``.

Each function writes one file into a folder and returns its path. `NETCDF_KINDS` and `JSON_KINDS` name them, with words
of the error that must refuse them. None of the files is larger than 40 MB.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import hostile_hdf5

__all__ = ["JSON_KINDS", "NETCDF_KINDS", "Kind"]


class Kind(NamedTuple):
    """Hold what makes a file, and a pattern of the error that refuses it."""

    make: Callable[[Path], Path]
    words: str


def content(name: str, data: bytes) -> Callable[[Path], Path]:
    """Give the function that writes these bytes."""

    def make(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return make


def odd_type(name: str, dtype: Callable[[], Any]) -> Callable[[Path], Path]:
    """Give the function that writes a variable of a type that no result has."""

    def make(folder: Path) -> Path:
        with hostile_hdf5.hdf5(folder / f"{name}.nc") as file:
            file.create_dataset("hp", (2,), dtype())
        return folder / f"{name}.nc"

    return make


def type_of(kind: str) -> Callable[[], Any]:
    def make() -> Any:
        import h5py

        return {"numbers": lambda: h5py.vlen_dtype("f8"), "references": lambda: h5py.ref_dtype}[kind]()

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


_HDF5 = b"\x89HDF\r\n\x1a\n"

NETCDF_KINDS = {
    "group in itself": Kind(hostile_hdf5.group_cycle, "is a group or a type"),
    "20,000 groups": Kind(hostile_hdf5.many_groups, "more than 1,000 variables"),
    "3,000 variables": Kind(hostile_hdf5.many_variables, "more than 1,000 variables"),
    "soft link": Kind(hostile_hdf5.soft_link, "is a link to elsewhere"),
    "external link": Kind(hostile_hdf5.external_link, "is a link to elsewhere"),
    "two names": Kind(hostile_hdf5.second_name, "another name of an object"),
    "external storage": Kind(hostile_hdf5.external_storage, "values in other files"),
    "virtual, from a pipe": Kind(hostile_hdf5.virtual_pipe, "values in other files"),
    "declares 8 TB": Kind(hostile_hdf5.huge_variable, "declares 8,000,000,000,000 bytes; the limit"),
    "nothing written": Kind(hostile_hdf5.no_values, "has no values in the file"),
    "missing chunks": Kind(hostile_hdf5.missing_chunks, r"lacks the chunk at \(0,\)"),
    "chunk bomb": Kind(hostile_hdf5.chunk_bomb, "unpacks to another size than its 8,000 bytes"),
    "one string, 40,000 labels": Kind(hostile_hdf5.long_string, "more than 67,108,864 bytes of text"),
    "one string, 900 attributes": Kind(hostile_hdf5.shared_attributes, "attributes .* take more than 1,048,576 bytes"),
    "compound": Kind(odd_type("compound", lambda: [("a", "f8")]), "of the type"),
    "sequences": Kind(odd_type("sequences", type_of("numbers")), "of the type"),
    "references": Kind(odd_type("references", type_of("references")), "of the type"),
    "bytes": Kind(odd_type("bytes", lambda: "S5"), "of the type"),
    "named type": Kind(hostile_hdf5.named_type, "is a group or a type"),
    "older group": Kind(hostile_hdf5.old_group, "root group is of a kind"),
    "cut short": Kind(hostile_hdf5.cut_short, "cut short or damaged"),
    "endless heap": Kind(hostile_hdf5.endless_heap, "cut short or damaged"),
    "sequences share memory": Kind(
        hostile_hdf5.wide_attributes, "attribute 'a000' of 'hp' is of a type that no result has"
    ),
    "a string of 2 GB": Kind(hostile_hdf5.string_of_two_gigabytes, "cut short or damaged"),
    "a chunk of 1 GB": Kind(hostile_hdf5.large_chunk, "two seconds of work|dimension scale"),
    "a dim of 8 GB": Kind(hostile_hdf5.nearly_a_dim, "has no values in the file"),
    "packed labels": Kind(hostile_hdf5.packed_labels, "of one dim declare more than 16,777,216 values"),
    "long names": Kind(hostile_hdf5.long_names, "has 60,003 bytes; the limit is 1,000"),
    "4,990 attributes": Kind(hostile_hdf5.many_attributes, "two seconds of work|cut short or damaged"),
    "damaged index": Kind(hostile_hdf5.damaged_index, "cut short or damaged"),
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
