"""Sweeps by threads, by processes and by a Dask cluster give the same as one after the other."""

import logging
import multiprocessing
import subprocess
import sys
import threading
import warnings
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor

import pytest
import torch

from hpfunc._sweep.run import _outcomes
from hpfunc.results import open_results
from hpfunc.sweeps import sweep
from tests.models import Mlp, seeded
from tests.sweep_parts import FACTORIES, ROOT, Faulty, Once, make_data, save_checkpoints, train


@pytest.fixture
def paths(tmp_path):
    return save_checkpoints(tmp_path, 4)


@pytest.fixture(scope="module")
def processes():
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


class Here:
    """An executor of no known kind, which runs everything at once, and notes what it was sent."""

    def __init__(self):
        self.sent = []

    def submit(self, function, *args):
        self.sent.append(args)
        future = Future()
        try:
            future.set_result(function(*args))
        except Exception as error:
            future.set_exception(error)
        return future


# ---- the same result


def test_threads_give_the_same(paths, tmp_path):
    expected = sweep(paths, FACTORIES, build=Mlp, key=1, samples_per_class=9)
    state = torch.get_rng_state()
    with ThreadPoolExecutor(4) as pool:
        for store in (None, tmp_path / "store"):
            runs = sweep(paths, FACTORIES, build=Mlp, key=1, samples_per_class=9, executor=pool, store=store)
            assert runs.identical(expected)
        # Threads share memory, so what cannot travel need not.
        models = {0: seeded(Mlp), 1: seeded(Mlp, 1).state_dict()}
        data = {"a": make_data()}
        assert sweep(models, data, build=Mlp, executor=pool).identical(sweep(models, data, build=Mlp))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.backends.mha.get_fastpath_enabled()


class Unsendable(Mlp):
    """Holds what no pickle can hold."""

    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()


def load():
    """Load a checkpoint, as a caller's function would."""
    return {name: tensor.clone() for name, tensor in seeded(Mlp, 3).state_dict().items()}


@pytest.mark.slow
def test_processes_give_the_same(paths, tmp_path, processes, monkeypatch):
    expected = sweep(paths, FACTORIES, build=Mlp)
    assert sweep(paths, FACTORIES, build=Mlp, executor=processes).identical(expected)
    # State dicts, modules, functions that load and data sets are copied for each task.
    held = {0: seeded(Mlp), 1: seeded(Mlp, 1).state_dict(), 2: paths[2], 3: load}
    data = {split: make() for split, make in FACTORIES.items()}
    data["train"] = torch.utils.data.TensorDataset(*map(torch.from_numpy, data["train"]))
    given = sweep(held, data, build=Mlp, executor=processes)
    assert given.drop_attrs().equals(expected.drop_attrs())
    tensors = [*held[0].parameters(), *held[1].values(), *data["train"].tensors]
    assert not any(tensor.is_shared() for tensor in tensors)
    # A path that is relative is one of this process's.
    monkeypatch.chdir(tmp_path)
    relative = {label: path.name for label, path in paths.items()}
    assert sweep(relative, FACTORIES, build=Mlp, executor=processes, store="store").identical(expected)
    assert open_results("store").load().identical(expected)


def test_a_task_is_a_checkpoint_on_a_data_set_and_carries_neither(paths):
    here = Here()
    sweep(paths, FACTORIES, build=Mlp, executor=here)
    tasks = [task for (task,) in here.sent]
    assert [(task.label, list(task.data)) for task in tasks] == [(n, [name]) for n in paths for name in FACTORIES]
    assert all(task.source == paths[task.label] for task in tasks)
    assert all(task.data[name] is FACTORIES[name] for task in tasks for name in task.data)


def test_the_order_in_which_tasks_end_does_not_matter(paths, monkeypatch):
    def last(waiting, return_when):
        return list(waiting)[-1:], None

    monkeypatch.setattr("hpfunc._sweep.run.wait", last)
    runs = sweep(paths, FACTORIES, build=Mlp, executor=Here())
    assert runs.identical(sweep(paths, FACTORIES, build=Mlp))


# ---- failures


def test_a_task_that_fails_once_is_done_again(paths, tmp_path, caplog):
    data = {"a": Once(tmp_path / "flag", kill=False)}
    with ThreadPoolExecutor(2) as pool, caplog.at_level(logging.INFO, "hpfunc"):
        runs = sweep(paths, data, build=Mlp, executor=pool)
    assert (tmp_path / "flag").exists()
    assert runs.identical(sweep(paths, {"a": train}, build=Mlp))


def test_what_fails_twice_is_reported_with_the_rest_kept(paths, tmp_path):
    torch.save({"fc1.weight": torch.zeros(1)}, paths[1])
    paths[2].write_bytes(b"no checkpoint")
    store = tmp_path / "store"
    with (
        ThreadPoolExecutor(2) as pool,
        pytest.raises(
            ValueError, match="4 of 8 tasks of the sweep failed, each twice; 2 of 4 checkpoints are"
        ) as error,
    ):
        sweep(paths, FACTORIES, build=Mlp, executor=pool, store=store)
    for label in (1, 2):
        for split in FACTORIES:
            assert f"- checkpoint {label} on data {split!r}: ValueError: checkpoint {label} (" in str(error.value)
    assert open_results(store).checkpoint.values.tolist() == [0, 3]
    save_checkpoints(tmp_path, 2, first=1)
    assert sweep(paths, FACTORIES, build=Mlp, store=store).identical(sweep(paths, FACTORIES, build=Mlp))


