"""Checkpoints are read as plain tensors or not at all."""

import argparse
import collections
import importlib.util
import logging
import os
import pathlib
import pickle
import tarfile
import warnings
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from hpfunc._torch.model.checkpoint import load_module
from tests.models import Mlp, seeded


class Normed(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 3)
        self.norm = nn.BatchNorm1d(3)


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("zipped", [True, False])
def test_what_was_saved_is_what_is_loaded(tmp_path, zipped):
    state = seeded(Normed).state_dict()
    torch.save(state, tmp_path / "a.ckpt", _use_new_zipfile_serialization=zipped)
    for checkpoint in (tmp_path / "a.ckpt", str(tmp_path / "a.ckpt"), state):
        before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
        module = load_module(checkpoint, Normed, "checkpoint 0")
        assert same(module.state_dict(), state)
        assert torch.equal(torch.get_rng_state(), before[0])
        assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


def test_weights_are_copied_and_modules_are_not():
    state = seeded(Normed).state_dict()
    module = load_module(state, Normed, "checkpoint 0")
    assert module.fc.weight.data_ptr() != state["fc.weight"].data_ptr()
    assert load_module(module, None, "checkpoint 0") is module


def test_state_dicts_from_before_batches_were_counted_still_fit():
    old = collections.OrderedDict(item for item in seeded(Normed).state_dict().items() if "num_batches" not in item[0])
    assert load_module(old, Normed, "checkpoint 0").norm.num_batches_tracked == 0


def test_safetensors_are_read(tmp_path):
    save_file = pytest.importorskip("safetensors.torch").save_file
    state = seeded(Normed).state_dict()
    save_file(state, tmp_path / "a.safetensors")
    assert same(load_module(tmp_path / "a.safetensors", Normed, "checkpoint 0").state_dict(), state)
    (tmp_path / "a.safetensors").write_bytes(b"no header")
    with pytest.raises(ValueError, match="cannot be read"):
        load_module(tmp_path / "a.safetensors", Normed, "checkpoint 0")


@pytest.mark.skipif(importlib.util.find_spec("safetensors") is not None, reason="safetensors is installed")
def test_the_package_that_safetensors_need_is_named(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"")
    with pytest.raises(ImportError, match="pip install safetensors"):
        load_module(tmp_path / "a.safetensors", Normed, "checkpoint 0")


@pytest.mark.parametrize("how", ["zip", "legacy", "pickle"])
def test_what_is_more_than_tensors_is_refused_and_not_run(tmp_path, how):
    content = {"fc.weight": Bomb(tmp_path / "boom")}
    if how == "pickle":
        (tmp_path / "a.ckpt").write_bytes(pickle.dumps(content))
    else:
        torch.save(content, tmp_path / "a.ckpt", _use_new_zipfile_serialization=how == "zip")
    with pytest.raises(ValueError, match=r"checkpoint 7 \(.*a\.ckpt\)") as error:
        load_module(tmp_path / "a.ckpt", Normed, "checkpoint 7")
    assert not (tmp_path / "boom").exists()
    # Nobody is told how to load it after all.
    assert "weights_only" not in str(error.value)
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__ or error.value.__context__ is None


@pytest.mark.parametrize(
    "content", [seeded(Mlp), {"w": np.zeros(3)}, torch.nn.Linear], ids=["module", "numpy", "class"]
)
def test_whole_modules_and_arrays_are_refused(tmp_path, content):
    torch.save(content, tmp_path / "a.ckpt")
    with pytest.raises(ValueError, match=r"more than plain tensors .*state_dict"):
        load_module(tmp_path / "a.ckpt", Mlp, "checkpoint 0")


def test_damaged_files_are_named(tmp_path):
    torch.save(seeded(Normed).state_dict(), tmp_path / "whole.ckpt")
    whole = (tmp_path / "whole.ckpt").read_bytes()
    path = tmp_path / "cut.ckpt"
    for size in (0, 1, 2, 10, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r"cut\.ckpt.* cannot be read"):
            load_module(path, Normed, "checkpoint 0")
    path.write_bytes(b"this is text\n" * 99)
    with pytest.raises(ValueError, match=r"cut\.ckpt.* cannot be read"):
        load_module(path, Normed, "checkpoint 0")


