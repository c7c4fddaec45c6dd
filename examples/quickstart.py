"""Analyse a real network on real images from start to end: train, save checkpoints, measure, test, draw.

Run it with ``python examples/quickstart.py --out results``. It

1. trains a small convolutional network on scikit-learn's handwritten digits (or MNIST, with ``--mnist``) and
   saves a checkpoint before training and after every few epochs,
2. measures with ``hpfunc.sweep`` how well each pair of classes is separated at each layer of each checkpoint,
   for training and test images,
3. measures the first and the last checkpoint once more in folds, which are disjoint groups of samples. They show which
   changes hold for new images of the same digits: changes by training, and from each layer to the next,
4. writes ``results.nc``, ``folds.nc`` and pictures into the folder ``--out``.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
import xarray as xr
from matplotlib.figure import Figure
from torch import Tensor, nn
from tqdm import tqdm

import hpfunc as hp

Data = dict[str, tuple[Tensor, Tensor]]

PICTURES = ("distributions", "distributions_by_layer", "layers", "changes", "pca")
WRITTEN = ("checkpoints", "results.nc", "folds.nc", *(f"{name}.png" for name in PICTURES))


# ---- the network


class CNN(nn.Module):
    """Classify square grey images of ``side`` pixels a side with two convolutions and two linear layers."""

    def __init__(self, side: int = 28):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, padding=3)
        self.relu = nn.ReLU()  # called three times: the results name them relu, relu_1 and relu_2
        self.maxpool = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(32, 64, 3, padding=1)
        # conv1 adds 4 pixels to each side and each pooling halves it: 28 pixels give 4096 features, 8 pixels give 576.
        self.fc1 = nn.Linear(64 * ((side + 4) // 2 // 2) ** 2, 512)
        self.fc2 = nn.Linear(512, 10)
        self.softmax = nn.Softmax(dim=1)

    def logits(self, x: Tensor) -> Tensor:
        """Compute the input of the softmax, which the loss needs."""
        x = self.maxpool(self.relu(self.conv1(x)))
        x = self.maxpool(self.relu(self.conv2(x)))
        return self.fc2(self.relu(self.fc1(x.flatten(1))))

    def forward(self, x: Tensor) -> Tensor:
        """Compute the class probabilities."""
        return self.softmax(self.logits(x))


def build(side: int, seed: int) -> CNN:
    """Make the untrained network; equal seeds give equal networks."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CNN(side)


# ---- the images


