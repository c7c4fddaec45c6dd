"""The same call gives the same bits: first or second in a process, with any number of BLAS threads, in any dtype."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hpfunc as hp

# Points of many kinds, most with ties, whose averages are sums of fractions.
CALLS = """
import hashlib, sys, warnings
import numpy as np
import hpfunc as hp

warnings.simplefilter("ignore")

def digest(dataset):
    return hashlib.sha256(b"".join(dataset[n].values.tobytes() for n in sorted(dataset.data_vars))).hexdigest()[:12]

def calls():
    rng = np.random.default_rng(3)
    label = np.repeat([0, 1, 2], 60)
    points = {
        "one-hot": np.eye(180, 200),
        "grid": rng.integers(0, 3, (180, 5)).astype(float),
        "wide grid": rng.integers(0, 2, (180, 70)).astype(np.float32),
        "normal": rng.normal(size=(180, 90)).astype(np.float32),
    }
    for name, x in points.items():
        yield name, lambda x=x: hp.pairwise_hp(x, label)
        yield name + ", rough", lambda x=x: hp.pairwise_hp(x, label, exact=False)
        yield name + ", neighbours", lambda x=x: hp.pairwise_hp(x, label, graph="knn", k=3)
        yield name + ", trees", lambda x=x: hp.pairwise_hp(x, label, k=2)
        yield name + ", all classes", lambda x=x: hp.multiclass_hp(x, label)
        yield name + ", rough tree", lambda x=x: hp.euclidean_mst(x, exact=False)
"""


def digests(code: str, **environment: str) -> object:
    """Return what a new process prints after `CALLS`."""
    done = subprocess.run(
        [sys.executable, "-c", CALLS + code],
        check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2],
        env=os.environ | {"PYTHONPATH": str(Path(hp.__file__).parents[1])} | environment,
    )  # fmt: skip
    return ast.literal_eval(done.stdout)


@pytest.mark.slow
def test_the_first_call_in_a_process_gives_the_bits_of_the_second_whatever_blas_does():
    found = [
        digests("print({name: [digest(call()) for _ in range(2)] for name, call in calls()})", **environment)
        for environment in ({}, {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}, {"OPENBLAS_NUM_THREADS": "7"})
    ]
    for name, (first, second) in found[0].items():
        assert first == second, name
        assert {tuple(other[name]) for other in found} == {(first, second)}, name


@pytest.mark.slow
def test_every_call_may_be_the_first_of_a_process():
    code = "print({n: digest(c()) for i, (n, c) in enumerate(calls()) if i == int(sys.argv[-1])})"
    every = digests("print({name: digest(call()) for name, call in calls()})")
    for i in (0, 2, 4, 10):
        assert digests(code.replace("sys.argv[-1]", repr(str(i)))).items() <= every.items()


@pytest.mark.parametrize("kind", ["grid", "copies", "normal", "thin", "far"])
def test_float32_points_and_their_float64_copy_give_the_same_bits(kind):
    rng = np.random.default_rng(8)
    label = np.repeat([0, 1, 2], 30)
    x = rng.normal(size=(90, 4 if kind == "thin" else 60))
    if kind == "grid":
        x = np.round(x[:, :40])
    elif kind == "copies":
        x = x[rng.integers(0, 40, 90)]
    elif kind == "far":
        x = 1e-4 * x + 100 * label[:, None]
    x = x.astype(np.float32)
    calls = [
        lambda x: hp.pairwise_hp(x, label),
        lambda x: hp.pairwise_hp(x, label, metric="cosine"),
        lambda x: hp.pairwise_hp(x, label, graph="knn", k=4),
        lambda x: hp.multiclass_hp(x, label),
        lambda x: hp.euclidean_mst(x),
    ]
    for call in calls:
        here, there = call(x), call(x.astype(np.float64))
        for name in here.data_vars:
            assert here[name].values.tobytes() == there[name].values.tobytes(), (kind, name)


@pytest.mark.filterwarnings("ignore:.*extremes:UserWarning")
def test_orthogonal_trees_with_ties_do_not_depend_on_the_dtype():
    x = np.random.default_rng(9).integers(0, 3, (60, 4)).astype(np.float32)
    here, there = (hp.hp_statistic(p[:30], p[30:], k=3) for p in (x, x.astype(np.float64)))
    assert here.equals(there)
