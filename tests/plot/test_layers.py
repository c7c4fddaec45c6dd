"""Lines by layer are means, bands are quantiles, and names are legible."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpfunc.plot import plot_layers
from tests.artists import bands, data_lines, legend_texts, sweep_like


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 4), st.integers(1, 2), st.integers(1, 6), st.integers(2, 6), st.integers(0, 99))
def test_lines_are_means_and_bands_reach_the_extremes(c, s, n_layers, k, seed):
    runs = sweep_like(c, s, n_layers, k, seed)
    axes = plot_layers(runs, spread=(0, 1))
    lines = data_lines(axes)
    values = runs.hp.values.reshape(c * s, n_layers, -1)
    assert len(lines) == c * s
    for line, expected in zip(lines, values, strict=True):
        np.testing.assert_allclose(line.get_ydata(), expected.mean(-1))
    low, high = axes.get_ylim()
    has_band = [i for i in range(c) if c <= 3 or i in (0, c - 1)]
    shown = runs.hp.values[has_band]
    assert low <= shown.min()
    assert high >= shown.max()
    # A single pair has no spread.
    if n_layers > 1:
        assert len(bands(axes)) == len(has_band) * s * (k > 2)
    assert [t.get_text() for t in axes.get_xticklabels()] == runs.layer.values.tolist()


def test_bands_are_the_quantiles_that_the_legend_names():
    runs = sweep_like(classes=10).sel(split="train")
    axes = plot_layers(runs)
    for band, c in zip(bands(axes), range(2), strict=True):
        low, high = np.quantile(runs.hp.isel(checkpoint=c).values, [0.1, 0.9], axis=-1)
        drawn = band.get_paths()[0].vertices
        for x in range(3):
            column = drawn[drawn[:, 0] == x, 1]
            np.testing.assert_allclose([column.min(), column.max()], [low[x], high[x]])
    assert legend_texts(axes.get_legend())[-1] == "spread: 10 % to 90 % of the pairs"
    assert legend_texts(plot_layers(runs, spread=(0, 1)).get_legend())[-1] == "smallest to largest pair"
    bare = plot_layers(runs, spread=None)
    assert legend_texts(bare.get_legend()) == ["checkpoint 0", "checkpoint 3"]
    assert bands(bare) == []


def test_many_checkpoints_have_bands_at_the_ends_only_and_the_legend_says_so():
    axes = plot_layers(sweep_like(checkpoints=5, splits=1))
    assert len(data_lines(axes)) == 5
    assert len(bands(axes)) == 2
    assert legend_texts(axes.get_legend())[-1].endswith("first and last only")


def test_training_is_solid_and_test_dashed():
    for runs in (sweep_like(), sweep_like().isel(split=[1, 0])):
        axes = plot_layers(runs)
        solid = [line for line in data_lines(axes) if line.get_linestyle() == "-"]
        means = runs.hp.sel(split="train").mean("pair").values
        np.testing.assert_allclose([line.get_ydata() for line in solid], means)
        assert {line.get_linestyle() for line in data_lines(axes)} == {"-", "--"}
    assert axes.get_ylabel() == "Henze-Penrose statistic\nmean over 10 pairs"


@pytest.mark.parametrize("n_layers", [1, 2, 12, 60, 400])
def test_layer_names_do_not_overlap(n_layers):
    runs = sweep_like(layers=n_layers, splits=1)
    runs = runs.assign_coords(layer=[f"encoder.layers.{i}.self_attn[0]" for i in range(n_layers)])
    axes = plot_layers(runs)
    axes.figure.draw_without_rendering()
    labels = [label for label in axes.get_xticklabels() if label.get_text()]
    assert all(label.get_fontsize() >= 5 for label in labels)
    assert len(labels) == n_layers or n_layers > 60
    if labels[0].get_rotation() != 45:
        extents = [label.get_window_extent() for label in labels]
        assert all(a.x1 <= b.x0 for a, b in itertools.pairwise(extents))
    else:
        # Turned by 45 degrees, lines of text are apart if the ticks are by the height of a line.
        ticks = axes.transData.transform([(x, 0) for x in axes.get_xticks()])[:, 0]
        points = np.diff(ticks) * 72 / axes.figure.dpi
        assert np.all(points / math.sqrt(2) > labels[0].get_fontsize())


def test_long_names_stay_apart_when_they_are_cut():
    ends_differ = ["a" * 40 + str(i) for i in range(3)]
    axes = plot_layers(sweep_like().assign_coords(layer=ends_differ))
    cut = [t.get_text() for t in axes.get_xticklabels()]
    assert len(set(cut)) == 3
    assert max(map(len, cut)) == 24
    starts_differ = [str(i) + "a" * 40 for i in range(3)]
    axes = plot_layers(sweep_like().assign_coords(layer=starts_differ))
    assert [t.get_text() for t in axes.get_xticklabels()] == starts_differ


def test_results_of_one_array_are_refused_with_what_to_measure():
    results = sweep_like(1, 1, 1, 3, 0).isel(checkpoint=0, split=0, layer=0, drop=True)
    with pytest.raises(ValueError, match=r"needs \['layer'\] as well; measure a mapping of names to arrays"):
        plot_layers(results)