def test_what_is_no_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"none\.ckpt.* does not exist"):
        load_module(tmp_path / "none.ckpt", Normed, "checkpoint 0")
    with pytest.raises(ValueError, match="is not a file"):
        load_module(tmp_path, Normed, "checkpoint 0")
    with pytest.raises(TypeError, match="checkpoint 0 has the type int"):
        load_module(3, Normed, "checkpoint 0")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: next(iter(s.values())), "holds an object of type Tensor"),
        (lambda s: s | {"fc.weight": "x"}, "'fc.weight' is a str"),
        (lambda s: s | {3: torch.zeros(1)}, "key 3"),
        (lambda s: s | {"fc.weight": s["fc.weight"].to_sparse()}, "'fc.weight' is a sparse tensor"),
        (lambda s: s | {"fc.weight": s["fc.weight"].to("meta")}, "'fc.weight' is a tensor on the meta device"),
        (lambda s: s | {"fc.weight": s["fc.weight"] + 1j}, "'fc.weight' has dtype torch.complex64"),
        (lambda s: s | {"fc.weight": torch.zeros(2, 2)}, r"fc\.weight.*\[2, 2\].*\[3, 2\]"),
        (lambda s: {k: v for k, v in s.items() if k != "fc.bias"}, "missing keys: 'fc.bias'; unexpected keys: none"),
        (lambda s: s | {"fc2.bias": torch.zeros(1)}, "missing keys: none; unexpected keys: 'fc2.bias'"),
        (lambda s: {}, "missing keys: 'fc.weight'"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, change, words):
    with warnings.catch_warnings():
        # Sparse tensors are still called beta.
        warnings.simplefilter("ignore")
        torch.save(change(dict(seeded(Normed).state_dict())), tmp_path / "a.ckpt")
    with pytest.raises(ValueError, match=words) as error:
        load_module(tmp_path / "a.ckpt", Normed, "checkpoint 0")
    assert "a.ckpt" in str(error.value)


@pytest.mark.parametrize(
    ("build", "words"), [(None, "build is of type NoneType"), (Normed(), "makes a new module"), (int, "int")]
)
def test_build_makes_a_module(build, words):
    with pytest.raises(TypeError, match=words):
        load_module(Normed().state_dict(), build, "checkpoint 0")


# ---- checkpoints as people have them


def states(**more):
    return {**seeded(Normed).state_dict(), **more}


def prefixed(prefix, **more):
    return {**{prefix + key: value for key, value in states().items()}, **more}


WILD = {
    "lightning": lambda: {
        "state_dict": states(), "epoch": 3, "pytorch-lightning_version": "2.4.0", "loops": {"fit_loop": {}},
        "optimizer_states": [{"state": {0: {"step": torch.tensor(1.0), "exp_avg": torch.zeros(3, 2)}}}],
        "hyper_parameters": {"width": 8, "opt": None},
    },
    "lightning with a prefix": lambda: {"state_dict": prefixed("net.", **{"loss.weight": torch.ones(3)}), "epoch": 3},
    "model": lambda: {"model": states(), "optimizer": {"state": {}, "param_groups": []}, "epoch": 3},
    "model with its loss": lambda: {"model": states(), "loss": torch.tensor(0.3)},
    "ema only": lambda: {"model_ema": states()},
    "twice inside": lambda: {"a": {"b": states()}},
    "the same weights twice": lambda: dict.fromkeys(("state_dict", "state_dict_ema"), states()),
    "DataParallel": lambda: prefixed("module."),
    "compiled": lambda: prefixed("_orig_mod."),
    "both": lambda: prefixed("module._orig_mod."),
    "compiled part": lambda: {key.replace("fc.", "fc._orig_mod."): value for key, value in states().items()},
    "SWA": lambda: prefixed("module.", n_averaged=torch.tensor(3)),
    "beside numbers": lambda: states(epoch=3, note="x", best=0.5, steps=torch.tensor(7)),
    "with parameters": lambda: {key: nn.Parameter(v) if v.is_floating_point() else v for key, v in states().items()},
    "half": lambda: {key: v.half() if v.is_floating_point() else v for key, v in states().items()},
    "strided": lambda: {key: v.t().contiguous().t() if v.ndim == 2 else v for key, v in states().items()},
    "views": lambda: {key: torch.cat([v[None]] * 5)[3] for key, v in states().items()},
    "numpy scalar": lambda: {"model": states(), "best_acc": np.float64(0.9), "when": np.datetime64("2024")},
    "namespace": lambda: {"model": states(), "args": argparse.Namespace(lr=1), "dir": pathlib.PurePosixPath("x")},
    "arrays beside": lambda: {"model": states(), "curve": np.arange(5.0), "seen": {1, 2}, "at": complex(1, 2)},
}  # fmt: skip


