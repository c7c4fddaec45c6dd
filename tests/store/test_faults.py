"""Sweeps with a store that are stopped, fail or run out of disk keep what is finished and say why."""

import errno
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch

from hpfunc._store.folder import part_of
from hpfunc.results import open_results
from hpfunc.sweeps import sweep
from tests.models import Mlp, seeded
from tests.store.kept import DATA, contents
from tests.sweep_parts import ROOT, Faulty, make_data, save_checkpoints


def test_ctrl_c_leaves_the_store_good(paths, tmp_path, measured):
    # Not in variables that the function closes over: their values are part of what the store compares.
    class Calls:
        labels, stopped = measured, False

    def forward(model, x):
        if Calls.labels == [0, 1] and not Calls.stopped:
            Calls.stopped = True
            raise KeyboardInterrupt
        return model(x)

    store = tmp_path / "store"
    with pytest.raises(KeyboardInterrupt) as stop:
        sweep(paths, DATA, build=Mlp, store=store, forward=forward)
    [note] = stop.value.__notes__
    assert "1 of 3 checkpoints are in" in note
    measured.clear()
    assert sweep(paths, DATA, build=Mlp, store=store, forward=forward).identical(
        sweep(paths, DATA, build=Mlp, forward=forward)
    )
    assert measured[:2] == [1, 2]


def test_a_failing_sample_is_named_before_the_work(paths, tmp_path, measured):
    with pytest.raises(ValueError, match="item 7 could not be loaded: OSError: bad sector") as error:
        sweep(paths, {"train": make_data(), "bad": Faulty()}, build=Mlp, store=tmp_path / "store")
    assert "in sweep, at data 'bad'" in error.value.__notes__
    assert measured == []
    assert sweep(paths, DATA, build=Mlp, store=tmp_path / "store").sizes["checkpoint"] == 3


def test_failures_are_reported_together_and_the_rest_is_kept(paths, tmp_path, measured):
    broken = seeded(Mlp).state_dict() | {"fc1.weight": torch.full((5, 6), torch.nan)}
    torch.save(broken, paths[1])
    torch.save({"fc1.weight": torch.zeros(2)}, paths[0])
    store = tmp_path / "store"
    with pytest.raises(
        ValueError, match="2 of 3 tasks of the sweep failed, each twice; 1 of 3 checkpoints are"
    ) as error:
        sweep(paths, DATA, build=Mlp, store=store)
    assert "- checkpoint 0 on data 'train' and checkpoint 0 on data 'test': ValueError: checkpoint 0 (" in str(
        error.value
    )
    assert "checkpoint 1 on data 'train'" in str(error.value)
    assert len(error.value.__cause__.exceptions) == 2
    assert measured == [0, 0, 1, 1, 2]
    assert open_results(store).checkpoint.values.tolist() == [2]


def test_checkpoints_that_differ_are_not_kept_beside_each_other(paths, tmp_path):
    class Deeper(Mlp):
        def forward(self, x):
            return self.relu(super().forward(x))

    store = tmp_path / "store"
    with pytest.raises(ValueError, match="only one of them has the layers relu_1"):
        sweep({0: seeded(Mlp), 1: seeded(Deeper)}, DATA, store=store)
    assert open_results(store).checkpoint.values.tolist() == [0]
    # Also where the first one is from an earlier sweep.
    with pytest.raises(ValueError, match="only one of them has the layers relu_1"):
        sweep({0: seeded(Mlp), 1: seeded(Deeper)}, DATA, store=store)


def test_a_full_disk_is_one_clear_error(paths, tmp_path, measured, expected):
    """A limit on the size of files, since it needs no rights; what comes of a real full disk is below."""
    store = tmp_path / "store"
    sweep({0: paths[0]}, DATA, build=Mlp, store=store)
    before = contents(store)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, hard))
    try:
        with pytest.raises(OSError, match=r"cannot be written to; what it holds is good.*make room") as error:
            sweep(paths, DATA, build=Mlp, store=store)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert error.value.errno == errno.EFBIG
    assert {name: content for name, content in contents(store).items() if name != "sweep.json"} == {
        name: content for name, content in before.items() if name != "sweep.json"
    }
    measured.clear()
    assert sweep(paths, DATA, build=Mlp, store=store).identical(expected)
    assert measured == [1, 2]


@pytest.mark.slow
def test_a_disk_that_is_really_full(tmp_path):
    save_checkpoints(tmp_path, 24)
    disk = tmp_path / "disk"
    disk.mkdir()
    code = f"from tests.sweep_parts import *; sweep_on_a_full_disk({str(tmp_path)!r}, {str(disk)!r})"
    inner = f'mount -t tmpfs -o size=256k tmpfs "{disk}" && exec "{sys.executable}" -c "$CODE"'
    try:
        done = subprocess.run(
            ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", inner],
            cwd=ROOT, env=os.environ | {"CODE": code}, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("there is no unshare, with which to mount a small disk")
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()[:200]}")
    assert done.returncode == 0, done.stderr
    number, words, names, kept = json.loads(done.stdout)
    assert number == errno.ENOSPC
    assert "No space left on device" in words
    assert names == [".lock", "sweep.json"]
    assert 0 < kept < 24


def test_a_read_only_folder_is_one_clear_error(paths):
    folder = Path(tempfile.mkdtemp())
    try:
        folder.chmod(0o555)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            with pytest.raises(OSError, match=r"cannot be (used|written to).*Permission denied"):
                sweep({0: seeded(Mlp)}, DATA, store=folder)
            with pytest.raises(OSError, match=r"cannot be (used|written to).*Permission denied"):
                sweep({0: seeded(Mlp)}, DATA, store=folder / "new")
        finally:
            os.seteuid(user)
        assert not list(folder.iterdir())
    finally:
        folder.chmod(0o755)
        folder.rmdir()


def test_labels_never_become_paths(tmp_path):
    labels = ["../../x", "a/b", "/etc/x", "..", ".", "CON", "x" * 1000, "ä\n"]
    store = tmp_path / "in" / "store"
    runs = sweep({label: seeded(Mlp) for label in labels}, {"train": DATA["train"]}, store=store)
    assert runs.checkpoint.values.tolist() == labels
    assert open_results(store).load().identical(runs)
    splits = sweep({"a": seeded(Mlp)}, dict.fromkeys(labels, DATA["train"]), store=tmp_path / "in" / "splits")
    assert splits.split.values.tolist() == labels
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert {path.name for path in (tmp_path / "in").iterdir()} == {"store", "splits"}
    assert {path.name for path in store.iterdir()} == {".lock", "sweep.json", *map(part_of, labels)}
    for bad in ("a\0b", "x" * 1001):
        with pytest.raises(ValueError, match=r"NUL|1,001 characters"):
            sweep({bad: seeded(Mlp)}, DATA, store=store)


def test_nothing_is_printed_unless_asked_for(paths, store, capfd):
    (store / part_of(0)).write_bytes(b"")
    sweep(paths, DATA, build=Mlp, store=store)
    assert capfd.readouterr() == ("", "")
