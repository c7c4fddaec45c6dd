"""The benchmark of promises, run small."""

import json
import os
import subprocess
import sys

import pytest

from benchmarks import promises
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
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.promises_kills", "--kills", "3"]
    command += ["--json", str(tmp_path / "a.json"), "--mode", "serial", "threads"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    counts = json.loads((tmp_path / "a.json").read_text())
    for mode in ("serial", "threads"):
        assert (counts[mode]["kills"], counts[mode]["lost"], counts[mode]["wrong"]) == (3, 0, 0)
        assert counts[mode]["interrupted"] > 0
