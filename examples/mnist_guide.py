"""Analyse a network on MNIST step by step: define it, train it and save checkpoints, measure them, draw conclusions.

Run it with ``python examples/mnist_guide.py --download --out mnist``. It follows the four steps of the older tool's
guide, with hpfunc in place of that tool:

1. the network is any ``torch.nn.Module``; you add nothing to it, because hooks record every layer,
2. the training saves the weights after each epoch that you want to measure,
3. the measurement is one `hpfunc.sweep` over checkpoints and data sets; a second one measures the first and the last
   checkpoint in folds of the test images,
4. the analysis draws histograms, Fisher's tests of training and of layers, and principal components with their tree.
   Fisher's tests describe only these 45 pairs. The intervals over folds show how much training changed HP at each layer
   for new images of the same digits.

MNIST is read with torchvision; ``--data FOLDER`` names the folder that holds ``MNIST/raw``. An epoch of its 60,000
images takes a few minutes on two CPU cores.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
import xarray as xr
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.datasets import MNIST
from torchvision.transforms import ToTensor

import hpfunc as hp

PICTURES = (
    "distributions", "distributions_by_layer", "layers", "trajectory", "pairs", "fisher_training", "fisher_layers",
    "pca", "change",
)  # fmt: skip
WRITTEN = ("checkpoints", "results.nc", "folds.nc", *(f"{name}.png" for name in PICTURES))


# ---- 1. the network


class CNN(nn.Module):
    """Classify digits with two convolutions and two linear layers, named as in the older tool's checkpoints."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, padding=3)
        self.relu = nn.ReLU()  # called three times: relu, relu_1 and relu_2 in the results
        self.maxpool = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(32, 64, 3, padding=1)
        self.fc1 = nn.Linear(4096, 512)
        self.fc2 = nn.Linear(512, 10)
        self.softmax = nn.Softmax(dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the class probabilities."""
        x = self.maxpool(self.relu(self.conv1(x)))
        x = self.maxpool(self.relu(self.conv2(x)))
        x = self.relu(self.fc1(x.flatten(1)))
        return self.softmax(self.fc2(x))


# ---- 2. the training


def train(model: CNN, data: MNIST, *, epochs: int, save_every: int, folder: Path) -> dict[int, Path]:
    """Train, and save the weights before the first epoch, every few epochs and after the last."""
    folder.mkdir(parents=True, exist_ok=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loader = DataLoader(data, batch_size=64, shuffle=True)
    checkpoints = {}
    for epoch in range(epochs + 1):
        for x, label in loader if epoch else ():
            loss = nn.functional.nll_loss(model(x).clamp_min(1e-9).log(), label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if epoch % save_every == 0 or epoch == epochs:
            checkpoints[epoch] = folder / f"conv{epoch}.ckpt"
            torch.save(model.state_dict(), checkpoints[epoch])
        if epoch:
            print(f"epoch {epoch}: loss {loss.item():.3f}")
    return checkpoints


# ---- 4. the analysis


def analyse(runs: xr.Dataset, folds: xr.Dataset, out: Path) -> None:
    """Write the pictures of the older tool and some others; all of them need only the stored results."""
    first, last = runs.checkpoint.values[[0, -1]].tolist()
    # A statement about new images uses the mean over pairs in each fold, and how this mean varies between folds.
    by_fold = folds.hp.mean("pair")
    change = hp.fold_interval(by_fold.sel(checkpoint=last) - by_fold.sel(checkpoint=first))
    # Fisher's test makes a statement about these pairs only, as in the older tool.
    ends = runs.sel(checkpoint=[first, last])
    training = hp.fisher_permutation(runs.hp.sel(checkpoint=first), runs.hp.sel(checkpoint=last), key=0)
    steps = hp.fisher_steps(runs.hp.sel(checkpoint=last), along="layer", key=1)
    hardest = ends.sel(checkpoint=first, split="test", layer="fc2")
    pictures = {
        "distributions": hp.plot_distributions(ends).figure,
        "distributions_by_layer": hp.plot_distributions(ends, by_layer=True),
        "layers": hp.plot_layers(ends).figure,
        "trajectory": hp.plot_trajectory(runs.sel(split="test")).figure,
        "pairs": hp.plot_pairs(hardest, order="similarity").figure,
        "fisher_training": hp.plot_fisher(training).figure,
        "fisher_layers": hp.plot_fisher(steps).figure,
        "change": hp.plot_intervals(change).figure,
    }
    for name, figure in pictures.items():
        figure.savefig(out / f"{name}.png", dpi=120)
    table = training.statistic.to_series().unstack("split").round(3)
    print(f"\nChange of mean HP from epoch {first} to {last}, by layer:\n{table.loc[runs.layer.values]}")
    columns = ["estimate", "low", "high", "pvalue"]
    table = change[columns].to_dataframe()[columns].round(3)
    print(f"\nThe same for new test images, measured in folds, with 95 % intervals:\n{table}")


def draw_components(checkpoints: dict[int, Path], data: MNIST, pair: Sequence[int], layer: str, out: Path) -> None:
    """Draw two classes at one layer before and after training, with the tree whose cross edges HP counts."""
    planes, trees = [], []
    for path in checkpoints.values():
        model = CNN()
        model.load_state_dict(torch.load(path, weights_only=True))
        points = hp.collect_activations(model, data, layers=[layer], classes=pair, samples_per_class=100)[layer]
        planes.append(hp.pca2d(points))
        trees.append(hp.euclidean_mst(points))
    at = {"checkpoint": list(checkpoints)}
    joined = (xr.concat(each, "checkpoint").assign_coords(at) for each in (planes, trees))
    plane, tree = joined
    hp.plot_pca(plane, tree=tree).savefig(out / "pca.png", dpi=120)


# ---- the command line


def main(argv: Sequence[str] | None = None) -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("MNISTdata"), help="the folder of MNIST/raw (MNISTdata)")
    parser.add_argument("--download", action="store_true", help="download MNIST into --data if it is missing")
    parser.add_argument("--out", type=Path, default=Path("mnist"), help="a new folder for everything written (mnist)")
    parser.add_argument("--epochs", type=int, default=2, help="epochs of training (2)")
    parser.add_argument("--save-every", type=int, default=1, help="epochs between checkpoints (1)")
    parser.add_argument("--samples", type=int, default=100, help="how many images of each class to measure (100)")
    parser.add_argument("--folds", type=int, default=10, help="folds of the test images (10)")
    parser.add_argument("--repeats", type=int, default=10, help="how many random partitions into folds (10)")
    parser.add_argument("--overwrite", action="store_true", help="replace the files of an earlier run")
    args = parser.parse_args(argv)
    present = [name for name in WRITTEN if (args.out / name).exists()]
    if present and not args.overwrite:
        raise SystemExit(f"--out {args.out} already holds {', '.join(present)}. Pass --overwrite or another folder.")
    try:
        train_set, test_set = (
            MNIST(args.data, train=train, transform=ToTensor(), download=args.download) for train in (True, False)
        )
    except RuntimeError as error:
        raise SystemExit(
            f"No MNIST in {args.data / 'MNIST' / 'raw'} ({error}). Pass --download to fetch it."
        ) from error

    torch.manual_seed(0)
    checkpoints = train(
        CNN(), train_set, epochs=args.epochs, save_every=args.save_every, folder=args.out / "checkpoints"
    )
    # ---- 3. the measurement
    runs = hp.sweep(
        checkpoints,
        {"train": train_set, "test": test_set},
        build=CNN,
        samples_per_class=args.samples,
        progress=True,
    )
    ends = {epoch: checkpoints[epoch] for epoch in (0, args.epochs)}
    folds = hp.sweep(
        ends,
        {"test": test_set},
        build=CNN,
        samples_per_class=args.samples,
        folds=args.folds,
        repeats=args.repeats,
        key=0,
        progress=True,
    ).sel(split="test")
    for name, results in (("results", runs), ("folds", folds)):
        results.to_netcdf(args.out / f"{name}.nc")  # read it again with hp.open_results(...)

    analyse(runs, folds, args.out)
    draw_components(ends, test_set, [4, 9], "fc2", args.out)
    print(f"\nWrote checkpoints, results.nc and pictures into {args.out}.")


if __name__ == "__main__":
    main()
