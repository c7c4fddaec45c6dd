"""Networks that several tests share: small, and each with one trait that is easily got wrong."""

import torch
from torch import nn


class SeedCNN(nn.Module):
    """The network whose checkpoints and results the older tool left: one ReLU used three times, one pool twice."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, kernel_size=3, padding=3)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(32, 64, kernel_size=3, padding=1)
        self.fc1 = nn.Linear(4096, 512)
        self.fc2 = nn.Linear(512, 10)
        self.softmax = nn.Softmax(dim=1)

    def forward(self, x):
        *_, (_, out) = self.steps(x)
        return out

    def steps(self, x):
        """Each layer's older name and value, in execution order."""
        yield "initial", x
        for number, conv in (("1", self.conv1), ("2", self.conv2)):
            yield f"conv{number}", (x := conv(x))
            yield f"relu{number}", (x := self.relu(x))
            yield f"maxpool{number}", (x := self.maxpool(x))
        yield "fc1", (x := self.fc1(x.flatten(1)))
        yield "relu3", (x := self.relu(x))
        yield "fc2", (x := self.fc2(x))
        yield "softmax", (x := self.softmax(x))


class SnapshotCNN(SeedCNN):
    """The same with the snapshot protocol: what the older tool asked of a network."""

    NAMES = (
        "initial", "conv1", "relu1", "maxpool1", "conv2", "relu2", "maxpool2", "fc1", "relu3", "fc2", "softmax",
    )  # fmt: skip

    def refresh(self):
        self.snapshot = {name: [] for name in self.NAMES}

    def snapshot_forward(self, x):
        for name, value in self.steps(x):
            self.snapshot[name].append(value.clone().detach().cpu())
        return value


class Mlp(nn.Module):
    """Two linear layers, with a ReLU that overwrites its input."""

    def __init__(self, features=6, classes=3):
        super().__init__()
        self.fc1 = nn.Linear(features, 5)
        self.relu = nn.ReLU(inplace=True)
        self.fc2 = nn.Linear(5, classes)

    def forward(self, x):
        return self.fc2(self.relu(self.fc1(x)))


def seeded(build, seed=0):
    """Make a network of reproducible weights; torch's random state is left alone."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build()


class MultiInput(nn.Module):
    """Two inputs, joined by an addition, which is no module."""

    def __init__(self):
        super().__init__()
        self.left = nn.Linear(4, 3)
        self.right = nn.Linear(2, 3)

    def forward(self, a, b):
        return self.left(a) + self.right(b)


class Recurrent(nn.Module):
    """An LSTM classifier; its states have the samples on their second axis."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(4, 5, num_layers=2, batch_first=True)
        self.head = nn.Linear(5, 3)

    def forward(self, x):
        steps, _ = self.lstm(x)
        return self.head(steps[:, -1])


class Encoder(nn.Module):
    """A transformer encoder classifier."""

    def __init__(self, dropout=0.1):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, nhead=2, dim_feedforward=16, dropout=dropout, batch_first=True)
        self.embed = nn.Linear(4, 8)
        self.encoder = nn.TransformerEncoder(layer, num_layers=2, enable_nested_tensor=False)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.encoder(self.embed(x)).mean(1))


class Branching(nn.Module):
    """Control flow that depends on values."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        if x.sum() > 0:
            return self.fc(x)
        return self.fc(-x)


class Functional(nn.Module):
    """Operations that are not modules, one of them in place on what a module gave."""

    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(6, 4)
        self.fc2 = nn.Linear(4, 4)

    def forward(self, x):
        x = self.fc1(x)
        y = nn.functional.relu(x + 1)
        # Computed, and never used: a tracer that cleans up would drop it.
        torch.exp(y)
        z = self.fc2(y)
        return z.mul_(2) + y
