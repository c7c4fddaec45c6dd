"""Checkpoints are read as plain tensors or not at all."""

import collections
import importlib.util
import os
import pickle
import warnings

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
    assert error.value.__suppress_context__


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
        (lambda s: {"state_dict": s, "epoch": 3}, r"keys are 'state_dict', 'epoch'.*\['state_dict'\]"),
        (lambda s: next(iter(s.values())), "holds an object of type Tensor"),
        (lambda s: s | {"fc.weight": "x"}, "'fc.weight' is a str"),
        (lambda s: s | {3: torch.zeros(1)}, "key 3"),
        (lambda s: s | {"fc.weight": s["fc.weight"].to_sparse()}, "'fc.weight' is a torch.sparse_coo tensor"),
        (lambda s: s | {"fc.weight": s["fc.weight"].to("meta")}, "'fc.weight' is on the meta device"),
        (lambda s: s | {"fc.weight": s["fc.weight"] + 1j}, "'fc.weight' has dtype torch.complex64"),
        (lambda s: s | {"fc.weight": torch.zeros(2, 2)}, r"fc\.weight.*\[2, 2\].*\[3, 2\]"),
        (lambda s: {k: v for k, v in s.items() if k != "fc.bias"}, "missing keys: 'fc.bias'; unexpected keys: none"),
        (lambda s: s | {"fc2.bias": torch.zeros(1)}, "missing keys: none; unexpected keys: 'fc2.bias'"),
        (lambda s: {f"module.{k}": v for k, v in s.items()}, "'module.'.*DataParallel"),
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
