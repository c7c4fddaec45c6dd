"""Record HP with intervals while a network trains: give any logger the numbers of each epoch, and resume after a stop.

Run it with ``python examples/during_training.py --out watched``, stop it when you like, and run it again with
``--resume``. `hpfunc.collect_activations` leaves the model, its training mode and the random state as they were, so the
training goes on exactly as it would without the measurement. The example

1. trains a small network on scikit-learn's handwritten digits, and measures it in folds after each epoch,
2. gives the mean HP of each layer and its 95 % interval for new images to every logger: here a CSV file, and with
   ``--tensorboard`` TensorBoard as well (``pip install tensorboard``),
3. keeps the weights, the optimizer and the random state, so that a resumed training ends with the same bits,
4. joins the epochs along the dim ``checkpoint``, as `hpfunc.sweep` does with files, and draws the course of each layer.

A logger is a function ``log(name, value, step)``. ``SummaryWriter.add_scalar`` is such a function; for Weights &
Biases, write ``lambda name, value, step: wandb.log({name: value}, step=step)``.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import xarray as xr
from sklearn.datasets import load_digits
from torch import nn

import hpfunc as hp

WRITTEN = ("log.csv", "results.nc", "state.pt", "trajectory.png")

Data = tuple[torch.Tensor, torch.Tensor]
Log = Callable[[str, float, int], object]


def measure(model: nn.Module, data: dict[str, Data], samples: int, folds: int) -> xr.Dataset:
    """Measure the model in its present state on each data set, in folds."""
    splits = [
        hp.pairwise_hp(hp.collect_activations(model, d, samples_per_class=samples), folds=folds, repeats=2, key=0)
        for d in data.values()
    ]
    return xr.concat(splits, "split").assign_coords(split=list(data))


def record(measured: xr.Dataset, epoch: int, logs: Sequence[Log]) -> None:
    """Give each logger the mean HP over the pairs of classes, at each layer, with its interval for new samples."""
    intervals = hp.fold_interval(measured.hp.mean("pair"))
    for split in intervals.split.values:
        for layer in intervals.layer.values:
            interval = intervals.sel(split=split, layer=layer)
            for part in ("estimate", "low", "high"):
                for log in logs:
                    log(f"hp/{split}/{layer}/{part}", float(interval[part]), epoch)


def csv_log(path: Path, first: int) -> Log:
    """Return a logger that appends rows to a CSV file; first remove the rows of the epoch ``first`` and later ones."""
    rows = []
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.reader(file) if row[0] != "epoch" and int(row[0]) < first]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("epoch", "name", "value"), *rows])

    def log(name: str, value: float, step: int) -> None:
        with path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow((step, name, value))

    return log


def tensorboard_log(folder: Path, first: int, closing: contextlib.ExitStack) -> Log:
    """Return a logger that writes for TensorBoard; hide earlier entries of the epoch ``first`` and later ones."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise SystemExit("--tensorboard needs TensorBoard: pip install tensorboard") from None
    writer = closing.enter_context(SummaryWriter(folder, purge_step=first))
    return writer.add_scalar


def save_state(path: Path, epoch: int, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Save what the training needs to go on after ``epoch``; a stop during the writing leaves the older file intact."""
    state = {"epoch": epoch, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save({**state, "random": torch.get_rng_state()}, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


def restore_state(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Restore the model, the optimizer and the random state, and return the last finished epoch."""
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["random"])
    return int(state["epoch"])


def train_epoch(model: nn.Module, optimizer: torch.optim.Optimizer, data: Data) -> None:
    """Train on all samples once, in random order."""
    for batch in torch.randperm(len(data[0])).split(64):
        loss = nn.functional.cross_entropy(model(data[0][batch]), data[1][batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the options, and check that the folder holds what they need and nothing that would be lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=8, metavar="N", help="epochs of the whole training (8)")
    parser.add_argument("--samples", type=int, default=60, metavar="N", help="digits of each class and split (60)")
    parser.add_argument("--folds", type=int, default=6, metavar="N", help="folds, of 5 samples or more each (6)")
    parser.add_argument("--tensorboard", action="store_true", help="also write for TensorBoard, into --out/tensorboard")
    parser.add_argument("--out", type=Path, default=Path("watched"), help="where everything is written (watched)")
    parser.add_argument("--resume", action="store_true", help="continue an earlier run in --out that stopped")
    parser.add_argument("--overwrite", action="store_true", help="replace the files of an earlier run in --out")
    args = parser.parse_args(argv)
    present = [name for name in WRITTEN if (args.out / name).exists()]
    if args.resume and "state.pt" not in present:
        raise SystemExit(f"--out {args.out} holds no state.pt to resume from.")
    if present and not (args.overwrite or args.resume):
        raise SystemExit(
            f"--out {args.out} already holds {', '.join(present)}. Pass --overwrite, --resume or another folder."
        )
    args.out.mkdir(parents=True, exist_ok=True)
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Run the example."""
    args = arguments(argv)
    digits = load_digits()
    x, labels = torch.tensor(digits.data / 16, dtype=torch.float32), torch.tensor(digits.target)
    data = {"train": (x[::2], labels[::2]), "test": (x[1::2], labels[1::2])}
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

    first, runs = 0, None
    if args.resume:
        first = restore_state(args.out / "state.pt", model, optimizer) + 1
        # Results may hold one epoch more than the state, if the run was stopped between the two.
        runs = hp.open_results(args.out / "results.nc").load().sel(checkpoint=slice(0, first - 1))
    with contextlib.ExitStack() as closing:
        logs = [csv_log(args.out / "log.csv", first)]
        if args.tensorboard:
            logs.append(tensorboard_log(args.out / "tensorboard", first, closing))
        for epoch in range(first, args.epochs + 1):
            if epoch > 0:
                train_epoch(model, optimizer, data["train"])
            measured = measure(model, data, args.samples, args.folds)
            record(measured, epoch, logs)
            measured = measured.expand_dims(checkpoint=[epoch])
            runs = measured if runs is None else xr.concat([runs, measured], "checkpoint")
            runs.to_netcdf(args.out / "results.part")
            (args.out / "results.part").replace(args.out / "results.nc")
            save_state(args.out / "state.pt", epoch, model, optimizer)
            last = float(measured.hp.sel(split="test").isel(layer=-1).mean())
            print(f"epoch {epoch}: mean HP of the last layer {last:.3f} (test)")

    axes = hp.plot_trajectory(runs)
    axes.set_xlabel("epoch")
    axes.figure.savefig(args.out / "trajectory.png", dpi=120)
    print(f"Wrote {', '.join(WRITTEN)} into {args.out}.")


if __name__ == "__main__":
    main()
