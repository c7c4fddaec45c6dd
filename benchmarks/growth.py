"""Measure how time grows with the numbers of classes, samples and features."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import hpfunc as hp
from benchmarks.machine import when
from benchmarks.measure import Work, interleaved, median, other_work, product
from benchmarks.points import around_means, labels_of

# Of each axis: what is held, and the values. The smallest are such that fixed costs no longer dominate.
_AXES: dict[str, dict[str, tuple[dict[str, int], list[int]]]] = {
    "tiny": {
        "n_samples": ({"n_classes": 3, "n_features": 8}, [10, 20]),
        "n_classes": ({"n_samples": 10, "n_features": 8}, [3, 6]),
        "n_features": ({"n_classes": 3, "n_samples": 10}, [8, 16]),
    },
    "standard": {
        "n_samples": ({"n_classes": 10, "n_features": 512}, [125, 250, 500, 1000, 2000]),
        "n_classes": ({"n_samples": 200, "n_features": 512}, [8, 16, 32, 64, 128]),
        "n_features": ({"n_classes": 10, "n_samples": 500}, [64, 256, 1024, 4096, 16384]),
    },
}
_LABELS = {"n_classes": "classes K", "n_samples": "samples of each class n", "n_features": "features d"}


def measure_growth(size: str, repeat: int) -> dict[str, Any]:
    """Measure the median seconds along each axis, and fit a power to them; return both."""
    hp.pairwise_hp(around_means(2, 20, 8), labels_of(2, 20))
    others_busy, axes = other_work(), {}
    for axis, (held, values) in _AXES["tiny" if size == "tiny" else "standard"].items():
        seconds: dict[str, list[float]] = {"ours": [], "product": []}
        for value in values:
            shape = {**held, axis: value}
            x = around_means(**shape)
            labels = labels_of(shape["n_classes"], shape["n_samples"])
            works: dict[str, Work] = {"ours": partial(hp.pairwise_hp, x, labels), "product": product(x)}
            for name, times in interleaved(works, repeat).items():
                seconds[name].append(median(times))
        axes[axis] = {
            "held": held,
            "values": values,
            "seconds": seconds,
            "exponents": {name: exponent(values, times) for name, times in seconds.items()},
        }
    return {"repeat": repeat, "axes": axes, "others_busy_cores": others_busy(), **when()}


def exponent(values: list[int], seconds: list[float]) -> float:
    """Fit a line on logarithmic axes and return its slope."""
    return float(np.polyfit(np.log(values), np.log(seconds), 1)[0])


def draw_growth(growth: dict[str, Any], path: Path) -> None:
    """Draw the times on logarithmic axes, with one panel for each number that grows, and save the picture."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.6), layout="constrained")
    panels = figure.subplots(1, len(growth["axes"]), sharey=True)
    for panel, (axis, found) in zip(panels, growth["axes"].items(), strict=True):
        for name, style in (("ours", "o-"), ("product", "s--")):
            label = f"{'pairwise_hp' if name == 'ours' else 'one product'}: power {found['exponents'][name]:.2f}"
            panel.loglog(found["values"], found["seconds"][name], style, label=label)
        held = ", ".join(f"{_LABELS[other].split()[-1]} = {value:,}" for other, value in found["held"].items())
        panel.set(xlabel=_LABELS[axis], title=held)
        panel.set_xticks(found["values"], [f"{value:,}" for value in found["values"]])
        panel.set_xticks([], minor=True)
        panel.grid(alpha=0.3)
        panel.legend(fontsize="small")
    panels[0].set_ylabel("seconds")
    figure.savefig(path, dpi=100)


def growth_table(growth: dict[str, Any]) -> str:
    """Write the exponents as a Markdown table."""
    lines = ["| grows | held | pairwise_hp | one product |", "| --- | --- | --- | --- |"]
    for axis, found in growth["axes"].items():
        held = ", ".join(f"{_LABELS[other].split()[-1]} = {value:,}" for other, value in found["held"].items())
        ours, yardstick = (found["exponents"][name] for name in ("ours", "product"))
        values = found["values"]
        lines.append(f"| {_LABELS[axis]}, {values[0]:,} to {values[-1]:,} | {held} | {ours:.2f} | {yardstick:.2f} |")
    return "\n".join(lines)
