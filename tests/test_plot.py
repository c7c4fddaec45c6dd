"""Pictures are judged by what they hold: artists, their data, limits and words."""

from __future__ import annotations

import itertools
import math
import os
import subprocess
import sys
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

from hpfunc._plot.style import ordered_colours
from hpfunc.multiclass import euclidean_mst
from hpfunc.pca import pca2d
from hpfunc.permutation import adjust_pvalues, fisher_permutation, fisher_steps
from hpfunc.plot import (
    plot_distributions,
    plot_fisher,
    plot_layers,
    plot_pairs,
    plot_pca,
    plot_trajectory,
)
from hpfunc.results import label_pairs

ATTRS = {"long_name": "Henze-Penrose statistic", "units": "1"}


def sweep_like(checkpoints: int = 2, splits: int = 2, layers: int = 3, classes: int = 5, seed: int = 0) -> xr.Dataset:
    """Results of the form that a sweep has; HP in steps of 1/40, as counts of edges make it."""
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
    return [p for p in axes.patches if isinstance(p, StepPatch) and not p.get_fill()]


def fills(axes: Axes) -> list[StepPatch]:
    return [p for p in axes.patches if isinstance(p, StepPatch) and p.get_fill()]


def bands(axes: Axes) -> list[PolyCollection]:
    return [c for c in axes.collections if isinstance(c, PolyCollection)]


def legend_texts(legend: Any) -> list[str]:
    return [text.get_text() for text in legend.get_texts()]


def data_lines(axes: Axes) -> list[Any]:
    return [line for line in axes.lines if len(line.get_xdata()) and line.get_transform() == axes.transData]


# ---- distributions


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 5), st.integers(1, 3), st.integers(1, 4), st.integers(2, 6), st.integers(0, 99))
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
    one = plot_distributions(sweep_like().sel(checkpoint=3, split="test", layer="block.1.conv"))
    assert one.get_title() == "checkpoint = 3, split = test, layer = block.1.conv"
    assert one.get_ylabel() == "number of pairs"
    assert one.get_legend() is None


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
    figure.canvas.draw()
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


# ---- layers


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
    if n_layers > 1:
        assert len(bands(axes)) == len(has_band) * s
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
    assert axes.get_legend().get_title().get_text() == "band: 10 % to 90 % quantile"
    assert plot_layers(runs, spread=(0, 1)).get_legend().get_title().get_text() == "band: smallest to largest"
    bare = plot_layers(runs, spread=None)
    assert bare.get_legend().get_title().get_text() == ""
    assert bands(bare) == []


def test_many_checkpoints_have_bands_at_the_ends_only_and_the_legend_says_so():
    axes = plot_layers(sweep_like(checkpoints=5, splits=1))
    assert len(data_lines(axes)) == 5
    assert len(bands(axes)) == 2
    assert axes.get_legend().get_title().get_text().endswith("of the first and last")


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
    axes.figure.canvas.draw()
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


# ---- principal components


def projection(classes: list[Any], each: int = 4) -> xr.Dataset:
    rng = np.random.default_rng(0)
    return xr.Dataset(
        {
            "scores": (("sample", "component"), rng.normal(size=(each * len(classes), 2))),
            "explained_variance_ratio": ("component", np.array([0.5, 0.125])),
        },
        coords={"label": ("sample", np.tile(classes, each))},
    )


@pytest.mark.parametrize("classes", [[3], [8, 3], ["cat", "dog", "ant"], list(range(12))])
def test_each_class_has_its_samples_in_one_look(classes):
    data = projection(classes)
    axes = plot_pca(data)
    assert len(axes.collections) == len(classes)
    looks = set()
    for group, name in zip(axes.collections, sorted(classes), strict=True):
        np.testing.assert_array_equal(group.get_offsets(), data.scores.values[data.label.values == name])
        looks.add((tuple(group.get_facecolor()[0]), tuple(map(tuple, group.get_paths()[0].vertices))))
    assert len(looks) == len(classes)
    if len(classes) > 1:
        assert legend_texts(axes.get_legend()) == [str(name) for name in sorted(classes)]
    assert axes.get_xlabel() == "component 1 (50.0 % of the variance)"
    assert axes.get_ylabel() == "component 2 (12.5 % of the variance)"
    assert axes.get_aspect() == 1


