"""Compare feature sets that are NumPy arrays: which of them separates the classes best? torch is not needed.

Run it with ``python examples/numpy_only.py --out features`` on features of scikit-learn's handwritten digits, or with
``--data FILE.npz`` on your own arrays: ``labels`` with n entries, and one array of n rows for each feature set. The
example

1. measures with `hpfunc.pairwise_hp` how well each pair of classes is separated in each feature set,
2. bounds the error of the best possible classifier for each pair,
3. tests whether two feature sets differ over the pairs,
4. writes a table (CSV, one row for each feature set and pair), a results file and a picture.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import hpfunc as hp

WRITTEN = ("pairs.csv", "features.nc", "features.png")


def digit_features(per_class: int) -> dict[str, np.ndarray]:
    """Make four feature sets of the digits: pixels, edges, a random projection, and the darkness of each row."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise SystemExit("The digits come with scikit-learn: pip install scikit-learn, or pass --data.") from None

    digits = load_digits()
    chosen = np.concatenate([np.flatnonzero(digits.target == c)[:per_class] for c in range(10)])
    images = digits.images[chosen] / 16
    projection = np.random.default_rng(0).normal(size=(64, 8))
    return {
        "labels": digits.target[chosen],
        "pixels": images,
        "edges": np.diff(images, axis=1),
        "projection": images.reshape(-1, 64) @ projection,
        "rows": images.mean(axis=2),
    }


def read_features(path: Path) -> dict[str, np.ndarray]:
    """Read labels and feature sets from a file."""
    with np.load(path, allow_pickle=False) as stored:
        arrays = dict(stored)
    if "labels" not in arrays or len(arrays) < 2:
        raise SystemExit(f"--data {path} holds {sorted(arrays)}; it needs 'labels' and at least one feature set")
    return arrays


def main(argv: Sequence[str] | None = None) -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, metavar="FILE.npz", help="your own arrays (digits)")
    parser.add_argument("--samples", type=int, default=100, metavar="N", help="digits of each class (100)")
    parser.add_argument("--out", type=Path, default=Path("features"), help="where everything is written (features)")
    parser.add_argument("--overwrite", action="store_true", help="replace the files of an earlier run in --out")
    args = parser.parse_args(argv)
    present = [name for name in WRITTEN if (args.out / name).exists()]
    if present and not args.overwrite:
        raise SystemExit(f"--out {args.out} already holds {', '.join(present)}. Pass --overwrite or another folder.")
    arrays = digit_features(args.samples) if args.data is None else read_features(args.data)
    args.out.mkdir(parents=True, exist_ok=True)
    labels = arrays.pop("labels")

    # A mapping from names to arrays takes the place of a network's activations.
    results = hp.pairwise_hp(arrays, labels).rename(layer="features")
    results = results.merge(hp.bayes_error_bounds(results).rename(lower="error_lower", upper="error_upper"))
    print("Mean over the pairs, by feature set:")
    print(results[["hp", "error_lower", "error_upper"]].mean("pair").to_dataframe().round(3))

    reference, *further = arrays
    for name in further:
        before, after = results.hp.sel(features=reference), results.hp.sel(features=name)
        said = f"{reference} -> {name}: mean HP {float((after - before).mean()):+.3f}"
        if results.sizes["pair"] < 6:
            print(f"{said} (too few pairs for Fisher's test, whose p-value is then above 5 % in any case)")
            continue
        p = float(hp.fisher_permutation(before, after, key=0).pvalue)
        print(f"{said}, p = {p:.4f} (Fisher's test, paired by pair of classes)")

    hp.to_frame(results).to_csv(args.out / "pairs.csv", index=False)
    results.to_netcdf(args.out / "features.nc")
    axes = hp.plot_layers(results.rename(features="layer"))
    axes.set_xlabel("features")
    axes.figure.savefig(args.out / "features.png", dpi=120)
    print(f"Wrote pairs.csv, features.nc and features.png into {args.out}.")


if __name__ == "__main__":
    main()
