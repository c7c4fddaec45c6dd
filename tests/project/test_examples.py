"""The examples, run small: what they write, print, refuse and leave alone."""

from __future__ import annotations

import contextlib
import copy
import functools
import gzip
import importlib.util
import io
import itertools
import os
import re
import struct
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import xarray as xr

import hpfunc as hp

ROOT = Path(__file__).parents[2]
QUICKSTART = ROOT / "examples" / "quickstart.py"
SMALL = ["--epochs", "1", "--samples", "10", "--folds", "2"]
WRITTEN = {
    *("changes.png", "distributions.png", "distributions_by_layer.png", "layers.png", "pca.png"),
    *("checkpoints", "folds.nc", "results.nc"),
}
LAYERS = [
    "input", "conv1", "relu", "maxpool", "conv2", "relu_1", "maxpool_1", "fc1", "relu_2", "fc2", "softmax",
]  # fmt: skip


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def quickstart() -> ModuleType:
    return load("quickstart")


@pytest.fixture
def mnist(tmp_path) -> Path:
    """Write noise in the place of MNIST, in the layout of torchvision."""
    images = np.random.default_rng(0).integers(0, 256, (400, 28, 28), dtype=np.uint8)
    labels = (np.arange(400) % 10).astype(np.uint8)
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, first, n in (("train", 0, 240), ("t10k", 240, 160)):
        x, y = images[first : first + n], labels[first : first + n]
        (raw / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">4i", 2051, n, 28, 28) + x.tobytes())
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 2049, n) + y.tobytes())
    return tmp_path / "data"


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
    assert dict(runs.sizes) == {"checkpoint": 2, "split": 2, "layer": 11, "pair": 45}
    assert runs.checkpoint.values.tolist() == [0, 1]
    assert runs.layer.values.tolist() == LAYERS
    assert int(runs.n_a.min()) == int(runs.n_a.max()) == 10
    folded = hp.open_results(out / "folds.nc")
    assert dict(folded.sizes) == {"checkpoint": 2, "split": 2, "repeat": 5, "fold": 2, "layer": 11, "pair": 45}
    assert int(folded.n_a.min()) == int(folded.n_a.max()) == 5
    assert runs.n_features.sel(layer="fc1").item() == 512
    # Training changes the last layer, and not the input.
    before, after = runs.hp.sel(checkpoint=0).values, runs.hp.sel(checkpoint=1).values
    np.testing.assert_array_equal(before[:, 0], after[:, 0])
    assert (before[:, -1] != after[:, -1]).any()


def test_quickstart_prints_what_it_wrote(small_run):
    out, printed = small_run
    mean = hp.open_results(out / "folds.nc").hp.mean("pair")
    change = (mean.sel(checkpoint=1) - mean.sel(checkpoint=0)).isel(layer=slice(1, None))
    steps = mean.sel(checkpoint=1).diff("layer")
    names = [*LAYERS[1:], *(f"{before} -> {after}" for before, after in itertools.pairwise(LAYERS))]
    number, rows = r"([+-]\d\.\d{3}|\+nan)", {}
    row = re.compile(rf"^(\w+(?: -> \w+)?) +{number} +\[{number}, {number}\] +(\d\.\d{{4}}) +{number}", re.M)
    for name, *values in row.findall(printed):
        rows[name] = [float(v) for v in values]
    assert list(rows) == names
    shown = np.array(list(rows.values()))
    for part, measured in ((shown[: len(LAYERS) - 1], change), (shown[len(LAYERS) - 1 :], steps)):
        expected = hp.fold_interval(measured)
        at = {split: expected.sel(split=split) for split in ("train", "test")}
        for column, values in enumerate((at["train"].estimate, at["train"].low, at["train"].high)):
            np.testing.assert_allclose(part[:, column], values, atol=5.1e-4)
        np.testing.assert_allclose(part[:, 4], at["test"].estimate, atol=5.1e-4)
        p = hp.adjust_pvalues(expected.pvalue.fillna(1))
        np.testing.assert_allclose(part[:, 3], p.sel(split="train"), atol=5.1e-5)


def test_quickstart_refuses_a_folder_with_files(small_run, quickstart):
    out, _ = small_run
    before = contents(out)
    with pytest.raises(SystemExit, match=r"already holds checkpoints, results.nc.*--overwrite"):
        quickstart.main([*SMALL, "--out", str(out)])
    assert contents(out) == before


@pytest.fixture
def few_layers(monkeypatch) -> list[str]:
    """Let a sweep measure three layers only, where another test measures all."""
    layers = ["input", "maxpool_1", "fc2"]
    monkeypatch.setattr(hp, "sweep", functools.partial(hp.sweep, layers=layers))
    return layers


