"""Sweeps that are stopped, killed, changed or run out of disk go on where they were, or say why not."""

import errno
import json
import logging
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from hpfunc._store.folder import part_of
from hpfunc.results import open_results
from hpfunc.sweeps import sweep
from tests.models import Mlp, seeded
from tests.sweep_parts import FACTORIES, ROOT, Faulty, make_data, save_checkpoints, start

DATA = {"train": make_data(), "test": make_data(n=45, seed=1)}


@pytest.fixture
def paths(tmp_path):
    return save_checkpoints(tmp_path, 3)


@pytest.fixture
def measured(monkeypatch):
    """List the checkpoints that are really measured, in order."""
    import hpfunc._sweep.run as module

    labels, measure = [], module.measure

    def note(task):
        labels.append(task.label)
        return measure(task)

    monkeypatch.setattr(module, "measure", note)
    return labels


def contents(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.name != ".lock"}


# ---- keeping and going on


def test_a_store_changes_nothing_of_the_result(paths, tmp_path, measured):
    expected = sweep(paths, DATA, build=Mlp)
    store = tmp_path / "new" / "store"
    runs = sweep(paths, DATA, build=Mlp, store=store)
    assert runs.identical(expected)
    assert {name: v.dtype for name, v in runs.variables.items()} == {n: v.dtype for n, v in expected.variables.items()}
    assert set(contents(store)) == {"sweep.json", *map(part_of, paths)}
    before = contents(store)
    measured.clear()
    assert sweep(paths, DATA, build=Mlp, store=str(store)).identical(expected)
    assert measured == []
    assert contents(store) == before


def test_a_sweep_goes_on_and_keeps_the_order_of_its_own_checkpoints(paths, tmp_path, measured):
    store = tmp_path / "store"
    sweep({1: paths[1]}, DATA, build=Mlp, store=store)
    measured.clear()
    runs = sweep(paths, DATA, build=Mlp, store=store)
    assert measured == [0, 2]
    assert runs.checkpoint.values.tolist() == [0, 1, 2]
    assert runs.identical(sweep(paths, DATA, build=Mlp))
    # A part of the store's checkpoints is a sweep too, and leaves the others.
    assert sweep({2: paths[2]}, DATA, build=Mlp, store=store).checkpoint.values.tolist() == [2]
    assert open_results(store).checkpoint.values.tolist() == [1, 0, 2]


def test_state_dicts_and_modules_are_kept_by_their_weights(tmp_path, measured):
    store, model = tmp_path / "store", seeded(Mlp)
    sources = {"dict": seeded(Mlp, 1).state_dict(), "module": model}
    expected = sweep(sources, DATA, build=Mlp)
    assert sweep(sources, DATA, build=Mlp, store=store).identical(expected)
    measured.clear()
    assert sweep(sources, DATA, build=Mlp, store=store).identical(expected)
    assert measured == []
    with torch.no_grad():
        model.fc2.bias[0] += 1
    with pytest.raises(ValueError, match="checkpoint 'module' made otherwise: weights differs"):
        sweep(sources, DATA, build=Mlp, store=store)


def by_three(rows):
    return rows * 3


class Squared(Mlp):
    def forward(self, x):
        return super().forward(x) ** 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"metric": "cosine"}, "metric was 'euclidean', now 'cosine'"),
        ({"samples_per_class": 5}, "samples_per_class was 1000, now 5"),
        ({"classes": [0, 2]}, r"data 'train' differs; .*classes was None, now \[0, 2\]"),
        ({"key": 1, "samples_per_class": 5}, "key was None, now 1"),
        ({"reduce": by_three}, "reduce was None, now by_three"),
        ({"reduce": lambda rows: rows}, "reduce was None, now .*lambda"),
        ({"build": Squared}, "model differs"),
    ],
)
def test_what_differs_is_named_and_redone_when_told(paths, tmp_path, measured, change, words):
    store = tmp_path / "store"
    options = {"build": Mlp} | change
    sweep(paths, DATA, build=Mlp, store=store)
    before = contents(store)
    measured.clear()
    with pytest.raises(ValueError, match=words):
        sweep(paths, DATA, store=store, **options)
    assert measured == []
    assert contents(store) == before
    if "build" not in change:
        with pytest.raises(ValueError, match="no checkpoint of this sweep"):
            sweep({0: paths[0]}, DATA, store=store, overwrite=True, **options)
        measured.clear()
    runs = sweep(paths, DATA, store=store, overwrite=True, **options)
    assert measured == [0, 1, 2]
    assert runs.identical(sweep(paths, DATA, **options))


def test_only_what_differs_is_redone(paths, tmp_path, measured):
    store = tmp_path / "store"
    sweep(paths, DATA, build=Mlp, store=store)
    torch.save(seeded(Mlp, 9).state_dict(), paths[1])
    with pytest.raises(ValueError, match="checkpoint 1 made otherwise: weights differs"):
        sweep(paths, DATA, build=Mlp, store=store)
    measured.clear()
    runs = sweep(paths, DATA, build=Mlp, store=store, overwrite=True)
    assert measured == [1]
    assert runs.identical(sweep(paths, DATA, build=Mlp))


