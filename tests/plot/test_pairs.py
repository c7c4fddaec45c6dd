"""Tables of pairs share a scale, stand side by side, and hold two results or one half."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from matplotlib.figure import Figure

from hpfunc.plot import plot_pairs
from tests.artists import sweep_like


def table_of(axes) -> np.ndarray:
    """Return the values of a table."""
    return np.ma.filled(axes.images[0].get_array(), np.nan)


def test_a_grid_has_one_scale_and_one_bar():
    runs = sweep_like(checkpoints=3, classes=4).isel(split=0, layer=1)
    figure = plot_pairs(runs)
    assert isinstance(figure, Figure)
    *panels, _bar = figure.axes
    assert [axes.get_title() for axes in panels] == ["checkpoint 0", "checkpoint 3", "checkpoint 6"]
    limits = {axes.images[0].get_clim() for axes in panels}
    assert limits == {(float(runs.hp.min()), float(runs.hp.max()))}
    for i, axes in enumerate(panels):
        np.testing.assert_array_equal(table_of(axes), table_of(plot_pairs(runs.isel(checkpoint=i))))
    figure.draw_without_rendering()
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    for i, a in enumerate(boxes):
        for b in boxes[i + 1 :]:
            assert a.x1 <= b.x0 + 1 or b.x1 <= a.x0 + 1 or a.y1 <= b.y0 + 1 or b.y1 <= a.y0 + 1
    with pytest.raises(ValueError, match="leave ax out"):
        plot_pairs(runs, ax=Figure().subplots())
    with pytest.raises(ValueError, match=r"select one entry of \['layer'\]"):
        plot_pairs(sweep_like().isel(split=0))


def test_a_given_scale_is_used():
    hp = sweep_like().hp[0, 0, 0]
    assert plot_pairs(hp, vmin=0, vmax=1).images[0].get_clim() == (0, 1)
    assert plot_pairs(hp, vmax=2).images[0].get_clim() == (float(hp.min()), 2)
    with pytest.raises(ValueError, match="vmin=1 is not below vmax=0"):
        plot_pairs(hp, vmin=1, vmax=0)


def test_axes_of_the_user_do_not_run_into_each_other():
    hp = sweep_like(classes=10).hp[:, 0, 2]
    figure = Figure(figsize=(9, 4))
    first, second = figure.subplots(1, 2)
    for axes, values in zip((first, second), hp, strict=True):
        plot_pairs(values, ax=axes)
    figure.draw_without_rendering()
    bar = next(a for a in figure.axes if a not in (first, second) and a.get_position().x0 < second.get_position().x0)
    assert bar.get_tightbbox().x1 <= second.get_tightbbox().x0
    assert first.get_title() == "Henze-Penrose statistic\ncheckpoint = 0, split = train,\nlayer = block.2.conv"


@pytest.mark.parametrize("order", ["class", "similarity"])
def test_two_results_share_one_table(order):
    runs = sweep_like(classes=6).isel(layer=0, checkpoint=0)
    train, test = runs.sel(split="train"), runs.sel(split="test")
    axes = plot_pairs(train, lower=test, order=order)
    names = [int(t.get_text()) for t in axes.get_xticklabels()]
    table = table_of(axes)
    for row, class_a in enumerate(names):
        for column, class_b in enumerate(names):
            if row != column:
                source = train if row < column else test
                assert table[row, column] == float(source.hp.sel(class_a=class_a, class_b=class_b))
    assert axes.get_title() == "checkpoint = 0, layer = block.0.conv\nabove: split = train; below: split = test"


def test_halves_that_do_not_fit_are_refused():
    runs = sweep_like(classes=5).isel(layer=0)
    first = runs.isel(checkpoint=0, split=0)
    with pytest.raises(ValueError, match="lower has the classes"):
        plot_pairs(first, lower=sweep_like(classes=4).isel(layer=0, checkpoint=0, split=0))
    with pytest.raises(ValueError, match="select the same panels of both"):
        plot_pairs(first, lower=runs.isel(split=0))
    with pytest.raises(ValueError, match="lower and results differ in checkpoint"):
        plot_pairs(runs.isel(split=0), lower=runs.isel(split=0).assign_coords(checkpoint=[1, 2]))
    with pytest.raises(ValueError, match="fills the other half"):
        plot_pairs(first, lower=first, triangle="upper")
    with pytest.raises(TypeError, match="lower is a ndarray"):
        plot_pairs(first, lower=np.zeros(3))


@pytest.mark.parametrize("triangle", ["upper", "lower"])
def test_one_triangle_hides_the_other(triangle):
    hp = sweep_like(classes=5).hp[0, 0, 0]
    whole, half = table_of(plot_pairs(hp)), table_of(plot_pairs(hp, triangle=triangle))
    shown = (np.triu if triangle == "upper" else np.tril)(np.ones((5, 5), dtype=bool), 1 if triangle == "upper" else -1)
    np.testing.assert_array_equal(half[shown], whole[shown])
    assert np.isnan(half[~shown]).all()


def test_a_single_pair_has_a_scale():
    axes = plot_pairs(sweep_like(classes=2).hp[0, 0, 0])
    assert axes.images[0].get_clim() == (0, 1)
    assert [t.get_text() for t in axes.texts] == [f"{float(sweep_like(classes=2).hp[0, 0, 0, 0]):.2f}"] * 2


def test_titles_of_panels_do_not_meet_and_the_label_of_the_colours_fits():
    names = [f"features.{i}.block{i}.conv{i}" for i in range(3)]
    runs = sweep_like(classes=10, checkpoints=1).isel(checkpoint=0).assign_coords(layer=names)
    figure = plot_pairs(runs.sel(split="train"), lower=runs.sel(split="test"), scale="log")
    figure.draw_without_rendering()
    boxes = [axes.title.get_window_extent() for axes in figure.axes[:3]]
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))
    label = figure.axes[3].yaxis.label.get_window_extent()
    assert label.y0 >= 0
    assert label.y1 <= figure.bbox.height
    assert all(axes.xaxis.label.get_window_extent().y0 >= 0 for axes in figure.axes[:3])
