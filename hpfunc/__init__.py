"""Class separation at every layer of a PyTorch network, by the Henze-Penrose statistic."""

__version__ = "0.1.0"
