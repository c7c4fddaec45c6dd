"""The folder in which a sweep keeps what is finished: one file for each checkpoint, whole or not there.

A file is written under another name, flushed to the disk, and renamed; its last line is a checksum of all before it,
so that what a crash or a bad disk left is noticed. Names of files are digests of labels: no label is ever a path.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import xarray as xr

from hpfunc._files import check_path, read_json
from hpfunc._labels.schema import Label
from hpfunc._store.lock import exclusive, system_error

__all__ = [
    "MANIFEST",
    "DamagedError",
    "Store",
    "StoreKey",
    "differences",
    "labels_of",
    "locked",
    "part_of",
    "shared",
    "verify",
]

# What went into a result, by name: files and samples as digests, options as text.
StoreKey = dict[str, str]

MANIFEST = "sweep.json"
_LOCK = ".lock"
_PART = re.compile(r"[0-9a-f]{32}\.nc")
_UNFINISHED = re.compile(r"[\w.]+\.[0-9]+\.part")
_LARGEST_MANIFEST = 2**24

_CHECKSUM = b"\nhpfunc sha256 %s\n"
_CHECKSUM_SIZE = len(_CHECKSUM % (b"0" * 64))

_log = logging.getLogger("hpfunc")


class DamagedError(ValueError):
    """A file of the store that is cut short or altered."""


class Store:
    """The files of a folder that is locked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def register(self, labels: list[Label]) -> None:
        """Note the order of the checkpoints, new ones after those that are known."""
        known: list[Label] = []
        with contextlib.suppress(FileNotFoundError):
            try:
                known = labels_of(self.folder)
            except DamagedError as error:
                _log.warning("%s; it is written anew", error)
        content = {"hpfunc_store": 1, "checkpoints": [*known, *(label for label in labels if label not in known)]}
        _write(self.folder / MANIFEST, json.dumps(content).encode())

    def save(self, label: Label, results: xr.Dataset, key: StoreKey) -> None:
        """Keep the results of a finished checkpoint."""
        content = _as_netcdf(results.assign_attrs(hpfunc_key=json.dumps(key)))
        digest = hashlib.sha256(content).hexdigest().encode()
        _write(self.folder / part_of(label), content, _CHECKSUM % digest)

    def sort_out(self, labels: list[Label], key_of: Callable[[Label], StoreKey], *, overwrite: bool) -> list[Label]:
        """The checkpoints that are finished already, by the key that each must have.

        Raises
        ------
        ValueError
            If something was made otherwise and ``overwrite`` does not say to redo it: what differs is named.
        """
        kept, odd = [], []
        names = {part_of(label): label for label in labels}
        for path in sorted(path for path in self.folder.iterdir() if _PART.fullmatch(path.name)):
            label = names.get(path.name)
            try:
                old = verify(path)
            except DamagedError as error:
                if label is not None:
                    _log.warning("%s; checkpoint %r is done anew", error, label)
                continue
            # What is no checkpoint of this sweep must still fit the rest of it.
            found = differences(old, shared(key_of(labels[0])) if label is None else key_of(label))
            if label is not None and not found:
                kept.append(label)
            elif found and (label is None or not overwrite):
                odd.append((f"{path.name}, no checkpoint of this sweep," if label is None else repr(label), found))
        if odd:
            what, found = odd[0]
            more = f" (and {len(odd) - 1} more)" if len(odd) > 1 else ""
            raise ValueError(
                f"store {self.folder} holds checkpoint {what}{more} made otherwise: {found}. Pass overwrite=True to "
                "redo what this sweep has, or another store="
            )
        return kept


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[Store]:
    """A folder for this sweep alone, made if it is not there.

    Raises
    ------
    ValueError
        If another sweep is at work there, or the folder holds something else, or could not be read from.
    OSError
        If the folder cannot be made or written to.
    """
    check_path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = {entry.name for entry in folder.iterdir()}
    except OSError as error:
        raise system_error(error, f"store {folder} cannot be used") from error
    foreign = sorted(name for name in names if name != _LOCK and not _PART.match(name) and not _UNFINISHED.match(name))
    if foreign and MANIFEST not in names:
        raise ValueError(f"store {folder} is no store and holds {foreign[0]!r}; pass a new or empty folder")
    with exclusive(folder / _LOCK):
        for entry in folder.iterdir():
            if _UNFINISHED.fullmatch(entry.name):
                entry.unlink()
        yield Store(folder)