def load_digits(seed: int) -> Data:
    """Load scikit-learn's 1,797 digits of 8 x 8 pixels: one half to train, one half to test."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images = torch.tensor(digits.images / 16, dtype=torch.float32)[:, None]
    labels = torch.tensor(digits.target)
    train, test = train_test_split(range(len(labels)), test_size=0.5, stratify=labels, random_state=seed)
    return {"train": (images[train], labels[train]), "test": (images[test], labels[test])}


def load_mnist(folder: Path, download: bool) -> Data:
    """Load MNIST's 60,000 and 10,000 digits of 28 x 28 pixels from torchvision's folder layout."""
    from torchvision.datasets import MNIST

    try:
        sets = {split: MNIST(folder, train=split == "train", download=download) for split in ("train", "test")}
    except RuntimeError as error:
        raise SystemExit(f"No MNIST in {folder / 'MNIST' / 'raw'} ({error}). Pass --download to fetch it.") from error
    return {split: (s.data[:, None].float() / 255, s.targets) for split, s in sets.items()}


# ---- training


def train(model: CNN, data: Data, *, epochs: int, save_at: Sequence[int], folder: Path, seed: int) -> dict[int, Path]:
    """Train, and return the checkpoint file of each epoch in ``save_at`` (0 is before training)."""
    images, labels = data["train"]
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    order = torch.Generator().manual_seed(seed)
    checkpoints = {}
    folder.mkdir(exist_ok=True)
    bar = tqdm(range(epochs + 1), desc="training", unit="epoch")
    for epoch in bar:
        batches = torch.randperm(len(images), generator=order).split(64) if epoch else ()
        for batch in batches:
            loss = nn.functional.cross_entropy(model.logits(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
        if epoch in save_at:
            checkpoints[epoch] = folder / f"epoch{epoch}.ckpt"
            torch.save(model.state_dict(), checkpoints[epoch])
    return checkpoints


# ---- tables and pictures


def print_changes(title: str, names: Sequence[str], changes: xr.Dataset) -> None:
    """Print each change of mean HP with its 95 % interval and its p-value, adjusted by Holm within the table."""
    # Values without any spread have no p-value; a p-value of 1 says that no change was found.
    p = hp.adjust_pvalues(changes.pvalue.fillna(1), method="holm")
    splits = changes.split.values.tolist()
    print(f"\n{title}")
    print(f"{'':26}" + "".join(f"{split:^38}" for split in splits))
    print(f"{'':26}" + "".join(f"{'change':>8}{'95 % interval':>20}{'p':>8}  " for _ in splits))
    for i, name in enumerate(names):
        row = f"{name:26}"
        for split in splits:
            at = changes.sel(split=split).isel(layer=i)
            interval = f"[{float(at.low):+.3f}, {float(at.high):+.3f}]"
            row += f"{float(at.estimate):+8.3f}{interval:>20}{float(p.sel(split=split).isel(layer=i)):8.4f}  "
        print(row)


def analyse_folds(folded: xr.Dataset) -> xr.Dataset:
    """Print which changes hold for new images, and return the changes between the two checkpoints."""
    mean = folded.hp.mean("pair")
    first, last = folded.checkpoint.values.tolist()
    samples = int(folded.n_a.max())
    # Training does not change the input.
    training = (mean.sel(checkpoint=last) - mean.sel(checkpoint=first)).isel(layer=slice(1, None))
    changes = hp.fold_interval(training)
    layers = folded.layer.values.tolist()
    title = f"Change of mean HP from epoch {first} to epoch {last}, by layer ({samples} images of a class in each fold)"
    print_changes(title, layers[1:], changes)
    steps = hp.fold_interval(mean.sel(checkpoint=last).diff("layer"))
    names = [f"{before} -> {after}" for before, after in itertools.pairwise(layers)]
    print_changes(f"Change of mean HP from each layer to the next after epoch {last}", names, steps)
    print(
        "\nIntervals and p-values hold for new images of the same digits and this network (t test over folds). They\n"
        "do not say what another training would give: for that, train with several seeds."
    )
    return changes


def hardest_pair(runs: xr.Dataset, first: int, layer: str) -> list[int]:
    """Find the two classes that the untrained network separates least in the test images."""
    least = runs.isel(pair=int(runs.hp.sel(checkpoint=first, split="test", layer=layer).argmin("pair")))
    return [least.class_a.item(), least.class_b.item()]


def draw_pca(
    checkpoints: dict[int, Path],
    data: tuple[Tensor, Tensor],
    network: partial[CNN],
    layer: str,
    pair: list[int],
) -> Figure:
    """Draw two classes in the plane of their main components at one layer, before and after training."""
    figure = Figure(figsize=(10, 4.8), layout="constrained")
    for epoch, ax in zip(checkpoints, figure.subplots(1, len(checkpoints)), strict=True):
        model = network()
        model.load_state_dict(torch.load(checkpoints[epoch], weights_only=True))
        acts = hp.collect_activations(model, data, layers=[layer], classes=pair)
        points = hp.pca2d(acts[layer])
        statistic = hp.pairwise_hp(acts).hp.squeeze()
        hp.plot_pca(points, ax=ax)
        ax.set_title(f"{layer} after epoch {epoch}: HP = {float(statistic):.2f}")
    figure.suptitle(f"Classes {pair[0]} and {pair[1]}, test images")
    return figure


# ---- the command line


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read and check the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("results"),
        metavar="FOLDER",
        help="where everything is written (results)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files of an earlier run in --out")
    images = parser.add_argument_group("images")
    images.add_argument("--mnist", type=Path, metavar="FOLDER", help="use MNIST: the folder that holds MNIST/raw")
    images.add_argument("--download", action="store_true", help="download MNIST into --mnist if it is missing")
    images.add_argument(
        "--samples", type=int, default=80, metavar="N", help="how many images of each class to measure (80)"
    )
    images.add_argument(
        "--folds", type=int, default=8, metavar="N", help="folds of these images, each of at least 5 of a class (8)"
    )
    training = parser.add_argument_group("training")
    training.add_argument("--epochs", type=int, default=10, metavar="N", help="epochs of training (10)")
    training.add_argument(
        "--save-every",
        type=int,
        default=2,
        metavar="N",
        help="epochs between checkpoints; the last is always saved (2)",
    )
    training.add_argument("--seed", type=int, default=0, metavar="N", help="seed of every random choice (0)")
    parser.add_argument(
        "--layer", default="fc2", metavar="NAME", help="the layer whose principal components are drawn (fc2)"
    )
    parser.add_argument(
        "--pair",
        type=int,
        nargs=2,
        metavar=("A", "B"),
        help="the two classes in that picture (those that the untrained network separates least)",
    )
    args = parser.parse_args(argv)
    for name, least in (("samples", 2), ("folds", 2), ("epochs", 1), ("save_every", 1), ("seed", 0)):
        if getattr(args, name) < least:
            parser.error(f"--{name.replace('_', '-')} {getattr(args, name)} is too small; the least is {least}")
    if args.samples < 5 * args.folds:
        parser.error(f"--samples {args.samples} is too few for --folds {args.folds}: take 5 for each fold")
    if args.download and args.mnist is None:
        parser.error("--download needs --mnist FOLDER, the folder into which MNIST is downloaded")
    return args


def prepare(out: Path, overwrite: bool) -> None:
    """Make the folder, and stop before any work if files of an earlier run would be lost or files cannot be written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        present = [name for name in WRITTEN if (out / name).exists()]
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise SystemExit(f"Cannot write to --out {out}: {error}") from error
    if present and not overwrite:
        listed = ", ".join(present[:4]) + (", ..." if len(present) > 4 else "")
        raise SystemExit(
            f"--out {out} already holds {listed}, so nothing was changed. Choose another folder, or pass --overwrite "
            "to replace the files of an earlier run."
        )


