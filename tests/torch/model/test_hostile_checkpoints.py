"""Checkpoint files that mean harm are refused in words, and nothing that they name is made or called."""

import io
import os
import pickle
import struct
import warnings
import zipfile
from pathlib import Path

import pytest
import torch

from benchmarks.promises_checkpoints import Net, hostile_files, opcodes, plain, tensor
from hpfunc._torch.model.checkpoint import load_module

HOSTILE = hostile_files()


@pytest.fixture(autouse=True)
def _nothing_else_is_touched(tmp_path):
    """Everything happens in a folder inside the folder that is watched."""
    yield
    assert {path.name for path in tmp_path.iterdir()} <= {"in"}


@pytest.fixture
def folder(tmp_path):
    inner = tmp_path / "in"
    inner.mkdir()
    return inner


def refused(words):
    return pytest.raises(ValueError, match=words)


@pytest.mark.parametrize("kind", HOSTILE)
def test_each_kind_of_hostile_file_is_refused(folder, kind):
    file = HOSTILE[kind]
    path = folder / f"a{file.suffix}"
    path.write_bytes(file.content)
    with refused(file.words) as error:
        load_module(path, Net, "checkpoint 0")
    assert len(str(error.value)) < 1500
    assert str(path) in str(error.value)


def saved(**changes):
    """Make a checkpoint file, of which some entries are replaced."""
    buffer = io.BytesIO()
    torch.save(Net().state_dict(), buffer)
    with zipfile.ZipFile(buffer) as archive:
        entries = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    for name, content in changes.items():
        [full] = [entry for entry in entries if entry.endswith(f"/{name.replace('__', '.')}")]
        entries[full] = content
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