def part_of(label: Label) -> str:
    """The name of the file of a checkpoint."""
    text = json.dumps(label if isinstance(label, str) else int(label))
    return f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.nc"


def labels_of(folder: Path) -> list[Label]:
    """The checkpoints that a store is meant to hold, in their order."""
    path = folder / MANIFEST
    try:
        content = read_json(path, _LARGEST_MANIFEST)
    except ValueError as error:
        raise DamagedError(f"{path} is damaged: {error}") from error
    labels = content.get("checkpoints") if isinstance(content, dict) else None
    if not isinstance(labels, list) or content.get("hpfunc_store") != 1 or len({type(label) for label in labels}) > 1:
        raise DamagedError(f"{path} is not the list of checkpoints of a sweep")
    if not all(type(label) in (int, str) for label in labels):
        raise DamagedError(f"{path} lists checkpoints that are neither integers nor strings")
    return labels


def verify(path: Path) -> StoreKey:
    """Check that a file is as it was written, and tell what went into it."""
    import netCDF4

    try:
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size - _CHECKSUM_SIZE
            stream.seek(max(0, size))
            last = stream.read()
            stream.seek(0)
            if last != _CHECKSUM % _digest(stream, size):
                raise DamagedError(f"{path} is cut short or damaged")
        with netCDF4.Dataset(path) as stored:
            key = json.loads(stored.getncattr("hpfunc_key"))
    except DamagedError:
        raise
    except Exception as error:
        raise DamagedError(f"{path} is damaged: {error!r:.200}") from error
    if not isinstance(key, dict) or not all(isinstance(value, str) for value in key.values()):
        raise DamagedError(f"{path} does not tell what went into it")
    return key


def _digest(stream: Any, size: int) -> bytes:
    """The digest of the first ``size`` bytes."""
    digest = hashlib.sha256()
    while size > 0 and (block := stream.read(min(size, 2**20))):
        digest.update(block)
        size -= len(block)
    return digest.hexdigest().encode()


def differences(old: StoreKey, new: StoreKey) -> str:
    """What differs, in words; nothing for what ``new`` does not name."""
    found = []
    for name in new:
        before, now = old.get(name, "unknown"), new[name]
        if before != now:
            brief = max(len(before), len(now)) < 60 and not name.startswith(("weights", "model", "data"))
            found.append(f"{name} was {before}, now {now}" if brief else f"{name} differs")
    return "; ".join(found)


def shared(key: StoreKey) -> StoreKey:
    """What all checkpoints of a sweep have in common."""
    return {name: value for name, value in key.items() if name not in ("weights", "model")}


def _as_netcdf(results: xr.Dataset) -> bytes:
    # In memory: when the disk is full, the library would leave a file that it can no longer close.
    import netCDF4
    from xarray.backends import NetCDF4DataStore

    file = netCDF4.Dataset("results.nc", "w", memory=2**16, format="NETCDF4")
    try:
        results.dump_to_store(NetCDF4DataStore(file))  # type: ignore[no-untyped-call]
    finally:
        content = file.close()
    return bytes(content)


def _write(path: Path, *contents: bytes) -> None:
    """Put a file in place at once, and on the disk for good."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as stream:
            for content in contents:
                stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
        if os.name == "posix":
            descriptor = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
    except OSError as error:
        raise system_error(error, f"store {path.parent} cannot be written to; what it holds is good, and") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
