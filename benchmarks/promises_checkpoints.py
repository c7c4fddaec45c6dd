"""Measure what hostile checkpoint files cost before they are refused, with a row for each kind.

Run ``python -m benchmarks.promises_checkpoints`` for a table.
"""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import struct
import tempfile
import textwrap
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from hpfunc._torch.model.checkpoint import load_module

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
MILLION = 10**6


class Net(nn.Module):
    """Hold two tensors, which the hostile files claim to be."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 3)


class Hostile(NamedTuple):
    """One hostile file: its bytes, its ending, and words that the refusal must say."""

    content: bytes
    words: str
    suffix: str = ".ckpt"


def plain(value: Any) -> bytes:
    """Pickle a plain value as torch.save does."""
    return pickle.dumps(value, protocol=2)


def opcodes(text: bytes) -> bytes:
    """Make a pickle of opcodes that no object would give."""
    return b"\x80\x02" + text + b"."


def number(value: int) -> bytes:
    """Write the opcode of an integer of eight bytes."""
    return b"\x8a\x08" + struct.pack("<q", value)


def tensor(count: int, key: bytes = b"0", kind: bytes = b"FloatStorage") -> bytes:
    """Write the opcodes of a tensor of ``count`` numbers."""
    named = b"(X\x07\x00\x00\x00storagectorch\n" + kind + b"\nX" + struct.pack("<I", len(key)) + key
    storage = named + b"X\x03\x00\x00\x00cpu" + number(count)
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"tQK\x00" + number(count) + b"\x85K\x01\x85\x89}tR"


def zipped(content: bytes, entries: int = 0) -> bytes:
    """Put a pickle into an archive as torch.save does, with further entries."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a/data.pkl", content)
        for k in range(entries):
            archive.writestr(f"a/data/{k}", b"")
    return buffer.getvalue()


def legacy(content: bytes, keys: list[str], rest: bytes = b"") -> bytes:
    """Put a pickle into a file as torch.save did before 1.6."""
    head = [plain(value) for value in (LEGACY_MAGIC, 1001, {"little_endian": True})]
    return b"".join([*head, content, plain(keys), rest])


