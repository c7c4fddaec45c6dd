"""Files that mean harm are refused: in words, at once, in little memory, and without running anything."""

import contextlib
import io
import json
import os
import pickle
import resource
import struct
import time
import warnings
import zipfile
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

from hpfunc._torch.model.checkpoint import load_module
from hpfunc.results import open_results, read_seed_results
from tests.made_results import make_results

# No test may fill the disk, whatever the library does with what is declared.
MOST_WRITTEN = 2 * 10**8
MOST_SECONDS, MOST_BYTES = 2, 300 * 10**6


@contextlib.contextmanager
def refused(words, error=ValueError):
    """Expect an error in bounded time and memory."""
    with contextlib.suppress(OSError):
        # From here on the peak is counted anew.
        Path("/proc/self/clear_refs").write_text("5")
    before, begin = status("VmRSS"), time.perf_counter()
    with pytest.raises(error, match=words) as caught:
        yield
    assert time.perf_counter() - begin < MOST_SECONDS
    assert status("VmHWM") - before < MOST_BYTES
    assert len(str(caught.value)) < 1500


def status(name):
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    return 0


@pytest.fixture(autouse=True)
def _nothing_else_is_touched(tmp_path):
    """Everything happens in a folder inside the folder that is watched."""
    yield
    assert {path.name for path in tmp_path.iterdir()} <= {"in"}


@pytest.fixture(autouse=True)
def _the_disk_is_not_filled():
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_WRITTEN, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.fixture
def folder(tmp_path):
    inner = tmp_path / "in"
    inner.mkdir()
    return inner


# ---- checkpoints


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 3)


def saved(**changes):
    """A checkpoint file, of which some entries are replaced."""
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


def plain(values):
    return pickle.dumps(values, protocol=2)


def opcodes(text):
    """A pickle that calls something by name, as no object would."""
    return b"\x80\x02" + text + b"."


def test_the_files_made_here_are_whole_unless_changed(folder):
    (folder / "a.ckpt").write_bytes(saved())
    assert isinstance(load_module(folder / "a.ckpt", Net, "checkpoint 0"), Net)


def torch_storage(count, key=b"0", kind=b"FloatStorage"):
    """The opcodes of a tensor of ``count`` numbers."""
    number = b"\x8a\x08" + struct.pack("<q", count)
    storage = (
        b"(X\x07\x00\x00\x00storagectorch\n" + kind + b"\nX\x01\x00\x00\x00" + key + b"X\x03\x00\x00\x00cpu" + number
    )
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"tQK\x00" + number + b"\x85K\x01\x85\x89}tR"


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
        (opcodes(b"}X\x01\x00\x00\x00a" + torch_storage(10**12) + b"s"), "4,000,000,000,000 bytes"),
        # The second mention of the storage is of the right size.
        (
            opcodes(b"}X\x01\x00\x00\x00a" + torch_storage(10**9) + b"sX\x01\x00\x00\x00b" + torch_storage(6) + b"s"),
            "4,0",
        ),
        (opcodes(b"}X\x01\x00\x00\x00a" + torch_storage(-1) + b"s"), "does not have"),
        (opcodes(b"}X\x01\x00\x00\x00a" + torch_storage(6, key=b"7") + b"s"), "'7'.*None"),
        (opcodes(b"}r\xff\xff\xff\xff"), "cannot be read|missing keys"),
        (opcodes(b"]" * 100_000 + b"a" * 99_999), "list"),
        (opcodes(b"X\xff\xff\xff\xffab"), "cannot be read"),
        (opcodes(b"\x8e" + struct.pack("<Q", 2**40) + b"ab"), "cannot be read"),
        (b"\x80\x04\x95" + struct.pack("<Q", 2**40) + b"}.", "cannot be read"),
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
    with refused("the sum of its entry"):
        load_module(folder / "a.ckpt", Net, "checkpoint 0")


