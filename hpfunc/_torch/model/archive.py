"""What a checkpoint file declares, checked before torch reads it.

Torch checks neither the sums of the archive nor that its tensors are as large as the storages they name, and calls
what allocates memory by the number it is given. So the pickle is first gone through with classes that do nothing, and
what it says of its storages is held against what is there. Names that torch does not know it refuses itself.
"""

from __future__ import annotations

import mmap
import pickle
import zipfile
from collections import OrderedDict
from io import BytesIO
from pathlib import Path
from typing import Any

__all__ = ["check_archive"]

# That of a model of 10,000 tensors takes 2 MB.
_LARGEST_PICKLE = 2**24
_MOST_ENTRIES = 100_000

# Bytes of an element, by the name of its storage class.
_WIDTHS = {
    "UntypedStorage": 1, "BoolStorage": 1, "ByteStorage": 1, "CharStorage": 1, "QInt8Storage": 1, "QUInt8Storage": 1,
    "QUInt4x2Storage": 1, "QUInt2x4Storage": 1, "ShortStorage": 2, "HalfStorage": 2, "BFloat16Storage": 2,
    "IntStorage": 4, "FloatStorage": 4, "QInt32Storage": 4, "LongStorage": 8, "DoubleStorage": 8,
    "ComplexFloatStorage": 8, "ComplexDoubleStorage": 16,
}  # fmt: skip


def check_archive(path: Path) -> None:
    """Raise ValueError if a file of ``torch.save`` is damaged, or declares more than it holds.

    Any other error means that it is nothing that ``torch.save`` wrote.
    """
    with path.open("rb") as stream:
        if stream.read(4) == b"PK\x03\x04":
            _check_zip(path)
            return
        # A map reads no further than the file goes, whatever size it is asked for.
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            storages: dict[str, int] = {}
            # Magic number, version, system, state dict, names of the storages; then their bytes.
            for _ in range(5):
                _DryRun(content, storages).load()
            if sum(storages.values()) > len(content):
                raise ValueError(f"its tensors take {sum(storages.values()):,} bytes, the file {len(content):,}")


def _check_zip(path: Path) -> None:
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: entry.file_size for entry in archive.infolist()}
        if len(entries) < len(archive.infolist()) or len(entries) > _MOST_ENTRIES:
            raise ValueError("its archive has an entry twice, or too many")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise ValueError("its archive is compressed, which torch.save does not do")
        if sum(entries.values()) > size:
            raise ValueError(f"its archive declares {sum(entries.values()):,} bytes, the file has {size:,}")
        [name] = [name for name in entries if name.endswith("/data.pkl") and name.count("/") == 1]
        if entries[name] > _LARGEST_PICKLE:
            raise ValueError(f"its pickle has {entries[name]:,} bytes; the limit is {_LARGEST_PICKLE:,}")
        storages: dict[str, int] = {}
        _DryRun(BytesIO(archive.read(name)), storages).load()
        for key, needed in storages.items():
            there = entries.get(f"{name.removesuffix('data.pkl')}data/{key}")
            if there != needed:
                raise ValueError(f"its storage {key!r:.50} takes {needed:,} bytes; in the archive are {there}")
        # Reads all that is there, and compares the sums.
        damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f"the sum of its entry {damaged!r:.50} is wrong")


class _Inert:
    """Stands for whatever a pickle wants to make, and does nothing."""

    allocates = False

    def __new__(cls, *args: Any, **options: Any) -> _Inert:
        if cls.allocates:
            raise ValueError(f"it calls {cls.__name__}, which makes memory of any size")
        return super().__new__(cls)

    def __init__(self, *args: Any, **options: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, value: Any) -> None:
        pass

    extend = add = append


# The one that is written in Python: its memo is a dict, where the other's is as long as the largest number in the file.
class _DryRun(pickle._Unpickler):
    """Goes through a pickle without making or calling anything of it, and notes the bytes of each storage."""

    def __init__(self, stream: Any, storages: dict[str, int]) -> None:
        super().__init__(stream)
        self._storages = storages

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        allocates = name == "bytearray" or name.endswith(("Storage", "Tensor"))
        return type(name, (_Inert,), {"allocates": allocates})

    def persistent_load(self, pid: Any) -> Any:
        kind, storage, key, _, count, *_ = pid
        width = _WIDTHS.get(storage.__name__)
        if kind != "storage" or width is None or type(count) is not int or count < 0:
            raise ValueError("it names a storage that torch does not have")
        # The first mention of a storage makes it, and a later one may say less.
        self._storages[str(key)] = max(width * count, self._storages.get(str(key), 0))
        return _Inert()
