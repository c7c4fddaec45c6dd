"""On a logarithmic axis stands the overlap 1 - HP, and values that it cannot show stand at its edge."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from hpfunc._plot.parts.scale import HpScale
from hpfunc.plot import plot_distributions, plot_layers, plot_pairs, plot_trajectory
from tests.artists import bands, data_lines, outlines, sweep_like


@pytest.mark.parametrize("plot", [plot_layers, plot_trajectory])
def test_lines_are_overlaps_with_small_ones_at_the_top(plot):
    runs = sweep_like().isel(split=[0]).assign(hp=lambda r: 0.9 + r.hp / 11)
    linear, log = plot(runs, scale="linear"), plot(runs, scale="log")
    for line, overlap in zip(data_lines(linear), data_lines(log), strict=True):
        np.testing.assert_allclose(overlap.get_ydata(), 1 - np.asarray(line.get_ydata()))
    assert (linear.get_yscale(), log.get_yscale()) == ("linear", "log")
    bottom, top = log.get_ylim()
    assert bottom > top > 0
    assert log.get_ylabel().replace("\n", " ").startswith("overlap: 1 − Henze-Penrose statistic")


def test_an_overlap_of_zero_stands_at_the_edge_and_all_others_inside():
    hp = xr.DataArray([[1.0, 1.0], [0.9, 0.9], [0.96, 0.96]], dims=("layer", "pair"), coords={"layer": list("abc")})
    axes = plot_layers(hp, scale="log")
    edge = axes.get_ylim()[1]
    np.testing.assert_allclose(data_lines(axes)[0].get_ydata(), [edge, 0.1, 0.04])
    assert edge == pytest.approx(0.02)
    assert plot_layers(hp * 0 + 1, scale="log").get_ylim()[1] > 0


@given(st.lists(st.floats(-0.5, 1), min_size=1, max_size=20))
def test_scale_keeps_the_order_and_stays_positive(values):
    scale = HpScale("log", [np.array(values)])
    shown = scale(np.sort(values))
    assert np.all(shown > 0)
    assert np.all(np.diff(shown) <= 0)
    assert np.isnan(scale(np.array([np.nan]))).all()
    np.testing.assert_array_equal(HpScale("linear", [np.array(values)])(values), values)


@settings(max_examples=20, deadline=None)
@given(st.integers(3, 7), st.integers(0, 99))
def test_histogram_of_overlaps_counts_every_value_once(classes, seed):
    runs = sweep_like(classes=classes, seed=seed)
    axes = plot_distributions(runs, scale="log")
    assert sum(p.get_data().values.sum() for p in outlines(axes)) == runs.hp.size
    right, left = axes.get_xlim()[1], axes.get_xlim()[0]
    assert left > right > 0


def test_table_of_overlaps_colours_what_it_writes():
    hp = sweep_like(classes=5).hp.isel(checkpoint=1, split=0, layer=2) * 0.9
    axes = plot_pairs(hp, scale="log")
    table = np.ma.filled(axes.images[0].get_array(), np.nan)
    square = 1 - plot_pairs(hp).images[0].get_array()
    np.testing.assert_allclose(table, np.ma.filled(square, np.nan))
    assert sorted(float(t.get_text()) for t in axes.texts) == pytest.approx(
        sorted(float(f"{v:.2g}") for v in np.repeat(1 - hp.values, 2))
    )


@pytest.mark.parametrize("plot", [plot_distributions, plot_layers, plot_trajectory])
def test_an_unknown_scale_is_refused(plot):
    with pytest.raises(ValueError, match="choose one of 'linear', 'log'"):
        plot(sweep_like(), scale="logit")
    with pytest.raises(ValueError, match="choose one of 'linear', 'log'"):
        plot_pairs(sweep_like()[{"checkpoint": 0, "split": 0, "layer": 0}], scale="logit")


def test_spread_reaches_the_same_pairs_on_both_axes():
    runs = sweep_like(splits=1, checkpoints=1).assign(hp=lambda r: 0.5 + r.hp / 2.1)
    corners = bands(plot_layers(runs, spread=(0, 1), scale="log"))[0].get_paths()[0].vertices[:, 1]
    assert corners.min() == pytest.approx(1 - float(runs.hp.max()))
    assert corners.max() == pytest.approx(1 - float(runs.hp.min()))
