"""Build the network of the older tool: two convolutions and two linear layers, eleven layers with the input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import hpfunc as hp

LAYERS = 11


class Network(nn.Module):
    """Classify square grey images of ``side`` by ``side`` pixels."""

    def __init__(self, side: int = 28) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, padding=3)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(32, 64, 3, padding=1)
        self.fc1 = nn.Linear(64 * ((side + 4) // 4) ** 2, 512)
        self.fc2 = nn.Linear(512, 10)
        self.softmax = nn.Softmax(dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the class probabilities."""
        x = self.maxpool(self.relu(self.conv1(x)))
        x = self.maxpool(self.relu(self.conv2(x)))
        probabilities: Tensor = self.softmax(self.fc2(self.relu(self.fc1(x.flatten(1)))))
        return probabilities


def builder(side: int) -> Callable[[], Network]:
    return partial(Network, side)


def untrained(side: int) -> dict[str, Tensor]:
    """Return the weights of a new network, the same each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Network(side).state_dict()


def layer_points(checkpoint: Path | None, images: Any, labels: Any, layers: Sequence[str]) -> dict[str, Any]:
    """Return points (n, d) at the given layers for all of the images, in their order."""
    side = images.shape[-1]
    model = Network(side)
    model.load_state_dict(untrained(side) if checkpoint is None else torch.load(checkpoint, weights_only=True))
    acts = hp.collect_activations(model, (images, labels), layers=list(layers), samples_per_class=None)
    return {name: acts[name].values.reshape(len(images), -1) for name in layers}