@pytest.mark.parametrize("kind", WILD)
@pytest.mark.parametrize("how", ["zip", "legacy", "memory"])
def test_checkpoints_in_the_wild_are_loaded(tmp_path, kind, how):
    content = WILD[kind]()
    if how != "memory":
        torch.save(content, tmp_path / "a.ckpt", _use_new_zipfile_serialization=how == "zip")
    module = load_module(content if how == "memory" else tmp_path / "a.ckpt", Normed, "checkpoint 0")
    expected = seeded(Normed).state_dict()
    if kind == "half":
        expected = {key: v.half().float() if v.is_floating_point() else v for key, v in expected.items()}
    assert same(module.state_dict(), expected)


def test_the_log_says_what_was_taken(caplog):
    with caplog.at_level(logging.INFO, "hpfunc"):
        load_module(WILD["lightning with a prefix"](), Normed, "checkpoint 0")
    assert "the weights are 'state_dict'; the prefix 'net.' is taken off; left out: 'loss.weight'" in caplog.text


def test_objects_beside_the_weights_are_never_made(tmp_path):
    content = {"model": states(), "hook": Bomb(tmp_path / "boom")}
    for zipped in (True, False):
        torch.save(content, tmp_path / "a.ckpt", _use_new_zipfile_serialization=zipped)
        assert same(load_module(tmp_path / "a.ckpt", Normed, "checkpoint 0").state_dict(), states())
    assert not (tmp_path / "boom").exists()


def test_of_several_weights_the_caller_names_one(tmp_path):
    other = {key: value + 1 for key, value in states().items()}
    torch.save({"state_dict": states(), "state_dict_ema": other}, tmp_path / "a.ckpt")
    with pytest.raises(ValueError, match=r"several .* fit: 'state_dict', 'state_dict_ema'; say which by part="):
        load_module(tmp_path / "a.ckpt", Normed, "checkpoint 0")
    assert same(load_module(tmp_path / "a.ckpt", Normed, "c", "state_dict_ema").state_dict(), other)
    assert same(load_module(tmp_path / "a.ckpt", Normed, "c", "state_dict").state_dict(), states())
    with pytest.raises(ValueError, match=r"has no part 'ema'; it has 'state_dict', 'state_dict_ema'"):
        load_module(tmp_path / "a.ckpt", Normed, "c", "ema")
    pair = {**prefixed("net."), **{f"net_ema.{key}": value for key, value in other.items()}}
    with pytest.raises(ValueError, match=r"fit: 'net', 'net_ema'; say which"):
        load_module(pair, Normed, "c")
    assert same(load_module(pair, Normed, "c", "net_ema").state_dict(), other)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(20, 8)
        self.head = nn.Linear(8, 20, bias=False)
        self.head.weight = self.embed.weight
        self.register_buffer("position_ids", torch.arange(16)[None], persistent=False)


def test_tied_weights_and_old_buffers(tmp_path):
    whole = seeded(Tied).state_dict()
    for key in whole:
        lone = {key: whole[key]}
        assert same(load_module(lone, Tied, "c").state_dict(), whole)
        assert same(load_module({**whole, "position_ids": torch.arange(9)[None]}, Tied, "c").state_dict(), whole)
    with pytest.raises(ValueError, match=r"'embed.weight' and 'head.weight' are one tensor in the module, and differ"):
        load_module({**whole, "head.weight": whole["head.weight"] + 1}, Tied, "c")
    save_model = pytest.importorskip("safetensors.torch").save_model
    save_model(seeded(Tied), str(tmp_path / "a.safetensors"))
    assert same(load_module(tmp_path / "a.safetensors", Tied, "c").state_dict(), whole)


