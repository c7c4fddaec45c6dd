"""The example and the benchmark of activations, run small."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

import hpfunc as hp
from benchmarks import activations as benchmark

ROOT = Path(__file__).parent.parent
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
    with pytest.raises(SystemExit, match="would be replaced: nothing was done"):
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
def test_the_benchmark_gives_a_row(capsys):
    benchmark.main(["--model", "resnet18", "--size", "32", "--images", "4", "--repeats", "1", "--json"])
    row = json.loads(capsys.readouterr().out)
    assert row["plain s"] > 0
    assert row["ratio"] == row["collect s"] / row["plain s"]
    # 62 layers: the input's 3 channels, 64 to 512 channels, 1000 classes; 4 images of 4 bytes.
    assert 0 < row["returned MB"] < 1
    assert benchmark.as_table(row).splitlines()[1].split()[0] == "resnet18"
