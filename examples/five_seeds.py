"""Train from five seeds: find the layers at which new trainings of the network will separate the digits better."""

import argparse
import copy
from pathlib import Path

import pandas as pd
import torch
import xarray as xr
from sklearn.datasets import load_digits
from torch import nn

import hpfunc as hp


def train(seed: int, images: torch.Tensor, labels: torch.Tensor) -> dict[str, nn.Module]:
    """Return a network before and after its training."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    before, optimizer = copy.deepcopy(model), torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(100):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
    return {"before": before, "after": model}


def main(argv: list[str] | None = None) -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("seeds"), help="where everything is written (seeds)")
    out = parser.parse_args(argv).out
    out.mkdir(parents=True, exist_ok=True)
    digits = load_digits()
    images, labels = torch.tensor(digits.data / 16, dtype=torch.float32), torch.tensor(digits.target)
    new = {"test": (images[900:], labels[900:])}
    stages = [train(seed, images[:900], labels[:900]) for seed in range(5)]
    each = [hp.sweep(stage, new, samples_per_class=60, key=0) for stage in stages]
    runs = xr.concat(each, pd.RangeIndex(5, name="run")).sel(split="test")
    mean = runs.hp.mean("pair").isel(layer=slice(1, None))  # the input is the same in every run
    change = hp.fold_interval(mean.sel(checkpoint="after") - mean.sel(checkpoint="before"), dim="run")
    print(hp.to_frame(change)[["layer", "estimate", "low", "high", "pvalue"]].round(4))
    hp.plot_layers(runs, over="run").figure.savefig(out / "layers.png", dpi=120)
    hp.plot_intervals(change, title="Change of mean HP, new trainings").figure.savefig(out / "change.png", dpi=120)


if __name__ == "__main__":
    main()
