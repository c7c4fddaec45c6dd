"""Find the images that bridge 4 and 9: those whose edges in the minimum spanning tree lead to the other digit.

Run it with ``python examples/bridging_images.py --out bridges``. HP counts the edges of a tree that join two classes;
each edge ends at two images. Images with many such edges are often ambiguous, mislabelled or confused by the network.
`hpfunc.bridging_samples` gives each image the share of its edges that cross. The longest
crossing edge is left out of this share: a tree joins all images, so it needs one edge between the classes, however far
apart they are. This edge says nothing about its two images. The example

1. trains a small network on scikit-learn's handwritten digits,
2. scores the test images of two classes by their share of cross edges, at the input and at a layer of the network,
3. draws the images with the largest shares, and the trees in the plane of the first two principal components.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
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


def busiest(bridges: xr.Dataset, most: int) -> pd.DataFrame:
    """List the images with edges to the other class, those with the largest shares first."""
    table = hp.to_frame(bridges.assign(excess=bridges.cross_edges - bridges.forced))
    return table[table["excess"] > 0].nlargest(most, ["share", "excess"])


def draw_bridges(bridges: xr.Dataset, images: Any, most: int) -> Figure:
    """Draw the images with the largest shares, one row for each layer, with their labels and shares of cross edges."""
    found = {layer: busiest(bridges.sel(layer=layer), most) for layer in bridges.layer.values.tolist()}
    columns = max(4, *map(len, found.values()))
    figure = Figure(figsize=(1.1 * columns, 2.0 * len(found)), layout="constrained")
    for row, (layer, table) in zip(figure.subfigures(len(found), 1).ravel(), found.items(), strict=True):
        row.suptitle(f"{layer}: share of edges to the other digit", fontsize="medium")
        axes = row.subplots(1, columns).ravel()
        for ax in axes:
            ax.set_axis_off()
        for ax, image in zip(axes, table.itertuples(), strict=False):
            ax.imshow(images[image.index], cmap="gray_r")
            ax.set_title(f"{image.label}: {image.share:.0%}", fontsize=8)
            ax.text(0.5, -0.02, f"no. {image.index}", transform=ax.transAxes, ha="center", va="top", fontsize=7)
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pair", type=int, nargs=2, default=[4, 9], metavar=("A", "B"), help="two digits (4 9)")
    parser.add_argument("--epochs", type=int, default=30, metavar="N", help="epochs of training (30)")
    parser.add_argument("--most", type=int, default=12, metavar="N", help="how many images to draw for each layer (12)")
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

    acts = acts.rename({"3": "output"})
    bridges = hp.bridging_samples(acts)
    draw_bridges(bridges, digits.images[half:], args.most).savefig(args.out / "images.png", dpi=120)
    figure = Figure(figsize=(11, 5), layout="constrained")
    for ax, layer in zip(figure.subplots(1, 2), acts, strict=True):
        hp.plot_pca(hp.pca2d(acts[layer]), tree=hp.euclidean_mst(acts[layer]), ax=ax).set_title(layer)
    figure.savefig(args.out / "trees.png", dpi=120)

    for layer in bridges.layer.values.tolist():
        found = bridges.sel(layer=layer)
        listed = ", ".join(f"no. {row.index} ({row.share:.0%})" for row in busiest(found, 5).itertuples())
        crossing, forced = float(found.cross_edges.sum()) / 2, float(found.forced.sum()) / 2
        print(f"{layer}: {crossing:g} cross edges, {forced:g} of them forced. Most at: {listed or 'none'}")
    print(f"Wrote images.png and trees.png into {args.out}.")


if __name__ == "__main__":
    main()