def test_a_sample_that_cannot_be_loaded_is_named(paths, tmp_path):
    with (
        ThreadPoolExecutor(2) as pool,
        pytest.raises(ValueError, match="item 7 could not be loaded: OSError: bad sector"),
    ):
        sweep(paths, {"a": Faulty}, build=Mlp, executor=pool, store=tmp_path / "store")


@pytest.mark.slow
def test_a_pool_whose_worker_died_is_reported(paths, tmp_path):
    data = {"a": Once(tmp_path / "flag", kill=True)}
    store = tmp_path / "store"
    pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
    with pool, pytest.raises(ValueError, match=r"4 of 4 tasks .*\n(.*\n)*A worker died.*with a new executor"):
        sweep(paths, data, build=Mlp, executor=pool, store=store)
    assert sweep(paths, data, build=Mlp, store=store).identical(sweep(paths, {"a": train}, build=Mlp))


def test_what_has_not_started_is_taken_back_when_the_sweep_stops(monkeypatch):
    futures = []

    class Never:
        def submit(self, function, *args):
            futures.append(Future())
            return futures[-1]

    outcomes = _outcomes(print, [1, 2, 3], Never(), attempts=2)

    def interrupt(waiting, return_when):
        raise KeyboardInterrupt

    monkeypatch.setattr("hpfunc._sweep.run.wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        next(outcomes)
    assert [future.cancelled() for future in futures] == [True] * 3


# ---- what can be sent


@pytest.mark.parametrize(
    ("checkpoints", "data", "build", "words"),
    [
        (
            {0: lambda: seeded(Mlp).state_dict()},
            FACTORIES,
            Mlp,
            "checkpoint 0 cannot be sent .* pass the path of the file",
        ),
        ({0: Unsendable()}, FACTORIES, Mlp, "checkpoint 0 cannot be sent to another process"),
        (None, FACTORIES, lambda: Mlp(), "build cannot be sent to another process"),
        (None, {"a": lambda: make_data()}, Mlp, "data 'a' cannot be sent .* at the top of a module"),
    ],
)
def test_what_cannot_travel_is_refused_at_once(paths, checkpoints, data, build, words):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        with pytest.raises(TypeError, match=words):
            sweep(checkpoints or paths, data, build=build, executor=pool)
        assert not pool._processes


def test_something_else_is_no_executor(paths):
    with pytest.raises(TypeError, match="executor is a int"):
        sweep(paths, FACTORIES, build=Mlp, executor=4)


# ---- a cluster


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_of_two_processes_gives_the_same_though_one_is_killed(paths, tmp_path):
    distributed = pytest.importorskip("distributed")
    import dask

    # Whether a port for the pictures is free is not what is tested.
    with (
        dask.config.set({"distributed.worker.daemon": True}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=logging.CRITICAL
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        before = set(client.run(lambda: __import__("os").getpid()).values())
        assert len(before) == 2
        data = {"train": train, "killing": Once(tmp_path / "flag", kill=True)}
        runs = sweep(paths, data, build=Mlp, executor=client.get_executor(), store=tmp_path / "store")
        client.wait_for_workers(2)
        after = set(client.run(lambda: __import__("os").getpid()).values())
        # State dicts, modules and data sets travel as copies.
        sent = {0: seeded(Mlp), 1: seeded(Mlp, 1).state_dict(), 2: paths[0]}
        copied = sweep(sent, {"a": make_data()}, build=Mlp, executor=client.get_executor())
    assert copied.identical(sweep(sent, {"a": make_data()}, build=Mlp))
    assert not any(tensor.is_shared() for tensor in sent[1].values())
    assert len(before - after) == 1, "no worker was killed"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        expected = sweep(paths, {"train": train, "killing": train}, build=Mlp)
    assert runs.identical(expected)
    assert open_results(tmp_path / "store").load().identical(expected)


@pytest.mark.slow
def test_the_example_runs_and_goes_on(tmp_path):
    """As a program of its own, since workers import the file that is run."""
    pytest.importorskip("distributed")
    pytest.importorskip("sklearn")
    command = [
        sys.executable,
        str(ROOT / "examples" / "dask_sweep.py"),
        "--out",
        str(tmp_path / "out"),
        "--epochs",
        "1",
        "--workers",
        "1",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["layer", "input", "0", "1", "2", "3"]
    assert [line[0] for line in lines[2:]] == ["0", "1"]
    assert dict(open_results(tmp_path / "out" / "store").sizes) == {"checkpoint": 2, "split": 2, "layer": 5, "pair": 45}
