"""What the tasks of a sweep warn of is said where the sweep was called, wherever they ran, and of which task."""

import inspect
import multiprocessing
import sys
import threading
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from unittest import mock

import pytest
import torch
from torch import nn

from hpfunc._support import warn as _warn
from hpfunc._support.warn import kept_warnings, warn
from hpfunc._sweep.warnings import SweepWarnings
from hpfunc._torch.collect import Collection
from hpfunc.pairwise import pairwise_hp
from hpfunc.results import open_results
from hpfunc.sweeps import sweep
from tests.models import Mlp, seeded
from tests.sweep_parts import grid, make_data, save_checkpoints, train

TIED = "layer 'input', classes 0 and 1, layer 'input', classes 0 and 2, layer 'input', classes 1 and 2: distances tie"
PARTS = [f"checkpoint {n} on data 'grid'" for n in range(3)]


@pytest.fixture
def paths(tmp_path):
    return save_checkpoints(tmp_path, 3)


class Recorder:
    """Stands for the module `warnings`, whose own recorder misses what is issued while another thread ignores some."""

    def __init__(self):
        self.caught = []

    def warn(self, message, stacklevel=1):
        frame = sys._getframe(stacklevel)
        self.caught.append((message, frame.f_code.co_filename, frame.f_lineno))


def swept(*args, **options):
    """Run a sweep; return its result and its warnings, each of which is of the line that called it."""
    recorder = Recorder()
    with mock.patch.object(_warn, "warnings", recorder):
        line = inspect.currentframe().f_lineno + 1
        runs = sweep(*args, build=Mlp, layers=["input", "fc2"], k=2, **options)
    assert {(file, number) for _, file, number in recorder.caught} <= {(__file__, line)}
    return runs, [message for message, *_ in recorder.caught]


def check_said(messages):
    """One part of the sweep is named at once, and the others together at the end."""
    first, others = messages
    part = first.partition(": ")[0]
    assert part in PARTS
    assert first.startswith(f"{part}: {TIED}")
    rest = others.partition(", as before: ")
    assert sorted([part, *rest[0].split(", ")]) == PARTS
    assert rest[2] == first.partition(": ")[2]


# ---- wherever a task runs


def test_here(paths):
    check_said(swept(paths, {"grid": grid})[1])


def test_in_threads(paths):
    with ThreadPoolExecutor(3) as pool:
        check_said(swept(paths, {"grid": grid}, executor=pool)[1])


@pytest.mark.slow
def test_in_processes(paths, capfd):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        check_said(swept(paths, {"grid": grid}, executor=pool)[1])
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_in_a_cluster(paths):
    distributed = pytest.importorskip("distributed")
    with distributed.Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=None) as client:
        check_said(swept(paths, {"grid": grid}, executor=client.get_executor())[1])


def test_only_the_parts_that_warned_are_named(paths):
    with ThreadPoolExecutor(3) as pool:
        _, messages = swept({0: paths[0]}, {"train": train, "grid": grid}, executor=pool)
    [message] = messages
    assert message.startswith("checkpoint 0 on data 'grid': layer 'input'")


# ---- where warnings are errors


def test_a_warning_that_is_an_error_loses_nothing_of_a_store(paths, tmp_path):
    options = {"build": Mlp, "layers": ["input", "fc2"], "k": 2}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match=r"checkpoint 0 on data 'grid': .*distances tie"):
            sweep(paths, {"grid": grid}, **options)
        with pytest.raises(UserWarning, match="distances tie") as caught:
            sweep(paths, {"grid": grid}, store=tmp_path / "store", **options)
        assert "3 of 3 checkpoints are in" in caught.value.__notes__[-1]
        # All is kept, and nothing is left to warn of.
        runs = sweep(paths, {"grid": grid}, store=tmp_path / "store", **options)
    assert runs.identical(open_results(tmp_path / "store").load())
    assert runs.sizes["checkpoint"] == 3


# ---- each once


def test_the_groups_of_a_checkpoint_say_it_once(monkeypatch):
    class Positions(nn.Module):
        """One layer's value has no axis that counts the samples."""

        def __init__(self):
            super().__init__()
            self.first, self.second, self.last = nn.Linear(6, 2000), nn.Linear(2000, 2000), nn.Linear(2000, 3)
            self.mixed = nn.Identity()

        def forward(self, x):
            self.mixed(x.new_zeros(len(x) * 2 + 1, 4))
            return self.last(self.second(self.first(x)))

    passes = []

    collect = Collection._collect

    def counted(self, record, layers, *rest):
        passes.append([layer.name for layer in layers])
        return collect(self, record, layers, *rest)

    monkeypatch.setattr(Collection, "_collect", counted)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sweep({"a": seeded(Positions)}, {"train": make_data(240, classes=12)}, max_memory=3_200_000)
    assert len(passes) > 1
    assert [str(one.message).partition(" (")[0] for one in caught] == [
        "checkpoint 'a' on data 'train': left out: mixed"
    ]


def test_a_sweep_that_goes_on_does_not_repeat_it(paths, tmp_path):
    store = tmp_path / "store"
    assert len(swept({0: paths[0]}, {"grid": grid}, store=store)[1]) == 1
    runs, messages = swept(paths, {"grid": grid}, store=store)
    assert [message.partition(": ")[0] for message in messages] == [PARTS[1], f"{PARTS[2]}, as before"]
    assert swept(paths, {"grid": grid}, store=store) == (runs, [])


def test_a_long_list_is_cut():
    warned = SweepWarnings()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for number in range(30):
            warned.add(f"part {number}", ["odd"])
            warned.add(f"part {number}", ["odd"])
        warned.report_others()
    first, others = (str(one.message) for one in caught)
    assert first == "part 0: odd"
    assert others.startswith("part 1, part 2, ")
    assert others.endswith(", part 20, and 9 more, as before: odd")


# ---- errors


def test_a_task_that_fails_tells_what_it_warned_of(paths):
    torch.save(seeded(Mlp).state_dict() | {"fc2.bias": torch.full((3,), torch.nan)}, paths[1])
    with pytest.raises(ValueError, match="'fc2'") as error:
        swept({1: paths[1]}, {"grid": grid})
    where, before = error.value.__notes__
    assert where == "in sweep, at checkpoint 1 on data 'grid'"
    assert before.startswith(f"after the warning: {TIED}")


# ---- keeping


def test_what_one_thread_keeps_is_its_own():
    kept, others = threading.Event(), threading.Event()

    def keep():
        with kept_warnings() as messages:
            kept.set()
            assert others.wait(10)
            warn("mine")
        return messages

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(keep)
        assert kept.wait(10)
        with pytest.warns(UserWarning, match="yours"):
            warn("yours")
        others.set()
        assert future.result() == ["mine"]
    with pytest.warns(UserWarning, match="again"):
        warn("again")


def test_alone_the_parts_of_a_sweep_warn_as_ever():
    points, labels = grid()
    with pytest.warns(UserWarning, match="^layer 'input', classes 0 and 1") as caught:
        pairwise_hp({"input": points}, labels, k=2)
    assert {one.filename for one in caught} == {__file__}
