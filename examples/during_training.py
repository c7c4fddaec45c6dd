"""Watch separation while a network trains: measure between epochs and join with ``xr.concat``; no files are needed.

Run it with ``python examples/during_training.py --out watched``. If you do not want to keep the weights, measure the
model between two epochs. `hpfunc.collect_activations` restores its training mode and the random state, so the training
continues exactly as it would have done without the measurement. The example

1. trains a small network on scikit-learn's handwritten digits and measures it after each epoch,
2. joins the measurements along the dim ``checkpoint``, which gives the Dataset that `hpfunc.sweep` makes from files,
3. draws the course of each layer, and writes the results.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
import xarray as xr
from sklearn.datasets import load_digits
from torch import nn

import hpfunc as hp

WRITTEN = ("results.nc", "trajectory.png")

Data = tuple[torch.Tensor, torch.Tensor]


def measure(model: nn.Module, data: dict[str, Data], samples: int) -> xr.Dataset:
    """Measure the model in its present state on each data set."""
    splits = [hp.pairwise_hp(hp.collect_activations(model, d, samples_per_class=samples)) for d in data.values()]
    return xr.concat(splits, "split").assign_coords(split=list(data))


def main(argv: Sequence[str] | None = None) -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=8, metavar="N", help="how long to train (8)")
    parser.add_argument("--samples", type=int, default=60, metavar="N", help="digits of each class and split (60)")
    parser.add_argument("--out", type=Path, default=Path("watched"), help="where everything is written (watched)")
    parser.add_argument("--overwrite", action="store_true", help="replace the files of an earlier run in --out")
    args = parser.parse_args(argv)
    present = [name for name in WRITTEN if (args.out / name).exists()]
    if present and not args.overwrite:
        raise SystemExit(f"--out {args.out} already holds {', '.join(present)}. Pass --overwrite or another folder.")
    args.out.mkdir(parents=True, exist_ok=True)

    digits = load_digits()
    x, labels = torch.tensor(digits.data / 16, dtype=torch.float32), torch.tensor(digits.target)
    data = {"train": (x[::2], labels[::2]), "test": (x[1::2], labels[1::2])}
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

    measured = [measure(model, data, args.samples)]
    for epoch in range(1, args.epochs + 1):
        for batch in torch.randperm(len(data["train"][0])).split(64):
            loss = nn.functional.cross_entropy(model(data["train"][0][batch]), data["train"][1][batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        measured.append(measure(model, data, args.samples))
        print(
            f"epoch {epoch}: mean HP of the last layer {float(measured[-1].hp.sel(split='test')[-1].mean()):.3f} (test)"
        )

    runs = xr.concat(measured, "checkpoint").assign_coords(checkpoint=range(args.epochs + 1))
    runs.to_netcdf(args.out / "results.nc")
    axes = hp.plot_trajectory(runs)
    axes.set_xlabel("epoch")
    axes.figure.savefig(args.out / "trajectory.png", dpi=120)
    print(f"Wrote results.nc and trajectory.png into {args.out}.")


if __name__ == "__main__":
    main()
