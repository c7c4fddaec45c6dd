"""Move from the older tool to hpfunc: read its JSON files, then draw the same histograms and Fisher tests, and more.

Run it with ``python examples/from_the_older_tool.py --before preDict.json --after postDict.json --out moved``. Without
files, it first writes two files in that format. These calls replace the older tool's ``ResultsAnalysis``:

===================================  =====================================================================
``ResultsAnalysis(folder, stages)``  ``results = hp.read_seed_results({"Before": path, "After": path})``
``plot_results(by_layer=False)``     ``hp.plot_distributions(results)``
``plot_results(by_layer=True)``      ``hp.plot_distributions(results, by_layer=True)``
``FisherTraining(n, batches)``       ``hp.fisher_permutation(before, after, n_permutations=n, key=0)``
``FisherLayers(n, batches)``         ``hp.fisher_steps(results.hp, along="layer", n_permutations=n, key=0)``
``plotPCA(x, y)``                    ``hp.plot_pca(hp.pca2d(x, y))``, for activations; the JSON files hold none
===================================  =====================================================================
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

import hpfunc as hp

PICTURES = ("distributions", "distributions_by_layer", "fisher_training", "fisher_layers", "layers", "pairs")
WRITTEN = ("results.nc", *(f"{name}.png" for name in PICTURES))


def make_files(folder: Path) -> dict[str, Path]:
    """Write two files in the older tool's format: digits in a linear layer, with random and then fitted weights."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise SystemExit(
            "The digits come with scikit-learn: pip install scikit-learn, or pass --before, --after."
        ) from None

    digits = load_digits()
    images, labels = digits.data / 16, digits.target
    untrained = np.random.default_rng(0).normal(size=(64, 10))
    trained = np.linalg.lstsq(images[:900], np.eye(10)[labels[:900]], rcond=None)[0]
    stages = []
    for weight in (untrained, trained):
        splits = []
        for first in (0, 900):  # training and test images, 30 of each class
            chosen = np.concatenate([first + np.flatnonzero(labels[first : first + 895] == c)[:30] for c in range(10)])
            out = images[chosen] @ weight
            layers = {"input": images[chosen], "fc1": out, "relu1": np.maximum(out, 0)}
            splits.append(hp.pairwise_hp(layers, labels[chosen]))
        stages.append(xr.concat(splits, "split").assign_coords(split=["train", "test"]))
    results = xr.concat(stages, "checkpoint").assign_coords(checkpoint=["preDict", "postDict"])
    return dict(zip(("Before", "After"), hp.write_seed_results(results, folder), strict=True))


def print_tests(results: xr.Dataset, n: int) -> tuple[xr.Dataset, xr.Dataset]:
    """Run both tests of the older tool, and print how many differences are significant after adjustment."""
    before, after = (results.hp.isel(checkpoint=i, drop=True) for i in (0, -1))
    training = hp.fisher_permutation(before, after, n_permutations=n, key=0)
    layers = hp.fisher_steps(after, along="layer", n_permutations=n, key=1)
    for name, test in {"training": training, "layers": layers}.items():
        p = hp.adjust_pvalues(test.pvalue, method="holm")
        print(
            f"Fisher test of {name}: {int((p <= 0.05).sum())} of {p.size} differences of means are significant at 5 %"
        )
    return training, layers


def main(argv: Sequence[str] | None = None) -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, metavar="FILE", help="the older tool's results before training")
    parser.add_argument("--after", type=Path, metavar="FILE", help="the older tool's results after training")
    parser.add_argument("--n", type=int, default=9999, metavar="N", help="number of permutations of each test (9999)")
    parser.add_argument("--out", type=Path, default=Path("moved"), help="where everything is written (moved)")
    parser.add_argument("--overwrite", action="store_true", help="replace the files of an earlier run in --out")
    args = parser.parse_args(argv)
    if (args.before is None) != (args.after is None):
        parser.error("pass both --before and --after, or neither; without them the example writes its own files")
    made = ("preDict.json", "postDict.json") if args.before is None else ()
    present = [name for name in (*made, *WRITTEN) if (args.out / name).exists()]
    if present and not args.overwrite:
        raise SystemExit(f"--out {args.out} already holds {', '.join(present)}. Pass --overwrite or another folder.")
    args.out.mkdir(parents=True, exist_ok=True)
    for name in made:
        (args.out / name).unlink(missing_ok=True)  # hpfunc itself replaces no file of the older tool
    files = make_files(args.out) if args.before is None else {"Before": args.before, "After": args.after}

    results = hp.read_seed_results(files)
    print(f"Read {', '.join(map(str, files.values()))}: {dict(results.sizes)}")
    training, layers = print_tests(results, args.n)
    pictures = {
        "distributions": hp.plot_distributions(results).figure,
        "distributions_by_layer": hp.plot_distributions(results, by_layer=True),
        "fisher_training": hp.plot_fisher(training).figure,
        "fisher_layers": hp.plot_fisher(layers).figure,
        # The older tool did not draw these: all layers in one picture, and HP of each pair of classes.
        "layers": hp.plot_layers(results).figure,
    }
    last = results.isel(checkpoint=-1, layer=-1).sel(split="test")
    pictures["pairs"] = hp.plot_pairs(last, order="similarity").figure
    for name, figure in pictures.items():
        figure.savefig(args.out / f"{name}.png", dpi=120)
    results.to_netcdf(args.out / "results.nc")
    print(f"Wrote {len(pictures)} pictures and results.nc into {args.out}.")


if __name__ == "__main__":
    main()
