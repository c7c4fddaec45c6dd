"""The clock of stages: seconds here count whole, those of worker threads by their share."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

import hpfunc as hp
from hpfunc._tree import threads
from hpfunc._tree.threads import StageClock, n_threads, timed


def test_seconds_of_worker_threads_are_shared_among_the_processors(monkeypatch):
    ticks = iter([0.0, 3.0, 10.0, 14.0, 20.0, 21.0])
    monkeypatch.setattr(threads, "time", SimpleNamespace(perf_counter=ticks.__next__))
    monkeypatch.setattr(threads, "n_threads", lambda: 2)
    clock = StageClock()
    with clock("trees"):
        pass

    def work():
        with timed(clock, "distances"):
            pass

    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()
    with pytest.raises(KeyError), clock("trees"):
        raise KeyError
    assert clock.seconds == {"trees": 3.0 + 1.0, "distances": 4.0 / 2}


def test_without_a_clock_nothing_is_timed(monkeypatch):
    monkeypatch.setattr(threads, "time", None)
    with timed(None, "distances"):
        pass


@pytest.mark.parametrize(
    ("wanted", "expected"), [("1", 1), (" 3 ", 3), ("2,1", 2), ("8", 4), ("0", 4), ("-1", 4), ("many", 4), ("", 4)]
)
def test_a_worker_uses_no_more_threads_than_it_was_given(wanted, expected, monkeypatch):
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda process: range(4), raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", wanted)
    assert n_threads() == expected


def test_the_libraries_are_looked_up_once(monkeypatch):
    """Finding them takes a millisecond, more than counting a small layer."""
    looked = []
    find = threads._find_blas
    monkeypatch.setattr(threads, "_find_blas", lambda: looked.append(1) or find())
    monkeypatch.setattr(threads, "_single_blas", threads._SingleBlas())
    points = np.random.default_rng(0).normal(size=(40, 3))
    for _ in range(2):
        hp.pairwise_hp({"a": points, "b": points**2, "c": -points}, np.arange(40) % 4)
    assert len(looked) == 1


def test_a_machine_without_a_known_blas(monkeypatch):
    """NumPy may use a library that cannot be limited, as on macOS: then the list of libraries is empty."""
    threadpoolctl = pytest.importorskip("threadpoolctl")
    none_found = threadpoolctl.ThreadpoolController()
    none_found.lib_controllers = []
    monkeypatch.setattr(threads, "_find_blas", lambda: none_found)
    monkeypatch.setattr(threads, "_single_blas", threads._SingleBlas())
    points = np.random.default_rng(0).normal(size=(40, 3))
    assert hp.pairwise_hp(points, np.arange(40) % 2).sizes == {"pair": 1}