def test_other_samples_are_noticed_by_their_values(paths, tmp_path):
    store = tmp_path / "store"
    sweep(paths, DATA, build=Mlp, store=store)
    points, labels = make_data(n=45, seed=1)
    points[-1, -1] += 1e-6
    with pytest.raises(ValueError, match="data 'test' differs"):
        sweep(paths, DATA | {"test": (points, labels)}, build=Mlp, store=store)
    with pytest.raises(ValueError, match="splits was"):
        sweep(paths, {"train": DATA["train"]}, build=Mlp, store=store)
    # The same samples from somewhere else are the same.
    sweep(paths, FACTORIES, build=Mlp, store=store)


def test_functions_are_compared_by_what_they_do(paths, tmp_path):
    def times(factor):
        return lambda rows: rows * factor

    store = tmp_path / "store"
    sweep(paths, DATA, build=Mlp, store=store, reduce=times(2))
    sweep(paths, DATA, build=Mlp, store=store, reduce=times(2))
    with pytest.raises(ValueError, match=r"reduce (was|differs)"):
        sweep(paths, DATA, build=Mlp, store=store, reduce=times(3))


# ---- damage


@pytest.mark.parametrize("damage", ["cut", "empty", "flip", "end", "text"])
def test_a_damaged_file_is_noticed_and_redone(paths, tmp_path, measured, damage, caplog):
    store = tmp_path / "store"
    expected = sweep(paths, DATA, build=Mlp, store=store)
    path = store / part_of(1)
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
    path.write_bytes(
        {"cut": content[:-100], "empty": b"", "flip": content, "end": content + b"\0", "text": b"x" * 99}[damage]
    )
    with pytest.raises(ValueError, match=f"{path.name}.*will redo checkpoint 1"):
        open_results(store)
    measured.clear()
    with caplog.at_level(logging.WARNING, "hpfunc"):
        assert sweep(paths, DATA, build=Mlp, store=store).identical(expected)
    assert measured == [1]
    assert "checkpoint 1 is done anew" in caplog.text
    assert open_results(store).load().identical(expected)


def test_every_flipped_bit_is_noticed(paths, tmp_path):
    store = tmp_path / "store"
    expected = sweep({0: paths[0]}, DATA, build=Mlp, store=store)
    path = store / part_of(0)
    content = path.read_bytes()
    generator = np.random.default_rng(0)
    for at in generator.integers(len(content), size=60):
        changed = bytearray(content)
        changed[at] ^= 1 << int(generator.integers(8))
        path.write_bytes(changed)
        with pytest.raises(ValueError, match="damaged"):
            open_results(store)
    path.write_bytes(content)
    assert open_results(store).load().identical(expected)


def test_what_a_killed_sweep_left_half_written_is_taken_away(paths, tmp_path):
    store = tmp_path / "store"
    store.mkdir()
    (store / f"{part_of(0)}.123.part").write_bytes(b"half")
    (store / "sweep.json.123.part").write_bytes(b"{")
    sweep(paths, DATA, build=Mlp, store=store)
    assert set(contents(store)) == {"sweep.json", *map(part_of, paths)}


def test_files_that_changed_places_are_an_error(paths, tmp_path):
    store = tmp_path / "store"
    sweep(paths, DATA, build=Mlp, store=store)
    shutil.copy(store / part_of(0), store / part_of(1))
    with pytest.raises(ValueError, match="is not of checkpoint 1"):
        open_results(store)


def test_a_folder_of_something_else_is_refused(paths, tmp_path):
    store = tmp_path / "photos"
    store.mkdir()
    (store / "cat.png").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"is no store and holds 'cat.png'"):
        sweep(paths, DATA, build=Mlp, store=store)
    assert [path.name for path in store.iterdir()] == ["cat.png"]
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="cannot be used"):
        sweep(paths, DATA, build=Mlp, store=tmp_path / "file")
    with pytest.raises(ValueError, match="overwrite=True goes with store="):
        sweep(paths, DATA, build=Mlp, overwrite=True)


# ---- two at a time


def test_a_second_sweep_of_this_process_is_refused(paths, tmp_path):
    began, go_on, errors = threading.Event(), threading.Event(), []

    def wait():
        began.set()
        assert go_on.wait(20)
        return make_data()

    first = threading.Thread(
        target=sweep, args=(paths, {"a": wait}), kwargs={"build": Mlp, "store": tmp_path / "store"}
    )
    first.start()
    assert began.wait(20)
    try:
        with pytest.raises(ValueError, match="in use by another sweep of this process"):
            sweep(paths, DATA, build=Mlp, store=tmp_path / "store")
    except BaseException as error:
        errors.append(error)
    go_on.set()
    first.join()
    assert not errors
    assert open_results(tmp_path / "store").sizes["checkpoint"] == 3