def test_shapes_are_checked_before_anything_is_copied(folder):
    wide = torch.zeros(1).expand(10**12)
    torch.save({"fc.weight": wide, "fc.bias": torch.zeros(3)}, folder / "a.ckpt")
    with refused(r"fc\.weight.*1000000000000"):
        load_module(folder / "a.ckpt", Net, "checkpoint 0")


def test_a_legacy_file_that_declares_a_terabyte_is_refused(folder):
    parts = [pickle.dumps(n, protocol=2) for n in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})]
    storage = torch_storage(10**12)
    (folder / "a.ckpt").write_bytes(b"".join([*parts, opcodes(b"}X\x01\x00\x00\x00a" + storage + b"s"), plain(["0"])]))
    with refused("take 4,000,000,000,000 bytes"):
        load_module(folder / "a.ckpt", Net, "checkpoint 0")


# ---- JSON of results


def entry(layer="initial", value="0.5"):
    return f'{{"(0, 1) train": {{"Euclid {layer}": {value}}}}}'


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        (entry(value="NaN"), "NaN"),
        (entry(value="-Infinity"), "Infinity"),
        (entry(value="1e999"), "is not a number"),
        (entry(value="9" * 100_000), "older tool"),
        ('{"(0, 1) train": {}, "(0, 1) train": {}}', "twice"),
        ('{"(0, 1) train": [[]]}', "expected an object"),
        (entry("../../x"), "slash"),
        (entry("a/b"), "slash"),
        (entry("a\\u0000"), "NUL"),
        (entry("x" * 10_000), "10,000 characters"),
        (entry().replace("train", "x" * 10_000), "10,000 characters"),
        (entry().replace("(0, 1)", f"('{'x' * 10_000}', 'b')"), "10,000 characters"),
        (entry().replace("train", "tr\\u0000"), "NUL"),
        (f'{{"{"(" * 50_000}": 1}}', "not of the form"),
        (f'{{"({"a, " * 50_000}": 1}}', "not of the form"),
        ("\ufeff{}", "older tool"),
        (b"\xff\xfe{}", "older tool"),
        (" " * 2**25 + "{}", "more than 33,554,432 bytes"),
    ],
)
def test_json_that_is_no_result_is_refused(folder, content, words):
    path = folder / "a.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with refused(words):
        read_seed_results({0: path})


def test_json_from_a_device_without_end_is_refused():
    if not Path("/dev/zero").exists():
        pytest.skip("there is no /dev/zero")
    with refused("more than"):
        read_seed_results({0: "/dev/zero"})


# ---- netCDF


def netcdf(path, *, layers=("input",), name="hp", kind="f8", sizes=None):
    """A file that declares values and may not have them."""
    sizes = {"layer": len(layers), "pair": 1} if sizes is None else sizes
    # In chunks that are not written: what is contiguous or filled in takes the room that it declares.
    chunks = {dim: min(size, 1000) for dim, size in sizes.items()}
    with netCDF4.Dataset(path, "w") as file:
        file.set_fill_off()
        for dim, size in sizes.items():
            file.createDimension(dim, size)
        labels = file.createVariable("layer", str, ("layer",), chunksizes=[chunks["layer"]])
        labels[: len(layers)] = np.array(layers, dtype=object)
        for coord, value in (("class_a", 0), ("class_b", 1)):
            file.createVariable(coord, "i8", ("pair",), chunksizes=[chunks["pair"]])[:1] = value
        values = file.createVariable(name, kind, ("layer", "pair"), chunksizes=list(chunks.values()))
        values.coordinates = "class_a class_b"


