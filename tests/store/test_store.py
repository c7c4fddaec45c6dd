"""Sweeps with a store go on where they were, say what differs, and do not share a store."""

import signal
import threading
import time

import pytest
import torch

from hpfunc._store.folder import part_of
from hpfunc.results import open_results
from hpfunc.sweeps import sweep
from tests.models import Mlp, seeded
from tests.store.kept import DATA, contents
from tests.sweep_parts import FACTORIES, make_data, save_checkpoints, start

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


def test_a_sweep_goes_on_and_keeps_the_order_of_its_own_checkpoints(paths, tmp_path, measured, expected):
    store = tmp_path / "new"
    sweep({1: paths[1]}, DATA, build=Mlp, store=store)
    measured.clear()
    runs = sweep(paths, DATA, build=Mlp, store=store)
    assert measured == [0, 2]
    assert runs.checkpoint.values.tolist() == [0, 1, 2]
    assert runs.identical(expected)
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
def test_what_differs_is_named_and_redone_when_told(paths, store, measured, change, words):
    options = {"build": Mlp} | change
    before = contents(store)
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
    assert runs.sel(checkpoint=[1]).equals(sweep({1: paths[1]}, DATA, **options))


def test_only_what_differs_is_redone(paths, store, measured, expected):
    torch.save(seeded(Mlp, 9).state_dict(), paths[1])
    with pytest.raises(ValueError, match="checkpoint 1 made otherwise: weights differs"):
        sweep(paths, DATA, build=Mlp, store=store)
    runs = sweep(paths, DATA, build=Mlp, store=store, overwrite=True)
    assert measured == [1]
    assert runs.sel(checkpoint=[1]).equals(sweep({1: paths[1]}, DATA, build=Mlp))
    assert runs.sel(checkpoint=[0, 2]).equals(expected.sel(checkpoint=[0, 2]))


def test_other_samples_are_noticed_by_their_values(paths, store):
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

    store, first = tmp_path / "store", {0: paths[0]}
    sweep(first, DATA, build=Mlp, store=store, reduce=times(2))
    sweep(first, DATA, build=Mlp, store=store, reduce=times(2))
    with pytest.raises(ValueError, match=r"reduce (was|differs)"):
        sweep(first, DATA, build=Mlp, store=store, reduce=times(3))


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
    paths = save_checkpoints(tmp_path, 4)
    program = start(f"sweep_until_stopped({str(tmp_path)!r})")
    store = tmp_path / "store"
    while len(list(store.glob("*.nc"))) < 2:
        assert program.poll() is None, program.communicate()
        time.sleep(0.05)
    with pytest.raises(ValueError, match=rf"in use by another sweep \(process {program.pid} on "):
        sweep(paths, DATA, build=Mlp, store=store)
    # What is finished can be looked at meanwhile.
    assert open_results(store).sizes["checkpoint"] == 2
    program.send_signal(signal.SIGINT)
    _, err = program.communicate(timeout=200)
    assert f"hpfunc.sweep was stopped; 2 of 4 checkpoints are in {store}" in err
    assert not list(store.glob("*.part"))
    assert open_results(store).sizes["checkpoint"] == 2
    # In a file the bar is some lines, the last with a time to go.
    bar = [line for line in err.splitlines() if line.startswith("checkpoints x data")]
    assert bar
    assert "\r" not in err