class Call:
    """Becomes a call when it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def test_the_files_made_here_are_whole_unless_changed(folder):
    (folder / "a.ckpt").write_bytes(saved())
    assert isinstance(load_module(folder / "a.ckpt", Net, "checkpoint 0"), Net)


MANY = b"\x8a\x08" + struct.pack("<q", 10**12)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    "call",
    [
        lambda folder: Call(os.mkdir, str(folder.parent / "boom")),
        lambda folder: Call(os.system, f"touch {folder.parent / 'boom'}"),
        lambda folder: Call(open, str(folder.parent / "boom"), "w"),
        lambda folder: Call(eval, f"open({str(folder.parent / 'boom')!r}, 'w')"),
        lambda folder: Call(Path.touch, folder.parent / "boom"),
        lambda folder: Call(torch.hub.load, "owner/name", "model"),
    ],
    ids=["mkdir", "system", "open", "eval", "touch", "hub"],
)
def test_pickle_bombs_do_not_go_off(folder, call, legacy):
    content = {"fc.weight": call(folder)}
    torch.save(content, folder / "a.ckpt", _use_new_zipfile_serialization=not legacy)
    with refused("more than plain tensors|cannot be read"):
        load_module(folder / "a.ckpt", Net, "checkpoint 0")
    (folder / "b.ckpt").write_bytes(pickle.dumps(content))
    with refused("more than plain tensors|cannot be read"):
        load_module(folder / "b.ckpt", Net, "checkpoint 0")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (opcodes(b"}X\x01\x00\x00\x00ac__builtin__\nbytearray\n(" + MANY + b"tRs"), "bytearray"),
        (opcodes(b"}X\x01\x00\x00\x00actorch\nFloatStorage\n(" + MANY + b"tRs"), "FloatStorage"),
        (opcodes(b"}X\x01\x00\x00\x00actorch\nFloatTensor\n(" + MANY + b"tRs"), "FloatTensor"),
        (opcodes(b"}X\x01\x00\x00\x00a" + tensor(10**12) + b"s"), "4,000,000,000,000 bytes"),
        # The second mention of the storage is of the right size.
        (
            opcodes(b"}X\x01\x00\x00\x00a" + tensor(10**9) + b"sX\x01\x00\x00\x00b" + tensor(6) + b"s"),
            "declared in two ways",
        ),
        (opcodes(b"}X\x01\x00\x00\x00a" + tensor(-1) + b"s"), "does not have"),
        (opcodes(b"}X\x01\x00\x00\x00a" + tensor(6, key=b"7") + b"s"), "'7'.*None"),
        (opcodes(b"}r\xff\xff\xff\xff"), "cannot be read|missing keys"),
        (opcodes(b"]" * 100_000 + b"a" * 99_999), "objects on its stack"),
        (opcodes(b"X\xff\xff\xff\xffab"), "cannot be read"),
        (opcodes(b"\x8e" + struct.pack("<Q", 2**40) + b"ab"), "cannot be read"),
        (b"\x80\x04\x95" + struct.pack("<Q", 2**40) + b"}.", "missing keys"),
        (b"", "cannot be read"),
        (plain({"fc.weight": 2}), "is a int"),
        (plain({f"{'../' * 5}x": 2}), "is a int"),
    ],
)
def test_pickles_that_ask_for_much_get_nothing(folder, content, words):
    (folder / "a.ckpt").write_bytes(saved(data__pkl=content))
    with refused(words):
        load_module(folder / "a.ckpt", Net, "checkpoint 0")


def test_tensors_larger_than_their_storage_are_refused(folder):
    (folder / "a.ckpt").write_bytes(saved(**{"0": b"\0" * 4}))
    with refused("storage '0' takes 24 bytes; in the archive are 4"):
        load_module(folder / "a.ckpt", Net, "checkpoint 0")


def test_an_archive_that_declares_a_terabyte_is_refused(folder):
    content = bytearray(saved())
    # Sizes of an entry, in the directory at the end; 0xffffffff leads to those of 64 bits, of which there are none.
    at = content.index(b"PK\x01\x02")
    content[at + 20 : at + 28] = struct.pack("<II", 2**32 - 2, 2**32 - 2)
    (folder / "a.ckpt").write_bytes(content)
    with refused("declares 4,294,9.* bytes, the file has"):
        load_module(folder / "a.ckpt", Net, "checkpoint 0")
    extra = struct.pack("<HHQQ", 1, 16, 10**12, 10**12)
    content[at + 20 : at + 28] = b"\xff" * 8
    content[at + 30 : at + 32] = struct.pack("<H", len(extra))
    name = struct.unpack("<H", content[at + 28 : at + 30])[0]
    old = struct.unpack("<H", saved()[at + 30 : at + 32])[0]
    content[at + 46 + name : at + 46 + name + old] = extra
    end = content.rindex(b"PK\x05\x06")
    size = struct.unpack("<I", content[end + 12 : end + 16])[0] + len(extra) - old
    content[end + 12 : end + 16] = struct.pack("<I", size)
    (folder / "b.ckpt").write_bytes(content)
    with refused(r"declares 1,000,000,00\d,\d+ bytes, the file has"):
        load_module(folder / "b.ckpt", Net, "checkpoint 0")


def test_a_compressed_archive_is_refused(folder):
    with zipfile.ZipFile(folder / "a.ckpt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", plain({}))
        archive.writestr("archive/data/0", b"\0" * 10**8)
    with refused("compressed"):
        load_module(folder / "a.ckpt", Net, "checkpoint 0")


def test_an_entry_twice_is_refused(folder):
    with warnings.catch_warnings(), zipfile.ZipFile(folder / "a.ckpt", "w") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("archive/data.pkl", plain({}))
        archive.writestr("archive/data.pkl", plain({"a": Call(os.mkdir, str(folder.parent / "boom"))}))
    with refused("twice"):
        load_module(folder / "a.ckpt", Net, "checkpoint 0")


@pytest.mark.parametrize("size", [0, 1, 3, 4, 30, 200, 500, -1])
def test_truncated_archives_are_refused(folder, size):
    (folder / "a.ckpt").write_bytes(saved()[:size])
    with refused("cannot be read"):
        load_module(folder / "a.ckpt", Net, "checkpoint 0")


def test_a_flipped_bit_of_a_weight_is_noticed(folder):
    torch.save(Net().state_dict(), folder / "a.ckpt")
    content = bytearray((folder / "a.ckpt").read_bytes())
    weight = torch.load(folder / "a.ckpt", weights_only=True)["fc.weight"].numpy().tobytes()
    content[content.index(weight) + 2] ^= 1
    (folder / "a.ckpt").write_bytes(content)
    with refused("Bad CRC-32"):
        load_module(folder / "a.ckpt", Net, "checkpoint 0")


def test_shapes_are_checked_before_anything_is_copied(folder):
    wide = torch.zeros(1).expand(10**12)
    torch.save({"fc.weight": wide, "fc.bias": torch.zeros(3)}, folder / "a.ckpt")
    with refused(r"fc\.weight.*1000000000000"):
        load_module(folder / "a.ckpt", Net, "checkpoint 0")


def test_a_legacy_file_that_declares_a_terabyte_is_refused(folder):
    parts = [pickle.dumps(n, protocol=2) for n in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})]
    storage = tensor(10**12)
    (folder / "a.ckpt").write_bytes(b"".join([*parts, opcodes(b"}X\x01\x00\x00\x00a" + storage + b"s"), plain(["0"])]))
    with refused("take 4,000,000,000,00. bytes|take 4,000,000,000,008 bytes"):
        load_module(folder / "a.ckpt", Net, "checkpoint 0")
