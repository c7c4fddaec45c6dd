"""Dots show each pair once, and a single pair is a value and no histogram."""

from __future__ import annotations

import numpy as np
import pytest

from hpfunc.plot import plot_distributions
from tests.artists import bands, data_lines, legend_texts, outlines, sweep_like


def dots(axes) -> list[tuple[float, float]]:
    """List the places of all dots."""
    return [
        (float(x), float(y))
        for line in data_lines(axes)
        if line.get_linestyle() == "None"
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    ]


@pytest.mark.parametrize("classes", [2, 3, 5, 12])
def test_every_pair_is_a_dot_in_the_slot_of_its_layer(classes):
    runs = sweep_like(classes=classes)
    axes = plot_distributions(runs, kind="dots")
    found = dots(axes)
    assert len(found) == runs.hp.size
    for i in range(runs.sizes["layer"]):
        drawn = sorted(y for x, y in found if i - 0.5 < x < i + 0.5)
        assert drawn == sorted(runs.hp.isel(layer=i).values.ravel().tolist())
    assert [t.get_text() for t in axes.get_xticklabels()] == runs.layer.values.tolist()
    assert legend_texts(axes.get_legend()) == ["checkpoint 0", "checkpoint 3", "train", "test"]
    assert bool(bands(axes)) == (classes > 3)


def test_density_is_highest_where_values_crowd():
    hp = sweep_like(classes=8, splits=1, checkpoints=1, layers=1).hp
    crowd = np.concatenate([np.full(20, 0.9) + np.linspace(-0.01, 0.01, 20), np.linspace(0.1, 0.3, 8)])
    axes = plot_distributions(hp.copy(data=crowd.reshape(hp.shape)), kind="dots")
    density = next(line for line in data_lines(axes) if line.get_linestyle() == "-")
    assert density.get_ydata()[np.argmax(density.get_xdata())] == pytest.approx(0.9, abs=0.05)


def test_one_pair_is_a_value():
    runs = sweep_like(classes=2)
    axes = plot_distributions(runs)
    assert not axes.patches
    assert len(dots(axes)) == runs.hp.size
    assert axes.get_ylabel().split("\n")[-1] == "1 pair"
    single = plot_distributions(runs.isel(layer=0))
    assert len(dots(single)) == 4
    grid = plot_distributions(runs, by_layer=True)
    for i, panel in enumerate(grid.axes):
        assert not outlines(panel)
        drawn = sorted(float(line.get_xdata()[0]) for line in panel.lines)
        np.testing.assert_allclose(drawn, np.sort(runs.hp.isel(layer=i).values.ravel()))


def test_dots_leave_out_nan_and_say_so():
    runs = sweep_like()
    runs["hp"] = runs.hp.where(runs.hp > 0.5)
    axes = plot_distributions(runs, kind="dots")
    assert len(dots(axes)) == int(runs.hp.notnull().sum())
    assert legend_texts(axes.get_legend())[-1].endswith("values are NaN: left out")
    with pytest.raises(ValueError, match="choose one of 'histogram', 'dots'"):
        plot_distributions(runs, kind="violin")


def test_many_layers_have_dots_alone():
    """A density that is narrower than a dot would look like a bar."""
    runs = sweep_like(layers=30, classes=6)
    axes = plot_distributions(runs, kind="dots")
    assert bands(axes) == []
    assert {line.get_linestyle() for line in data_lines(axes)} == {"None"}
    assert len(dots(axes)) == runs.hp.size


@pytest.mark.parametrize("classes", [2, 6])
def test_the_legend_shows_the_dots_of_each_split(classes):
    axes = plot_distributions(sweep_like(classes=classes), kind="dots")
    handles = dict(zip(legend_texts(axes.get_legend()), axes.get_legend().legend_handles, strict=True))
    assert handles["test"].get_markerfacecolor() == "none" != handles["train"].get_markerfacecolor()
    # A line stands for a density, which a single pair does not have.
    assert (handles["test"].get_linestyle() == "None") == (classes == 2)
    assert handles["checkpoint 0"].get_linestyle() == "None"