def safetensors(entries: int, length: int | None = None) -> bytes:
    """Write a safetensors file of empty tensors."""
    table = {f"{k}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for k in range(entries)}
    header = json.dumps(table).encode()
    return struct.pack("<Q", len(header) if length is None else length) + header


def _text(count: int, letter: str = "x") -> bytes:
    data = letter.encode() * count
    return b"X" + struct.pack("<I", len(data)) + data


def _hidden_depth(count: int) -> bytes:
    """Nest lists from the outside in, so that none is deep when it is put into another."""
    parts = [b"]q\x000"]
    for k in range(count):
        parts.append(b"]r" + struct.pack("<I", k + 1) + b"j" + struct.pack("<I", k) + b"j" + struct.pack("<I", k + 1))
        parts.append(b"a00")
    return b"".join(parts)


def _laughs(levels: int, width: int) -> bytes:
    """Refer ``width`` times to a dict that refers ``width`` times to a dict, and so on."""
    parts = [b"}q\x00", _text(1), tensor(6), b"s0"]
    for level in range(levels):
        entries = b"".join(_text(3, chr(97 + k % 26)) + b"j" + struct.pack("<I", level) for k in range(width))
        parts.append(b"}r" + struct.pack("<I", level + 1) + b"(" + entries + b"u0")
    return b"".join([*parts, b"j", struct.pack("<I", levels)])


def hostile_files() -> dict[str, Hostile]:
    """Make a hostile file of each kind."""
    half = b"}" + _text(9, "f") + tensor(10**9) + b"s"
    return {
        "tuples inside each other": Hostile(zipped(opcodes(b"N" + b"\x85" * MILLION)), "100 deep|opcodes"),
        "lists inside each other": Hostile(zipped(opcodes(b"]" * 250_000 + b"a" * 249_999)), "objects on its stack"),
        "hidden depth": Hostile(zipped(opcodes(_hidden_depth(40_000) + b"j\0\0\0\0")), "object of type list"),
        "references to references": Hostile(zipped(opcodes(_laughs(50, 1000))), "holds no tensors"),
        "colliding numbers as keys": Hostile(
            zipped(opcodes(b"}(" + b"".join(number((2**61 - 1) * (k % 4)) + b"N" for k in range(24_000)) + b"u")),
            "missing keys",
        ),
        "a number of 8 MB": Hostile(
            zipped(opcodes(b"}(\x8b" + struct.pack("<i", 2**23) + b"\1" * 2**23 + b"Nu")), "missing keys"
        ),
        "digits without end": Hostile(zipped(opcodes(b"L" + b"1" * MILLION + b"L\n")), "cannot be read"),
        "memo numbers without end": Hostile(zipped(opcodes(b"Np" + b"9" * 4000 + b"\n")), "far up"),
        "classes without end": Hostile(
            zipped(opcodes(b"".join(b"cm%d\nC\n0" % k for k in range(100_000)) + b"N")), "names more than 1,000"
        ),
        "opcodes without end": Hostile(zipped(opcodes(b"]0" * 8 * MILLION + b"N")), "more than 400,000 opcodes"),
        "a pickle of 20 MB": Hostile(zipped(opcodes(_text(20 * MILLION))), "its pickle has 20,000,0.* bytes"),
        "wide letters": Hostile(zipped(opcodes(_text(4 * MILLION, "\U0001f600"))), "object of type str"),
        "prefixes without end": Hostile(
            zipped(
                opcodes(
                    b"}(" + b"".join(b"X\x0f\0\0\0%05d.fc.weight" % k + tensor(6) for k in range(15_000)) + b"u"
                )
            ),
            "has shape",
        ),
        "a tensor of 4 TB": Hostile(zipped(opcodes(b"}" + _text(1) + tensor(10**12) + b"s")), "missing keys|bytes"),
        "memory by a call": Hostile(
            zipped(opcodes(b"}" + _text(1) + b"c__builtin__\nbytearray\n(" + number(10**12) + b"tRs")), "bytearray"
        ),
        "an archive of 400,000 entries": Hostile(zipped(plain({}), 400_000), "list of entries"),
        "an archive of 50,001 entries": Hostile(zipped(plain({}), 50_000), "too many"),
        "legacy: a pickle of 64 MB": Hostile(legacy(opcodes(_text(64 * MILLION)), []), "more than 16,777,216 bytes"),
        "legacy: a line without end": Hostile(
            legacy(opcodes(b"V" + b"x" * 64 * MILLION + b"\n"), []), "more than 16,777,216 bytes"
        ),
        "legacy: opcodes without end": Hostile(legacy(opcodes(b"]0" * 4 * MILLION + b"N"), []), "opcodes"),
        "legacy: a storage that is not there": Hostile(legacy(opcodes(half), []), "does not hold"),
        "legacy: a storage that is cut short": Hostile(
            legacy(opcodes(half), ["0"], struct.pack("<q", 6) + b"\0" * 24), "storages take"
        ),
        "legacy: a storage that is not filled": Hostile(
            legacy(opcodes(b"}" + _text(1) + tensor(6) + b"s"), ["0"], struct.pack("<q", 2) + b"\0" * 24), "has 2"
        ),
        "safetensors of 400,000 entries": Hostile(safetensors(400_000), "header", ".safetensors"),
        "safetensors of 150,000 entries": Hostile(safetensors(150_000), "150,000 entries", ".safetensors"),
        "safetensors of a header of 2**60": Hostile(safetensors(3, 2**60), "header|cannot be read", ".safetensors"),
        "safetensors nested in itself": Hostile(
            struct.pack("<Q", 8 * MILLION) + b'{"a":' + b"[" * (8 * MILLION - 5), "cut short or no", ".safetensors"
        ),
    }  # fmt: skip


def measure(file: Hostile, folder: Path) -> dict[str, Any]:
    """Load one file, and return the seconds, the peak memory beyond what was held, and the words of the refusal."""
    path = folder / f"a{file.suffix}"
    path.write_bytes(file.content)
    with contextlib.suppress(OSError):
        # From here on the peak is counted anew.
        Path("/proc/self/clear_refs").write_text("5")
    held, begin, work = _status("VmRSS"), time.perf_counter(), time.process_time()
    try:
        load_module(path, Net, "checkpoint 0")
        words = "LOADED"
    except ValueError as error:
        words = str(error)
    return {
        "seconds": time.perf_counter() - begin,
        "work_seconds": time.process_time() - work,
        "megabytes": max(0, _status("VmHWM") - held) / 1e6,
        "refusal": textwrap.shorten(words.replace(f"checkpoint 0 ({path}) ", ""), 110, placeholder=" ..."),
    }


def pieces(found: Sequence[dict[str, Any]]) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """Measure each kind of hostile file.

    Yields
    ------
    name : str
        The kind.
    make : callable
        Returns a row: ``kind``, ``seconds``, ``work_seconds`` (of the processor), ``megabytes`` (peak beyond what the
        process held before) and ``refusal``.
    """
    torch.zeros(1)
    with tempfile.TemporaryDirectory() as folder:
        for kind, file in hostile_files().items():
            yield kind, lambda kind=kind, file=file: {"kind": kind, **measure(file, Path(folder))}  # type: ignore[misc]


def _status(name: str) -> int:
    """Return an entry of the process's own table of memory in bytes; 0 on systems without one."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    print("| kind of file | seconds | MB | refusal |\n|---|---|---|---|")
    for row in (make() for _, make in pieces([])):
        print(f"| {row['kind']} | {row['seconds']:.2f} | {row['megabytes']:.0f} | {row['refusal'][:110]} |")
