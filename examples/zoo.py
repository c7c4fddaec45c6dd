"""Measure how well a torchvision network separates classes, layer by layer.

Run it with ``python examples/zoo.py --out results``, on scikit-learn's handwritten digits enlarged to colour images, or
with ``--images FOLDER`` on a folder that holds one folder of images for each class. It

1. runs the network once over some images of each class, and averages every layer over space (``reduce="mean"``), so
   that layers of any size fit in memory,
2. measures at each layer how well each pair of classes is separated,
3. prints the mean over the pairs by layer, and writes ``<model>.nc`` and ``<model>.png`` into the folder ``--out``.

The weights are random unless ``--pretrained`` fetches torchvision's, or ``--weights FILE`` names a state dict.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import xarray as xr
from torch import nn
from torchvision import models

import hpfunc as hp

# Mean and deviation of the colours with which torchvision's pretrained networks were trained.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def load_digits(size: int) -> tuple[torch.Tensor, Any]:
    """Load scikit-learn's 1,797 digits of 8 x 8 pixels, enlarged to colour images."""
    from sklearn.datasets import load_digits
    from torchvision.transforms.functional import normalize

    digits = load_digits()
    grey = torch.tensor(digits.images / 16, dtype=torch.float32)[:, None]
    large = nn.functional.interpolate(grey, size=(size, size), mode="bilinear")
    return normalize(large.repeat(1, 3, 1, 1), MEAN, DEVIATION), digits.target


def open_folder(folder: Path, size: int) -> Any:
    """Open a folder of images by class; each image is read when it is needed."""
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    steps = [
        transforms.Resize(size), transforms.CenterCrop(size), transforms.ToTensor(),
        transforms.Normalize(MEAN, DEVIATION),
    ]  # fmt: skip
    try:
        return ImageFolder(folder, transforms.Compose(steps))
    except FileNotFoundError as error:
        raise SystemExit(f"--images {folder}: {error}") from error


def build(name: str, *, pretrained: bool, weights: Path | None, seed: int) -> nn.Module:
    """Make the network."""
    if pretrained:
        pretrained_model: nn.Module = models.get_model(name, weights="DEFAULT")
        return pretrained_model
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: nn.Module = models.get_model(name, weights=None)
    if weights is not None:
        model.load_state_dict(torch.load(weights, weights_only=True))
    return model


def print_table(results: xr.Dataset) -> None:
    """Print the mean over the pairs, and the pair that is separated least, by layer."""
    print(f"\n{'layer':28}{'features':>10}{'mean HP':>10}   hardest pair")
    for layer in results.layer.values.tolist():
        at = results.sel(layer=layer)
        hardest = at.isel(pair=int(at.hp.argmin("pair")))
        pair = f"{hardest.class_a.item()} and {hardest.class_b.item()}: {float(hardest.hp):.3f}"
        print(f"{layer:28}{int(at.n_features):10d}{float(at.hp.mean()):10.3f}   {pair}")


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--model", default="resnet18", metavar="NAME", help="a network of torchvision (resnet18)")
    parser.add_argument(
        "--layers", nargs="+", metavar="NAME", help="only these: names, or globs such as 'layer?' (all)"
    )
    parser.add_argument("--images", type=Path, metavar="FOLDER", help="a folder of images by class (digits)")
    parser.add_argument("--size", type=int, default=64, metavar="N", help="pixels on each side of an image (64)")
    parser.add_argument("--samples", type=int, default=40, metavar="N", help="how many images of each class (40)")
    parser.add_argument("--batch-size", type=int, default=64, metavar="N", help="how many images in one pass (64)")
    parser.add_argument("--device", metavar="NAME", help="where the network runs, such as cuda (cpu)")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--pretrained", action="store_true", help="download torchvision's pretrained weights")
    source.add_argument("--weights", type=Path, metavar="FILE", help="a state dict that fits the network")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the random weights (0)")
    parser.add_argument("--out", type=Path, default=Path("results"), metavar="FOLDER", help="where to write (results)")
    parser.add_argument("--overwrite", action="store_true", help="replace the files of an earlier run")
    args = parser.parse_args(argv)
    known = models.list_models(models)
    if args.model not in known:
        parser.error(f"--model {args.model} is not a network of torchvision; choose one of {', '.join(known)}")
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Run the example."""
    args = parse(argv)
    files = [args.out / f"{args.model}{suffix}" for suffix in (".nc", ".png")]
    present = [str(path) for path in files if path.exists()]
    if present and not args.overwrite:
        raise SystemExit(
            f"{', '.join(present)} would be replaced, so nothing was done. Pass --overwrite or another --out."
        )
    args.out.mkdir(parents=True, exist_ok=True)

    data = load_digits(args.size) if args.images is None else open_folder(args.images, args.size)
    model = build(args.model, pretrained=args.pretrained, weights=args.weights, seed=args.seed)
    activations = hp.collect_activations(
        model,
        data,
        layers=args.layers,
        samples_per_class=args.samples,
        batch_size=args.batch_size,
        device=args.device,
        store="cpu",
        reduce="mean",
        progress=True,
    )
    results = hp.pairwise_hp(activations, progress=True)
    results.to_netcdf(files[0])
    print_table(results)

    axes = hp.plot_layers(results)
    axes.set_title(f"{args.model}: separation of {results.sizes['pair']} pairs of classes by depth")
    axes.figure.savefig(files[1], dpi=120, bbox_inches="tight")
    print(f"\nWrote {files[0]} and {files[1]}.")


if __name__ == "__main__":
    main()
