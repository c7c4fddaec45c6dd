"""Samples that several tests share: as arrays, and as data sets of each kind."""

import collections

import numpy as np
import torch
from torch.utils.data import Dataset, IterableDataset


def points(n=9, *shape, classes=3, seed=0):
    """Random samples, and labels that take turns."""
    random = np.random.default_rng(seed)
    return random.standard_normal((n, *shape)).astype(np.float32), np.arange(n) % classes


def grouped(y):
    """Where the samples stand in the result: by class, in data order."""
    return np.argsort(y, kind="stable")


N = 30
RANDOM = np.random.default_rng(3)
X = RANDOM.standard_normal((N, 6)).astype(np.float32)
Y = RANDOM.integers(0, 3, N)


class Plain(Dataset):
    """Samples that tell their labels when they are loaded, and a count of how often each was."""

    def __init__(self, convert=int):
        self.convert = convert
        self.loaded = collections.Counter()

    def __len__(self):
        return N

    def __getitem__(self, k):
        self.loaded[int(k)] += 1
        return torch.from_numpy(X[k]), self.convert(Y[k])


class Known(Plain):
    """The same with its labels at hand."""

    def __init__(self, attribute="targets"):
        super().__init__()
        setattr(self, attribute, Y.tolist())


class Stream(IterableDataset):
    """The same in one pass, without end."""

    def __init__(self, endless=False):
        self.loaded = collections.Counter()
        self.endless = endless

    def __iter__(self):
        while True:
            for k in range(N):
                self.loaded[k] += 1
                yield X[k], Y[k]
            if not self.endless:
                return
