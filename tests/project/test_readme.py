"""The README does what it says: its two commands are found, its scripts run, its links lead somewhere."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

import hpfunc as hp

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)


SCRIPTS = blocks("python")


def test_there_are_two_commands_each_an_install_and_a_run_on_one_line():
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    assert len(lines) == 2
    for line in lines:
        install, run = line.split(" && ")
        assert install.startswith("pip install ")
        assert run.startswith("python ")


def test_ci_extracts_the_same_commands():
    script = (ROOT / ".ci" / "run").read_text()
    extraction = re.search(r"< <\((awk .*)\)$", script, re.M)
    assert extraction
    found = subprocess.run(["bash", "-c", extraction.group(1)], cwd=ROOT, check=True, capture_output=True, text=True)
    assert found.stdout == "".join(blocks("sh"))


def test_there_are_scripts():
    assert len(SCRIPTS) == 2
    code = [line for line in SCRIPTS[0].splitlines() if line.strip()]
    assert len(code) <= 16


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda s: s.splitlines()[0])
def test_script_runs(script, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(compile(script, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert printed
    assert "nan" not in printed


def test_every_file_it_names_is_there():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    named = re.findall(r"`((?:hpfunc|examples|benchmarks|tests|\.ci)/[\w/.]*)`", README)
    assert links
    assert named
    for place in links + named:
        assert (ROOT / place).exists(), place


def test_it_says_plainly_whether_a_gpu_was_ever_used():
    measured = (ROOT / "benchmarks" / "results" / "gpu.json").exists()
    assert ("No GPU has run this engine yet" in README) != measured


def test_it_names_every_part_of_the_older_tool_and_only_functions_that_are_there():
    older = ("ModelTester", "ResultsAnalysis", "load_data", "train_results", "test_results", "plot_results")
    for name in (*older, "FisherTraining", "FisherLayers", "plotPCA", "refresh()", "snapshot_forward(x)"):
        assert name in README
    used = set(re.findall(r"(?<![.\w])hp\.([a-z_0-9]+)", README))
    assert used >= {"sweep", "fisher_steps", "read_seed_results", "plot_pca"}
    assert used <= set(hp.__all__)


def test_every_example_is_listed():
    there = {path.name for path in (ROOT / "examples").iterdir() if path.suffix in (".py", ".ipynb")}
    assert set(re.findall(r"^\| `examples/([\w.]+)` \|", README, re.M)) == there


def test_the_table_of_dimensions_can_be_measured_again():
    rows = dict(re.findall(r"^  \| ([\d,]+) \| (0\.\d\d \| 0\.\d\d \| 0\.\d\d) \|", README, re.M))
    assert set(rows) == {"40", "200", "1,000"}
    rng = np.random.default_rng(1)
    for n in (40, 200):
        for features, said in zip((2, 20, 200), map(float, rows[str(n)].split(" | ")), strict=True):
            draws = []
            for _ in range(10):
                x, y = rng.normal(size=(2, n, features))
                y[:, 0] += 3
                draws.append(float(hp.hp_statistic(x, y).hp))
            # The spread of one draw is about 0.07 at most; means of ten, said and measured, differ by a third of it.
            assert abs(np.mean(draws) - said) < 0.1


def test_the_table_of_costs_is_that_of_the_stored_measurements():
    stored = json.loads((ROOT / "benchmarks" / "results" / "pairwise.json").read_text())["rows"]
    said = re.findall(
        r"^\| [^|]+ \| ([\d,]+ × [\d,]+ × [\d,]+) \| ([\d.]+) s \| [\d,]+ MB \| [\d,]+ s \|$", README, re.M
    )
    names = ("mnist", "fc2 conv6", "softmax conv6", "classes-100", "classes-1000", "conv")
    for (shape, seconds), name in zip(said, names, strict=True):
        row = stored[name]
        assert shape == f"{row['n_classes']:,} × {row['n_samples']:,} × {row['n_features']:,}"
        # Measured again on a busy machine, a row may move; by more than a half, the page no longer tells the truth.
        assert 2 / 3 < np.median(row["seconds"]["ours"]) / float(seconds) < 1.5
