"""Simulate sizes, coverage and power of intervals and p-values: ``python -m benchmarks.calibration``.

Intervals: two independent layers of the same distribution are compared on the same samples, so that their true
difference is 0. A size is the share of data sets in which a test rejects this at 5 %; coverage is that of the 95 %
interval. Power: the second layer has its classes further apart, by so much that one partition finds about three of four
differences. P-values: labels are drawn at random on the tree of one sample, so that every rejection is a false one;
power, where the classes do differ.

It ends in less than ten minutes. All rows grow evenly in this time; ``--json FILE`` keeps them, and goes on from there.
Data set number i of a row is drawn from the seed i, so that the rows do not depend on how often a run was interrupted.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import hpfunc as hp
from benchmarks.machine import cores
from benchmarks.tables import markdown

__all__ = ["Case", "main", "measure_power", "measure_set", "measure_sizes"]

# Data sets of a row, by the number of classes.
_SETS = {2: 400, 10: 120}
# A size should be at most the first number, a coverage at least the second.
_MOST, _LEAST = 0.06, 0.93
# The least power for an effect of which one partition finds about three of four: classes so much further apart.
_POWER, _TYPICAL = 0.85, 0.12
_TESTS = ("folds", "one partition", "one pair", "Fisher", "t over pairs", "covered", "pair covered")
_LABELLINGS = 2000


class Case(NamedTuple):
    """One row: two layers of K classes of n samples of d features, the classes of the second one further apart."""

    n_classes: int
    n: int
    d: int
    points: str = "normal"
    further: float = 0.0

    @property
    def name(self) -> str:
        """Name the row as the file of results does."""
        return f"{self.n_classes} x {self.n} x {self.d}, {self.points}, {self.further}"


INTERVALS = [
    *(Case(10, 100, 5, further=further) for further in (0.1, _TYPICAL, 0.13)),
    *(Case(k, n, d) for k in (10, 2) for n in (100, 50) for d in (5, 50, 1000)),
    *(Case(k, n, 5, "relu") for k in (2, 10) for n in (100, 50)),
]  # fmt: skip
SIZES = [(3, 3), (5, 5), (5, 50), (5, 200), (20, 200), (100, 100)]
PVALUES = [(m, n, d) for m, n in SIZES for d in (1, 2, 5, 50, 1000)]
# How far apart the means of 20 and 200 samples of 50 features are, in standard deviations.
SHIFTS = (1.5, 2.0, 2.5)


def draw_layers(case: Case, seed: int) -> tuple[dict[str, Any], npt.NDArray[np.intp]]:
    """Draw two layers of one data set, in which the means of two classes are about 3 standard deviations apart."""
    rng = np.random.default_rng([seed, case.n_classes, case.n, case.d])
    label = np.repeat(np.arange(case.n_classes), case.n)
    layers = {}
    for name, scale in (("first", 1.0), ("second", 1.0 + case.further)):
        # The means are those of every data set, so that the distributions are too; both layers have the same.
        means = np.random.default_rng(7).normal(size=(case.n_classes, case.d)) / np.sqrt(case.d) * np.sqrt(5)
        points = rng.normal(size=(len(label), case.d)) + scale * means[label]
        layers[name] = np.maximum(points - 1, 0) if case.points == "relu" else points
    return layers, label


def measure_set(case: Case, seed: int) -> list[float]:
    """Tell which of the tests reject on one data set, and whether the intervals hold 0; of pairs, which share of them.

    Returns
    -------
    list of float
        In the order of ``_TESTS``; NaN for a test over the pairs of two classes.
    """
    from scipy.stats import ttest_1samp

    layers, label = draw_layers(case, seed)
    with warnings.catch_warnings():
        # The simulation includes folds of few samples and pairs at the ceiling, so their warnings are expected.
        warnings.simplefilter("ignore", UserWarning)
        folds = hp.pairwise_hp(layers, label, folds=10, repeats=10, key=seed).hp
        change = folds.sel(layer="second") - folds.sel(layer="first")
        mean, pairs = hp.fold_interval(change.mean("pair")), hp.fold_interval(change)
        single = hp.fold_interval(change.isel(repeat=0).mean("pair"))
    over_pairs = [np.nan, np.nan]
    if case.n_classes > 2:
        whole = hp.pairwise_hp(layers, label).hp
        first, second = whole.sel(layer="first"), whole.sel(layer="second")
        fisher = hp.fisher_permutation(first, second, key=seed, n_permutations=999)
        over_pairs = [float(fisher.pvalue <= 0.05), float(ttest_1samp(second - first, 0).pvalue <= 0.05)]
    rejected = [float((test.pvalue <= 0.05).mean()) for test in (mean, single, pairs)]
    return [*rejected, *over_pairs, *(float(((i.low <= 0) & (i.high >= 0)).mean()) for i in (mean, pairs))]


def measure_sizes(m: int, n: int, d: int, n_sets: int, n_labellings: int = _LABELLINGS) -> list[float]:
    """Measure how often p-values lie at or below 5 % and 1 % under random labels, and how often exact ones do."""
    shares = []
    for seed in range(n_sets):
        rng = np.random.default_rng([seed, m, n, d])
        counts, found, exact = _pvalues_of(rng.normal(size=(m + n, d)), m, n_labellings, rng)
        shares.append([(p[counts] <= level).mean() for p in (found, exact) for level in (0.05, 0.01)])
    return [float(share) for share in np.mean(shares, axis=0)]


def measure_power(shift: float, n_sets: int, n_labellings: int = _LABELLINGS) -> list[float]:
    """Measure how often 20 and 200 samples of 50 features differ at 5 %: by the p-value, and by the exact one."""
    rejected = []
    for seed in range(n_sets):
        rng = np.random.default_rng([seed, 20, 200, 50])
        x = rng.normal(size=(220, 50))
        x[:20, 0] += shift
        _, found, exact = _pvalues_of(x, 20, n_labellings, rng)
        observed = int(hp.hp_statistic(x[:20], x[20:]).cross_edges)
        rejected.append([found[observed] <= 0.05, exact[observed] <= 0.05])
    return [float(share) for share in np.mean(rejected, axis=0)]


def _pvalues_of(x: Any, m: int, n_labellings: int, rng: np.random.Generator) -> tuple[Any, Any, Any]:
    """Draw labellings of one tree: their cross edges, and both p-values of every possible count."""
    from hpfunc._stats.null import enumerated_pvalues, few_labellings, significance
    from hpfunc._tree import GraphOptions, count_pairs, weight_tables

    total, n = len(x), len(x) - m
    starts, pair = np.array([0, m, total]), np.array([[0, 1]])
    [table] = weight_tables(x, starts, pair, GraphOptions())
    chosen = np.zeros((n_labellings, total))
    np.put_along_axis(chosen, rng.random(chosen.shape).argsort(axis=1)[:, :m], 1, axis=1)
    counts = (chosen @ table * (1 - chosen)).sum(axis=1).round().astype(int)
    values = np.arange(total, dtype=float)
    found = significance(values, m, n, count_pairs(x, starts, pair, GraphOptions(), name="x").cross)[1]
    if few_labellings(m, n):
        found = enumerated_pvalues(values, m, n, [table] * total)
    return counts, found, np.cumsum(np.bincount(counts, minlength=total)) / n_labellings


def measure_intervals(
    store: dict[str, Any], n_sets: dict[int, int], rows: int | None, out_of_time: Callable[[], bool], pool: Executor
) -> None:
    """Simulate more data sets for the rows of intervals, a few for each row in turn, until the time is over."""
    wanted = {case: n_sets[case.n_classes] for case in INTERVALS[:rows]}
    done = store.setdefault("intervals", {})
    while not out_of_time():
        missing = {case: n - len(done.get(case.name, [])) for case, n in wanted.items()}
        if max(missing.values()) <= 0:
            break
        # Rows of which the smallest share is complete come first.
        case = max(missing, key=lambda case: missing[case] / wanted[case])
        first = len(done.get(case.name, []))
        seeds = range(first, first + min(missing[case], max(1, wanted[case] // 10)))
        done[case.name] = done.get(case.name, []) + list(pool.map(measure_set, itertools.repeat(case), seeds))


def measure_pvalues(
    store: dict[str, Any], n_sets: int, rows: int | None, out_of_time: Callable[[], bool], pool: Executor
) -> None:
    """Add the rows of p-values that are missing, one for each core at a time, until the time is over."""
    done = store.setdefault("pvalues", {})
    jobs: dict[str, tuple[Any, ...]] = {}
    for m, n, d in PVALUES[:rows]:
        jobs[f"{m}, {n}, {d}"] = (measure_sizes, m, n, d, n_sets)
    for shift in SHIFTS[:rows]:
        jobs[f"power, {shift}"] = (measure_power, shift, 5 * n_sets)
    missing = [name for name in jobs if name not in done]
    while missing and not out_of_time():
        chosen, missing = missing[: cores()], missing[cores() :]
        running = {name: pool.submit(*jobs[name]) for name in chosen}
        for name, result in running.items():
            done[name] = {"trees": jobs[name][-1], "shares": result.result()}


def _workers() -> ProcessPoolExecutor:
    """Start a process for each core, each of which keeps to one core: threads would wait for each other."""
    ours = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    context = get_context("spawn")
    queue = context.Queue()
    for core in ours or range(cores()):
        queue.put(core)
    return ProcessPoolExecutor(cores(), mp_context=context, initializer=_keep_to_a_core, initargs=(queue,))


def _keep_to_a_core(queue: Any) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {queue.get()})


def percent(share: float) -> str:
    return "" if np.isnan(share) else f"{100 * share:.1f}"


def interval_table(done: dict[str, Any]) -> str:
    """Lay out the rows of intervals: sizes or power, coverage, and the Monte Carlo error of the first share."""
    header = ["K", "n x d", "points", "share", "sets", "±", "10 x 10 folds", "10 x 1 folds", "one pair, 10 x 10"]
    header += ["Fisher over pairs", "t over pairs", "coverage, mean", "coverage, one pair"]
    lines = []
    for case in sorted(INTERVALS, key=lambda case: (case.further > 0, case.n_classes, case.points, case.n, case.d)):
        if case.name not in done:
            continue
        shares = np.mean(done[case.name], axis=0)
        power, n_sets = case.further > 0, len(done[case.name])
        if power:
            shares[-2:] = np.nan
        # A share below 5 % gets the standard error of 5 %, because a test of size 5 % can give such a share by chance.
        error = np.sqrt((p := shares[0] if power else max(0.05, shares[0])) * (1 - p) / n_sets)
        share = f"power, {case.further:.0%} further" if power else "size"
        what = [str(case.n_classes), f"{case.n} x {case.d}", case.points, share, str(n_sets), percent(error)]
        lines.append(what + [percent(share) for share in shares])
    return markdown(header, lines)


def pvalue_table(done: dict[str, Any]) -> str:
    """Lay out the sizes of p-values beside those of the exact test, and the Monte Carlo error of 5 %."""
    lines = []
    for m, n, d in PVALUES:
        if row := done.get(f"{m}, {n}, {d}"):
            lines.append([f"{m}, {n}", str(d), *map(percent, row["shares"])])
    return markdown(["m, n", "d", "5 %", "1 %", "exact 5 %", "exact 1 %"], lines)


def power_table(done: dict[str, Any]) -> str:
    """Lay out the power of p-values beside that of the exact test."""
    lines = []
    for shift in SHIFTS:
        if row := done.get(f"power, {shift}"):
            error = np.sqrt(row["shares"][1] * (1 - row["shares"][1]) / row["trees"])
            lines.append([str(shift), str(row["trees"]), percent(error), *map(percent, row["shares"])])
    return markdown(["shift", "sets", "±", "p-value", "exact"], lines)


def broken_bounds(done: dict[str, Any]) -> list[str]:
    """Name the rows whose size, coverage or power is out of bounds by more than two standard errors."""
    broken = []
    for case in INTERVALS:
        if case.name not in done or case.further not in (0, _TYPICAL):
            continue
        shares, n_sets = np.mean(done[case.name], axis=0), len(done[case.name])
        found = dict(zip(_TESTS, shares, strict=True))
        errors = [(name, found[name], _MOST) for name in ("folds", "one pair")]
        errors += [(name, 1 - found[name], 1 - _LEAST) for name in ("covered", "pair covered")]
        if case.further:
            errors = [("folds", 1 - found["folds"], 1 - _POWER)]
        for name, share, bound in errors:
            # Pairs share classes, so all pairs of a data set count as one observation.
            if share > bound + 2 * np.sqrt(bound * (1 - bound) / n_sets):
                broken.append(f"{case.name}: {name} {percent(found[name])} %")
    return broken


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration", description=__doc__.partition("\n")[0])
    parser.add_argument("--sets", type=int, help="data sets for each row of intervals (400, or 120 at K = 10)")
    parser.add_argument("--trees", type=int, default=40, help="trees for each row of p-values (%(default)s)")
    parser.add_argument("--rows", type=int, default=None, help="only so many rows of each table")
    parser.add_argument("--seconds", type=float, default=540, help="stop after about so many seconds (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="continue the rows of this file, and save them")
    options = parser.parse_args(arguments)
    end = time.monotonic() + options.seconds

    def out_of_time() -> bool:
        if options.json:
            options.json.write_text(json.dumps(store) + "\n", encoding="utf-8")
        return time.monotonic() > end

    store = json.loads(options.json.read_text(encoding="utf-8")) if options.json and options.json.exists() else {}
    n_sets = _SETS if options.sets is None else dict.fromkeys(_SETS, options.sets)
    with _workers() as pool:
        measure_pvalues(store, options.trees, options.rows, out_of_time, pool)
        measure_intervals(store, n_sets, options.rows, out_of_time, pool)
    out_of_time()
    for table in (interval_table(store["intervals"]), pvalue_table(store["pvalues"]), power_table(store["pvalues"])):
        print(table, "\n")
    broken = broken_bounds(store["intervals"])
    bounds = f"size at most {_MOST:.0%}, coverage at least {_LEAST:.0%}, power at least {_POWER:.0%}"
    print(f"{bounds}: {'; '.join(broken) or 'kept by every row'}")
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