def test_a_wrapped_module_takes_plain_weights():
    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.module = Normed()

    module = load_module(states(), Wrapped, "c")
    assert same(module.module.state_dict(), states())


OTHERS = {
    "a web page": b"\n<!DOCTYPE html><title>404</title>",
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 12\n",
    "an XML page": b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
    "JSON": b'{"weight_map": {"a": "b"}}',
    "HDF5": b"\x89HDF\r\n\x1a\n" + b"\0" * 99,
    "gzip": b"\x1f\x8b\x08" + b"\0" * 99,
    "NumPy": b"\x93NUMPY\x01\0" + b"\0" * 99,
}


@pytest.mark.parametrize("what", OTHERS)
@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
def test_other_files_are_named_for_what_they_are(tmp_path, what, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(OTHERS[what])
    with pytest.raises(ValueError, match=rf"cannot be read: it is .*{what}"):
        load_module(path, Normed, "checkpoint 0")


def test_archives_of_others_are_named(tmp_path):
    with warnings.catch_warnings():
        # Torch says that TorchScript is old.
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(Normed().fc), tmp_path / "script.pt")
    with pytest.raises(ValueError, match="it is a TorchScript file"):
        load_module(tmp_path / "script.pt", Normed, "c")
    np.savez(tmp_path / "a.npz", w=np.zeros(3))
    with pytest.raises(ValueError, match="archive of NumPy arrays"):
        load_module(tmp_path / "a.npz", Normed, "c")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "a.npz", "folder/a.ckpt")
    with pytest.raises(ValueError, match=r"no data\.pkl.*unpack it"):
        load_module(tmp_path / "a.zip", Normed, "c")
    with zipfile.ZipFile(tmp_path / "a.pt2", "w") as archive:
        archive.writestr("program/archive_format", "pt2")
    with pytest.raises(ValueError, match=r"a file of torch\.export"):
        load_module(tmp_path / "a.pt2", Normed, "c")
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(Normed().state_dict()))
    with pytest.raises(ValueError, match=r"as pickle\.dump writes; save model.state_dict"):
        load_module(tmp_path / "a.pkl", Normed, "c")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(tmp_path / "a.npz", "storages")
    with pytest.raises(ValueError, match="tar archive"):
        load_module(tmp_path / "a.tar", Normed, "c")


def test_safetensors_of_another_name_are_known(tmp_path):
    save_file = pytest.importorskip("safetensors.torch").save_file
    save_file(states(), tmp_path / "a.pt")
    assert same(load_module(tmp_path / "a.pt", Normed, "c").state_dict(), states())


DTYPES = [
    torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8,
    torch.bool, torch.complex64, torch.complex128, torch.uint16, torch.float8_e4m3fn,
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_of_every_dtype_are_read_as_torch_reads_them(tmp_path, dtype, zipped):
    class Buffers(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("whole", torch.zeros(4, 3).to(dtype))
            self.register_buffer("part", torch.zeros(2, 3).to(dtype))
            self.register_buffer("empty", torch.zeros(0, 3).to(dtype))
            self.register_buffer("scalar", torch.zeros(()).to(dtype))

    values = (torch.arange(12).reshape(4, 3) % 2).to(dtype)
    content = {"whole": values, "part": values[1:3], "empty": values[:0], "scalar": values[0, 1]}
    try:
        torch.save(content, tmp_path / "a.ckpt", _use_new_zipfile_serialization=zipped)
        expected = torch.load(tmp_path / "a.ckpt", weights_only=True)
    except Exception:
        pytest.skip("torch itself does not save or load this")
    found = load_module(tmp_path / "a.ckpt", Buffers, "c").state_dict()
    for key, value in expected.items():
        assert found[key].dtype == value.dtype
        assert found[key].flatten().view(torch.uint8).tolist() == value.flatten().view(torch.uint8).tolist()


def test_extra_state_of_plain_values(tmp_path):
    class Extra(nn.Linear):
        def get_extra_state(self):
            return 5

        def set_extra_state(self, state):
            self.extra = state

    torch.save(Extra(2, 3).state_dict(), tmp_path / "a.ckpt")
    assert load_module(tmp_path / "a.ckpt", lambda: Extra(2, 3), "c").extra == 5