def test_what_the_helper_makes_is_opened_unless_changed(folder):
    netcdf(folder / "a.nc")
    assert dict(open_results(folder / "a.nc").sizes) == {"layer": 1, "pair": 1}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sizes": {"layer": 1, "pair": 10**11}}, "declares 2,400,000,.* bytes; the limit"),
        ({"sizes": {"layer": 10**12, "pair": 1}}, "declares 16,000,000,000,016 bytes; the limit"),
        ({"sizes": {"layer": 1, "pair": 10**8}}, "which cannot hold them"),
        ({"kind": "f4"}, "dtype float32"),
        ({"kind": "S1"}, "dtype"),
        ({"name": "other"}, "none of the variables"),
        ({"layers": ["../../x"]}, "slash"),
        ({"layers": ["a/b"]}, "slash"),
        ({"layers": ["x" * 10_000]}, "10,000 characters"),
    ],
)
def test_netcdf_that_is_no_result_is_refused(folder, options, words):
    netcdf(folder / "a.nc", **options)
    with refused(words):
        open_results(folder / "a.nc")


def test_netcdf_of_types_of_its_own_is_refused(folder):
    with netCDF4.Dataset(folder / "a.nc", "w") as file:
        file.createDimension("pair", 2)
        many = file.createVLType(np.float64, "many")
        file.createVariable("hp", many, ("pair",))
    with refused("is of type"):
        open_results(folder / "a.nc")
    with netCDF4.Dataset(folder / "b.nc", "w") as file:
        file.createDimension("pair", 2)
        both = file.createCompoundType(np.dtype([("a", "f8"), ("b", "f8")]), "both")
        file.createVariable("hp", both, ("pair",))
    with refused("is of type"):
        open_results(folder / "b.nc")
    with netCDF4.Dataset(folder / "c.nc", "w") as file:
        file.createGroup("more").createDimension("x", 10**12)
    with refused("groups"):
        open_results(folder / "c.nc")


def test_one_long_string_named_by_many_labels_is_refused(folder):
    with netCDF4.Dataset(folder / "a.nc", "w") as file:
        file.createDimension("layer", 40)
        file.createVariable("layer", str, ("layer",))[:] = np.array(["x" * 2**21] * 40, dtype=object)
        file.createVariable("hp", "f8", ("layer",))
    with refused("more than 67,108,864 bytes of text"):
        open_results(folder / "a.nc")


def test_classic_netcdf_that_is_cut_short_is_refused(folder):
    xr.Dataset({"hp": ("layer", np.zeros(10**5))}).to_netcdf(folder / "a.nc", format="NETCDF3_64BIT")
    whole = (folder / "a.nc").read_bytes()
    (folder / "a.nc").write_bytes(whole[:2000])
    with refused("declares 800,000 bytes and has 2,000"):
        open_results(folder / "a.nc")
    # A header alone, of a terabyte.
    header = whole[: whole.index(b"layer")] + b"layer\0\0\0" + struct.pack(">I", 2**31 - 4)
    at = whole.index(b"layer") + 12
    (folder / "b.nc").write_bytes(header + whole[at:2000])
    with refused("cannot be read"):
        open_results(folder / "b.nc")


@pytest.mark.parametrize(
    "content", [b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + b"\xff" * 500, b"CDF\x01" + b"\xff" * 500]
)
def test_headers_of_nothing_are_refused(folder, content):
    (folder / "a.nc").write_bytes(content)
    with refused("cannot be read"):
        open_results(folder / "a.nc")


def test_what_is_no_file_is_refused(folder):
    os.mkfifo(folder / "pipe")
    with refused("is not a file"):
        open_results(folder / "pipe")
    with refused("is not a file"):
        load_module(folder / "pipe", Net, "checkpoint 0")


# ---- Zarr


def zarr(path, version=3):
    pytest.importorskip("zarr")
    with warnings.catch_warnings():
        # Zarr 3 warns that strings of fixed width are not in its specification yet.
        warnings.simplefilter("ignore")
        make_results().to_zarr(path, zarr_format=version)
    return path


def edit(path, **changes):
    """Change entries of a metadata file."""
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | changes))


