"""The highest HP that so many samples allow is marked where many pairs reach it, and only where it is known."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from hpfunc.plot import plot_distributions, plot_layers
from tests.artists import legend_texts, sweep_like

N = 20
WORDS = "highest possible HP"


def counted(share: float, n_a: int | np.ndarray = N, n_b: int = N, *, checkpoints: int = 2) -> xr.Dataset:
    """Make results with counts, in whose last layer a share of the pairs has a single cross edge."""
    runs = sweep_like(classes=5, checkpoints=checkpoints)
    cross = xr.full_like(runs.hp, 9.0)
    cross[:, :, -1, : round(10 * share)] = 1.0
    sizes = {"n_a": xr.zeros_like(cross, int) + n_a, "n_b": xr.full_like(cross, n_b, int)}
    hp = 1 - cross * (sizes["n_a"] + sizes["n_b"]) / (2 * sizes["n_a"] * sizes["n_b"])
    return runs.assign(hp=hp.assign_attrs(runs.hp.attrs), cross_edges=cross, **sizes).assign_attrs(graph="mst")


def marks(axes, which: str = "y") -> list[float]:
    """List where the dotted lines are that cross the whole axes."""
    at = (lambda line: line.get_ydata()) if which == "y" else (lambda line: line.get_xdata())
    across = (lambda line: line.get_xdata()) if which == "y" else (lambda line: line.get_ydata())
    return [float(at(line)[0]) for line in axes.lines if list(across(line)) == [0, 1]]


def test_the_mark_stands_at_the_highest_value_and_the_legend_names_it():
    runs = counted(0.3)
    assert runs.hp.max() == pytest.approx(1 - 1 / N)
    for axes, which in (
        (plot_layers(runs), "y"),
        (plot_distributions(runs, kind="dots"), "y"),
        (plot_distributions(runs), "x"),
    ):
        assert marks(axes, which) == pytest.approx([1 - 1 / N])
        assert WORDS in legend_texts(axes.get_legend())
        low, high = axes.get_ylim() if which == "y" else axes.get_xlim()
        assert low < 1 - 1 / N < high
    assert marks(plot_layers(runs, scale="log")) == pytest.approx([1 / N])
    assert marks(plot_distributions(runs, scale="log"), "x") == pytest.approx([1 / N])
    grid = plot_distributions(runs, by_layer=True)
    assert [marks(panel, "x") for panel in grid.axes] == [pytest.approx([1 - 1 / N])] * 3
    assert WORDS in legend_texts(grid.legends[0])
    alone = plot_layers(runs.isel(checkpoint=0, split=0))
    assert alone.get_legend() is None
    assert WORDS in " ".join(alone.get_ylabel().split())


def test_unequal_classes_have_the_mean_of_their_ceilings():
    sizes = np.array([10, 20, 40, 80, 160] * 2)
    runs = counted(0.5, sizes)
    expected = 1 - ((sizes + N) / (2 * sizes * N)).mean()
    assert marks(plot_layers(runs)) == pytest.approx([expected])
    # A histogram shows pairs, each with a ceiling of its own: five are too many to mark.
    assert marks(plot_distributions(runs), "x") == []
    two = counted(0.5, np.array([10, 20] * 5))
    assert marks(plot_distributions(two), "x") == pytest.approx([1 - 30 / 400, 1 - 1 / 20])


def test_there_is_no_mark_where_few_pairs_reach_the_ceiling_or_it_is_not_known():
    runs = counted(0.3)
    unknown = [
        counted(0.0),
        runs.hp,
        runs.drop_vars("n_a"),
        runs.assign_attrs(graph="knn"),
        runs.assign(hp=runs.hp.assign_attrs(estimator="u")),
    ]
    for results in unknown:
        assert marks(plot_layers(results)) == []
        assert WORDS not in legend_texts(plot_layers(results).get_legend())
        assert marks(plot_distributions(results), "x") == []


def test_the_mark_keeps_clear_of_the_frame():
    runs = counted(0.3)
    runs["hp"][:] = np.linspace(0.5, 0.93, runs.sizes["layer"])[:, None]  # the frame would be close to 0.95
    for axes in (plot_layers(runs, spread=None), plot_distributions(runs, kind="dots")):
        [mark], (low, high) = marks(axes), axes.get_ylim()
        assert high - mark > 0.03 * (high - low)
