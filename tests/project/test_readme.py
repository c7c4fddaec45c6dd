"""The README and the pages of the site do what they say: commands are found, scripts run, links lead somewhere."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import hpfunc as hp

ROOT = Path(__file__).parents[2]
SITE = ROOT / "examples" / "site"
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {path.name: path.read_text(encoding="utf-8") for path in SITE.glob("*.md")}
TEXTS = {"README.md": README} | PAGES


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


SCRIPTS = [script for name in ("README.md", "start.md") for script in blocks("python", TEXTS[name])]


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


def test_the_readme_is_a_page_and_a_half_with_one_short_script():
    assert len(README.splitlines()) <= 125
    [script] = blocks("python")
    assert len([line for line in script.splitlines() if line.strip()]) <= 16


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda s: s.splitlines()[0])
def test_script_runs(script, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    points, labels = np.random.default_rng(0).normal(size=(40, 3)), np.repeat([3, 8], 20)
    sides = [hp.pairwise_hp({"input": points, "fc1": points**3}, labels)] * 2
    stage = xr.concat(sides, "split").assign_coords(split=["train", "test"])
    stages = xr.concat([stage, stage], "checkpoint").assign_coords(checkpoint=["preDict", "postDict"])
    hp.write_seed_results(stages, tmp_path)
    exec(compile(script, "<script>", "exec"), {})
    printed = capsys.readouterr().out
    assert printed
    assert "nan" not in printed


def test_there_is_a_script_for_each_way_in():
    first = [re.search(r"^import (\w+)", script, re.M)[1] for script in SCRIPTS]
    assert first == ["torch", "torch", "numpy", "numpy", "hpfunc"]


@pytest.mark.parametrize("page", TEXTS)
def test_every_file_it_names_is_there(page):
    text, folder = TEXTS[page], ROOT if page == "README.md" else SITE
    linked = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if not link.startswith("https:")]
    for place in linked:
        # The pages of examples are written while the site is built, from scripts of the same names.
        place = re.sub(r"^concepts_gallery/(\w+)\.rst$", r"concepts/\1.py", place)
        place = re.sub(r"^gallery/(\w+)\.rst$", r"../\1.py", place)
        assert (folder / place).exists(), place
    for place in re.findall(r"`((?:hpfunc|examples|benchmarks|tests|\.ci)/[\w/.]*)`", text):
        assert (ROOT / place).exists(), place


def test_the_readme_links_every_page_that_is_more_than_a_door_to_another_file():
    linked = set(re.findall(r"\]\(examples/site/(\w+\.md)\)", README))
    assert linked == {name for name, text in PAGES.items() if "```{include}" not in text} - {"index.md"}


def test_it_says_plainly_whether_a_gpu_was_ever_used():
    measured = (ROOT / "benchmarks" / "results" / "gpu.json").exists()
    assert ("No GPU has run this engine yet" in PAGES["gpu.md"]) != measured


@pytest.mark.parametrize("page", TEXTS)
def test_it_names_only_functions_that_are_there(page):
    assert set(re.findall(r"(?<![.\w])hp\.([a-z_0-9]+)", TEXTS[page])) <= set(hp.__all__)


def test_the_page_on_the_older_tool_names_every_part_of_it():
    page = PAGES["older_tool.md"]
    older = ("ModelTester", "ResultsAnalysis", "load_data", "train_results", "test_results", "plot_results")
    for name in (*older, "FisherTraining", "FisherLayers", "plotPCA", "refresh()", "snapshot_forward(x)"):
        assert name in page
    used = set(re.findall(r"(?<![.\w])hp\.([a-z_0-9]+)", page))
    assert used >= {"sweep", "fisher_steps", "read_seed_results", "plot_pca"}


def test_every_public_function_stands_once_in_the_table_of_the_readme_and_in_the_reference_of_the_site():
    table = README.partition("## Functions")[2].partition("\n\nEvery")[0]
    assert sorted(re.findall(r"`([a-z_0-9]+)`", table)) == sorted(hp.__all__)
    reference = (SITE / "api.rst").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^   ([a-z_0-9]+)$", reference, re.M)) == sorted(hp.__all__)


def test_every_example_is_listed():
    there = {path.name for path in (ROOT / "examples").iterdir() if path.suffix in (".py", ".ipynb")}
    assert set(re.findall(r"^\| `examples/([\w.]+)` \|", PAGES["start.md"], re.M)) == there


def test_the_table_of_dimensions_can_be_measured_again():
    page = PAGES["honest.md"]
    rows = dict(re.findall(r"^\| ([\d,]+) \| (0\.\d\d \| 0\.\d\d \| 0\.\d\d) \|", page, re.M))
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
        r"^\| [^|]+ \| ([\d,]+ × [\d,]+ × [\d,]+) \| ([\d.]+) s \| [\d,]+ MB \| [\d,]+ s \|$",
        PAGES["cost.md"],
        re.M,
    )
    names = (
        "mnist", "conv2 conv6", "relu conv6", "fc2 conv6", "softmax conv6", "classes-100", "classes-1000", "conv",
    )  # fmt: skip
    for (shape, seconds), name in zip(said, names, strict=True):
        row = stored[name]
        assert shape == f"{row['n_classes']:,} × {row['n_samples']:,} × {row['n_features']:,}"
        # Measured again on a busy machine, a row may move; by more than a half, the page no longer tells the truth.
        assert 2 / 3 < np.median(row["seconds"]["ours"]) / float(seconds) < 1.5
