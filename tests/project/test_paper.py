"""The example that repeats the paper: what it writes and says, that it resumes, and what it reads."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import pickle
import re
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import hpfunc as hp
from tests.project.test_examples import ROOT, contents, load

torch = pytest.importorskip("torch")

SMALL = ["--small", "--images", "200", "--runs", "2", "--folds", "2", "--epochs", "60"]
FILES = {
    *("results.nc", "folds.nc", "settings.json", "claims.csv", "claims.txt", "steps.csv", "steps.txt", "steps.tex"),
    *("pixels.png", "dots.png", "layers.png", "steps.png", "pairs-digits-true.png", "pairs-digits-random.png"),
}


@pytest.fixture(scope="module")
def paper():
    """Load the example, and let it measure less."""
    example = load("paper")
    example.REPEATS, example.LATE = 1, ["dense1", "dense2"]
    example.LAYERS = ["input", "conv", *example.LATE]
    return example


class Work:
    """Count forward passes of the network, and stop the program where a test asks for it."""

    def __init__(self, patch: pytest.MonkeyPatch, paper):
        self.passes, self.sweeps, self.saves = 0, 0, 0
        self.stop_at_save, self.stop_in_sweep = 0, 0
        forward, save, sweep = torch.nn.Conv2d.forward, paper.save, hp.sweep

        def counted_forward(conv, x):
            self.passes += 1
            # The third pass of a sweep is one of the second checkpoint.
            if self.stop_in_sweep and self.sweeps == self.stop_in_sweep and self.passes - self.before == 3:
                raise KeyboardInterrupt
            return forward(conv, x)

        def stopped_save(model, data, path):
            self.saves += 1
            if self.saves == self.stop_at_save:
                path.with_suffix(".part").write_bytes(b"half of a file")
                raise KeyboardInterrupt
            save(model, data, path)

        def counted_sweep(*args, **options):
            self.sweeps += 1
            self.before = self.passes
            return sweep(*args, **options)

        patch.setattr(torch.nn.Conv2d, "forward", counted_forward)
        patch.setattr(paper, "save", stopped_save)
        patch.setattr(hp, "sweep", counted_sweep)


@pytest.fixture(scope="module")
def small_run(paper, tmp_path_factory):
    """Run the example, stopped twice, until it is done; return its folder, what it printed and its work."""
    out = tmp_path_factory.mktemp("paper") / "out"
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*do not vary")  # so few images are at the ceiling in all folds
        work = Work(patch, paper)
        work.stop_at_save = 2  # the weights after the first training
        with pytest.raises(KeyboardInterrupt):
            paper.main([*SMALL, "--out", str(out)])
        work.stop_in_sweep = work.sweeps + 2  # the folds of the first run
        with pytest.raises(KeyboardInterrupt):
            paper.main([*SMALL, "--out", str(out)])
        work.stop_in_sweep = 0
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            paper.main([*SMALL, "--out", str(out)])
    return out, printed.getvalue(), work


@pytest.fixture(scope="module")
def results(small_run):
    """Read what the run wrote of its only data set: with all samples, and in folds."""
    return [hp.open_results(small_run[0] / name).sel(dataset="digits") for name in ("results.nc", "folds.nc")]


def test_a_run_that_was_stopped_goes_on_where_it_stopped(small_run, results, paper, tmp_path):
    out, _, work = small_run
    # Two files for each of four trainings, and twice more those of the training that was stopped at its end.
    assert work.saves == 2 * 4 + 2
    assert {path.name for path in out.iterdir()} == FILES | {"runs"}
    # The training that was stopped gives, after all, what an undisturbed program gives.
    data = paper.load(None, 200, small=True)["digits"]
    network = lambda: paper.build((1, 8, 8), 0)  # noqa: E731
    checkpoints = paper.train(network, data, epochs=60, seed=0, folder=tmp_path)
    model = network()
    model.load_state_dict(torch.load(checkpoints["after"], weights_only=True)["weights"])
    acts = hp.collect_activations(model, data["validation"], layers=paper.LAYERS, samples_per_class=18, key=0)
    at = {"labels": "true", "run": 0, "checkpoint": "after", "split": "validation"}
    whole, parted = (part.sel(at) for part in results)
    np.testing.assert_array_equal(whole.cross_edges, hp.pairwise_hp(acts).cross_edges)
    np.testing.assert_array_equal(whole.hp, hp.hp_estimate(hp.pairwise_hp(acts), clip=False))
    folded = hp.pairwise_hp(acts, folds=2, key=0).hp.transpose("repeat", "fold", "layer", "pair")
    np.testing.assert_array_equal(parted.hp, folded)
    with torch.no_grad():
        right = (model(data["validation"][0]).argmax(1) == data["validation"][1]).double().mean()
    assert float(whole.accuracy) == pytest.approx(float(right), abs=1e-6)


def test_what_is_finished_is_not_done_again(small_run, results, paper, monkeypatch):
    out, *_ = small_run
    before = contents(out / "runs")
    work = Work(monkeypatch, paper)
    data = paper.shuffle_labels(paper.load(None, 200, small=True)["digits"], 1)
    folder = out / "runs" / "digits-random-1"
    again = paper.measure(data, samples=18, folds=2, epochs=60, seed=1, folder=folder)
    assert work.sweeps == 2
    assert work.passes == work.saves == 0
    assert contents(out / "runs") == before
    for part, kept in zip(again, results, strict=True):
        for name, values in part.data_vars.items():
            np.testing.assert_array_equal(values, kept[name].sel(labels="random", run=1).transpose(*values.dims))


def test_other_settings_need_another_folder(small_run, paper):
    out, *_ = small_run
    before = contents(out)
    with pytest.raises(SystemExit, match=r"holds a run with .*'epochs': 60.*name another folder"):
        paper.main([*SMALL, "--epochs", "3", "--out", str(out)])
    assert contents(out) == before


def test_claims_are_judged_by_their_intervals(small_run, results, paper):
    out, printed, _ = small_run
    claims = pd.read_csv(out / "claims.csv", index_col=0)
    assert (out / "claims.txt").read_text().rstrip("\n") in printed
    assert f"{claims.holds.sum()} of {len(claims)} claims hold." in printed
    assert len(claims) == 6 * 2
    assert set(claims.over) == {"new images", "new trainings"}
    near = (claims.low > -paper.MARGIN) & (claims.high < paper.MARGIN)
    assert claims.holds.tolist() == near.where(claims.relation == "near", claims.low > 0).tolist()
    bounded = claims.dropna(subset=["low", "high"])
    assert ((bounded.low <= bounded.estimate) & (bounded.estimate <= bounded.high)).all()
    assert not claims.drop(bounded.index).holds.any()

    # One claim by hand: the interval of the layer that is farthest from chance.
    mean = results[1].hp.mean("pair").sel(checkpoint="after")
    chance = mean.sel(labels="random", split="validation")
    over = {
        "new images": hp.fold_interval(chance.mean("run")),
        "new trainings": hp.fold_interval(chance.mean(["repeat", "fold"]), dim="run"),
    }
    for kind, found in over.items():
        row = claims[(claims.claim == "random labels: validation images stay at chance") & (claims.over == kind)]
        worst = max(found.layer.values, key=lambda layer: max(-found.low.sel(layer=layer), found.high.sel(layer=layer)))
        assert row.layer.item() == worst
        np.testing.assert_allclose(row[["low", "high"]].values[0], found[["low", "high"]].sel(layer=worst).to_array())

    # What holds at any size: pixels know the true labels and not random ones, which the network learns by heart.
    assert claims[claims.claim == "pixels: true labels above random labels"].holds.all()
    after = results[0].sel(checkpoint="after")
    learned = after.accuracy.sel(labels="random")
    assert (learned.sel(split="train") > 0.99).all()
    assert (learned.sel(split="validation") < 0.25).all()
    last = after.hp.mean("pair").sel(labels="random", layer="dense2")
    assert (last.sel(split="train") > 0.5).all()
    assert (abs(last.sel(split="validation")) < 0.15).all()


def test_a_claim_without_spread_does_not_hold(paper):
    values = xr.DataArray(np.full((1, 2, 1, 2), 0.5), dims=("dataset", "run", "repeat", "fold"))
    with pytest.warns(UserWarning, match="do not vary"):
        judged = paper.judge([paper.Claim("constant", "above", values.assign_coords(dataset=["digits"]))])
    assert not judged.holds.any()
    assert judged.low.isna().all()


def test_the_table_of_steps_is_that_of_the_paper(small_run, results, paper):
    out, *_ = small_run
    steps = pd.read_csv(out / "steps.csv", index_col=["dataset", "labels", "split", "before", "after"])
    assert steps.columns.tolist() == ["changes", "p-values", "new images", "new trainings"]
    assert len(steps) == 2 * 2 * (len(paper.LAYERS) - 1)
    at = {"labels": "random", "split": "train"}
    after = results[0].hp.sel(checkpoint="after", **at)
    row = steps.loc["digits", "random", "train", "dense1", "dense2"]
    tests = [
        hp.fisher_permutation(after.sel(run=run, layer="dense1"), after.sel(run=run, layer="dense2"), key=0)
        for run in range(2)
    ]
    assert row["changes"] == "; ".join(f"{float(t.statistic):.3f}" for t in tests)
    assert row["p-values"] == "; ".join(f"{float(t.pvalue):.4f}" for t in tests)
    mean = results[1].hp.mean("pair").sel(checkpoint="after", **at)
    change = mean.sel(layer="dense2") - mean.sel(layer="dense1")
    found = hp.fold_interval(change.mean("run"))
    assert row["new images"] == f"[{float(found.low):.3f}, {float(found.high):.3f}]"
    assert (out / "steps.tex").read_text().count(r"\\") > len(steps)


def test_random_labels_keep_their_counts_and_their_images(paper):
    data = paper.load(None, 200, small=True)["digits"]
    first, again, other = (paper.shuffle_labels(data, seed) for seed in (0, 0, 1))
    for split, (images, labels) in data.items():
        assert torch.equal(first[split][0], images)
        assert first[split][1].bincount().tolist() == labels.bincount().tolist()
        assert torch.equal(first[split][1], again[split][1])
        assert 0.02 < (first[split][1] == labels).float().mean() < 0.25
        assert not torch.equal(first[split][1], other[split][1])


# ---- data sets as torchvision lays them out


def write_mnist(folder: Path, parts: dict[str, int], *, images: Any = None, packed: bool = False) -> None:
    """Write some images of 10 classes, those of ``images`` or plain ones."""
    folder.mkdir(parents=True)
    for part, n in parts.items():
        pixels = (np.arange(n) % 251).astype(np.uint8).repeat(784) if images is None else next(images)
        labels = (np.arange(n) % 10).astype(np.uint8)
        for name, head, values in (
            (f"{part}-images-idx3-ubyte", struct.pack(">4i", 2051, n, 28, 28), pixels),
            (f"{part}-labels-idx1-ubyte", struct.pack(">2i", 2049, n), labels),
        ):
            content = head + values.tobytes()
            (folder / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(content) if packed else content)


def test_all_of_mnist_is_read_as_it_is_split(paper, tmp_path):
    write_mnist(tmp_path / "MNIST" / "raw", {"train": 60, "t10k": 40})
    data = paper.load(tmp_path, None, small=False)
    assert list(data) == ["mnist"]
    (train, labels), (validation, _) = data["mnist"]["train"], data["mnist"]["validation"]
    assert (tuple(train.shape), tuple(validation.shape)) == ((60, 1, 28, 28), (40, 1, 28, 28))
    assert labels.tolist() == (np.arange(60) % 10).tolist()
    assert float(train.mean()) == pytest.approx(0, abs=1e-4)
    assert float(train.std()) == pytest.approx(1, abs=1e-4)
    # Both by the mean and deviation of the training images.
    assert torch.equal(train[:40], validation)
    fewer = paper.load(tmp_path, 20, small=False)["mnist"]
    assert [len(labels) for _, labels in fewer.values()] == [20, 20]
    assert fewer["train"][1].bincount().tolist() == [2] * 10


@pytest.mark.parametrize("packed", [False, True])
def test_test_images_of_mnist_are_enough(paper, tmp_path, packed):
    write_mnist(tmp_path / "mine", {"t10k": 40}, packed=packed)
    data = paper.load(tmp_path / "mine", None, small=False)
    assert list(data) == ["mnist"]
    assert all(labels.bincount().tolist() == [2] * 10 for _, labels in data["mnist"].values())
    assert list(paper.load(tmp_path / "mine", 20, small=True)) == ["digits", "mnist"]


def write_cifar10(folder: Path, pixels: Any) -> None:
    """Write six batches of images, ``(batches, n, 3072)``, whose classes go round from 0 to 9; too few are repeated."""
    folder = folder / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for i, name in enumerate((*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")):
        batch = {"data": pixels[i % len(pixels)], "labels": [k % 10 for k in range(len(pixels[0]))]}
        (folder / name).write_bytes(pickle.dumps(batch))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": [str(i) for i in range(10)]}))


@pytest.fixture
def any_cifar10(monkeypatch):
    """Let torchvision take files of other bytes for CIFAR-10."""
    from torchvision.datasets import cifar

    monkeypatch.setattr(cifar, "check_integrity", lambda *_: True)


def test_cifar10_is_read_as_torchvision_lays_it_out(paper, tmp_path, any_cifar10):
    pixels = np.random.default_rng(0).integers(0, 256, (1, 10, 3072), dtype=np.uint8)
    write_cifar10(tmp_path, pixels)
    data = paper.load(tmp_path, None, small=False)
    assert list(data) == ["cifar10"]
    images, labels = data["cifar10"]["validation"]
    assert tuple(images.shape) == (10, 3, 32, 32)
    assert labels.tolist() == list(range(10))
    assert len(data["cifar10"]["train"][1]) == 50
    # Channels come first, as they lie in the file.
    order = np.argsort(pixels[0, 0].astype(float), kind="stable")
    assert np.all(np.diff(images[0].numpy().ravel()[order]) >= 0)


@pytest.mark.filterwarnings("ignore:.*do not vary")
def test_the_order_of_mnist_and_cifar10_is_judged_over_new_images(paper, tmp_path, any_cifar10, monkeypatch, capsys):
    """Both data sets are read by ``--data``; in place of training and sweeps, only the pixels are measured."""
    rng, labels = np.random.default_rng(0), np.arange(150) % 10
    images = {}
    for name, size in (("mnist", 784), ("cifar10", 3072)):
        signal = 12 * (name == "mnist") * labels[:, None] + rng.normal(60, 8, (6, 150, size))
        images[name] = signal.round().astype(np.uint8)
    write_mnist(tmp_path / "MNIST" / "raw", {"train": 150, "t10k": 150}, images=iter(images["mnist"]))
    write_cifar10(tmp_path, images["cifar10"])

    def measure(data, *, samples, folds, seed, **_):
        parts = []
        for options in ({}, {"folds": folds, "repeats": 2}):
            splits = []
            for x, y in data.values():
                found = hp.pairwise_hp({"input": x[:, :, ::4, ::4]}, y, samples_per_class=samples, key=0, **options)
                found = found.isel(layer=[0] * len(paper.LAYERS)).assign_coords(layer=paper.LAYERS)
                splits.append(found[["hp"]])
            split = xr.concat(splits, "split").assign_coords(split=list(data))
            parts.append(xr.concat([split, split], "checkpoint").assign_coords(checkpoint=["before", "after"]))
        return [parts[0].assign(accuracy=xr.ones_like(parts[0].hp.isel(layer=0, pair=0, drop=True))), parts[1]]

    monkeypatch.setattr(paper, "measure", measure)
    monkeypatch.setattr(paper, "draw", lambda *_: {})
    paper.main(["--data", str(tmp_path), "--out", str(tmp_path / "out"), "--runs", "2", "--folds", "3"])
    claims = pd.read_csv(tmp_path / "out" / "claims.csv", index_col=0)
    row = claims[claims.claim == "pixels: MNIST above CIFAR-10"].squeeze()
    assert (row.dataset, row.over) == ("mnist, cifar10", "new images")
    assert row.holds
    assert 0 < row.low < row.estimate < row.high
    assert len(claims) == 6 * 2 * 2 + 1
    assert f"{claims.holds.sum()} of {len(claims)} claims hold." in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / "settings.json").read_text())["datasets"] == ["mnist", "cifar10"]
    mean = hp.open_results(tmp_path / "out" / "folds.nc").hp.mean("pair")
    swapped = paper.judge(paper.state_claims(mean.assign_coords(dataset=["cifar10", "mnist"])))
    against = swapped[swapped.claim == row.claim].squeeze()
    assert not against.holds
    assert (against.low, against.high) == pytest.approx((-row.high, -row.low))


def test_bad_arguments_and_missing_data_are_told(paper, tmp_path, capsys):
    with pytest.raises(SystemExit, match=r"--data .* holds neither MNIST"):
        paper.main(["--data", str(tmp_path), "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit):
        paper.main(["--runs", "1", "--out", str(tmp_path / "out")])
    assert "--runs 1 is too small; the least is 2" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


# ---- the run that is kept beside the page about it

KEPT = ROOT / "examples" / "site" / "paper"


@pytest.fixture(scope="module")
def kept():
    return [hp.open_results(KEPT / name) for name in ("results.nc", "folds.nc")]


def test_the_kept_run_gives_the_kept_tables_and_all_claims_hold(kept):
    example = load("paper")
    whole, folded = kept
    assert sum(path.stat().st_size for path in KEPT.iterdir()) < 2e6
    assert dict(whole.sizes) == {
        "dataset": 1, "labels": 2, "run": 6, "checkpoint": 2, "split": 2, "layer": 7, "pair": 45,
    }  # fmt: skip
    assert folded.sizes["fold"] == 10
    learned = whole.accuracy.sel(checkpoint="after", split="train")
    assert (learned == 1).all()
    mean = folded.hp.mean("pair")
    claims = example.judge(example.state_claims(mean))
    assert claims.holds.all()
    pd.testing.assert_frame_equal(claims, pd.read_csv(KEPT / "claims.csv", index_col=0), rtol=1e-6, atol=1e-9)
    assert claims.round(3).to_string() == (KEPT / "claims.txt").read_text().rstrip("\n")
    steps = example.tabulate_steps(whole, mean)
    assert steps.to_string() == (KEPT / "steps.txt").read_text().rstrip("\n")


def test_the_page_says_what_the_kept_run_gives(kept):
    page = (KEPT.parent / "paper.md").read_text(encoding="utf-8")
    whole = kept[0].sel(dataset="mnist")
    null = whole.hp.sel(labels="random", checkpoint="after", split="validation", drop=True)
    pvalues = hp.fisher_steps(null, along="layer", key=0).pvalue
    assert f"{int((pvalues < 0.05).sum())} of these {pvalues.size} p-values are below 0.05" in " ".join(page.split())
    assert f"{int((pvalues < 0.01).sum())} are below 0.01" in page
    last = whole.hp.sel(labels="true", layer="dense2", split="validation").mean(["run", "pair"])
    assert "from {:.2f} to {:.2f}".format(*last.values) in page
    claims = pd.read_csv(KEPT / "claims.csv").set_index(["claim", "over"])
    pixels = claims.loc["pixels: true labels above random labels", "new images"]
    assert f"{pixels.estimate:.3f}" in page
    assert f"from {pixels.low:.3f} to {pixels.high:.3f}" in page
    assert all((KEPT / name).exists() for name in re.findall(r"paper/([\w-]+\.(?:png|txt))", page))