def main(argv: Sequence[str] | None = None) -> None:
    """Run the example."""
    args = parse(argv)
    prepare(args.out, args.overwrite)
    data = load_digits(args.seed) if args.mnist is None else load_mnist(args.mnist, args.download)
    network = partial(build, data["train"][0].shape[-1], args.seed)

    save_at = [*range(0, args.epochs, args.save_every), args.epochs]
    checkpoints = train(
        network(), data, epochs=args.epochs, save_at=save_at, folder=args.out / "checkpoints", seed=args.seed
    )
    options = {"build": network, "samples_per_class": args.samples, "key": args.seed, "progress": True}
    runs = hp.sweep(checkpoints, data, **options)
    runs.to_netcdf(args.out / "results.nc")
    ends = {epoch: checkpoints[epoch] for epoch in (save_at[0], save_at[-1])}
    folded = hp.sweep(ends, data, folds=args.folds, repeats=5, **options)
    folded[["hp", "n_a", "n_b"]].to_netcdf(args.out / "folds.nc")

    changes = analyse_folds(folded)
    two = runs.sel(checkpoint=list(ends))
    pair = args.pair or hardest_pair(runs, save_at[0], args.layer)
    pictures = {
        "distributions": hp.plot_distributions(two, scale="log").figure,
        "distributions_by_layer": hp.plot_distributions(two, by_layer=True, scale="log"),
        "layers": hp.plot_layers(folded, scale="log").figure,
        "changes": hp.plot_intervals(changes, title="Change of mean HP by training").figure,
        "pca": draw_pca(ends, data["test"], network, args.layer, pair),
    }
    for name, figure in pictures.items():
        figure.savefig(args.out / f"{name}.png", dpi=120)
    print(f"\nWrote results.nc, folds.nc, {len(pictures)} pictures and {len(checkpoints)} checkpoints into {args.out}.")


if __name__ == "__main__":
    main()
