"""Open checkpoint files: what a file describes is read as opcodes, and its tensors are views of its bytes.

Nothing that a file names is looked up or called. What it declares (entries, storages, sizes) is compared with what it
holds before memory is allocated for it.
"""

from __future__ import annotations

import io
import mmap
import struct
import zipfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from hpfunc._torch.model.opcodes import LARGEST_PICKLE, read_opcodes
from hpfunc._torch.model.specs import Container, StorageSpec, TensorSpec

__all__ = ["CheckpointFile", "open_checkpoint"]

_MOST_ENTRIES = 50_000
# The bytes that suffice for the list of this many entries of an archive, with their names.
_LARGEST_DIRECTORY = 2**22
_LARGEST_HEADER = 2**24
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C

# What other files begin with, what they are, and what to do about them.
_OTHERS = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file it points to; run git lfs pull where it was cloned"),
    (b"<!doctype", "a web page, not a checkpoint; the download failed, so open its address in a browser"),
    (b"<html", "a web page, not a checkpoint; the download failed, so open its address in a browser"),
    (b"<?xml", "an XML page, not a checkpoint; the download failed, so open its address in a browser"),
    (b"\x89HDF", "an HDF5 file, as Keras writes; save model.state_dict() from torch"),
    (b"\x1f\x8b", "compressed by gzip; unpack it first"),
    (b"\x93NUMPY", "a NumPy array; save model.state_dict() from torch"),
    (b"{", "JSON, such as the index of a checkpoint in several files; pass the file that holds the weights"),
)  # fmt: skip


class CheckpointFile:
    """Hold what a file describes, and read some of its tensors.

    ``root`` is what `read_opcodes` returned, or for safetensors a dict of tensors that are read already.
    """

    def __init__(self, root: Any) -> None:
        self.root = root

    def tensors(self, wanted: Mapping[str, TensorSpec]) -> dict[str, torch.Tensor]:
        """Read tensors by name; those that share a storage share memory."""
        raise NotImplementedError


def open_checkpoint(path: Path) -> CheckpointFile:
    """Open a file of ``torch.save`` (of either format) or of safetensors.

    Raises
    ------
    ValueError
        If the file is another kind of file, is damaged, or declares more than it holds; the message completes
        "the file cannot be read, since it is" or names the cause.
    ImportError
        For a safetensors file where that package is not installed.
    """
    with path.open("rb") as stream:
        head = stream.read(512)
    if head.startswith(b"PK\x03\x04"):
        return _ZipFile(path)
    # A safetensors file begins with the length of its header, in 8 bytes; the header itself begins with a brace.
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < path.stat().st_size:
        return _safetensors(path)
    for start, what in _OTHERS:
        if head.lstrip().lower().startswith(start.lower()):
            raise ValueError(f"it is {what}")
    if head[257:262] == b"ustar":
        raise ValueError("it is a tar archive; pass the file of weights in it")
    if path.suffix == ".safetensors":
        return _safetensors(path)
    if head[:1] != b"\x80":
        raise ValueError("it is cut short or nothing that torch.save wrote")
    return _LegacyFile(path)


