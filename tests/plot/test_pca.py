"""Planes show each sample in the look of its class, and each edge of the tree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from hpfunc.multiclass import euclidean_mst
from hpfunc.pca import pca2d
from hpfunc.plot import plot_pca
from tests.artists import legend_texts, projection


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
    # The legend stands beside the axes, where it hides no point.
    if len(classes) > 1:
        axes.figure.draw_without_rendering()
        assert axes.get_legend().get_window_extent().x0 >= axes.get_window_extent().x1


def test_unknown_share_of_variance_is_not_written():
    data = projection([0, 1])
    data["explained_variance_ratio"] = data.explained_variance_ratio * np.nan
    assert plot_pca(data).get_xlabel() == "component 1"


def test_many_classes_have_no_legend():
    assert plot_pca(projection(list(range(100)), each=1)).get_legend() is None


def drawn_edges(axes: Axes) -> list[set[tuple[tuple[float, ...], tuple[float, ...]]]]:
    """Return the segments of the edges within classes and of those between them."""
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
    titles = [axes.get_title().split("\n") for axes in figure.axes]
    assert [title[0] for title in titles] == [f"checkpoint {10 * i}" for i in range(n)]
    assert [title[1] for title in titles] == [f"{len(drawn_edges(a)[1])} of 19 edges join classes" for a in figure.axes]
    assert legend_texts(figure.legends[0]) == ["4", "9"]
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
