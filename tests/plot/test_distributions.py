"""Histograms count each value once, with the bins, colours and words that they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from hpfunc.plot import plot_distributions
from tests.artists import fills, legend_texts, outlines, sweep_like


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 5), st.integers(1, 3), st.integers(1, 4), st.integers(3, 6), st.integers(0, 99))
def test_every_value_is_counted_once_in_the_histogram_of_its_checkpoint_and_split(c, s, n_layers, k, seed):
    runs = sweep_like(c, s, n_layers, k, seed)
    axes = plot_distributions(runs)
    drawn = outlines(axes)
    assert len(drawn) == c * s
    edges = drawn[0].get_data().edges
    expected = []
    for checkpoint in runs.checkpoint.values:
        for split in runs.split.values:
            counts = [0] * (len(edges) - 1)
            for value in runs.hp.sel(checkpoint=checkpoint, split=split).values.ravel().tolist():
                # Forty times a value is an integer, so that this comparison knows no rounding.
                inside = [i for i in range(len(counts)) if round(40 * edges[i], 6) <= round(40 * value)]
                counts[inside[-1]] += 1
            expected.append(tuple(counts))
    assert sorted(tuple(p.get_data().values) for p in drawn) == sorted(expected)
    for patch in axes.patches:
        np.testing.assert_array_equal(patch.get_data().edges, edges)
    low, high = axes.get_ylim()
    assert low == 0
    assert high >= max(max(counts) for counts in expected)


def test_distributions_fill_the_training_split_wherever_it_stands():
    runs = sweep_like().isel(split=[1, 0])
    axes = plot_distributions(runs)
    filled = {to_rgb(p.get_facecolor()[:3]) for p in fills(axes)}
    assert len(fills(axes)) == len(filled) == 2
    counts = {tuple(p.get_data().values) for p in fills(axes)}
    edges = fills(axes)[0].get_data().edges
    train = runs.hp.sel(split="train")
    assert counts == {tuple(np.histogram(train.isel(checkpoint=c), edges)[0]) for c in range(2)}
    solid = [p for p in outlines(axes) if p.get_linestyle() == "-"]
    assert {tuple(p.get_data().values) for p in solid} == counts


def test_distributions_say_what_they_show():
    axes = plot_distributions(sweep_like())
    assert axes.get_xlabel() == "Henze-Penrose statistic"
    assert axes.get_ylabel() == "number of pairs, all 3 layers"
    assert legend_texts(axes.get_legend()) == ["checkpoint 0", "checkpoint 3", "train", "test"]
    selected = plot_distributions(sweep_like().sel(checkpoint=3, split="test", layer="block.1.conv"))
    assert selected.get_title() == "checkpoint = 3, split = test, layer = block.1.conv"
    assert selected.get_ylabel() == "number of pairs"
    assert selected.get_legend() is None


def test_units_stand_in_the_label_unless_they_are_one():
    hp = sweep_like().hp.assign_attrs(units="bit")
    assert plot_distributions(hp).get_xlabel() == "Henze-Penrose statistic [bit]"


def test_distributions_leave_out_nan_and_say_so():
    runs = sweep_like()
    runs["hp"] = runs.hp.where(runs.hp > 0.5)
    missing = int(runs.hp.isnull().sum())
    axes = plot_distributions(runs)
    assert sum(p.get_data().values.sum() for p in outlines(axes)) == runs.hp.size - missing > 0
    assert legend_texts(axes.get_legend())[-1] == f"{missing} of {runs.hp.size} values are NaN: left out"


@pytest.mark.parametrize("n_layers", [1, 2, 7, 12, 60])
def test_grid_has_one_panel_for_each_layer_in_execution_order(n_layers):
    runs = sweep_like(layers=n_layers)
    figure = plot_distributions(runs, by_layer=True)
    assert isinstance(figure, Figure)
    assert [axes.get_title() for axes in figure.axes] == runs.layer.values.tolist()
    assert len({axes.get_ylim() for axes in figure.axes}) == len({axes.get_xlim() for axes in figure.axes}) == 1
    for layer, axes in zip(runs.layer.values, figure.axes, strict=True):
        values = runs.hp.sel(layer=layer)
        edges = outlines(axes)[0].get_data().edges
        expected = {tuple(np.histogram(values.isel(checkpoint=c, split=s), edges)[0]) for c in (0, 1) for s in (0, 1)}
        assert {tuple(p.get_data().values) for p in outlines(axes)} == expected
        assert axes.get_ylim()[1] >= max(map(max, expected))
    assert legend_texts(figure.legends[0]) == ["checkpoint 0", "checkpoint 3", "train", "test"]


def test_every_column_of_a_grid_has_tick_labels_below_it():
    figure = plot_distributions(sweep_like(layers=7), by_layer=True)
    figure.draw_without_rendering()
    lowest: dict[float, Axes] = {}
    for axes in figure.axes:
        x, y = axes.get_position().x0, axes.get_position().y0
        at = next((known for known in lowest if math.isclose(known, x, abs_tol=1e-3)), x)
        lowest[at] = min(lowest.get(at, axes), axes, key=lambda a: a.get_position().y0)
        assert y >= 0
    for axes in lowest.values():
        assert any(label.get_visible() and label.get_text() for label in axes.get_xticklabels())


def test_own_bins_are_used():
    axes = plot_distributions(sweep_like(), bins=[0, 0.5, 1])
    assert outlines(axes)[0].get_data().edges.tolist() == [0, 0.5, 1]
    assert len(outlines(plot_distributions(sweep_like(), bins=7))[0].get_data().values) == 7


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0, -0.5])
def test_equal_values_fill_one_bin(value):
    runs = sweep_like()
    axes = plot_distributions(runs.hp * 0 + value)
    for patch in outlines(axes):
        counts, edges, _ = patch.get_data()
        assert counts.sum() == counts.max() == 30
        assert edges[0] <= value <= edges[-1]


def test_the_legend_of_a_grid_fits_the_figure():
    runs = sweep_like(classes=5)
    folded = runs.expand_dims(fold=3).copy(deep=True)
    folded["hp"] = folded.hp + np.array([0, 0.01, 0.02])[:, None, None, None, None]
    figure = plot_distributions(folded, by_layer=True)
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width


def test_the_title_of_a_grid_lies_on_nothing():
    figure = plot_distributions(sweep_like().isel(split=1), by_layer=True)
    figure.draw_without_rendering()
    [legend] = figure.legends
    title, entries = legend.get_title(), legend.get_texts()
    assert title.get_text() == "split = test"
    assert figure.get_suptitle() == ""
    assert not any(title.get_window_extent().overlaps(entry.get_window_extent()) for entry in entries)
    alone = plot_distributions(sweep_like().isel(split=1, checkpoint=1), by_layer=True)
    assert (alone.legends, alone.get_suptitle()) == ([], "checkpoint = 3, split = test")