class _ZipFile(CheckpointFile):
    """Read a file as torch.save writes it since 1.6: an archive of a pickle and one entry for each storage."""

    def __init__(self, path: Path) -> None:
        self._path = path
        _check_directory(path)
        try:
            with zipfile.ZipFile(path) as archive:
                name, self._sizes = _check_entries(archive, path.stat().st_size)
                content = archive.read(name)
                self._folder = name.removesuffix("data.pkl")
                _check_byte_order(archive, self._folder, self._sizes)
        except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, struct.error, OverflowError) as error:
            raise ValueError(f"its archive is damaged or cut short ({error})") from None
        super().__init__(read_opcodes(io.BytesIO(content))[0])

    def tensors(self, wanted: Mapping[str, TensorSpec]) -> dict[str, torch.Tensor]:
        for spec in wanted.values():
            there = self._sizes.get(f"{self._folder}data/{spec.storage.key}")
            if there != spec.storage.nbytes:
                raise ValueError(
                    f"its storage {spec.storage.key!r:.50} takes {spec.storage.nbytes:,} bytes; in the archive are "
                    f"{there}"
                )
        storages: dict[str, bytearray] = {}
        try:
            with zipfile.ZipFile(self._path) as archive:
                for spec in wanted.values():
                    key = spec.storage.key
                    if key not in storages:
                        # Reads to the end, where the sum is compared.
                        storages[key] = bytearray(archive.read(f"{self._folder}data/{key}"))
        except (zipfile.BadZipFile, EOFError) as error:
            raise ValueError(f"its archive is damaged or cut short ({error})") from None
        return {name: _as_tensor(spec, storages[spec.storage.key]) for name, spec in wanted.items()}


def _check_directory(path: Path) -> None:
    """Raise ValueError if the list of entries, which is read as a whole, is longer than that of any model."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        stream.seek(max(0, size - 2**16 - 22))
        tail = stream.read()
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or len(tail) - place < 22:
        raise ValueError("its archive is damaged or cut short (it has no end)")
    length = struct.unpack("<L", tail[place + 12 : place + 16])[0]
    if length == 2**32 - 1:
        locator = tail.rfind(b"PK\x06\x06")
        length = struct.unpack("<Q", tail[locator + 40 : locator + 48])[0] if 0 <= locator < len(tail) - 48 else length
    if length > _LARGEST_DIRECTORY:
        raise ValueError(f"its archive has a list of entries of {length:,} bytes; the limit is {_LARGEST_DIRECTORY:,}")


def _check_entries(archive: zipfile.ZipFile, size: int) -> tuple[str, dict[str, int]]:
    """Return the name of the pickle, and the size of each entry."""
    listed = archive.infolist()
    sizes = {entry.filename: entry.file_size for entry in listed}
    if len(sizes) < len(listed) or len(sizes) > _MOST_ENTRIES:
        raise ValueError("its archive has an entry twice, or too many")
    if any(name.endswith(".npy") for name in sizes):
        raise ValueError("it is an archive of NumPy arrays; save model.state_dict() from torch")
    if any(name.endswith("/constants.pkl") for name in sizes) or any("/code/" in name for name in sizes):
        raise ValueError(
            "it is a TorchScript file, which holds code; where you trust it, save torch.jit.load(path).state_dict()"
        )
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in listed):
        raise ValueError("its archive is compressed, which torch.save does not do")
    if sum(sizes.values()) > size:
        raise ValueError(f"its archive declares {sum(sizes.values()):,} bytes, the file has {size:,}")
    if any(name.rpartition("/")[2] == "archive_format" for name in sizes):
        raise ValueError(
            "it is a file of torch.export, which holds a program; save torch.export.load(path).module().state_dict()"
        )
    names = [name for name in sizes if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(names) != 1:
        raise ValueError("its archive has no data.pkl, which torch.save writes; where it holds other files, unpack it")
    if sizes[names[0]] > LARGEST_PICKLE:
        raise ValueError(f"its pickle has {sizes[names[0]]:,} bytes; the limit is {LARGEST_PICKLE:,}")
    return names[0], sizes


def _check_byte_order(archive: zipfile.ZipFile, folder: str, sizes: Mapping[str, int]) -> None:
    name = f"{folder}byteorder"
    if 0 < sizes.get(name, 0) < 10 and archive.read(name) != b"little":
        raise ValueError("its numbers are big-endian; save it again on a little-endian machine")


class _LegacyFile(CheckpointFile):
    """Read a file as torch.save wrote it before 1.6: pickles, one after the other, then the bytes of the storages."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            reader = _Limited(content, LARGEST_PICKLE)
            if read_opcodes(reader)[0] != _LEGACY_MAGIC:
                raise ValueError("it is a pickle that torch.save did not write; save model.state_dict() by torch.save")
            # The version and the system say nothing that is needed.
            read_opcodes(reader)
            read_opcodes(reader)
            root, storages = read_opcodes(reader)
            keys, _ = read_opcodes(reader)
            self._places = _find_storages(keys, storages, content)
        super().__init__(root)

    def tensors(self, wanted: Mapping[str, TensorSpec]) -> dict[str, torch.Tensor]:
        storages = {}
        with self._path.open("rb") as stream:
            for key in {spec.storage.key for spec in wanted.values()}:
                start, length = self._places[key]
                stream.seek(start)
                storages[key] = bytearray(stream.read(length))
        return {name: _as_tensor(spec, storages[spec.storage.key]) for name, spec in wanted.items()}


