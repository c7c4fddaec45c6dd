"""Tables of pairs, courses of training and pictures of tests hold the values that they are drawn from."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import xarray as xr

from hpfunc.adjustment import adjust_pvalues
from hpfunc.permutation import fisher_permutation, fisher_steps
from hpfunc.plot import plot_fisher, plot_pairs, plot_trajectory
from tests.artists import bands, data_lines, legend_texts, sweep_like


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
    axes = plot_trajectory(runs.assign_attrs(graph="mst"))
    top = bands(axes)[0].get_paths()[0].vertices[:, 1].max()
    assert legend_texts(axes.get_legend())[-1] == f"chance: 95 % of permuted labels give HP up to {top:.2f}"
    # The band does not squeeze the lines.
    lines = [y for line in data_lines(axes) for y in line.get_ydata()]
    assert axes.get_ylim()[0] > min(lines) - 0.2 * (max(lines) - min(lines))
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
    shown.pop("filled: p ≤ 0.05 (dotted)")
    assert shown == {"train": size[0.3], "test": size[0.2]}


def test_steps_are_named_by_what_they_join():
    runs = sweep_like(checkpoints=3)
    layers = plot_fisher(fisher_steps(runs.hp.sel(split="test"), along="layer", key=0, n_permutations=999))
    assert [t.get_text() for t in layers.get_xticklabels()] == [
        "block.0.conv → block.1.conv",
        "block.1.conv → block.2.conv",
    ]
    steps = fisher_steps(runs.hp, along="checkpoint", key=0, n_permutations=999)
    axes = plot_fisher(steps.pvalue, method=None)
    assert [t.get_text() for t in axes.get_xticklabels()] == runs.layer.values.tolist()
    assert legend_texts(axes.get_legend()) == ["0 → 3", "3 → 6", "train", "test", "filled: p ≤ 0.05 (dotted)"]
    assert axes.get_ylabel() == "p-value"
