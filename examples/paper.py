"""Repeat a published study and add intervals: what training changes at each layer, with true and with random labels.

Run it with ``python examples/paper.py --small --out paper``, in less than three minutes, or with ``--data FOLDER`` on
MNIST and CIFAR-10. The study is "Characterizing Inter-Layer Functional Mappings of Deep Learning Models"
(arXiv:1907.04223): it trained a simple network several times on true and on random labels, and measured HP of all pairs
of classes at each layer, before and after training, for training and for validation images. The example

1. trains the network with several seeds, and keeps the weights before and after each training,
2. measures every training with `hpfunc.sweep`: once with all samples, as the paper did, and once in folds,
3. writes results, the paper's table of steps from layer to layer, and its four forms of picture,
4. tests each claim of the paper, over folds (new images) and over runs (new trainings), and says which hold.

If a run is stopped, the same command continues it. ``--data`` names a folder in torchvision's layout: ``MNIST/raw``,
``cifar-10-batches-py`` or both. The two files of MNIST's test images are enough, and one half of them is then used
to train; these files may also lie in the folder itself, plain or compressed by gzip. Nothing is downloaded.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
import xarray as xr
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torchvision.datasets import CIFAR10, MNIST

import hpfunc as hp

Data = dict[str, tuple[Tensor, Tensor]]

LAYERS = ["input", "conv", "relu1", "pool", "dense1", "relu2", "dense2"]
LATE = LAYERS[4:]  # the layers that see the whole image
REPEATS = 3  # partitions into folds
MARGIN = 0.05  # a smaller difference of HP counts as no difference
OVER = ("new images", "new trainings")  # what an interval holds for: over folds, new images; over runs, new trainings


# ---- the network and the images


def build(shape: Sequence[int], seed: int) -> nn.Sequential:
    """Make the untrained network for images of ``shape`` (channels, rows, columns); equal seeds give equal networks."""
    channels, rows, columns = shape
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = [
            ("conv", nn.Conv2d(channels, 8, 3, padding=1)),
            ("relu1", nn.ReLU()),
            ("pool", nn.MaxPool2d(2)),
            ("flatten", nn.Flatten()),
            ("dense1", nn.Linear(8 * (rows // 2) * (columns // 2), 512)),
            ("relu2", nn.ReLU()),
            ("dense2", nn.Linear(512, 10)),
        ]
        return nn.Sequential(OrderedDict(layers))


def as_data(train: tuple[Any, Any], validation: tuple[Any, Any], n: int | None) -> Data:
    """Keep n training and n validation images (None: all), with pixels of mean 0 and deviation 1 in training."""
    chosen = {}
    for split, (images, labels) in {"train": train, "validation": validation}.items():
        at = np.arange(len(labels))
        if n is not None and n < len(labels):
            at, _ = train_test_split(at, train_size=n, stratify=labels, random_state=0)
        chosen[split] = images[at], labels[at]
    # NumPy computes these sums, because torch's depend on the number of threads, and a resumed study needs the same.
    mean, deviation = (float(f(chosen["train"][0], dtype=np.float64)) for f in (np.mean, np.std))
    return {
        split: ((torch.tensor(images).float() - mean) / deviation, torch.tensor(labels).long())
        for split, (images, labels) in chosen.items()
    }


def halve(images: Any, labels: Any, n: int | None) -> Data:
    """Use one half of the images to train and the other half to validate."""
    halves = train_test_split(np.arange(len(labels)), test_size=0.5, stratify=labels, random_state=0)
    train, validation = ((images[half], labels[half]) for half in halves)
    return as_data(train, validation, n)


def load(folder: Path | None, n: int | None, *, small: bool) -> dict[str, Data]:
    """Load scikit-learn's digits, or MNIST and CIFAR-10 if the folder holds them; small: digits and MNIST."""
    data = {}
    if small or folder is None:
        digits = load_digits()
        data["digits"] = halve(digits.images[:, None], digits.target, n)
    if folder is None:
        return data
    found = data.copy()
    sources = {"mnist": load_mnist} if small else {"mnist": load_mnist, "cifar10": load_cifar10}
    for name, source in sources.items():
        images = source(folder, n, small)
        if images is not None:
            found[name] = images
    if found.keys() == data.keys():
        raise SystemExit(f"--data {folder} holds neither MNIST/raw nor t10k-images-idx3-ubyte nor cifar-10-batches-py")
    return found