def test_unknown_share_of_variance_is_not_written():
    data = projection([0, 1])
    data["explained_variance_ratio"] = data.explained_variance_ratio * np.nan
    assert plot_pca(data).get_xlabel() == "component 1"


def test_many_classes_have_no_legend():
    assert plot_pca(projection(list(range(100)), each=1)).get_legend() is None


def drawn_edges(axes: Axes) -> list[set[tuple[tuple[float, ...], tuple[float, ...]]]]:
    """The segments of the edges within classes and of those between them."""
    lines = [c for c in axes.collections if isinstance(c, LineCollection)]
    return [{tuple(sorted(map(tuple, s.tolist()))) for s in line.get_segments()} for line in lines]


def test_every_edge_of_the_tree_joins_its_samples_and_those_between_classes_are_strong():
    rng = np.random.default_rng(0)
    points, labels = rng.normal(size=(40, 7)), np.tile(["cat", "dog", "ant", "cat"], 10)
    data, tree = pca2d(points, labels=labels), euclidean_mst(points)
    axes = plot_pca(data, tree=tree)
    xy = [tuple(row) for row in data.scores.values.tolist()]
    expected: list[set[Any]] = [set(), set()]
    for a, b in zip(tree.source.values.tolist(), tree.target.values.tolist(), strict=True):
        expected[labels[a] != labels[b]].add(tuple(sorted((xy[a], xy[b]))))
    assert drawn_edges(axes) == expected
    assert len(expected[0]) + len(expected[1]) == 39
    assert legend_texts(axes.get_legend()) == ["ant", "cat", "dog", f"{len(expected[1])} of 39 edges join classes"]
    within, between = (c for c in axes.collections if isinstance(c, LineCollection))
    assert between.get_linewidth()[0] > within.get_linewidth()[0]
    points_on_top = min(c.get_zorder() for c in axes.collections if not isinstance(c, LineCollection))
    assert within.get_zorder() < between.get_zorder() < points_on_top
    # Every sample is inside the axes, and so is every edge.
    (x0, x1), (y0, y1) = axes.get_xlim(), axes.get_ylim()
    assert np.all((data.scores >= [x0, y0]) & (data.scores <= [x1, y1]))


@pytest.mark.parametrize("n", [1, 2, 6])
def test_planes_joined_along_checkpoints_have_a_panel_each_with_its_own_tree(n):
    rng = np.random.default_rng(1)
    clouds, labels = rng.normal(size=(n, 20, 5)), np.repeat([4, 9], 10)
    at = {"checkpoint": [10 * i for i in range(n)]}
    planes = xr.concat([pca2d(c, labels=labels) for c in clouds], "checkpoint").assign_coords(at)
    trees = xr.concat([euclidean_mst(c) for c in clouds], "checkpoint").assign_coords(at)
    figure = plot_pca(planes, tree=trees)
    assert isinstance(figure, Figure)
    assert [axes.get_title() for axes in figure.axes] == [f"checkpoint {10 * i}" for i in range(n)]
    for i, axes in enumerate(figure.axes):
        alone = plot_pca(planes.isel(checkpoint=i), tree=trees.isel(checkpoint=i))
        assert drawn_edges(axes) == drawn_edges(alone)
        assert axes.get_xlabel() == alone.get_xlabel()
        assert alone.get_title() == f"checkpoint = {10 * i}"
    with pytest.raises(ValueError, match="leave ax out"):
        plot_pca(planes, ax=Figure().subplots())
    with pytest.raises(ValueError, match="tree and results differ in checkpoint"):
        plot_pca(planes, tree=trees.assign_coords(checkpoint=range(1, n + 1)))


