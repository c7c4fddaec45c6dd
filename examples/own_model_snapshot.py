"""Measure stages that no module returns, with the model's own ``snapshot_forward`` or with a function.

Run it with ``python examples/own_model_snapshot.py``. Hooks record what modules return. The sum of a skip connection, a
functional call or a value between two lines of ``forward`` is not the output of a module. Two ways can record it:

1. ``method="snapshot"``: the model has ``refresh()``, ``snapshot_forward(x)`` and the dict ``snapshot``, as the older
   tool required. A model that was written for that tool works unchanged.
2. ``method=function``: any function that takes a batch and returns a dict name -> tensor. The model needs no change.

The example prints HP by both ways, beside HP at the layers that hooks record.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

import hpfunc as hp


class Residual(nn.Module):
    """Apply two linear layers; add the input of the first layer to its output (``sum``)."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(features, features)
        self.fc2 = nn.Linear(features, classes)
        self.snapshot: dict[str, list[Tensor]] = {}

    def forward(self, x: Tensor) -> Tensor:
        """Compute the scores of the classes."""
        return self.fc2(functional.relu(self.fc1(x)) + x)

    # The older tool required these two methods. The second one computes the same as forward, and keeps each stage.

    def refresh(self) -> None:
        """Empty the snapshot; `hpfunc.collect_activations` calls this method before and after each batch."""
        self.snapshot = {name: [] for name in ("initial", "fc1", "relu", "sum", "fc2")}

    def snapshot_forward(self, x: Tensor) -> Tensor:
        """Compute the scores of the classes, and keep each stage."""
        self.snapshot["initial"].append(x)  # becomes the layer ``input``
        out = self.fc1(x)
        self.snapshot["fc1"].append(out)
        out = functional.relu(out)
        self.snapshot["relu"].append(out)
        out = out + x
        self.snapshot["sum"].append(out)
        out = self.fc2(out)
        self.snapshot["fc2"].append(out)
        return out


def stages(model: Residual, x: Tensor) -> dict[str, Tensor]:
    """Return the stages of interest by name, without any change to the model."""
    carried = functional.relu(model.fc1(x))
    return {"carried": carried, "sum": carried + x, "score": model.fc2(carried + x)}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the example."""
    from sklearn.datasets import load_digits

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=60, metavar="N", help="digits of each class (60)")
    args = parser.parse_args(argv)

    digits = load_digits()
    data = torch.tensor(digits.data / 16, dtype=torch.float32), digits.target
    torch.manual_seed(0)
    model = Residual(features=64, classes=10)

    methods = {"hooks": "hooks", "snapshot": "snapshot", "a function": lambda x: stages(model, x)}
    for name, method in methods.items():
        acts = hp.collect_activations(model, data, method=method, samples_per_class=args.samples)
        mean = hp.pairwise_hp(acts).hp.mean("pair")
        print(f"{name:12}", *(f"{layer} {value:.3f}" for layer, value in mean.to_series().items()), sep="  ")


if __name__ == "__main__":
    main()