def load_mnist(folder: Path, n: int | None, halved: bool) -> Data | None:
    """Load MNIST: all of it, or the two halves of its test images."""
    try:
        splits = [] if halved else [MNIST(folder, train=train) for train in (True, False)]
    except RuntimeError:  # The folder holds no training images.
        splits = []
    if splits:
        train, validation = ((s.data[:, None].numpy(), s.targets.numpy()) for s in splits)
        return as_data(train, validation, n)
    images, labels = (read_idx(folder, name) for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"))
    return None if images is None or labels is None else halve(images.reshape(-1, 1, 28, 28), labels, n)


def load_cifar10(folder: Path, n: int | None, _: bool) -> Data | None:
    """Load CIFAR-10."""
    try:
        splits = [CIFAR10(folder, train=train) for train in (True, False)]
    except RuntimeError:
        return None
    train, validation = ((s.data.transpose(0, 3, 1, 2), np.array(s.targets)) for s in splits)
    return as_data(train, validation, n)


def read_idx(folder: Path, name: str) -> Any:
    """Read an MNIST file without its header (4 bytes, and 4 for each dim); return None if there is no file."""
    for path in (folder / "MNIST" / "raw" / name, folder / name):
        if path.exists():
            return np.frombuffer(path.read_bytes(), np.uint8, offset=16 if "images" in name else 8)
        if path.with_name(f"{name}.gz").exists():
            content = gzip.decompress(path.with_name(f"{name}.gz").read_bytes())
            return np.frombuffer(content, np.uint8, offset=16 if "images" in name else 8)
    return None


def shuffle_labels(data: Data, seed: int) -> Data:
    """Give the images of each split their labels in random order."""
    order = torch.Generator().manual_seed(1000 + seed)  # not the order of the batches
    return {
        split: (images, labels[torch.randperm(len(labels), generator=order)])
        for split, (images, labels) in data.items()
    }


# ---- training and measuring; both continue where an earlier run stopped


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread: the order of sums is then the same on every machine, and small steps need no more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@one_thread()
def train(network: Callable[[], nn.Module], data: Data, *, epochs: int, seed: int, folder: Path) -> dict[str, Path]:
    """Train, and return the files of weights before and after training; if both exist already, only return them."""
    checkpoints = {name: folder / f"{name}.ckpt" for name in ("before", "after")}
    if all(path.exists() for path in checkpoints.values()):
        return checkpoints
    folder.mkdir(parents=True, exist_ok=True)
    model, order = network(), torch.Generator().manual_seed(seed)
    save(model, data, checkpoints["before"])
    images, labels = data["train"]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    for _ in range(epochs):
        for batch in torch.randperm(len(images), generator=order).split(32):
            loss = nn.functional.cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    save(model, data, checkpoints["after"])
    return checkpoints


def save(model: nn.Module, data: Data, path: Path) -> None:
    """Save the weights and the accuracy; a stop during the writing leaves no incomplete file."""
    with torch.no_grad():
        right = {s: float((model(x).argmax(1) == label).float().mean()) for s, (x, label) in data.items()}
    torch.save({"weights": model.state_dict(), "accuracy": right}, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


def read_accuracy(checkpoints: dict[str, Path]) -> xr.DataArray:
    """Read the share of images that the network labels correctly, by checkpoint and split."""
    saved = {name: torch.load(path, weights_only=True)["accuracy"] for name, path in checkpoints.items()}
    coords = {"checkpoint": list(saved), "split": list(saved["after"])}
    return xr.DataArray([list(row.values()) for row in saved.values()], coords, list(coords))


def measure(data: Data, *, samples: int, folds: int, epochs: int, seed: int, folder: Path) -> list[xr.Dataset]:
    """Train once, and measure the network before and after training: with all samples, and in folds."""
    network = partial(build, data["train"][0].shape[1:], seed)
    checkpoints = train(network, data, epochs=epochs, seed=seed, folder=folder)
    options = {"build": network, "layers": LAYERS, "samples_per_class": samples, "key": 0}
    whole = hp.sweep(checkpoints, data, store=folder / "whole", **options)
    folded = hp.sweep(checkpoints, data, store=folder / "folds", folds=folds, repeats=REPEATS, **options)
    whole = whole[["cross_edges", "n_a", "n_b"]].load()
    # Estimates below 0 are kept, because HP that is clipped at 0 would have a mean above 0 at chance.
    whole = whole.assign(hp=hp.hp_estimate(whole, clip=False), accuracy=read_accuracy(checkpoints))
    return [whole, folded[["hp"]].load()]


def run_study(data: dict[str, Data], args: argparse.Namespace) -> list[xr.Dataset]:
    """Train and measure every run of every task, and join all along the dims dataset, labels and run."""
    # HP is comparable only at equal numbers: each class has as many samples as the rarest, in folds of equal size.
    samples = min(1000, *(int(y.bincount().min()) for splits in data.values() for _, y in splits.values()))
    samples -= samples % args.folds
    parts: dict[str, Any] = {}
    for dataset, splits in data.items():
        for labels in ("true", "random"):
            for run in range(args.runs):
                measured = measure(
                    splits if labels == "true" else shuffle_labels(splits, run),
                    samples=samples, folds=args.folds, epochs=args.epochs, seed=run,
                    folder=args.out / "runs" / f"{dataset}-{labels}-{run}",
                )  # fmt: skip
                learned = measured[0].accuracy.sel(checkpoint="after")
                print(
                    f"{dataset}, {labels} labels, run {run}: accuracy {learned.to_series().round(3).to_dict()}",
                    flush=True,
                )
                parts.setdefault(dataset, {}).setdefault(labels, []).append(measured)

    concat = partial(xr.concat, combine_attrs="drop_conflicts")  # drops the digest of weights

    def join(part: int) -> xr.Dataset:
        """Join the parts of one of the two results along the dims dataset, labels and run."""
        by_dataset = []
        for by_labels in parts.values():
            runs = [concat([m[part] for m in measured], "run") for measured in by_labels.values()]
            by_dataset.append(concat(runs, "labels").assign_coords(labels=list(by_labels), run=range(args.runs)))
        return concat(by_dataset, "dataset").assign_coords(dataset=list(parts))

    return [join(0), join(1)]


# ---- tables


def find_intervals(contrast: xr.DataArray, over: Sequence[str] = OVER) -> xr.Dataset:
    """Find the intervals of a mean over pairs for new images (over folds) and for new trainings (over runs)."""
    find: dict[str, Callable[[], xr.Dataset]] = {
        "new images": lambda: hp.fold_interval(contrast.mean("run")),
        "new trainings": lambda: hp.fold_interval(contrast.mean(["repeat", "fold"]), dim="run"),
    }
    joined = xr.concat([find[kind]() for kind in over], "over").assign_coords(over=list(over))
    joined.estimate.attrs["long_name"] = "change of mean HP"
    return joined.drop_attrs(deep=False)


def tabulate_steps(whole: xr.Dataset, mean: xr.DataArray) -> pd.DataFrame:
    """Make the paper's table: the change of mean HP from layer to layer with its p-value, run by run, and intervals.

    Changes and p-values are measured on all samples. The p-values are those of Fisher's test over pairs, as in the
    paper: they describe these images only. Intervals are measured in folds, where HP is lower.
    """
    tests = hp.fisher_steps(whole.hp.sel(checkpoint="after", drop=True), along="layer", key=0)
    rows = hp.to_frame(tests[["statistic", "pvalue"]])
    by = ["dataset", "labels", "split", "before", "after"]
    joined = rows.groupby(by, sort=False).agg(
        {"statistic": lambda runs: "; ".join(f"{x:.3f}" for x in runs),
         "pvalue": lambda runs: "; ".join(f"{x:.4f}" for x in runs)}
    )  # fmt: skip
    steps = find_intervals(mean.sel(checkpoint="after", drop=True).diff("layer")).rename(layer="after")
    bounds = hp.to_frame(steps[["low", "high"]]).assign(
        interval=lambda rows: [f"[{low:.3f}, {high:.3f}]" for low, high in zip(rows.low, rows.high, strict=True)]
    )
    wide = bounds.pivot(index=["dataset", "labels", "split", "after"], columns="over", values="interval")
    return joined.join(wide, on=wide.index.names).rename(columns={"statistic": "changes", "pvalue": "p-values"})


class Claim(NamedTuple):
    """Hold a claim of the paper, and the differences of HP that must be above 0, or near 0, if it holds."""

    text: str
    relation: str
    contrast: xr.DataArray
    over: Sequence[str] = OVER


def state_claims(mean: xr.DataArray) -> list[Claim]:
    """State the claims of the paper as contrasts of HP, averaged over pairs."""
    after = mean.sel(checkpoint="after", drop=True)
    true, random = after.sel(labels="true", drop=True), after.sel(labels="random", drop=True)
    pixels = after.sel(layer="input", split="validation", drop=True)
    added = random - random.sel(layer="input", drop=True)
    trained = (mean.sel(checkpoint="after") - mean.sel(checkpoint="before")).sel(labels="true", drop=True)
    claims = [
        Claim("random labels: validation images stay at chance", "near", random.sel(split=["validation"])),
        Claim("random labels: late layers separate training images", "above", added.sel(split=["train"], layer=LATE)),
        Claim("random labels: input -> conv changes nothing", "near", added.sel(layer=["conv"])),
        Claim(
            "true labels: late layers treat both splits alike",
            "near",
            (true.sel(split="train") - true.sel(split="validation")).sel(layer=LATE),
        ),
        Claim("true labels: training raises HP of late layers", "above", trained.sel(layer=LATE)),
        Claim(
            "pixels: true labels above random labels",
            "above",
            pixels.sel(labels="true") - pixels.sel(labels="random"),
        ),
    ]
    if {"mnist", "cifar10"} <= set(mean.dataset.values.tolist()):
        order = pixels.sel(labels="true", dataset="mnist") - pixels.sel(labels="true", dataset="cifar10")
        # Pixels and true labels are the same in every run, so only folds show how certain their order is.
        both = order.expand_dims(dataset=["mnist, cifar10"])
        claims.append(Claim("pixels: MNIST above CIFAR-10", "above", both, over=["new images"]))
    return claims


def judge(claims: list[Claim]) -> pd.DataFrame:
    """Judge for each data set and kind of interval whether each claim holds in every layer and split.

    "near" holds if the interval lies within ``MARGIN`` of 0, "above" if it lies above 0. Each row shows the layer and
    split that is farthest from holding.
    """
    rows = []
    for claim in claims:
        frame = hp.to_frame(find_intervals(claim.contrast, claim.over)[["estimate", "low", "high"]])
        near = claim.relation == "near"
        # Values that do not vary give no interval, so the claim counts as not holding.
        worst = (np.maximum(-frame.low, frame.high) if near else -frame.low).fillna(np.inf)
        frame = frame.assign(
            claim=claim.text, relation=claim.relation, worst=worst, holds=worst < (MARGIN if near else 0)
        )
        rows.append(frame.loc[frame.groupby(["dataset", "over"], sort=False).worst.idxmax()])
    columns = ["claim", "dataset", "over", "split", "layer", "relation", "estimate", "low", "high", "holds"]
    return pd.concat(rows, ignore_index=True).reindex(columns=columns)


# ---- pictures


def draw(whole: xr.Dataset, mean: xr.DataArray) -> dict[str, Figure]:
    """Draw the paper's four kinds of picture, as means over the runs, and the steps with both kinds of interval."""
    tasks = [(dataset, labels) for dataset in whole.dataset.values for labels in whole.labels.values]
    values = {f"{d}, {x} labels": whole.hp.sel(dataset=d, labels=x, drop=True) for d, x in tasks}
    steps = find_intervals(mean.sel(checkpoint="after", drop=True).diff("layer")).rename(over="step")
    n = len(tasks)

    rows = n // 3 + 1
    pixels = Figure(figsize=(15, 3.8 * rows), layout="constrained")
    panels = pixels.subplots(rows, 3, squeeze=False).ravel()
    at_input = {name: value.sel(checkpoint="before", layer="input", drop=True) for name, value in values.items()}
    for (name, value), ax in zip(at_input.items(), panels, strict=False):
        train, validation = value.sel(split="train", drop=True), value.sel(split="validation", drop=True)
        hp.plot_pairs(train, lower=validation, vmin=-0.1, vmax=1, over="run", title=name, ax=ax)
    names = [name.replace(", ", "\n") for name in at_input]
    by_task = xr.concat(at_input.values(), "layer").assign_coords(layer=names)
    hp.plot_distributions(by_task, kind="dots", over="run", title="pixels, by task", ax=panels[n]).set_xlabel("")
    for empty in panels[n + 1 :]:
        empty.remove()

    forms = {"pixels": pixels}
    for form in ("dots", "layers", "steps"):
        forms[form] = Figure(figsize=(8, 3.4 * n), layout="constrained")
    for name, dots, layers, change in zip(
        values, *(forms[form].subplots(n, 1) for form in ("dots", "layers", "steps")), strict=True
    ):
        after = values[name].sel(checkpoint="after", drop=True)
        hp.plot_distributions(after, kind="dots", over="run", title=f"{name}, after training", ax=dots)
        hp.plot_layers(values[name], over="run", title=name, ax=layers)
        d, x = tasks[list(values).index(name)]
        hp.plot_intervals(steps.sel(dataset=d, labels=x, drop=True), title=f"{name}: step to the layer", ax=change)
        halves = (after.sel(split=split, drop=True) for split in ("train", "validation"))
        upper, lower = halves
        forms[f"pairs-{d}-{x}"] = hp.plot_pairs(
            upper, lower=lower, over="run",
            title=f"{name}, after training; training images above, validation images below",
        )  # fmt: skip
    return forms


# ---- the command line


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read and check the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--out", type=Path, default=Path("paper"), metavar="FOLDER", help="where to write (paper)")
    parser.add_argument(
        "--data", type=Path, metavar="FOLDER", help="the folder of MNIST, CIFAR-10 or both (only digits)"
    )
    parser.add_argument(
        "--small", action="store_true", help="less of all: digits, and MNIST's test images if in --data"
    )
    parser.add_argument("--images", type=int, metavar="N", help="images to train and to validate (all; small: 700)")
    parser.add_argument("--runs", type=int, metavar="N", help="how many trainings of each task (6; small: 4)")
    parser.add_argument("--folds", type=int, metavar="N", help="folds of the measured images (10; small: 6)")
    parser.add_argument("--epochs", type=int, metavar="N", help="epochs of training (30; small: 50)")
    args = parser.parse_args(argv)
    full = {"images": None, "runs": 6, "folds": 10, "epochs": 30}
    defaults = {"images": 700, "runs": 4, "folds": 6, "epochs": 50} if args.small else full
    for name, value in defaults.items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    for name, least in (("runs", 2), ("folds", 2), ("epochs", 1)):
        if getattr(args, name) < least:
            parser.error(f"--{name} {getattr(args, name)} is too small; the least is {least}")
    return args


def check_settings(args: argparse.Namespace, datasets: list[str]) -> None:
    """Save the settings, and stop if the folder holds a run with other settings (runs may be added)."""
    settings = {"datasets": datasets, "images": args.images, "folds": args.folds, "epochs": args.epochs}
    path = args.out / "settings.json"
    if path.exists() and (kept := json.loads(path.read_text(encoding="utf-8"))) != settings:
        raise SystemExit(f"--out {args.out} holds a run with {kept}; name another folder for {settings}")
    args.out.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(settings), encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the example."""
    args = parse(argv)
    data = load(args.data, args.images, small=args.small)
    check_settings(args, list(data))
    whole, folded = run_study(data, args)
    mean = folded.hp.mean("pair")

    encoding = {"zlib": True, "complevel": 9}
    whole.to_netcdf(args.out / "results.nc", encoding=dict.fromkeys(whole.data_vars, encoding))
    folded.to_netcdf(args.out / "folds.nc", encoding={"hp": encoding})
    steps, claims = tabulate_steps(whole, mean), judge(state_claims(mean))
    for name, table in {"steps": steps, "claims": claims}.items():
        table.to_csv(args.out / f"{name}.csv")
        (args.out / f"{name}.txt").write_text(table.round(3).to_string() + "\n", encoding="utf-8")
    (args.out / "steps.tex").write_text(steps.to_latex(float_format="%.3f"), encoding="utf-8")
    for name, figure in draw(whole, mean).items():
        figure.savefig(args.out / f"{name}.png", dpi=80)
    print(f"\n{claims.round(3).to_string()}\n\n{int(claims.holds.sum())} of {len(claims)} claims hold.")
    print(f"Wrote results, tables and pictures into {args.out}.")


if __name__ == "__main__":
    main()
