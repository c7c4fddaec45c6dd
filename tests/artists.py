"""Make results to draw, and find the artists of a picture by kind."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.patches import StepPatch

from hpfunc.results import label_pairs

ATTRS = {"long_name": "Henze-Penrose statistic", "units": "1"}


def sweep_like(checkpoints: int = 2, splits: int = 2, layers: int = 3, classes: int = 5, seed: int = 0) -> xr.Dataset:
    """Make results as a sweep returns them, with HP in steps of 1/40, as counts of edges make it."""
    pairs = list(itertools.combinations(range(classes), 2))
    shape = (checkpoints, splits, layers, len(pairs))
    hp = np.random.default_rng(seed).integers(0, 41, shape) / 40
    values = xr.DataArray(
        hp,
        dims=("checkpoint", "split", "layer", "pair"),
        coords={
            "checkpoint": [3 * c for c in range(checkpoints)],
            "split": ["train", "test", "other"][:splits],
            "layer": [f"block.{i}.conv" for i in range(layers)],
            "class_a": ("pair", [a for a, _ in pairs]),
            "class_b": ("pair", [b for _, b in pairs]),
        },
        attrs=ATTRS,
    )
    return label_pairs(xr.Dataset({"hp": values}))


def outlines(axes: Axes) -> list[StepPatch]:
    """List the outlines of histograms."""
    return [p for p in axes.patches if isinstance(p, StepPatch) and not p.get_fill()]


def fills(axes: Axes) -> list[StepPatch]:
    """List the filled histograms."""
    return [p for p in axes.patches if isinstance(p, StepPatch) and p.get_fill()]


def bands(axes: Axes) -> list[PolyCollection]:
    """List the shaded bands."""
    return [c for c in axes.collections if isinstance(c, PolyCollection)]


def legend_texts(legend: Any) -> list[str]:
    """List the entries of a legend, each on one line."""
    return [text.get_text().replace("\n", " ") for text in legend.get_texts()]


def data_lines(axes: Axes) -> list[Any]:
    """List the lines that are drawn in the coordinates of the data."""
    return [line for line in axes.lines if len(line.get_xdata()) and line.get_transform() == axes.transData]


def projection(classes: list[Any], each: int = 4) -> xr.Dataset:
    """Make what `pca2d` returns for some samples of each class."""
    rng = np.random.default_rng(0)
    return xr.Dataset(
        {
            "scores": (("sample", "component"), rng.normal(size=(each * len(classes), 2))),
            "explained_variance_ratio": ("component", np.array([0.5, 0.125])),
        },
        coords={"label": ("sample", np.tile(classes, each))},
    )
