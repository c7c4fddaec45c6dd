"""Keep finished checkpoints in a folder: one file for each, which is whole or not there.

A file is written under another name, flushed to the disk, and renamed. Its last line is a checksum of all before it, so
that what a crash or a bad disk left is noticed. Names of files are digests of labels: no label is ever a path.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from hpfunc._files import check_apart, read_json
from hpfunc._labels.schema import Label
from hpfunc._store.lock import exclusive, system_error

__all__ = [
    "MANIFEST",
    "DamagedError",
    "Store",
    "StoreKey",
    "key_differences",
    "labels_of",
    "locked",
    "part_of",
    "shared_key",
    "verify",
]

# What went into a result, by name: files and samples as digests, options as text.
StoreKey = dict[str, str]

MANIFEST = "sweep.json"
_LOCK = ".lock"
_PART = re.compile(r"[0-9a-f]{32}\.nc")
_UNFINISHED = re.compile(rf"(?:{_PART.pattern}|{re.escape(MANIFEST)})\.[0-9]+\.part")
_MAX_MANIFEST = 2**24

_CHECKSUM = b"\nhpfunc sha256 %s\n"
_CHECKSUM_SIZE = len(_CHECKSUM % (b"0" * 64))

_log = logging.getLogger("hpfunc")


class DamagedError(ValueError):
    """Say that a file of the store is cut short or altered."""


class Store:
    """Write and compare the files of a folder that is locked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def known_labels(self) -> list[Label]:
        """List the checkpoints that the folder is meant to hold; none where its list is missing or damaged."""
        with contextlib.suppress(FileNotFoundError):
            try:
                return labels_of(self.folder)
            except DamagedError as error:
                _log.warning("%s; it is written anew", error)
        return []

    def check_kind(self, labels: list[Label]) -> None:
        """Raise ValueError where the folder's checkpoints and ``labels`` are not all integers or all strings."""
        known = self.known_labels()
        if known and type(known[0]) is not type(labels[0]):
            raise ValueError(
                f"store {self.folder} holds checkpoint {known[0]!r}, and this sweep has checkpoint {labels[0]!r}: "
                "labels are all integers or all strings; pass another store="
            )

    def register(self, labels: list[Label]) -> None:
        """Write down the order of the checkpoints, new ones after those that are known."""
        known = self.known_labels()
        labels = [*known, *(label for label in labels if label not in known)]
        content = {"hpfunc_store": 2, "checkpoints": labels, "sha256": _digest_of_labels(labels)}
        _write(self.folder / MANIFEST, json.dumps(content).encode())

    def save(self, label: Label, results: xr.Dataset, key: StoreKey) -> None:
        """Keep the results of a finished checkpoint."""
        content = _as_netcdf(results.assign_attrs(hpfunc_key=json.dumps(key)))
        digest = hashlib.sha256(content).hexdigest().encode()
        _write(self.folder / part_of(label), content, _CHECKSUM % digest)

    def find_finished(
        self, labels: list[Label], key_of: Callable[[Label], StoreKey], *, overwrite: bool
    ) -> list[Label]:
        """List the checkpoints that are finished already: those whose file has the key that they must have.

        Raises
        ------
        ValueError
            If something was made otherwise and ``overwrite`` does not say to redo it: what differs is named.
        """
        kept, odd = [], []
        names = {part_of(label): label for label in labels}
        paths = sorted(path for path in self.folder.iterdir() if _PART.fullmatch(path.name))
        for path, old in verify(paths).items():
            label = names.get(path.name)
            if isinstance(old, DamagedError):
                if label is not None:
                    _log.warning("%s; checkpoint %r is done anew", old, label)
                continue
            # Other checkpoints of the store must fit this sweep too, in what all checkpoints share.
            found = key_differences(old, shared_key(key_of(labels[0])) if label is None else key_of(label))
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
    """Open a folder for one sweep alone, and make it if it is missing.

    Raises
    ------
    ValueError
        If another sweep is at work there, or the folder holds something else, or could not be read from.
    OSError
        If the folder cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise system_error(error, f"store {folder} cannot be used") from error
    own = [entry for entry in entries if _is_own(entry.name)]
    if len(own) < len(entries) and folder / MANIFEST not in own:
        foreign = next(entry.name for entry in entries if entry not in own)
        raise ValueError(f"store {folder} is no store and holds {foreign!r}; pass a new or empty folder")
    for entry in own:
        if entry.is_symlink() or not entry.is_file():
            raise ValueError(
                f"store {folder} holds {entry.name!r}, which is no file; remove it, or pass another folder"
            )
    with exclusive(folder / _LOCK):
        for entry in folder.iterdir():
            if _UNFINISHED.fullmatch(entry.name):
                entry.unlink()
        yield Store(folder)


def _is_own(name: str) -> bool:
    """Tell whether a store makes files of this name."""
    return name in (_LOCK, MANIFEST) or bool(_PART.fullmatch(name) or _UNFINISHED.fullmatch(name))


def part_of(label: Label) -> str:
    """Name the file of a checkpoint."""
    text = json.dumps(label if isinstance(label, str) else int(label))
    return f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.nc"


def labels_of(folder: Path) -> list[Label]:
    """Read which checkpoints a store is meant to hold, in their order."""
    path = folder / MANIFEST
    try:
        content = read_json(path, _MAX_MANIFEST)
    except ValueError as error:
        raise DamagedError(f"{path} is damaged: {error}") from error
    labels = content.get("checkpoints") if isinstance(content, dict) else None
    if not isinstance(labels, list) or content.get("hpfunc_store") != 2 or len({type(label) for label in labels}) > 1:
        raise DamagedError(f"{path} is not the list of checkpoints of a sweep")
    if not all(type(label) in (int, str) for label in labels):
        raise DamagedError(f"{path} lists checkpoints that are neither integers nor strings")
    if content.get("sha256") != _digest_of_labels(labels):
        raise DamagedError(f"{path} is damaged: its checksum is another one")
    return labels


def _digest_of_labels(labels: list[Label]) -> str:
    return hashlib.sha256(json.dumps(labels).encode()).hexdigest()


def verify(paths: Sequence[Path]) -> dict[Path, StoreKey | DamagedError]:
    """Check that files are as they were written, and read what went into each, or say what is wrong with it."""
    found: dict[Path, StoreKey | DamagedError] = {path: why for path in paths if (why := _wrong_checksum(path))}
    refused = check_apart([path for path in paths if path not in found])
    for path in paths:
        if path in refused:
            found[path] = DamagedError(f"{path} is damaged: {refused[path]}")
        elif path not in found:
            found[path] = _read_key(path)
    return found


def _wrong_checksum(path: Path) -> DamagedError | None:
    """Say that the last line of a file is not the checksum of all before it, or None if it is."""
    try:
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size - _CHECKSUM_SIZE
            stream.seek(max(0, size))
            last = stream.read()
            stream.seek(0)
            right = last == _CHECKSUM % _digest(stream, size)
    except OSError as error:
        return DamagedError(f"{path} is damaged: {error!r:.200}")
    return None if right else DamagedError(f"{path} is cut short or damaged")


def _read_key(path: Path) -> StoreKey | DamagedError:
    import h5py

    try:
        with h5py.File(path, "r") as stored:
            key = json.loads(stored.attrs["hpfunc_key"])
    except Exception as error:
        return DamagedError(f"{path} is damaged: {error!r:.200}")
    if not isinstance(key, dict) or not all(isinstance(value, str) for value in key.values()):
        return DamagedError(f"{path} does not tell what went into it")
    return key


def _digest(stream: Any, size: int) -> bytes:
    """Compute the digest of the first ``size`` bytes."""
    digest = hashlib.sha256()
    while size > 0 and (block := stream.read(min(size, 2**20))):
        digest.update(block)
        size -= len(block)
    return digest.hexdigest().encode()


def key_differences(old: StoreKey, new: StoreKey) -> str:
    """Say in words what differs; give an empty string where nothing does.

    An option that ``new`` lacks is not given now. ``new`` may be the key that all checkpoints share.
    """
    found = []
    for name in [*new, *(name for name in shared_key(old) if name not in new)]:
        before, now = old.get(name, "unknown"), new.get(name, "not given")
        if before != now:
            brief = max(len(before), len(now)) < 60 and not name.startswith(("weights", "model", "data"))
            found.append(f"{name} was {before}, now {now}" if brief else f"{name} differs")
    return "; ".join(found)


def shared_key(key: StoreKey) -> StoreKey:
    """Leave out of a key what differs between the checkpoints of a sweep."""
    return {name: value for name, value in key.items() if name not in ("weights", "model")}


def _as_netcdf(results: xr.Dataset) -> bytes:
    """Write a file in memory: when the disk is full, the library would leave a file that it can no longer close."""
    import h5netcdf
    from xarray.backends import H5NetCDFStore

    buffer = io.BytesIO()
    with h5netcdf.File(buffer, "w") as file:
        results.dump_to_store(H5NetCDFStore(file))
    return buffer.getvalue()


def _write(path: Path, *contents: bytes) -> None:
    """Put a file in place in one step, and on the disk for good."""
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
