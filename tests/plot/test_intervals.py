"""Intervals are drawn where they are, around the line of no change, and effects stand above their p-values."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from hpfunc.permutation import fisher_permutation, fisher_steps
from hpfunc.plot import plot_fisher, plot_intervals
from tests.artists import data_lines, legend_texts, sweep_like

LAYERS = {"layer": ["input", "fc1", "fc2", "fc3"]}


def intervals() -> xr.Dataset:
    """Make intervals below, around and above 0, and a saturated one without bounds."""
    return xr.Dataset(
        {
            "estimate": ("layer", [-0.2, 0.05, 0.3, 0.0], {"long_name": "change of mean HP"}),
            "low": ("layer", [-0.3, -0.1, 0.2, np.nan]),
            "high": ("layer", [-0.1, 0.2, 0.4, np.nan]),
        },
        coords=LAYERS,
        attrs={"level": 0.9, "dim": "fold"},
    )


def points(axes, marker="o") -> dict[float, bool]:
    """Map each estimate that is drawn to whether its point is filled."""
    found = {}
    for line in data_lines(axes):
        if line.get_marker() == marker:
            found |= {float(y): line.get_markerfacecolor() != "white" for y in line.get_ydata() if np.isfinite(y)}
    return found


def segments(axes) -> list[tuple[float, float]]:
    """List both ends of each bar; a bar without ends has an empty path."""
    return [
        (float(s[0, 1]), float(s[1, 1])) if len(s) else (np.nan, np.nan)
        for c in axes.collections
        if isinstance(c, LineCollection)
        for s in c.get_segments()
    ]


def test_bars_points_and_the_line_of_no_change():
    axes = plot_intervals(intervals())
    assert segments(axes)[:3] == [(-0.3, -0.1), (-0.1, 0.2), (0.2, 0.4)]
    assert np.isnan(segments(axes)[3]).all()
    assert points(axes) == {-0.2: True, 0.05: False, 0.3: True}
    assert points(axes, "x") == {0.0: True}
    assert [list(line.get_ydata()) for line in axes.lines if list(line.get_xdata()) == [0, 1]] == [[0, 0]]
    assert axes.get_ylabel().replace("\n", " ") == (
        "change of mean HP with its 90 % interval, new samples of the same classes"
    )
    assert [t.get_text() for t in axes.get_xticklabels()] == LAYERS["layer"]
    assert axes.get_legend() is None


def test_steps_splits_and_checkpoints_have_their_places():
    values = sweep_like(checkpoints=3).hp.mean("pair")
    made = xr.Dataset({"estimate": values, "low": values - 0.1, "high": values + 0.2})
    axes = plot_intervals(made)
    assert legend_texts(axes.get_legend()) == ["checkpoint 0", "checkpoint 3", "checkpoint 6", "train", "test"]
    drawn = sorted(segments(axes))
    np.testing.assert_allclose(drawn, sorted((v - 0.1, v + 0.2) for v in values.values.ravel().tolist()))
    by_checkpoint = plot_intervals(made.isel(layer=0))
    assert [t.get_text() for t in by_checkpoint.get_xticklabels()] == ["0", "3", "6"]
    single = plot_intervals(made.isel(layer=0, checkpoint=0, split=0))
    assert len(segments(single)) == 1
    # Other orders of dims and entries give the same bars.
    turned = made.assign(low=made.low.transpose("layer", ...), high=made.high.isel(checkpoint=[2, 0, 1]))
    np.testing.assert_allclose(sorted(segments(plot_intervals(turned))), drawn)


def test_what_is_no_interval_is_refused():
    with pytest.raises(TypeError, match="intervals is a DataArray"):
        plot_intervals(intervals().estimate)
    with pytest.raises(ValueError, match=r"intervals has no \['high'\]"):
        plot_intervals(intervals().drop_vars("high"))
    with pytest.raises(ValueError, match=r"intervals has dims .*'pair'"):
        plot_intervals(intervals().expand_dims(pair=3))
    with pytest.raises(ValueError, match="no finite value"):
        plot_intervals(intervals().where(False))
    with pytest.raises(ValueError, match="select one"):
        plot_intervals(intervals().expand_dims(checkpoint=[0, 1], step=2))


def results_of_tests() -> xr.Dataset:
    """Test three layers of which the last one changed."""
    before = sweep_like(classes=8, splits=1).hp.isel(checkpoint=0, split=0, drop=True)
    shift = xr.DataArray([0.0, 0.0, 0.1], dims="layer")
    return fisher_permutation(before, before + shift, key=0, n_permutations=999)


def test_effects_stand_above_their_p_values():
    tests = results_of_tests()
    axes = plot_fisher(tests)
    upper, lower = axes.figure.axes
    assert lower is axes
    assert upper.get_position().y0 > lower.get_position().y0
    drawn = sorted(points(upper))
    np.testing.assert_allclose(drawn, sorted(set(tests.statistic.values.tolist())))
    assert not segments(upper)
    bounds = xr.Dataset({"low": tests.statistic - 0.05, "high": tests.statistic + 0.07})
    with_bars = plot_fisher(tests, intervals=bounds).figure.axes[0]
    np.testing.assert_allclose(segments(with_bars), np.stack([bounds.low, bounds.high], axis=1))
    assert len(plot_fisher(tests.pvalue).figure.axes) == 1
    alone = Figure().subplots()
    assert plot_fisher(tests, ax=alone) is alone
    assert len(alone.figure.axes) == 1


def test_intervals_that_fit_no_effects_are_refused():
    tests = results_of_tests()
    bounds = xr.Dataset({"low": tests.statistic, "high": tests.statistic})
    with pytest.raises(TypeError, match="intervals is not a Dataset with low and high"):
        plot_fisher(tests, intervals=bounds.low)
    with pytest.raises(ValueError, match="tests holds no effects"):
        plot_fisher(tests.pvalue, intervals=bounds)
    with pytest.raises(ValueError, match="draw them with plot_intervals"):
        plot_fisher(tests, intervals=bounds, ax=Figure().subplots())


def test_effects_of_steps_have_the_names_of_their_steps():
    steps = fisher_steps(sweep_like(splits=1).hp, along="layer", key=0, n_permutations=99)
    axes = plot_fisher(steps)
    assert [t.get_text() for t in axes.get_xticklabels()] == [
        "block.0.conv → block.1.conv",
        "block.1.conv → block.2.conv",
    ]
    assert len(data_lines(axes.figure.axes[0])) > 0


def test_tests_that_cannot_reach_the_level_are_marked_as_undecidable():
    coords = {"layer": ["a", "b"]}
    tests = xr.Dataset(
        {
            "pvalue": ("layer", [0.25, 0.01]),
            "least_pvalue": ("layer", [0.25, 0.001]),
            "statistic": ("layer", [0.3, 0.2]),
        },
        coords=coords,
    )
    axes = plot_fisher(tests, method=None)
    assert points(axes, "x") == {0.25: True}
    assert points(axes) == {0.01: True}
    assert "undecidable: p cannot be that small" in legend_texts(axes.figure.axes[0].get_legend())
    # Holm doubles the smaller of two p-values, so 0.03 becomes out of reach, as a single test it is not.
    both = tests.assign(least_pvalue=("layer", [0.03, 0.03]), pvalue=("layer", [0.03, 0.04]))
    assert points(plot_fisher(both), "x") == {0.06: True}
    assert points(plot_fisher(both, method=None), "x") == {}
    assert points(plot_fisher(tests.pvalue, method=None), "x") == {}


def test_many_points_are_smaller_and_few_keep_their_size():
    def size(n_layers):
        values = sweep_like(2, 1, n_layers).hp.isel(split=0).mean("pair")
        axes = plot_intervals(xr.Dataset({"estimate": values, "low": values - 0.1, "high": values + 0.1}))
        return max(line.get_markersize() for line in data_lines(axes))

    assert size(3) == size(30) == 6.5
    assert size(120) == pytest.approx(6.5 / 2)