def test_trees_of_other_samples_are_refused():
    points = np.random.default_rng(0).normal(size=(12, 3))
    data, tree = pca2d(points, labels=[0, 1] * 6), euclidean_mst(points)
    with pytest.raises(ValueError, match=r"edges of the sizes {'edge': 10} for 12 samples"):
        plot_pca(data, tree=tree.isel(edge=slice(10)))
    with pytest.raises(ValueError, match="pass labels to pca2d"):
        plot_pca(data.drop_vars("label"), tree=tree)
    with pytest.raises(ValueError, match=r"tree has no \['source', 'target'\]"):
        plot_pca(data, tree=data)
    with pytest.raises(TypeError, match="tree is a ndarray"):
        plot_pca(data, tree=points)
    with pytest.raises(ValueError, match=r"scores with the dims .*'seed'"):
        plot_pca(data.expand_dims(seed=2))
    with pytest.raises(ValueError, match="expected samples and two components"):
        plot_pca(data.isel(component=[0]))


# ---- pairs, trajectories, tests


@pytest.mark.parametrize("order", ["class", "similarity"])
def test_table_of_pairs_is_symmetric_and_holds_each_value(order):
    hp = sweep_like(classes=7).hp.isel(checkpoint=1, split=0, layer=2)
    axes = plot_pairs(hp, order=order)
    table = np.ma.filled(axes.images[0].get_array(), np.nan)
    names = [int(t.get_text()) for t in axes.get_xticklabels()]
    assert names == [int(t.get_text()) for t in axes.get_yticklabels()]
    assert sorted(names) == list(range(7))
    for (row, a), (column, b) in itertools.permutations(enumerate(names), 2):
        assert table[row, column] == float(hp.sel(class_a=a, class_b=b))
    assert np.isnan(np.diag(table)).all()
    assert sorted(t.get_text() for t in axes.texts) == sorted(f"{v:.2f}" for v in np.repeat(hp.values, 2))


def test_similar_classes_stand_side_by_side():
    hp = sweep_like(classes=6).hp.isel(checkpoint=0, split=0, layer=0)
    alike = {(0, 3), (3, 5), (1, 4), (2, 4)}
    pairs = zip(hp.class_a.values.tolist(), hp.class_b.values.tolist(), strict=True)
    hp = hp.copy(data=[0.1 if pair in alike else 0.9 for pair in pairs])
    names = [int(t.get_text()) for t in plot_pairs(hp, order="similarity").get_xticklabels()]
    groups = [name in (0, 3, 5) for name in names]
    assert sum(a != b for a, b in itertools.pairwise(groups)) == 1
    assert [n for n in names if n in (0, 3, 5)] in ([0, 3, 5], [5, 3, 0])


def test_table_of_a_thousand_classes_is_drawn_with_fewer_names():
    pairs = np.array(list(itertools.combinations(range(1000), 2)))
    coords = {"class_a": ("pair", pairs[:, 0]), "class_b": ("pair", pairs[:, 1])}
    axes = plot_pairs(xr.DataArray(np.linspace(0, 1, len(pairs)), dims="pair", coords=coords))
    assert axes.images[0].get_array().shape == (1000, 1000)
    assert 20 < len(axes.get_xticks()) < 200
    assert not axes.texts


def test_trajectories_are_means_by_layer_at_the_numbers_of_their_checkpoints():
    runs = sweep_like(checkpoints=4)
    axes = plot_trajectory(runs)
    lines = data_lines(axes)
    assert len(lines) == 3 * 2
    expected = runs.hp.mean("pair").transpose("layer", "split", "checkpoint").values.reshape(6, 4)
    np.testing.assert_allclose([line.get_ydata() for line in lines], expected)
    assert {tuple(line.get_xdata()) for line in lines} == {(0, 3, 6, 9)}
    assert not bands(axes)
    named = plot_trajectory(runs.assign_coords(checkpoint=["start", "a", "b", "end"]))
    assert [t.get_text() for t in named.get_xticklabels()] == ["start", "a", "b", "end"]


def test_null_band_is_the_quantile_of_permuted_labels():
    # Points on a line: the tree is the path, and labels may be permuted at will.
    m, n = 30, 50
    rng = np.random.default_rng(0)
    order = np.argsort(rng.random((20_000, m + n)), axis=1) < m
    edges = (order[:, 1:] != order[:, :-1]).sum(axis=1)
    expected = 2 * m * n / (m + n)
    hp = 1 - edges / expected
    runs = sweep_like()
    runs["cross_edges"] = expected * (1 - runs.hp)
    runs["z"] = (runs.cross_edges - expected) / edges.std()
    runs["n_a"], runs["n_b"] = xr.full_like(runs.hp, m, dtype=int), xr.full_like(runs.hp, n, dtype=int)
    top = bands(plot_trajectory(runs.assign_attrs(graph="mst")))[0].get_paths()[0].vertices[:, 1].max()
    # Edges come in steps; the share that they leave above the band tells whether it is the 95 % quantile.
    assert 0.03 < np.mean(hp > top) < 0.07
    assert not bands(plot_trajectory(runs.assign_attrs(graph="knn")))


