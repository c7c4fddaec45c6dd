"""Sizes, coverage and power of intervals and p-values, by simulation: ``python -m benchmarks.calibration``.

Intervals: two independent layers of the same distribution are compared on the same samples, so that their true
difference is 0. A size is the share of data sets in which a test rejects this at 5 %; coverage is that of the 95 %
interval. Power: the second layer has its classes further apart. P-values: labels are drawn at random on the tree of one
sample, so that every rejection is a false one.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import hpfunc as hp

__all__ = ["main", "measure_intervals", "measure_pvalues"]

# Classes, samples of each, features, kind of points, and how much further apart the classes of the second layer are.
INTERVALS = [
    (2, 50, 5, "normal", 0.0), (2, 100, 5, "normal", 0.0), (2, 100, 50, "normal", 0.0), (2, 100, 1000, "normal", 0.0),
    (2, 100, 5, "relu", 0.0), (10, 50, 5, "normal", 0.0), (10, 100, 5, "normal", 0.0), (10, 100, 50, "normal", 0.0),
    (10, 100, 5, "relu", 0.0), (10, 100, 5, "normal", 0.35),
]  # fmt: skip
SIZES = [(3, 3), (5, 5), (5, 50), (5, 200), (20, 200), (100, 100)]
PVALUES = [(m, n, d) for m, n in SIZES for d in (1, 2, 5, 50, 1000)]


def draw_layers(case: tuple[int, int, int, str, float], seed: int) -> tuple[dict[str, Any], npt.NDArray[np.intp]]:
    """Draw two layers of one data set: the classes have means of their own, from N(0, 1)."""
    n_classes, n, d, kind, further = case
    rng = np.random.default_rng([seed, n_classes, n, d])
    label = np.repeat(np.arange(n_classes), n)
    layers = {}
    for name, scale in (("first", 1.0), ("second", 1.0 + further)):
        # The means are those of every data set, so that the distributions are too; both layers have the same.
        means = np.random.default_rng(7).normal(size=(n_classes, d)) / np.sqrt(d) * np.sqrt(5)
        points = rng.normal(size=(len(label), d)) + scale * means[label]
        layers[name] = np.maximum(points - 1, 0) if kind == "relu" else points
    return layers, label


def measure_intervals(case: tuple[int, int, int, str, float], n_sets: int) -> dict[str, float]:
    """Measure size (or power) of four tests and the coverage of the interval, over data sets drawn anew."""
    rejected: dict[str, list[bool]] = {"folds": [], "one partition": [], "Fisher": [], "one pair": []}
    covered = []
    for seed in range(n_sets):
        layers, label = draw_layers(case, seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            folds = hp.pairwise_hp(layers, label, folds=10, repeats=10, key=seed).hp
            change = folds.sel(layer="second") - folds.sel(layer="first")
            interval = hp.fold_interval(change.mean("pair"))
            tests = {"folds": interval, "one partition": hp.fold_interval(change.isel(repeat=0).mean("pair"))}
            tests["one pair"] = hp.fold_interval(change.isel(pair=0))
            whole = hp.pairwise_hp(layers, label).hp
            if case[0] > 2:
                tests["Fisher"] = hp.fisher_permutation(
                    whole.sel(layer="first"), whole.sel(layer="second"), key=seed, n_permutations=999
                )
        for name, test in tests.items():
            rejected[name].append(bool(test.pvalue <= 0.05))
        covered.append(bool(interval.low <= 0 <= interval.high))
    shares = {name: float(np.mean(values)) if values else float("nan") for name, values in rejected.items()}
    return shares | {"coverage": float(np.mean(covered)) if case[4] == 0 else float("nan")}


def measure_pvalues(m: int, n: int, d: int, n_sets: int, n_labellings: int) -> dict[str, float]:
    """Measure how often p-values lie at or below 5 % and 1 % under random labels, and how often exact ones do."""
    from hpfunc._stats.null import enumerated_pvalues, few_labellings, significance
    from hpfunc._tree import GraphOptions, count_pairs, weight_tables

    shares = []
    for seed in range(n_sets):
        rng = np.random.default_rng([seed, m, n, d])
        x, starts, pair = rng.normal(size=(m + n, d)), np.array([0, m, m + n]), np.array([[0, 1]])
        [table] = weight_tables(x, starts, pair, GraphOptions())
        sums = count_pairs(x, starts, pair, GraphOptions(), name="x").cross
        chosen = np.zeros((n_labellings, m + n))
        np.put_along_axis(chosen, rng.random(chosen.shape).argsort(axis=1)[:, :m], 1, axis=1)
        counts = (chosen @ table * (1 - chosen)).sum(axis=1).round().astype(int)
        values = np.arange(m + n, dtype=float)
        found = significance(values, m, n, sums)[1]
        if few_labellings(m, n):
            found = enumerated_pvalues(values, m, n, [table] * len(values))
        exact = np.cumsum(np.bincount(counts, minlength=m + n)) / n_labellings
        shares.append([(p[counts] <= level).mean() for p in (found, exact) for level in (0.05, 0.01)])
    return dict(zip(("5 %", "1 %", "exact 5 %", "exact 1 %"), np.mean(shares, axis=0).tolist(), strict=True))


def percent(share: float) -> str:
    return "" if np.isnan(share) else f"{100 * share:.1f}"


def table_of(header: list[str], rows: list[list[str]]) -> str:
    """Lay out rows as Markdown."""
    lines = [header, ["-" * len(cell) for cell in header], *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    return "\n".join("| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |" for line in lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration", description=__doc__.partition("\n")[0])
    parser.add_argument("--sets", type=int, default=100, help="data sets for each row of intervals (%(default)s)")
    parser.add_argument("--trees", type=int, default=40, help="trees for each row of p-values (%(default)s)")
    parser.add_argument("--rows", type=int, default=None, help="only so many rows of each table")
    options = parser.parse_args(arguments)
    columns = ["folds", "one partition", "one pair", "Fisher", "coverage"]
    rows: list[list[str]] = []
    for case in INTERVALS[: options.rows] if options.sets else []:
        found = measure_intervals(case, options.sets)
        what = "power" if case[4] else "size"
        rows.append([str(case[0]), f"{case[1]} x {case[2]}", case[3], what, *(percent(found[c]) for c in columns)])
        print(rows[-1], file=sys.stderr, flush=True)
    header = [
        "K",
        "n x d",
        "points",
        "share",
        "10 x 10 folds",
        "10 x 1 folds",
        "one pair, 10 x 10",
        "Fisher",
        "coverage",
    ]
    print(table_of(header, rows), "\n")
    rows = []
    for m, n, d in PVALUES[: options.rows] if options.trees else []:
        found = measure_pvalues(m, n, d, options.trees, 2000)
        rows.append([f"{m}, {n}", str(d), *(percent(value) for value in found.values())])
    print(table_of(["m, n", "d", "5 %", "1 %", "exact 5 %", "exact 1 %"], rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
