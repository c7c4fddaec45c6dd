"""The example and the benchmark of activations, run small."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

import hpfunc as hp
from benchmarks import activations as benchmark

ROOT = Path(__file__).parents[2]
SMALL = ["--samples", "3", "--size", "32", "--layers", "input", "layer?", "fc"]


@pytest.fixture(scope="module")
def zoo():
    pytest.importorskip("sklearn")
    spec = importlib.util.spec_from_file_location("zoo", ROOT / "examples" / "zoo.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_zoo_example_measures_digits(zoo, tmp_path, capsys):
    zoo.main([*SMALL, "--out", str(tmp_path / "new")])
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"resnet18.nc", "resnet18.png"}
    results = hp.open_results(tmp_path / "new" / "resnet18.nc")
    assert results.layer.values.tolist() == ["input", "layer1", "layer2", "layer3", "layer4", "fc"]
    assert results.n_features.values.tolist() == [3, 64, 128, 256, 512, 1000]
    assert results.sizes["pair"] == 45
    printed = capsys.readouterr().out
    assert f"{float(results.hp.sel(layer='fc').mean()):.3f}" in printed
    with pytest.raises(SystemExit, match="would be replaced, so nothing was done"):
        zoo.main([*SMALL, "--out", str(tmp_path / "new")])


def test_the_zoo_example_measures_a_folder(zoo, tmp_path):
    from PIL import Image

    random = np.random.default_rng(0)
    for name in ("ant", "bee"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for k in range(3):
            pixels = random.integers(0, 256, (40, 50, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{k}.png")
    words = [*SMALL, "--images", str(tmp_path / "images"), "--model", "squeezenet1_1", "--layers", "classifier.1"]
    zoo.main([*words, "--out", str(tmp_path / "out")])
    results = hp.open_results(tmp_path / "out" / "squeezenet1_1.nc")
    assert dict(results.sizes) == {"layer": 1, "pair": 1}
    with pytest.raises(SystemExit, match="--images"):
        zoo.main([*SMALL, "--images", str(tmp_path / "nowhere"), "--out", str(tmp_path / "other")])


@pytest.mark.slow
def test_the_tokens_example_pools_three_ways(tmp_path, capsys):
    pytest.importorskip("transformers")
    spec = importlib.util.spec_from_file_location("tokens", ROOT / "examples" / "tokens.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    out = tmp_path / "new"
    with torch.random.fork_rng():
        module.main(["--texts", "15", "--steps", "3", "--out", str(out)])
    assert {path.name for path in out.iterdir()} == {"pairs.csv", "token-mean.nc"}
    lines = (out / "pairs.csv").read_text().splitlines()
    # Three ways of three layers of three pairs, and the head.
    assert len(lines) == 1 + 27
    assert hp.open_results(out / "token-mean.nc").n_features.values.tolist() == [32, 32, 32]
    printed = capsys.readouterr().out
    assert all(way in printed for way in ("first-token", "last-token", "token-mean"))
    with pytest.raises(SystemExit, match=r"already holds pairs\.csv, token-mean\.nc\. Pass --overwrite"):
        module.main(["--out", str(out)])
    (out / "notes.txt").write_text("mine")
    with torch.random.fork_rng():
        module.main(["--texts", "15", "--steps", "3", "--out", str(out), "--overwrite"])
    assert (out / "pairs.csv").read_text().splitlines() == lines
    assert (out / "notes.txt").read_text() == "mine"


def test_the_benchmark_gives_a_row(capsys, monkeypatch):
    # Processes of their own matter for the peaks only, and take seconds to start.
    monkeypatch.setattr(benchmark, "in_a_new_process", lambda function, *arguments: function(*arguments))
    benchmark.main(["--size", "32", "--images", "4", "--repeat", "2", "--json"])
    row = json.loads(capsys.readouterr().out)
    assert [len(seconds) for seconds in row["seconds"].values()] == [2, 2]
    assert row["ratio"] == min(row["seconds"]["collect"]) / min(row["seconds"]["plain"])
    # 4 images: the input's 3 channels, and 60 layers of 64 to 512 channels and 1000 classes, in float32.
    assert 50_000 < row["peak"]["collect"]["returned"] < 500_000
    assert "| resnet18 |" in benchmark.table(row)


def test_the_benchmark_judges_time_and_memory():
    def judged(seconds, peak):
        both = {"plain": {"bytes": 10**9, "returned": 0}, "collect": {"bytes": peak, "returned": 10**6}}
        found = benchmark.compared({"seconds": {"plain": [2.0, 1.0], "collect": [seconds, 9.0]}, "peak": both})
        return found["within_limits"]

    assert judged(1.1, 10**9)
    assert not judged(1.2, 10**9)
    assert not judged(1.1, 10**9 + 202 * 10**6)
