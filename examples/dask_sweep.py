"""Run a sweep on a Dask cluster and stop it at any time: each checkpoint is one task and one file.

Start the program, stop it with Ctrl-C and start it again: it resumes where it stopped. In this example the cluster
consists of two processes on this machine::

    python examples/dask_sweep.py --out sweep

For another cluster, change only the cluster object; the store must be a folder that this program can write to. These
lines start one worker for each GPU of a machine::

    from dask_cuda import LocalCUDACluster
    with LocalCUDACluster() as cluster, Client(cluster) as client:
        hp.sweep(..., executor=client.get_executor(), device="cuda")

Each worker then sees its own GPU as "cuda". For several machines, use dask_jobqueue.SLURMCluster or the address of a
scheduler, Client("tcp://..."), and keep checkpoints and data on a disk that all machines can read.

Only paths and functions are sent to the workers, never models or data sets. A worker imports this file too, so the
functions are defined at the top level and the program starts below ``if __name__ == "__main__"``.
"""

import argparse
import functools
from pathlib import Path

import torch
from dask.distributed import Client, LocalCluster
from sklearn.datasets import load_digits
from torch import nn

import hpfunc as hp


def build() -> nn.Module:
    """Make the network; each checkpoint gets a new one."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def digits(split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Load a data set on the worker that needs it: the first 1,200 images to train, the others to test."""
    loaded = load_digits()
    images, labels = torch.tensor(loaded.images / 16, dtype=torch.float32), torch.tensor(loaded.target)
    part = slice(1200) if split == "train" else slice(1200, None)
    return images[part], labels[part]


def train(folder: Path, epochs: int) -> dict[int, Path]:
    """Save the weights before training and after each epoch; use the files of an earlier run if there are any."""
    paths = {epoch: folder / f"epoch{epoch}.ckpt" for epoch in range(epochs + 1)}
    if all(path.exists() for path in paths.values()):
        return paths
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    model, (images, labels) = build(), digits("train")
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for epoch, path in paths.items():
        if epoch:
            for batch in torch.randperm(len(images)).split(100):
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(images[batch]), labels[batch]).backward()
                optimizer.step()
        torch.save(model.state_dict(), path)
    return paths


def main(arguments: list[str] | None = None) -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, default=Path("sweep"), help="folder for checkpoints and store (%(default)s)"
    )
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(arguments)
    paths = train(options.out / "checkpoints", options.epochs)
    data = {split: functools.partial(digits, split) for split in ("train", "test")}
    store = options.out / "store"
    with (
        LocalCluster(n_workers=options.workers, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        hp.sweep(
            paths, data, build=build, executor=client.get_executor(), store=store, samples_per_class=50, progress=True
        )
    # Another program can do this while the sweep runs: it reads the finished checkpoints from their files.
    runs = hp.open_results(store)
    print(runs.hp.sel(split="test").mean("pair").to_pandas().round(3).to_string())


if __name__ == "__main__":
    main()
