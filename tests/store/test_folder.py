"""What a store does with labels, with files of others, and with being opened and swept in turn."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import hpfunc._store.folder as folder_module
from hpfunc._store.folder import part_of
from hpfunc.results import open_results, read_seed_results
from hpfunc.sweeps import sweep
from tests.models import Mlp, seeded
from tests.sweep_parts import ROOT, make_data, save_checkpoints

DATA = {"a": make_data()}


@pytest.fixture
def paths(tmp_path):
    return save_checkpoints(tmp_path, 2)


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


# ---- labels


@pytest.mark.parametrize(
    "labels",
    [
        np.array([0, 1], "uint8"),
        [np.int32(5), -3],
        np.array(["before", "after"]),
        [2**63 - 1, -(2**63)],
    ],
)
def test_labels_of_numpy_are_pythons(paths, store, labels):
    checkpoints = dict(zip(labels, paths.values(), strict=True))
    runs = sweep(checkpoints, {np.str_("a"): DATA["a"]}, build=Mlp, store=store)
    plain = [label.item() if hasattr(label, "item") else label for label in labels]
    assert runs.checkpoint.values.tolist() == plain
    assert open_results(store).load().identical(runs)
    again = dict(zip(plain, paths.values(), strict=True))
    assert sweep(again, DATA, build=Mlp, store=store).identical(runs)


@pytest.mark.parametrize(
    ("checkpoints", "data", "words"),
    [
        ([2**63, 1], DATA, "checkpoint 9223372036854775808 has more than 64 bits"),
        (["a", "b\ud800"], DATA, "lone surrogate"),
        (["a", "b"], {"a\udfff": DATA["a"]}, "split .*lone surrogate"),
        ([True, False], DATA, "True"),
    ],
)
def test_labels_that_no_file_can_hold_are_refused_before_the_work(paths, store, checkpoints, data, words, monkeypatch):
    monkeypatch.setattr("hpfunc._sweep.run.measure", None)
    with pytest.raises((TypeError, ValueError), match=words):
        sweep(dict(zip(checkpoints, paths.values(), strict=True)), data, build=Mlp, store=store)
    assert not store.exists()


@pytest.mark.parametrize(("first", "second"), [((0, 1), ("a", "b")), (("a", "b"), (0, 1))])
def test_integers_and_strings_do_not_share_a_store(paths, store, first, second, monkeypatch):
    runs = sweep(dict(zip(first, paths.values(), strict=True)), DATA, build=Mlp, store=store)
    monkeypatch.setattr("hpfunc._sweep.run.samples_of", None)
    with pytest.raises(ValueError, match="labels are all integers or all strings; pass another store="):
        sweep(dict(zip(second, paths.values(), strict=True)), DATA, build=Mlp, store=store)
    assert open_results(store).load().identical(runs)


# ---- files of others


def test_only_names_that_the_store_makes_are_removed(paths, store):
    sweep(paths, DATA, build=Mlp, store=store)
    mine = ["thesis.2024.part", "sweep.json.part", "notes.nc", "0.nc.1.part", f"{part_of(0)}.part", "data.csv.77.part"]
    own = [f"{part_of(0)}.123.part", "sweep.json.99.part"]
    for name in (*mine, *own):
        (store / name).write_text("mine")
    sweep(paths, DATA, build=Mlp, store=store)
    names = {entry.name for entry in store.iterdir()}
    assert set(mine) <= names
    assert not set(own) & names
    assert open_results(store).sizes["checkpoint"] == 2


@pytest.mark.parametrize("name", [part_of(1), "sweep.json", ".lock", f"{part_of(0)}.5.part"])
def test_a_folder_of_the_name_of_a_file_is_refused_before_the_work(paths, store, name, monkeypatch):
    sweep({0: paths[0]}, DATA, build=Mlp, store=store)
    (store / name).unlink(missing_ok=True)
    (store / name).mkdir()
    (store / name / "thesis.txt").write_text("mine")
    monkeypatch.setattr("hpfunc._sweep.run.samples_of", None)
    with pytest.raises(ValueError, match=r"holds '.*', which is no file|is no store and holds"):
        sweep(paths, DATA, build=Mlp, store=store)
    assert (store / name / "thesis.txt").read_text() == "mine"


# ---- the list of checkpoints


def test_every_change_of_the_list_is_noticed(paths, store, caplog):
    expected = sweep(paths, DATA, build=Mlp, store=store)
    content = (store / "sweep.json").read_text()
    for old, new in (("[0, 1]", "[0, 2]"), ("[0, 1]", "[1, 0]"), ("[0, 1]", "[0]"), ('"sha256": "', '"sha256": "0')):
        assert old in content
        (store / "sweep.json").write_text(content.replace(old, new))
        with pytest.raises(ValueError, match=r"sweep\.json is damaged: its checksum is another one"):
            open_results(store)
    assert sweep(paths, DATA, build=Mlp, store=store).identical(expected)
    assert json.loads((store / "sweep.json").read_text())["checkpoints"] == [0, 1]


def test_the_list_is_checked_without_the_checksum_being_right(store):
    """Whoever writes a list can write its checksum, too."""
    store.mkdir()
    for labels in ([[]], [0, "a"], [None], [1.5], [True]):
        content = {"hpfunc_store": 2, "checkpoints": labels, "sha256": folder_module._digest_of_labels(labels)}
        (store / "sweep.json").write_text(json.dumps(content))
        with pytest.raises(ValueError, match=r"sweep\.json .*(list|lists) .*checkpoints"):
            open_results(store)


# ---- opened and swept


PREPARE = """
import pathlib
from tests.sweep_parts import make_data, save_checkpoints
from tests.models import Mlp
import hpfunc as hp
folder = pathlib.Path(FOLDER)
paths, opened = save_checkpoints(folder, 2), []
data = {"a": make_data(n=12)}
options = {"build": Mlp, "store": folder / "store", "layers": ["input"]}
hp.sweep({0: paths[0]}, data, **options)
"""
OPEN_AND_SWEEP = """
runs = hp.open_results(folder / "store")
opened.append(runs)
runs.hp.to_netcdf(folder / "copy.nc")
number = 1 + len(opened) // 4
_ = hp.sweep({0: paths[0], number: paths[1]}, data, **options)
"""
LOOK = "print([runs.hp.load().sizes['checkpoint'] for runs in opened])"


@pytest.mark.slow
def test_a_store_is_opened_and_swept_twelve_times_in_one_process(tmp_path):
    """With netCDF4 1.7.5 the second sweep ended the interpreter."""
    code = PREPARE.replace("FOLDER", repr(str(tmp_path))) + 12 * OPEN_AND_SWEEP + LOOK
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str([1] + 3 * [2] + 4 * [3] + 4 * [4])


@pytest.mark.slow
def test_a_store_is_opened_and_swept_in_a_notebook(tmp_path):
    """The second sweep ended the interpreter of a notebook, too."""
    nbformat = pytest.importorskip("nbformat", reason="a notebook needs nbclient and ipykernel, of the extra 'test'")
    nbclient = pytest.importorskip("nbclient")
    sources = [PREPARE.replace("FOLDER", repr(str(tmp_path))), *3 * [OPEN_AND_SWEEP], LOOK]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    nbclient.NotebookClient(notebook, timeout=300).execute(env=os.environ | {"PYTHONPATH": path})
    [output] = notebook.cells[-1].outputs
    assert output.text.strip() == str([1, 2, 2])


def test_a_store_that_is_open_is_swept_again(paths, store):
    sweep({0: paths[0]}, DATA, build=Mlp, store=store)
    first = open_results(store)
    runs = sweep(paths, DATA, build=Mlp, store=store)
    with open_results(store) as second:
        assert second.load().identical(runs)
    assert first.hp.load().identical(runs.hp.sel(checkpoint=[0]))


# ---- paths


def test_the_home_folder_can_be_named(paths, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    runs = sweep({0: "~/0.ckpt"}, DATA, build=Mlp, store="~/store")
    assert open_results("~/store").load().identical(runs)
    assert runs.identical(sweep({0: paths[0]}, DATA, build=Mlp))
    assert (tmp_path / "store").is_dir()
    (tmp_path / "old.json").write_text(json.dumps({"(0, 1) a": {"Euclid fc": 0.5}}))
    assert read_seed_results({0: "~/old.json"}).sizes["pair"] == 1
    with pytest.raises(TypeError, match="store is a int"):
        sweep({0: seeded(Mlp)}, DATA, store=3)