def test_quickstart_overwrites_when_told_with_the_same_values_and_leaves_other_files(
    small_run, quickstart, few_layers, tmp_path
):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "results.nc").write_text("not a results file")
    with pytest.raises(SystemExit, match=r"already holds results\.nc, so"):
        quickstart.main([*SMALL, "--out", str(tmp_path)])
    quickstart.main([*SMALL, "--out", str(tmp_path), "--overwrite"])
    assert {path.name for path in tmp_path.iterdir()} == {*WRITTEN, "notes.txt"}
    assert (tmp_path / "notes.txt").read_text() == "mine"
    expected = hp.open_results(small_run[0] / "results.nc").sel(layer=few_layers)
    expected.attrs["layers"] = ", ".join(few_layers)
    xr.testing.assert_identical(hp.open_results(tmp_path / "results.nc"), expected)


def test_quickstart_stops_early_where_it_cannot_write(quickstart, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit, match="Cannot write to --out"):
        quickstart.main([*SMALL, "--out", str(tmp_path / "file")])
    with pytest.raises(SystemExit, match="Cannot write to --out"):
        quickstart.main([*SMALL, "--out", str(tmp_path / "file" / "below")])


def test_quickstart_on_mnist_in_the_layout_of_torchvision(quickstart, few_layers, mnist, tmp_path):
    quickstart.main([*SMALL, "--out", str(tmp_path / "out"), "--mnist", str(mnist), "--pair", "4", "9"])
    runs = hp.open_results(tmp_path / "out" / "results.nc")
    assert runs.n_features.sel(layer=["input", "maxpool_1"]).values.tolist() == [784, 4096]
    with pytest.raises(SystemExit, match=r"No MNIST in .*raw.*--download"):
        quickstart.main([*SMALL, "--out", str(tmp_path / "other"), "--mnist", str(tmp_path)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--download"], "--download needs --mnist FOLDER"),
        (["--epochs", "0"], "--epochs 0 is too small; the least is 1"),
        (["--samples", "1"], "--samples 1 is too small"),
        (["--samples", "39"], "--samples 39 is too few for --folds 8: take 5 for each fold"),
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


@pytest.mark.extra
def test_network_reads_the_checkpoints_of_the_older_tool(quickstart, further_data):
    import torch

    checkpoint = further_data / "seed" / "conv6.ckpt"
    images = further_data / "data" / "mnist" / "t10k-images-idx3-ubyte.gz"
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


# ---- the other examples


def written(out: Path) -> set[str]:
    """List what an example wrote, and assert that every picture is one."""
    for picture in out.glob("*.png"):
        assert picture.read_bytes().startswith(b"\x89PNG")
    return {path.name for path in out.iterdir()}


# Training on noise may change no tree of the first layers.
@pytest.mark.filterwarnings("ignore:.*entries do not vary at all")
def test_mnist_guide_trains_saves_measures_and_draws(mnist, tmp_path, capsys):
    out, guide = tmp_path / "out", load("mnist_guide")
    arguments = ["--data", str(mnist), "--out", str(out), "--epochs", "2", "--save-every", "1", "--samples", "14"]
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    guide.main([*arguments, "--folds", "2", "--repeats", "2"])
    assert written(out) == {*guide.WRITTEN, "notes.txt"}
    assert (out / "notes.txt").read_text() == "mine"
    assert {path.name for path in (out / "checkpoints").iterdir()} == {f"conv{i}.ckpt" for i in range(3)}
    runs = hp.open_results(out / "results.nc")
    assert dict(runs.sizes) == {"checkpoint": 3, "split": 2, "layer": 11, "pair": 45}
    assert runs.layer.values.tolist() == LAYERS
    assert int(runs.n_a.max()) == 14
    change = (runs.hp.sel(checkpoint=2) - runs.hp.sel(checkpoint=0)).mean("pair")
    printed = capsys.readouterr().out
    shown = {row[0]: row[1:] for row in map(str.split, printed.splitlines()) if len(row) == 3 and row[0] in LAYERS}
    for layer in runs.layer.values.tolist():
        np.testing.assert_allclose([float(v) for v in shown[layer]], change.sel(layer=layer).values, atol=5.1e-4)
    folds = hp.open_results(out / "folds.nc").hp.mean("pair")
    intervals = hp.fold_interval(folds.sel(checkpoint=2) - folds.sel(checkpoint=0))
    columns = ["estimate", "low", "high", "pvalue"]
    shown = {row[0]: row[1:] for row in map(str.split, printed.splitlines()) if len(row) == 5 and row[0] in LAYERS}
    for layer in LAYERS:
        np.testing.assert_allclose(
            [float(v) for v in shown[layer]], [intervals[c].sel(layer=layer).item() for c in columns], atol=5.1e-4
        )
    with pytest.raises(SystemExit, match=r"already holds checkpoints, .*Pass --overwrite"):
        guide.main(arguments)
    with pytest.raises(SystemExit, match=r"No MNIST in .*raw.*--download"):
        guide.main(["--data", str(tmp_path), "--out", str(tmp_path / "other")])


QUICK = {
    "bridging_images": ["--epochs", "1"],
    "during_training": ["--epochs", "0", "--samples", "10", "--folds", "2"],
    "from_the_older_tool": ["--n", "199"],
    "numpy_only": ["--samples", "10"],
}


SHORT = {
    "five_seeds": ({"layers.png", "change.png"}, "estimate +low +high +pvalue"),
    "tables": ({"pairs.csv", "pairs.png"}, "versicolor +virginica +0.036 +0.07"),
    "older_files": ({"preDict.json", "distributions.png"}, "relu_2 +0.0"),
}


@pytest.mark.parametrize("name", SHORT)
def test_short_examples_print_and_write_answers(name, tmp_path, capsys):
    files, printed = SHORT[name]
    load(name).main(["--out", str(tmp_path)])
    assert written(tmp_path) == files
    assert re.search(printed, capsys.readouterr().out)
    code = [
        line for line in (ROOT / "examples" / f"{name}.py").read_text(encoding="utf-8").splitlines() if line.strip()
    ]
    assert len(code) < 40


@pytest.mark.parametrize("name", QUICK)
def test_examples_refuse_only_to_replace_files_of_their_own(name, tmp_path):
    example = load(name)
    arguments = [*QUICK[name], "--out", str(tmp_path)]
    (tmp_path / "notes.txt").write_text("mine")
    example.main(arguments)
    before = contents(tmp_path)
    made = {"preDict.json", "postDict.json"} if name == "from_the_older_tool" else set()
    assert written(tmp_path) == {*example.WRITTEN, *made, "notes.txt"}
    with pytest.raises(SystemExit, match=r"already holds .*Pass --overwrite"):
        example.main(arguments)
    assert contents(tmp_path) == before
    example.main([*arguments, "--overwrite"])
    assert written(tmp_path) == {*example.WRITTEN, *made, "notes.txt"}
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_numpy_example_imports_no_torch_and_writes_what_it_measured(tmp_path):
    out = tmp_path / "out"
    script = ROOT / "examples" / "numpy_only.py"
    code = (
        f"import sys, runpy; sys.argv = ['numpy_only', '--samples', '20', '--out', {str(out)!r}]; "
        f"runpy.run_path({str(script)!r}, run_name='__main__'); print('torch' in sys.modules)"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "False"
    assert written(out) == {"features.nc", "features.png", "pairs.csv"}
    rows = (out / "pairs.csv").read_text().splitlines()
    assert rows[0].startswith("features,n_features,class_a,class_b,")
    assert rows[1].startswith("pixels,64,0,1,")
    assert len(rows) == 1 + 4 * 45


def test_numpy_example_reads_arrays_of_ones_own(tmp_path, capsys):
    rng, example = np.random.default_rng(0), load("numpy_only")
    labels = np.repeat(["ant", "bee"], 15)
    near, far = rng.normal(size=(30, 3)), rng.normal(size=(30, 3)) + 99 * (labels == "bee")[:, None]
    np.savez(tmp_path / "mine.npz", labels=labels, near=near, far=far)
    example.main(["--data", str(tmp_path / "mine.npz"), "--out", str(tmp_path / "out")])
    rows = {row[0]: row[1:] for row in map(str.split, capsys.readouterr().out.splitlines()) if len(row) == 5}
    assert float(rows["far"][0]) == pytest.approx(float(hp.hp_statistic(far[:15], far[15:]).hp), abs=5e-4)
    assert float(rows["near"][0]) == pytest.approx(float(hp.hp_statistic(near[:15], near[15:]).hp), abs=5e-4)
    np.savez(tmp_path / "bare.npz", near=near)
    with pytest.raises(SystemExit, match="needs 'labels'"):
        example.main(["--data", str(tmp_path / "bare.npz"), "--out", str(tmp_path / "other")])


def test_snapshots_a_function_and_hooks_agree_where_they_see_the_same(capsys):
    load("own_model_snapshot").main(["--samples", "12"])
    seen = {}
    for line in capsys.readouterr().out.splitlines():
        method, *values = line.split("  ")
        seen[method] = dict(pair.split() for pair in values if pair.strip())
    hooks, snapshot, function = seen["hooks"], seen["snapshot"], seen["a function"]
    assert list(snapshot) == ["input", "fc1", "relu", "sum", "fc2"]
    assert {name: snapshot[name] for name in hooks} == hooks
    assert [function[name] for name in ("input", "carried", "sum", "score")] == [
        snapshot[name] for name in ("input", "relu", "sum", "fc2")
    ]


def test_bridges_lead_back_to_the_samples(tmp_path, capsys):
    example, out = load("bridging_images"), tmp_path / "out"
    example.main(["--epochs", "1", "--out", str(out)])
    assert written(out) == {"images.png", "trees.png"}
    printed = re.findall(r"(\w+): (\d+) cross edges, 1 of them forced. Most at: (.+)", capsys.readouterr().out)
    assert [layer for layer, *_ in printed] == ["input", "output"]
    assert all(int(count) > 0 for _, count, _ in printed)

    label = np.repeat([4, 9], 15)
    layer = xr.DataArray(
        np.random.default_rng(0).normal(size=(30, 2)) + 50 * (label == 9)[:, None],
        dims=("sample", "x"),
        coords={"label": ("sample", label), "index": ("sample", np.arange(100, 130))},
    )
    layer.label[7] = 9  # a wrong label
    found = example.busiest(hp.bridging_samples(layer), 5)
    assert found["share"].is_monotonic_decreasing
    assert found[found["label"] == 9]["index"].tolist() == [107]  # the others are its neighbours
    assert found["share"][found["index"] == 107].tolist() == [1.0]


def test_files_of_the_older_tool_come_in_and_its_pictures_out(tmp_path, capsys):
    example, out = load("from_the_older_tool"), tmp_path / "made"
    example.main(["--out", str(out), "--n", "999"])
    pictures = {"distributions", "distributions_by_layer", "fisher_training", "fisher_layers", "layers", "pairs"}
    assert written(out) == {"preDict.json", "postDict.json", "results.nc"} | {f"{name}.png" for name in pictures}
    capsys.readouterr()
    files = ["--before", str(out / "preDict.json"), "--after", str(out / "postDict.json")]
    example.main([*files, "--out", str(tmp_path / "read"), "--n", "999"])
    assert written(tmp_path / "read") == {"results.nc"} | {f"{name}.png" for name in pictures}
    again = hp.open_results(tmp_path / "read" / "results.nc")
    assert again.identical(hp.open_results(out / "results.nc"))
    training = re.search(r"training: (\d+) of 6 differences", capsys.readouterr().out)
    assert training
    assert int(training.group(1)) >= 4  # every layer but the input was fitted
    with pytest.raises(SystemExit):
        example.main(["--before", str(out / "preDict.json"), "--out", str(tmp_path / "x")])
    assert not (tmp_path / "x").exists()


WATCHED = ["--epochs", "1", "--samples", "10", "--folds", "2"]


@pytest.fixture(scope="module")
def watched(tmp_path_factory) -> Path:
    """Return the folder of a training that nobody stopped."""
    out = tmp_path_factory.mktemp("watched")
    load("during_training").main([*WATCHED, "--out", str(out)])
    return out


def test_watching_a_training_does_not_change_it(watched, tmp_path, monkeypatch):
    import torch

    example = load("during_training")
    assert written(watched) == {"log.csv", "results.nc", "state.pt", "trajectory.png"}
    runs = hp.open_results(watched / "results.nc")
    assert dict(runs.sizes) == {"checkpoint": 2, "split": 2, "repeat": 2, "fold": 2, "layer": 6, "pair": 45}
    assert not runs.hp.isel(checkpoint=0, layer=-1).equals(runs.hp.isel(checkpoint=1, layer=-1))
    monkeypatch.setattr(example, "measure", lambda *_: runs.isel(checkpoint=0, drop=True))
    example.main([*WATCHED, "--out", str(tmp_path)])
    before, after = (torch.load(out / "state.pt", weights_only=True)["model"] for out in (watched, tmp_path))
    assert before
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_log_of_a_training_holds_the_intervals_of_each_epoch(watched):
    rows = [row.split(",") for row in (watched / "log.csv").read_text().splitlines()]
    assert rows.pop(0) == ["epoch", "name", "value"]
    intervals = hp.fold_interval(hp.open_results(watched / "results.nc").hp.mean("pair"))
    assert len(rows) == 2 * 2 * 6 * 3
    for epoch, name, value in rows:
        _, split, layer, part = name.split("/")
        assert float(value) == intervals[part].sel(checkpoint=int(epoch), split=split, layer=layer).item()


@pytest.mark.parametrize("stopped_in", ["record", "save_state"])
def test_a_training_that_was_stopped_ends_as_one_that_was_not(watched, stopped_in, tmp_path, monkeypatch):
    import torch

    example = load("during_training")
    known = hp.open_results(watched / "results.nc").isel(checkpoint=0, drop=True).load()
    # To measure takes most of the time: here a known result stands in, moved by the sum of the weights.
    monkeypatch.setattr(example, "measure", lambda model, *_: known.assign(hp=known.hp + model[0].weight.sum().item()))
    original = getattr(example, stopped_in)

    def stop(first: object, epoch: int, *values: object) -> None:
        # Of the epoch that is stopped, half is logged, or all is logged and its results are written.
        if epoch == 1:
            if stopped_in == "record":
                original(first.isel(layer=slice(3)), epoch, *values)
            raise KeyboardInterrupt
        original(first, epoch, *values)

    whole, parts = tmp_path / "whole", tmp_path / "parts"
    example.main(["--epochs", "2", "--out", str(whole)])
    with monkeypatch.context() as patched:
        patched.setattr(example, stopped_in, stop)
        with pytest.raises(KeyboardInterrupt):
            example.main(["--epochs", "2", "--out", str(parts)])
    with pytest.raises(SystemExit, match=r"already holds log.csv, results.nc, state.pt\..*--resume"):
        example.main(["--epochs", "2", "--out", str(parts)])
    example.main(["--epochs", "2", "--out", str(parts), "--resume"])
    assert (parts / "log.csv").read_bytes() == (whole / "log.csv").read_bytes()
    assert hp.open_results(parts / "results.nc").identical(hp.open_results(whole / "results.nc"))
    states = [torch.load(out / "state.pt", weights_only=True) for out in (whole, parts)]
    assert all(torch.equal(states[0]["model"][name], states[1]["model"][name]) for name in states[0]["model"])
    assert torch.equal(states[0]["random"], states[1]["random"])


def test_tensorboard_is_given_the_same_as_the_csv_file_and_is_not_needed(watched, tmp_path, monkeypatch):
    example, given = load("during_training"), []

    class SummaryWriter(contextlib.AbstractContextManager):
        def __init__(self, folder: Path, purge_step: int) -> None:
            given.append((folder, purge_step))

        def __exit__(self, *_: object) -> None:
            given.append("closed")

        def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None:
            given.append(f"{global_step},{tag},{scalar_value}")

    stand_in = ModuleType("torch.utils.tensorboard")
    stand_in.SummaryWriter = SummaryWriter
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", stand_in)
    example.main([*WATCHED, "--epochs", "0", "--tensorboard", "--out", str(tmp_path)])
    rows = (watched / "log.csv").read_text().splitlines()[1:]
    first = [row for row in rows if row.startswith("0,")]
    assert given == [(tmp_path / "tensorboard", 0), *first, "closed"]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(SystemExit, match="pip install tensorboard"):
        example.main([*WATCHED, "--tensorboard", "--resume", "--out", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"holds no state\.pt"):
        example.main(["--resume", "--out", str(tmp_path / "none")])


def kinds(notebook) -> list[list[tuple[str, ...]]]:
    """For each cell of code, what it shows: text, a table, a picture."""
    return [
        [(out.output_type, *sorted(set(out.get("data", ())) - {"text/plain"})) for out in cell.outputs]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


@pytest.mark.slow
def test_the_tour_runs_and_shows_what_is_stored_in_it(tmp_path):
    nbformat = pytest.importorskip("nbformat", reason="the notebook needs nbclient and ipykernel, of the extra 'test'")
    nbclient = pytest.importorskip("nbclient")
    stored = nbformat.read(ROOT / "examples" / "tour.ipynb", as_version=4)
    fresh = copy.deepcopy(stored)
    for cell in fresh.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": ""}
    client = nbclient.NotebookClient(fresh, timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    client.execute(env=environment)
    streams = [out for cell in fresh.cells for out in cell.get("outputs", ()) if out.output_type == "stream"]
    assert [out.name for out in streams] == ["stdout"]  # and nothing on stderr: no warning
    assert kinds(fresh) == kinds(stored)
    assert sum(kind[-1] == "image/png" for cell in kinds(stored) for kind in cell) == 7
    same = [cell.outputs[-1].text for cell in (fresh.cells[-1], stored.cells[-1])]
    assert all(text.startswith("True") for text in same)


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.name)
def test_each_example_says_in_its_first_line_what_it_teaches(path):
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert re.fullmatch(r'"""[A-Z].{30,}[.:](""")?', first)
