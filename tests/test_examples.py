"""The examples, run small: what they write, print, refuse and leave alone."""

from __future__ import annotations

import contextlib
import gzip
import importlib.util
import io
import itertools
import re
import struct
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import hpfunc as hp

ROOT = Path(__file__).parent.parent
QUICKSTART = ROOT / "examples" / "quickstart.py"
SMALL = ["--epochs", "1", "--samples", "6"]
WRITTEN = {"checkpoints", "distributions.png", "distributions_by_layer.png", "layers.png", "pca.png", "results.nc"}
LAYERS = [
    "input", "conv1", "relu", "maxpool", "conv2", "relu_1", "maxpool_1", "flatten", "fc1", "relu_2", "fc2", "softmax",
]  # fmt: skip


@pytest.fixture(scope="module")
def quickstart() -> ModuleType:
    spec = importlib.util.spec_from_file_location("quickstart", QUICKSTART)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def small_run(quickstart, tmp_path_factory):
    """One run of a second or two, with what it printed."""
    out = tmp_path_factory.mktemp("quickstart") / "results"
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        quickstart.main([*SMALL, "--out", str(out)])
    return out, printed.getvalue()


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_quickstart_writes_results_pictures_and_checkpoints(small_run):
    out, _ = small_run
    assert {path.name for path in out.iterdir()} == WRITTEN
    assert {path.name for path in (out / "checkpoints").iterdir()} == {"epoch0.ckpt", "epoch1.ckpt"}
    for picture in out.glob("*.png"):
        assert picture.read_bytes().startswith(b"\x89PNG")
    runs = hp.open_results(out / "results.nc")
    assert dict(runs.sizes) == {"checkpoint": 2, "split": 2, "layer": 12, "pair": 45}
    assert runs.checkpoint.values.tolist() == [0, 1]
    assert runs.layer.values.tolist() == LAYERS
    assert int(runs.n_a.min()) == int(runs.n_a.max()) == 6
    assert runs.n_features.sel(layer="fc1").item() == 512
    # Training changes the last layer, and not the input.
    before, after = runs.hp.sel(checkpoint=0).values, runs.hp.sel(checkpoint=1).values
    np.testing.assert_array_equal(before[:, 0], after[:, 0])
    assert (before[:, -1] != after[:, -1]).any()


def test_quickstart_prints_what_it_wrote(small_run):
    out, printed = small_run
    runs = hp.open_results(out / "results.nc")
    mean = runs.hp.mean("pair")
    words = [line.split() for line in printed.splitlines()]
    rows = {row[0]: row[1:] for row in words if len(row) == 7 and row[0] in LAYERS and row[1] != "->"}
    assert list(rows) == LAYERS
    for layer, (before, after, _, test_before, test_after, _) in rows.items():
        shown = [[float(before), float(test_before)], [float(after), float(test_after)]]
        np.testing.assert_allclose(shown, mean.sel(layer=layer).values, atol=5.1e-4)
    tests = hp.fisher_permutation(runs.hp.sel(checkpoint=0), runs.hp.sel(checkpoint=1), key=(0, 0))
    p = hp.adjust_pvalues(tests.pvalue)
    for layer, row in rows.items():
        np.testing.assert_allclose([float(row[2]), float(row[5])], p.sel(layer=layer).values, atol=5.1e-5)
    steps = re.findall(r"^(\w+) -> (\w+) ", printed, re.M)
    assert steps == list(itertools.pairwise(LAYERS))


def test_quickstart_refuses_a_folder_with_files(small_run, quickstart):
    out, _ = small_run
    before = contents(out)
    with pytest.raises(SystemExit, match=r"already holds checkpoints, distributions.png.*--overwrite"):
        quickstart.main([*SMALL, "--out", str(out)])
    assert contents(out) == before


def test_quickstart_overwrites_when_told_with_the_same_values_and_leaves_other_files(small_run, quickstart, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "results.nc").write_text("not a results file")
    with pytest.raises(SystemExit, match=r"already holds notes\.txt, results\.nc"):
        quickstart.main([*SMALL, "--out", str(tmp_path)])
    quickstart.main([*SMALL, "--out", str(tmp_path), "--overwrite"])
    assert {path.name for path in tmp_path.iterdir()} == {*WRITTEN, "notes.txt"}
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert hp.open_results(tmp_path / "results.nc").identical(hp.open_results(small_run[0] / "results.nc"))