def test_significant_tests_are_filled():
    before = sweep_like(classes=8).hp.sel(checkpoint=0)
    # No change, a change of either sign in turn, a change for all.
    shift = xr.DataArray(np.stack([np.zeros(28), np.tile([0.1, -0.1], 14), np.full(28, 0.1)]), dims=("layer", "pair"))
    tests = fisher_permutation(before, before + shift, key=0, n_permutations=999)
    axes = plot_fisher(tests, alpha=0.2)
    adjusted = adjust_pvalues(tests.pvalue).values
    points = [line for line in data_lines(axes) if line.get_marker() not in ("None", "")]
    filled = [y for p in points if p.get_markerfacecolor() != "white" for y in p.get_ydata() if y == y]
    hollow = [y for p in points if p.get_markerfacecolor() == "white" for y in p.get_ydata() if y == y]
    assert sorted(filled) == sorted(adjusted[adjusted <= 0.2])
    assert sorted(hollow) == sorted(adjusted[adjusted > 0.2])
    assert filled
    assert hollow
    assert axes.get_ylabel() == "p-value, adjusted (holm)"
    low, high = axes.get_ylim()
    assert low >= 1 > adjusted.min() >= high
    assert [list(line.get_ydata()) for line in axes.lines if list(line.get_xdata()) == [0, 1]] == [[0.2, 0.2]]


def test_the_level_itself_is_significant():
    axes = plot_fisher(xr.DataArray([0.04, 0.05, 0.051, 0.2], dims="layer"), method=None)
    filled = [line for line in data_lines(axes) if line.get_marker() == "o" and line.get_markerfacecolor() != "white"]
    assert [y for line in filled for y in line.get_ydata() if y == y] == [0.04, 0.05]


def test_points_of_the_splits_differ_in_size_and_the_legend_shows_it():
    p = xr.DataArray(
        [[0.2, 0.01], [0.3, 0.02]], dims=("split", "layer"), coords={"split": ["test", "train"], "layer": ["a", "b"]}
    )
    axes = plot_fisher(p, method=None)
    size = {}
    for line in data_lines(axes):
        for y in line.get_ydata():
            if line.get_marker() == "o" and np.isfinite(y):
                size[float(y)] = line.get_markersize()
    assert size[0.3] == size[0.02] > size[0.2] == size[0.01]
    shown = {h.get_label(): h.get_markersize() for h in axes.get_legend().legend_handles}
    assert shown == {"train": size[0.3], "test": size[0.2]}


def test_steps_are_named_by_what_they_join():
    runs = sweep_like(checkpoints=3)
    layers = plot_fisher(fisher_steps(runs.hp.sel(split="test"), along="layer", key=0, n_permutations=99))
    assert [t.get_text() for t in layers.get_xticklabels()] == [
        "block.0.conv → block.1.conv",
        "block.1.conv → block.2.conv",
    ]
    steps = fisher_steps(runs.hp, along="checkpoint", key=0, n_permutations=99)
    axes = plot_fisher(steps.pvalue, method=None)
    assert [t.get_text() for t in axes.get_xticklabels()] == runs.layer.values.tolist()
    assert legend_texts(axes.get_legend()) == ["0 → 3", "3 → 6", "train", "test"]
    assert axes.get_ylabel() == "p-value"


# ---- what all pictures keep to