def _find_storages(keys: Any, specs: Mapping[str, StorageSpec], content: mmap.mmap) -> dict[str, tuple[int, int]]:
    """Return where the bytes of each storage are; raise ValueError unless each is there once, and is filled."""
    names = [str(key) for key in keys.entries] if isinstance(keys, Container) and keys.kind == "list" else []
    if len(set(names)) < len(names) or set(specs) != set(names):
        raise ValueError("its tensors name storages that it does not hold, or it holds others")
    places = {}
    start = content.tell()
    needed = sum(8 + spec.nbytes for spec in specs.values())
    if start + needed > len(content):
        raise ValueError(f"its storages take {needed:,} bytes, and the file has {len(content) - start:,} for them")
    for name in names:
        count = int.from_bytes(content[start : start + 8], "little", signed=True)
        if count != specs[name].count:
            raise ValueError(f"its storage {name!r:.50} should hold {specs[name].count:,} numbers and has {count:,}")
        places[name] = start + 8, specs[name].nbytes
        start += 8 + specs[name].nbytes
    return places


class _Limited:
    """Read a map of a file up to a limit, so that no pickle in it takes more."""

    def __init__(self, content: mmap.mmap, limit: int) -> None:
        self._content, self._limit = content, limit

    def read(self, size: int = -1) -> bytes:
        left = self._limit - self._content.tell()
        if size < 0 or size > left:
            raise ValueError(f"its pickles take more than {self._limit:,} bytes")
        return self._content.read(size)

    def readline(self, size: int | None = -1) -> bytes:
        start = self._content.tell()
        end = self._content.find(b"\n", start, self._limit)
        return self.read(self._limit - start + 1 if end < 0 and len(self._content) > self._limit else end + 1 - start)

    def tell(self) -> int:
        return self._content.tell()


def _safetensors(path: Path) -> CheckpointFile:
    """Open a safetensors file by its own package, after checking its header."""
    if find_spec("safetensors") is None:
        raise ImportError("it needs the package safetensors: pip install safetensors")
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    with path.open("rb") as stream:
        start = stream.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or not 2 <= length <= min(_LARGEST_HEADER, path.stat().st_size - 8):
            raise ValueError(
                f"its header declares {length:,} bytes; the limit is {_LARGEST_HEADER:,} and the file's size"
            )
        entries = stream.read(length).count(b"data_offsets")
    if entries > _MOST_ENTRIES:
        raise ValueError(f"its header has {entries:,} entries; the limit is {_MOST_ENTRIES:,}")
    try:
        return CheckpointFile(load_file(path, device="cpu"))
    except SafetensorError as error:
        raise ValueError(f"it is cut short or no safetensors file ({error!s:.200})") from None


def _as_tensor(spec: TensorSpec, storage: bytearray) -> torch.Tensor:
    """Make a tensor as a view of the bytes of its storage."""
    if 0 in spec.shape or not storage:
        return torch.empty(spec.shape, dtype=spec.dtype, device="cpu")
    whole = torch.frombuffer(storage, dtype=spec.dtype, count=len(storage) // spec.dtype.itemsize)
    return whole.as_strided(spec.shape, spec.stride, spec.offset)