def test_quickstart_stops_early_where_it_cannot_write(quickstart, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit, match="Cannot write to --out"):
        quickstart.main([*SMALL, "--out", str(tmp_path / "file")])
    with pytest.raises(SystemExit, match="Cannot write to --out"):
        quickstart.main([*SMALL, "--out", str(tmp_path / "file" / "below")])


def test_quickstart_on_mnist_in_the_layout_of_torchvision(quickstart, tmp_path, capsys):
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part, n in (("train", 120), ("t10k", 80)):
        images, labels = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8), (np.arange(n) % 10).astype(np.uint8)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">4i", 2051, n, 28, 28) + images.tobytes())
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 2049, n) + labels.tobytes())
    quickstart.main([*SMALL, "--out", str(tmp_path / "out"), "--mnist", str(tmp_path / "data"), "--pair", "4", "9"])
    runs = hp.open_results(tmp_path / "out" / "results.nc")
    assert runs.n_features.sel(layer=["input", "flatten"]).values.tolist() == [784, 4096]
    with pytest.raises(SystemExit, match=r"No MNIST in .*raw.*--download"):
        quickstart.main([*SMALL, "--out", str(tmp_path / "other"), "--mnist", str(tmp_path)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--download"], "say where with --mnist"),
        (["--epochs", "0"], "--epochs 0 is too small; the least is 1"),
        (["--samples", "1"], "--samples 1 is too small"),
        (["--save-every", "0"], "--save-every 0 is too small"),
    ],
)
def test_quickstart_checks_its_arguments(quickstart, capsys, arguments, message, tmp_path):
    with pytest.raises(SystemExit) as stopped:
        quickstart.main([*arguments, "--out", str(tmp_path / "out")])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_network_is_the_one_of_the_older_tool(quickstart):
    shapes = {name: tuple(p.shape) for name, p in quickstart.CNN(28).state_dict().items()}
    assert shapes == {
        "conv1.weight": (32, 1, 3, 3),
        "conv1.bias": (32,),
        "conv2.weight": (64, 32, 3, 3),
        "conv2.bias": (64,),
        "fc1.weight": (512, 4096),
        "fc1.bias": (512,),
        "fc2.weight": (10, 512),
        "fc2.bias": (10,),
    }
    assert quickstart.CNN(8).fc1.in_features == 576


def test_network_reads_the_checkpoints_of_the_older_tool(quickstart):
    import torch

    checkpoint = ROOT.parent / "shared" / "seed" / "conv6.ckpt"
    images = ROOT.parent / "shared" / "data" / "mnist" / "t10k-images-idx3-ubyte.gz"
    if not (checkpoint.exists() and images.exists()):
        pytest.skip(f"{checkpoint.parent} or {images.parent} is not here")
    model = quickstart.CNN(28)
    model.load_state_dict(torch.load(checkpoint, weights_only=True))
    pixels = np.frombuffer(gzip.decompress(images.read_bytes())[16:], np.uint8).reshape(-1, 1, 28, 28)
    labels = np.frombuffer(gzip.decompress((images.parent / "t10k-labels-idx1-ubyte.gz").read_bytes())[8:], np.uint8)
    with torch.no_grad():
        predicted = model(torch.from_numpy(pixels[:500].astype(np.float32) / 255)).argmax(1).numpy()
    assert np.mean(predicted == labels[:500]) > 0.9


def test_quickstart_does_not_touch_the_global_random_state(quickstart):
    import torch

    before = torch.random.get_rng_state()
    quickstart.build(8, 0)
    assert torch.equal(before, torch.random.get_rng_state())


def test_help_names_every_option():
    done = subprocess.run([sys.executable, QUICKSTART, "--help"], capture_output=True, text=True, check=True)
    for option in ("--out", "--overwrite", "--mnist", "--download", "--samples", "--epochs", "--save-every", "--seed"):
        assert option in done.stdout


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.name)
def test_each_example_says_in_its_first_line_what_it_teaches(path):
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert re.fullmatch(r'"""[A-Z].{30,}[.:](""")?', first)