@pytest.mark.parametrize("version", [2, 3])
def test_a_zarr_that_declares_8_tb_is_refused(folder, version):
    path = zarr(folder / "a", version)
    metadata = path / "hp" / ("zarr.json" if version == 3 else ".zarray")
    edit(metadata, shape=[2, 2, 3, 10**12])
    with refused("declares 96,000,000,.* bytes; the limit"):
        open_results(path)
    edit(metadata, shape=[2, 2, 3, 10**7])
    with refused("which cannot hold them"):
        open_results(path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dtype": "|O", "filters": [{"id": "pickle", "protocol": 5}]}, "packed by 'pickle'"),
        ({"compressor": {"id": "pickle"}}, "packed by 'pickle'"),
        ({"dtype": "|O"}, "data type"),
        ({"dtype": [["a", "<f8"]]}, "data type"),
        ({"dtype": "<f4"}, "expected float64"),
        ({"shape": [-1, 2, 3, 6]}, "declares the sizes"),
        ({"shape": [1e300, 2, 3, 6]}, "declares the sizes"),
        ({"shape": "8 TB"}, "declares the sizes"),
        ({"chunks": [0, 2, 3, 6]}, "chunks of"),
        ({"chunks": [10**6, 10**3, 10**3, 6]}, "the limit"),
        ({"chunks": [1, 1, 3, 6]}, "1 of its 4 chunks"),
        ({"compressor": None, "filters": 3}, "does not describe an array"),
    ],
)
def test_zarr_metadata_that_mean_harm_are_refused(folder, changes, words):
    path = zarr(folder / "a", 2)
    edit(path / "hp" / ".zarray", **changes)
    with refused(words):
        open_results(path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"codecs": [{"name": "numcodecs.pickle"}]}, "packed by 'numcodecs.pickle'"),
        ({"codecs": 3}, "does not describe an array"),
        ({"data_type": {"name": "struct"}}, "data type"),
        ({"chunk_grid": {"name": "odd"}}, "grid"),
        ({"storage_transformers": [{"name": "x"}]}, "transformers"),
        ({"node_type": "group"}, "group"),
    ],
)
def test_zarr_3_metadata_that_mean_harm_are_refused(folder, changes, words):
    path = zarr(folder / "a")
    edit(path / "hp" / "zarr.json", **changes)
    with refused(words):
        open_results(path)


@pytest.mark.parametrize("version", [2, 3])
def test_a_missing_chunk_is_noticed(folder, version):
    path = zarr(folder / "a", version)
    chunk = path / "hp" / ("c/0/0/0/0" if version == 3 else "0.0.0.0")
    chunk.unlink()
    with refused("'hp' has 0 of its 1 chunks"):
        open_results(path)


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"a": NaN}', b"", b"{}", b"[]", b"\xff"])
def test_zarr_metadata_that_are_no_json_are_refused(folder, content):
    path = zarr(folder / "a")
    (path / "hp" / "zarr.json").write_bytes(content)
    with refused("cannot be read"):
        open_results(path)


def test_links_out_of_a_zarr_folder_are_refused(folder):
    path = zarr(folder / "a")
    chunk = path / "hp" / "c" / "0" / "0" / "0" / "0"
    chunk.unlink()
    chunk.symlink_to("/dev/zero")
    with refused("link or a device"):
        open_results(path)


@pytest.mark.parametrize("name", ["../../x", "a/b", "x" * 10_000])
def test_names_of_layers_in_zarr_are_refused(folder, name):
    results = make_results().assign_coords(layer=["input", name, "last"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results.drop_encoding().to_zarr(folder / "a")
    with refused("slash|10,000 characters"):
        open_results(folder / "a")


# ---- stores


@pytest.mark.parametrize(
    "label", ['"../../x"', '"/etc/passwd"', '"a/b"', '"' + "x" * 10_000 + '"', "1" * 4000, "[" * 100_000]
)
def test_lists_of_a_store_lead_nowhere(folder, label):
    (folder / "sweep.json").write_text(f'{{"hpfunc_store": 1, "checkpoints": [{label}]}}')
    with refused(r"has not finished a checkpoint yet|sweep\.json"):
        open_results(folder)
