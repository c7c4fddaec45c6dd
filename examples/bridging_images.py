"""Find the images that bridge 4 and 9: follow the cross edges of the minimum spanning tree back to the samples.

Run it with ``python examples/bridging_images.py --out bridges``. HP counts the edges of a tree that join two classes;
each edge has two ends, and each end is an image. Images with many cross edges are often ambiguous, mislabelled or
confused by the network. The example

1. trains a small network on scikit-learn's handwritten digits,
2. joins the test images of two classes by their minimum spanning tree, at the input and at a layer of the network,
3. draws the images at both ends of each cross edge, shortest edge first, and the trees in the plane of the first two
   principal components.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from torch import nn

import hpfunc as hp

WRITTEN = ("images.png", "trees.png")


def train(x: torch.Tensor, labels: torch.Tensor, epochs: int) -> nn.Sequential:
    """Train a small network."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(64):
            loss = nn.functional.cross_entropy(model(x[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model


def find_bridges(points: xr.DataArray, tree: xr.Dataset) -> list[tuple[int, int, float]]:
    """List the cross edges, shortest first: the positions of both samples in the data set, and their distance."""
    ends = np.stack([tree.source.values, tree.target.values], axis=1)
    label, index = points.label.values, points.index.values
    # The sample of the lower class stands first.
    ends = np.take_along_axis(ends, np.argsort(label[ends], axis=1, kind="stable"), axis=1)
    crosses = label[ends[:, 0]] != label[ends[:, 1]]
    weights = tree.weight.values[crosses].tolist()
    return [(int(index[a]), int(index[b]), w) for (a, b), w in zip(ends[crosses], weights, strict=True)]


def draw_bridges(bridges: dict[str, list[tuple[int, int, float]]], images: Any, pair: list[int], most: int) -> Figure:
    """Draw each bridge as two images, one above the other, with their distance below; one row for each layer."""
    columns = max(1, min(most, max(len(found) for found in bridges.values())))
    figure = Figure(figsize=(max(4.2, 1.1 * columns + 0.6), 2.9 * len(bridges) + 0.4), layout="constrained")
    figure.suptitle(f"{min(pair)} above, {max(pair)} below")
    rows = figure.subfigures(len(bridges), 1, squeeze=False).ravel()
    for row, (layer, found) in zip(rows, bridges.items(), strict=True):
        row.suptitle(
            f"{layer}: {len(found)} cross edges" + (f", the {columns} shortest" if len(found) > columns else "")
        )
        axes = row.subplots(2, columns, squeeze=False)
        for ax in axes.ravel():
            ax.set_axis_off()
        for column, (*ends, distance) in enumerate(found[:columns]):
            for ax, at in zip(axes[:, column], ends, strict=True):
                ax.imshow(images[at], cmap="gray_r")
                ax.set_title(f"no. {at}", fontsize=8)
            below = axes[1, column]
            below.text(0.5, -0.02, f"{distance:.2f}", transform=below.transAxes, ha="center", va="top", fontsize=8)
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pair", type=int, nargs=2, default=[4, 9], metavar=("A", "B"), help="two digits (4 9)")
    parser.add_argument("--epochs", type=int, default=30, metavar="N", help="how long to train (30)")
    parser.add_argument("--most", type=int, default=12, metavar="N", help="bridges drawn for each layer (12)")
    parser.add_argument("--out", type=Path, default=Path("bridges"), help="where the pictures are written (bridges)")
    parser.add_argument("--overwrite", action="store_true", help="replace the files of an earlier run in --out")
    args = parser.parse_args(argv)
    present = [name for name in WRITTEN if (args.out / name).exists()]
    if present and not args.overwrite:
        raise SystemExit(f"--out {args.out} already holds {', '.join(present)}. Pass --overwrite or another folder.")
    args.out.mkdir(parents=True, exist_ok=True)

    digits = load_digits()
    images, labels = torch.tensor(digits.images / 16, dtype=torch.float32), torch.tensor(digits.target)
    half = len(labels) // 2
    model = train(images[:half], labels[:half], args.epochs)
    acts = hp.collect_activations(model, (images[half:], labels[half:]), classes=args.pair, layers=["input", "3"])

    layers = {"input": "input", "output of the network": "3"}
    trees = {title: hp.euclidean_mst(acts[name]) for title, name in layers.items()}
    bridges = {title: find_bridges(acts[name], trees[title]) for title, name in layers.items()}
    draw_bridges(bridges, digits.images[half:], args.pair, args.most).savefig(args.out / "images.png", dpi=120)
    figure = Figure(figsize=(11, 5), layout="constrained")
    for ax, (title, name) in zip(figure.subplots(1, 2), layers.items(), strict=True):
        hp.plot_pca(hp.pca2d(acts[name]), tree=trees[title], ax=ax).set_title(title)
    figure.savefig(args.out / "trees.png", dpi=120)

    for title, found in bridges.items():
        at, count = np.unique([end for *ends, _ in found for end in ends], return_counts=True)
        busiest = ", ".join(f"no. {at[i]} ({count[i]})" for i in np.argsort(-count, kind="stable")[:5])
        print(
            f"{title}: {len(found)} cross edges between {args.pair[0]} and {args.pair[1]}. Most at: {busiest or 'none'}"
        )
    print(f"Wrote images.png and trees.png into {args.out}.")


if __name__ == "__main__":
    main()
