"""The benchmark of promises, run small."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from benchmarks import promises
from benchmarks.promises_kills import Store
from tests.sweep_parts import ROOT

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="sweeps are killed in forks")


def test_a_table_has_the_columns_of_all_rows():
    rows = [{"mode": "serial", "lost": 0, "seconds": 1234.5}, {"mode": "threads", "lost": 1, "good": True}]
    table = promises.promises_table({"kills": {"rows": rows, "measured": "today"}})
    assert table.splitlines()[0] == "`kills`, today:"
    assert [line.split(" | ") for line in table.splitlines()[2:]] == [
        ["| mode", "lost", "seconds", "good |"],
        ["| ---", "---", "---", "--- |"],
        ["| serial", "0", "1,234.50", "– |"],
        ["| threads", "1", "–", "yes |"],
    ]


@pytest.mark.slow
def test_sweeps_are_killed_and_nothing_is_lost(tmp_path):
    """In a process of its own, since one that has started threads cannot be forked."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.promises_kills", "--kills", "8"]
    command += ["--json", str(tmp_path / "a.json"), "--mode", "serial"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    count = json.loads((tmp_path / "a.json").read_text())["serial"]
    assert (count["kills"], count["lost"], count["wrong"]) == (8, 0, 0)
    assert count["interrupted"] > 4


def test_a_file_that_is_gone_or_written_anew_is_counted_as_lost(tmp_path):
    store = Store(tmp_path)
    (tmp_path / "a.nc").write_text("a")
    (tmp_path / "b.nc").write_text("b")
    store.compare()
    assert (store.lost, store.finished()) == (0, 2)
    (tmp_path / "a.nc").unlink()
    (tmp_path / "c.nc").write_text("b")
    (tmp_path / "c.nc").replace(tmp_path / "b.nc")
    store.compare()
    assert (store.lost, store.finished()) == (2, 1)


def test_rows_of_the_same_commit_are_kept_and_the_others_made():
    def pieces(found):
        yield "a", lambda: {"kind": "a", "count": 1}
        yield "b", lambda: {"kind": "b", "count": 2}
        yield "all", lambda: {"kind": "all", "count": sum(row["count"] for row in found)}

    module = SimpleNamespace(pieces=pieces)
    states = [[dict(row) for row in part["rows"]] for part in promises._measured(module, None)]
    assert [len(rows) for rows in states] == [1, 2, 3]
    assert states[-1][-1] == {"kind": "all", "count": 3}
    commit = promises.when().get("commit")
    earlier = {"rows": [{"kind": "a", "count": 10}], "names": ["a"], "commit": commit}
    *_, last = promises._measured(module, earlier)
    assert [row["count"] for row in last["rows"]] == [10, 2, 12]
    *_, last = promises._measured(module, earlier | {"commit": "another"})
    assert [row["count"] for row in last["rows"]] == [1, 2, 3]
