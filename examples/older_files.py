"""Compare the older tool's files with a new measurement, and print the largest difference of HP at each layer."""

import argparse
from pathlib import Path

try:
    import torch
    from sklearn.datasets import load_digits
    from torch import nn
except ImportError as error:
    raise SystemExit(f'{error}. Install what this example needs: pip install "hpfunc[examples]"') from error

import hpfunc as hp


class Network(nn.Module):
    """Use one ReLU three times: relu1, relu2 and relu3 in the older tool; relu, relu_1 and relu_2 with hooks."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.fc1, self.fc2, self.fc3 = nn.Linear(64, 48), nn.Linear(48, 32), nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Compute ten scores."""
        return self.relu(self.fc3(self.relu(self.fc2(self.relu(self.fc1(x))))))


def main(argv: list[str] | None = None) -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("older"), help="a new folder for everything (older)")
    out = parser.parse_args(argv).out
    digits, older = load_digits(), [f"{kind}{i}" for i in (1, 2, 3) for kind in ("fc", "relu")]
    data = {"test": (torch.tensor(digits.data / 16, dtype=torch.float32), torch.tensor(digits.target))}
    runs = hp.sweep({"preDict": Network()}, data, build=Network, samples_per_class=30, key=0)
    files = hp.write_seed_results(runs.assign_coords(layer=["input", *older]), out)  # the older tool's files
    old = hp.read_seed_results({"preDict": files[0]}, layers=runs.layer)
    print(abs(runs.hp - old.hp).max(["checkpoint", "split", "pair"]).to_series())  # xarray matches layers by name
    hp.plot_distributions(old, by_layer=True).savefig(out / "distributions.png", dpi=120)


if __name__ == "__main__":
    main()
