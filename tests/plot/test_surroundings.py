"""Pictures depend on their arguments alone: not on the order of epochs, NumPy's error state or other settings."""

from __future__ import annotations

import io
import itertools
import warnings

import numpy as np
import pytest
import xarray as xr
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure

from hpfunc.permutation import fisher_permutation
from hpfunc.plot import (
    plot_distributions,
    plot_fisher,
    plot_intervals,
    plot_layers,
    plot_pairs,
    plot_pca,
    plot_trajectory,
)
from tests.artists import data_lines, legend_texts, projection, sweep_like


def runs(order) -> xr.Dataset:
    """Make results whose checkpoints stand in some order."""
    return sweep_like(checkpoints=4).isel(checkpoint=order)


def differences(order) -> xr.Dataset:
    """Make intervals of checkpoints in some order."""
    estimate = runs(order).hp.mean("pair").rename("estimate")
    return xr.Dataset({"estimate": estimate, "low": estimate - 0.1, "high": estimate + 0.1})


def results_of_tests(order) -> xr.Dataset:
    """Make tests of checkpoints in some order."""
    values = runs(order).hp
    return fisher_permutation(
        values.isel(layer=0, drop=True), values.isel(layer=1, drop=True), key=0, n_permutations=999
    )


DRAWN_BY_CHECKPOINT = {
    "layers": lambda order: plot_layers(runs(order)),
    "trajectory": lambda order: plot_trajectory(runs(order)),
    "distributions": lambda order: plot_distributions(runs(order)),
    "dots": lambda order: plot_distributions(runs(order), kind="dots"),
    "grid": lambda order: plot_distributions(runs(order), by_layer=True),
    "pairs": lambda order: plot_pairs(runs(order).isel(split=0, layer=0)),
    "intervals": lambda order: plot_intervals(differences(order)),
    "fisher": lambda order: plot_fisher(results_of_tests(order)),
}


def pixels(picture) -> bytes:
    """Draw a picture."""
    written = io.BytesIO()
    (picture if isinstance(picture, Figure) else picture.figure).savefig(
        written, format="png", metadata={"Software": None}
    )
    return written.getvalue()


@pytest.mark.parametrize("name", DRAWN_BY_CHECKPOINT)
def test_the_order_in_which_epochs_were_given_does_not_matter(name):
    draw = DRAWN_BY_CHECKPOINT[name]
    assert pixels(draw([0, 1, 2, 3])) == pixels(draw([2, 0, 3, 1]))


def test_checkpoints_that_are_words_keep_their_order():
    words = sweep_like(checkpoints=3).assign_coords(checkpoint=["start", "a", "10"])
    assert legend_texts(plot_layers(words).get_legend())[:3] == ["checkpoint start", "checkpoint a", "checkpoint 10"]
    assert [t.get_text() for t in plot_trajectory(words).get_xticklabels()] == ["start", "a", "10"]
    grid = plot_pairs(words.isel(split=0, layer=0))
    assert [axes.get_title() for axes in grid.axes[:3]] == ["checkpoint start", "checkpoint a", "checkpoint 10"]


HOLES = sweep_like().hp.where(sweep_like().layer != "block.1.conv")
ONES = sweep_like().hp.copy(data=np.ones(sweep_like().hp.shape))
PICTURES = {
    "layers": lambda: plot_layers(HOLES, scale="log"),
    "trajectory": lambda: plot_trajectory(HOLES, scale="log"),
    "folds": lambda: plot_layers(HOLES.expand_dims(fold=3)),
    "distributions": lambda: plot_distributions(ONES, scale="log"),
    "dots": lambda: plot_distributions(HOLES, kind="dots", scale="log"),
    "pairs": lambda: plot_pairs(HOLES.isel(checkpoint=0, split=0, layer=0), scale="log"),
    "pca": lambda: plot_pca(projection([0, 1])),
    "fisher": lambda: plot_fisher(xr.DataArray([1e-300, 0.0], dims="layer", coords={"layer": ["a", "b"]})),
}


@pytest.mark.parametrize("name", PICTURES)
def test_numpys_error_state_and_strict_warnings_do_not_matter(name):
    usual = pixels(PICTURES[name]())
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = PICTURES[name]()
    assert pixels(picture) == usual
    with xr.set_options(keep_attrs=False, arithmetic_join="exact"):
        assert pixels(PICTURES[name]()) == usual


@pytest.mark.parametrize("name", DRAWN_BY_CHECKPOINT)
def test_no_picture_is_wider_than_a_page(name):
    picture = DRAWN_BY_CHECKPOINT[name]([0, 1, 2, 3])
    assert (picture if isinstance(picture, Figure) else picture.figure).get_size_inches()[0] <= 6.5


WITH_SIZE = {
    "layers": (plot_layers, sweep_like()),
    "trajectory": (plot_trajectory, sweep_like()),
    "distributions": (plot_distributions, sweep_like()),
    "pairs": (plot_pairs, sweep_like().isel(checkpoint=0, split=0, layer=0)),
    "pca": (plot_pca, projection([0, 1])),
    "fisher": (plot_fisher, xr.DataArray([0.2, 0.01], dims="layer", coords={"layer": ["a", "b"]}, name="pvalue")),
    "intervals": (plot_intervals, differences([0, 1])),
}


@pytest.mark.parametrize("name", WITH_SIZE)
def test_title_and_size_are_the_users(name):
    plot, results = WITH_SIZE[name]
    axes = plot(results, title="My title", figsize=(3.4, 2.8))
    assert axes.get_title() == "My title"
    assert axes.figure.get_size_inches().tolist() == [3.4, 2.8]
    axes.figure.draw_without_rendering()
    # In a column, nothing leaves the picture, and the axes keep a good part of it.
    inside, whole = axes.get_tightbbox(), axes.figure.bbox
    assert inside.x0 >= -1
    assert inside.y0 >= -1
    assert inside.x1 <= whole.x1 + 1
    assert inside.y1 <= whole.y1 + 1
    assert axes.get_window_extent().height > 0.25 * whole.height
    for wrong in [(3.4,), "wide", (0, 2), (3.4, None)]:
        with pytest.raises(ValueError, match="not a width and a height in inches"):
            plot(results, figsize=wrong)
    with pytest.raises(ValueError, match="is the size of a new figure"):
        plot(results, figsize=(3, 3), ax=Figure().subplots())


@pytest.mark.parametrize("n_layers", [11, 61])
def test_neighbouring_layers_can_be_told_apart(n_layers):
    axes = plot_trajectory(sweep_like(layers=n_layers, splits=1))
    marked = [line for line in data_lines(axes) if line.get_marker() not in ("", "None")]
    looks = [(line.get_marker(), line.get_markerfacecolor() == "white", line.get_color()) for line in marked]
    for before, after in itertools.pairwise(looks):
        assert before[0] != after[0]
    assert len(marked) == (11 if n_layers == 11 else 8)
    names = legend_texts(axes.get_legend())
    assert names[: len(marked)][0] == "block.0.conv"
    assert names[len(marked) - 1] == f"block.{n_layers - 1}.conv"
    assert (f"thin: the other {n_layers - 8} layers" in names) == (n_layers == 61)


def test_no_line_joins_p_values():
    axes = plot_fisher(results_of_tests([0, 1, 2]))
    drawn = [line for line in axes.lines if len(line.get_xdata()) > 2]
    assert drawn
    assert all(line.get_linestyle() == "None" for line in drawn)
    assert not [c for c in axes.collections if isinstance(c, (LineCollection, PathCollection))]