@pytest.mark.slow
def test_a_second_process_is_refused_and_ctrl_c_stops_the_first_at_once(tmp_path):
    paths = save_checkpoints(tmp_path, 40)
    program = start(f"slow_sweep({str(tmp_path)!r}, count=40)")
    store = tmp_path / "store"
    end = time.monotonic() + 300
    while len(list(store.glob("*.nc"))) < 2:
        assert time.monotonic() < end
        assert program.poll() is None, program.communicate()
        time.sleep(0.05)
    with pytest.raises(ValueError, match=rf"in use by another sweep \(process {program.pid} on "):
        sweep(paths, DATA, build=Mlp, store=store)
    # What is finished can be looked at meanwhile.
    assert open_results(store).sizes["checkpoint"] >= 2
    program.send_signal(signal.SIGINT)
    _, err = program.communicate(timeout=300)
    done = len(list(store.glob("*.nc")))
    assert done < 40
    assert f"hpfunc.sweep was stopped; {done} of 40 checkpoints are in {store}" in err
    assert not list(store.glob("*.part"))
    assert open_results(store).sizes["checkpoint"] == done
    # In a file the bar is some lines, the last with a time to go.
    bar = [line for line in err.splitlines() if line.startswith("checkpoints x data")]
    assert bar
    assert "\r" not in err


# ---- faults


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


def test_a_full_disk_is_one_clear_error(paths, tmp_path, measured):
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
    assert sweep(paths, DATA, build=Mlp, store=store).identical(sweep(paths, DATA, build=Mlp))
    assert measured[:2] == [1, 2]


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
    data = {label: make_data() for label in labels}
    runs = sweep({label: seeded(Mlp) for label in labels}, data, store=store)
    assert runs.checkpoint.values.tolist() == runs.split.values.tolist() == labels
    assert open_results(store).load().identical(runs)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["store"]
    assert {path.name for path in store.iterdir()} == {".lock", "sweep.json", *map(part_of, labels)}
    for bad in ("a\0b", "x" * 1001):
        with pytest.raises(ValueError, match=r"NUL|1,001 characters"):
            sweep({bad: seeded(Mlp)}, DATA, store=store)


def test_nothing_is_printed_unless_asked_for(paths, tmp_path, capfd):
    content = contents(tmp_path)
    store = tmp_path / "store"
    sweep(paths, DATA, build=Mlp, store=store)
    (store / part_of(0)).write_bytes(b"")
    sweep(paths, DATA, build=Mlp, store=store)
    assert capfd.readouterr() == ("", "")
    assert len(content) == 3


# ---- opening a store


def test_a_store_opens_lazily_and_selects_pairs_in_either_order(paths, tmp_path):
    pytest.importorskip("dask")
    store = tmp_path / "store"
    expected = sweep(paths, DATA, build=Mlp, store=store)
    opened = open_results(store)
    assert all(variable.chunks is not None for variable in opened.data_vars.values())
    assert opened.hp.sel(class_a=2, class_b=0).compute().identical(expected.hp.sel(class_a=0, class_b=2))
    assert opened.hp.mean().compute().item() == pytest.approx(expected.hp.mean().item())
    assert opened.attrs == expected.attrs
    opened.to_netcdf(tmp_path / "whole.nc")
    assert open_results(tmp_path / "whole.nc").identical(expected)


def test_a_store_opens_without_dask(paths, tmp_path, monkeypatch):
    expected = sweep(paths, DATA, build=Mlp, store=tmp_path / "store")
    monkeypatch.setattr("hpfunc._store.combine.find_spec", lambda name: None)
    opened = open_results(tmp_path / "store")
    assert opened.identical(expected)
    assert all(type(variable.data) is np.ndarray for variable in opened.data_vars.values())


def test_one_file_of_a_store_can_be_opened_by_itself(paths, tmp_path):
    expected = sweep(paths, DATA, build=Mlp, store=tmp_path / "store")
    one = open_results(tmp_path / "store" / part_of(2))
    xr.testing.assert_equal(one, expected.sel(checkpoint=[2]))


def test_a_store_without_a_finished_checkpoint_says_so(tmp_path):
    with pytest.raises(ValueError, match="failed"):
        sweep({0: seeded(Mlp).state_dict()}, DATA, build=lambda: torch.nn.Linear(1, 1), store=tmp_path / "store")
    with pytest.raises(ValueError, match="has not finished a checkpoint yet"):
        open_results(tmp_path / "store")


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"hpfunc_store": 2, "checkpoints": []}', '{"hpfunc_store": 1, "checkpoints": [[]]}',
     '{"hpfunc_store": 1}', '{"hpfunc_store": 1, "checkpoints": [0, "a"]}',
     '{"hpfunc_store": 1, "checkpoints": [NaN]}', "[" * 100_000],
)  # fmt: skip
def test_a_damaged_list_is_noticed_and_written_anew(paths, tmp_path, measured, content):
    store = tmp_path / "store"
    expected = sweep(paths, DATA, build=Mlp, store=store)
    (store / "sweep.json").write_text(content)
    with pytest.raises(ValueError, match=r"sweep\.json"):
        open_results(store)
    measured.clear()
    assert sweep(paths, DATA, build=Mlp, store=store).identical(expected)
    assert measured == []
    assert open_results(store).load().identical(expected)
