"""What sweeps in other processes need: functions at the top of a module, and programs that are killed.

A program is run by ``python -c "from tests.sweep_parts import ...; ..."`` in the root of the repository.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from hpfunc.sweeps import sweep
from tests.models import Mlp, seeded

ROOT = Path(__file__).parent.parent


def make_data(n=60, features=6, classes=3, seed=0):
    """Overlapping classes, in mixed order."""
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.arange(n) % classes)
    points = generator.normal(size=(n, features)) + labels[:, None] / 2
    return points.astype(np.float32), labels


def train():
    return make_data()


def test():
    return make_data(n=45, seed=1)


# Or pytest would take it for a test.
test.__test__ = False

FACTORIES = {"train": train, "test": test}


def grid():
    """Points whose distances tie, so that two orthogonal trees of them are not unique: a warning."""
    points = np.stack(np.meshgrid(*[np.arange(2)] * 6), axis=-1).reshape(-1, 6).astype(np.float32)
    return points, np.arange(len(points)) % 3


def save_checkpoints(folder, count, first=0):
    """Files of small models, by their number."""
    paths = {number: folder / f"{number}.ckpt" for number in range(first, first + count)}
    for number, path in paths.items():
        torch.save(seeded(Mlp, number).state_dict(), path)
    return paths


def start(code, **options):
    """Start a program that has imported what is here."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", f"from tests.sweep_parts import *; {code}"]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
    )


# ---- data sets that fail


class Faulty:
    """A data set of which one sample cannot be loaded."""

    def __init__(self, at=7):
        self._points, self.targets = make_data()
        self.at = at

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, item):
        if item == self.at:
            raise OSError("bad sector")
        return torch.from_numpy(self._points[item]), int(self.targets[item])


class Once:
    """Makes a data set; the first time in all processes, when the sweep has begun, something happens instead."""

    def __init__(self, flag, kill):
        self.flag, self.kill = flag, kill

    def __call__(self):
        if Path(f"{self.flag}.armed").exists():
            try:
                os.close(os.open(self.flag, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                pass
            else:
                if self.kill:
                    os.kill(os.getpid(), signal.SIGKILL)
                raise RuntimeError("it failed this once")
        # The first use, for the digest of the samples, is over: from now on.
        Path(f"{self.flag}.armed").touch()
        return make_data()


# ---- programs


def sweep_until_stopped(folder):
    """Sweep four checkpoints; from the third one on the model waits to be stopped."""
    store = Path(folder, "store")

    def forward(model, x):
        if len(list(store.glob("*.nc"))) == 2:
            time.sleep(300)
        return model(x)

    paths = {number: Path(folder, f"{number}.ckpt") for number in range(4)}
    sweep(paths, FACTORIES, build=Mlp, store=store, forward=forward, progress=True)


def sweep_on_a_full_disk(folder, disk):
    """Sweep until there is no room, in the disk's folder."""
    paths = {number: Path(folder, f"{number}.ckpt") for number in range(24)}
    try:
        sweep(paths, FACTORIES, build=Mlp, store=Path(disk, "store"))
    except OSError as error:
        names = sorted(path.name for path in Path(disk, "store").iterdir() if path.suffix != ".nc")
        print(json.dumps([error.errno, str(error), names, len(list(Path(disk, "store").glob("*.nc")))]))