PICTURES = {
    "distributions": (plot_distributions, sweep_like()),
    "layers": (plot_layers, sweep_like()),
    "trajectory": (plot_trajectory, sweep_like()),
    "pairs": (plot_pairs, sweep_like().isel(checkpoint=0, split=0, layer=0)),
    "pca": (plot_pca, projection([0, 1])),
    "fisher": (
        plot_fisher,
        xr.DataArray([0.2, 0.01], dims="layer", coords={"layer": ["a", "b"]}, name="pvalue"),
    ),
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_pure(name):
    plot, results = PICTURES[name]
    before, style = results.copy(deep=True), dict(mpl.rcParams)
    axes = Figure().subplots()
    assert plot(results, ax=axes) is axes
    assert isinstance(plot(results), Axes)
    xr.testing.assert_identical(results, before)
    assert dict(mpl.rcParams) == style


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_refuse_what_they_cannot_draw(name):
    plot, results = PICTURES[name]
    with pytest.raises(TypeError, match=r"^(results|tests) is a ndarray"):
        plot(np.zeros(3))
    with pytest.raises(TypeError, match="ax is a Figure"):
        plot(results, ax=Figure())
    with pytest.raises(ValueError, match=r"^(results|tests) has no "):
        plot(xr.Dataset({"other": ("pair", [1.0])}))
    if name != "pca":
        values = results if isinstance(results, xr.DataArray) else results.hp
        with pytest.raises(ValueError, match=r"select one entry of \['seed'\]"):
            plot(values.expand_dims(seed=2))
        with pytest.raises(ValueError, match="no finite value"):
            plot(values * np.nan)


def test_pictures_name_the_dims_that_they_miss():
    hp = sweep_like().hp
    with pytest.raises(ValueError, match=r"needs \['layer'\]"):
        plot_layers(hp.isel(layer=0))
    with pytest.raises(ValueError, match=r"needs \['pair'\]"):
        plot_layers(hp.mean("pair"))
    with pytest.raises(ValueError, match=r"needs \['checkpoint'\]"):
        plot_trajectory(hp.isel(checkpoint=0))
    with pytest.raises(ValueError, match="by_layer=True needs the dim 'layer'"):
        plot_distributions(hp.isel(layer=0), by_layer=True)


def test_options_are_checked():
    hp = sweep_like().hp
    for spread in [(0.9, 0.1), (0.5, 0.5), (-1, 1), (0, 2), (0.1,), 0.5, "range"]:
        with pytest.raises(ValueError, match="is not two rising quantiles"):
            plot_layers(hp, spread=spread)
    with pytest.raises(ValueError, match="leave ax out"):
        plot_distributions(hp, by_layer=True, ax=Figure().subplots())
    with pytest.raises(ValueError, match="choose one of 'class', 'similarity'"):
        plot_pairs(hp[0, 0, 0], order="size")
    holes = hp[0, 0, 0].where(hp[0, 0, 0].pair != 3)
    with pytest.raises(ValueError, match="1 are missing or NaN"):
        plot_pairs(holes, order="similarity")
    with pytest.raises(ValueError, match="alpha=5 is not a level"):
        plot_fisher(xr.DataArray([0.2], dims="layer"), alpha=5)


@pytest.mark.parametrize("n", range(2, 13))
def test_ordered_colours_grow_darker_also_in_grey(n):
    # Relative luminance, as in WCAG 2: what is left of a colour on grey paper.
    def luminance(colour):
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in to_rgb(colour)]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    shades = [luminance(c) for c in ordered_colours(n)]
    assert all(a > b for a, b in itertools.pairwise(shades))
    assert (shades[0] + 0.05) / (shades[-1] + 0.05) > 2


NOTEBOOK = "from unittest import mock; sys.modules['IPython'] = mock.MagicMock(version_info=(9, 0))"


@pytest.mark.parametrize(
    ("session", "figures"),
    [("", 0), ("import matplotlib.pyplot", 1), (NOTEBOOK, 1)],
    ids=["script", "pyplot", "notebook"],
)
def test_figures_are_shown_where_pyplot_is_in_use_and_held_by_nobody_elsewhere(session, figures):
    code = f"""
import sys
import xarray as xr
from hpfunc.plot import plot_distributions
{session}
ax = plot_distributions(xr.DataArray([0.1, 0.9], dims="pair"))
ax.figure.canvas.draw()
assert ("matplotlib.pyplot" in sys.modules) == {bool(figures)}
from matplotlib import pyplot
assert len(pyplot.get_fignums()) == {figures}, pyplot.get_fignums()
"""
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "MPLBACKEND": "agg"})
