from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings

import hpfunc as hp
from hpfunc._tree.mst import ties
from tests.oracles import all_minimum_trees, direct_squared, kruskal
from tests.strategies import labelled_floats, labelled_integers


@settings(max_examples=100, deadline=None)
@given(labelled_integers(max_points=6))
def test_counts_are_means_over_all_trees(case):
    x, _ = case
    label = np.arange(len(x)) % 3
    if len(x) < 3:
        return
    trees = all_minimum_trees(x, label)
    result = hp.multiclass_hp(x, label)
    for a in range(3):
        for b in range(3):
            expected = (
                sum(p for (i, j), p in trees.probability.items() if {label[i], label[j]} == {a, b}) if a != b else 0
            )
            assert result.cross_edges.sel(class_a=a, class_b=b).item() == pytest.approx(expected, abs=1e-9)


def test_two_classes_are_hp_statistic():
    rng = np.random.default_rng(0)
    x, label = rng.normal(size=(80, 90)).astype(np.float32), np.arange(80) % 2
    pair, many = hp.hp_statistic(x[label == 0], x[label == 1]), hp.multiclass_hp({"fc": x}, label)
    assert many.cross_edges.sel(layer="fc", class_a=0, class_b=1).item() == pair.cross_edges.item()
    np.testing.assert_allclose(many.hp.sel(layer="fc"), pair.hp.item())
    assert many.hp.dims == ("layer", "class")
    assert many.upper.dims == ("layer",)


def test_known_answer():
    result = hp.multiclass_hp([0, 1, 10, 11, 20, 21], [0, 0, 1, 1, 2, 2])
    np.testing.assert_array_equal(result.cross_edges, [[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    assert result.lower.item() == pytest.approx(0.19526, abs=1e-5)
    assert result.upper.item() == pytest.approx(1 / 3)
    assert result.hp.sel({"class": 1}).item() == pytest.approx(1 - 2 * 6 / (2 * 2 * 4))


def test_layers_and_order_of_samples():
    rng = np.random.default_rng(1)
    label = rng.integers(0, 5, 60)
    layers = {"a": rng.integers(0, 3, (60, 3)), "b": rng.normal(size=(60, 2, 2))}
    result = hp.multiclass_hp(layers, label)
    order = rng.permutation(60)
    shuffled = hp.multiclass_hp({name: x[order] for name, x in layers.items()}, label[order])
    xr.testing.assert_allclose(result, shuffled, atol=1e-12)
    assert result.layer.values.tolist() == ["a", "b"]
    np.testing.assert_allclose(result.cross_edges.sum(["class_a", "class_b"]) / 2 / 60, result.upper)


@settings(max_examples=150, deadline=None)
@given(labelled_floats(max_points=30))
def test_tree_is_kruskals(case):
    x, _ = case
    squared = direct_squared(x)
    n = len(x)
    edges = kruskal({(i, j): squared[i, j] for i in range(n) for j in range(i + 1, n)}, n)
    tree = hp.euclidean_mst(x)
    assert sorted(zip(tree.source.values.tolist(), tree.target.values.tolist(), strict=True)) == sorted(edges)
    np.testing.assert_allclose(tree.weight, np.sort([np.sqrt(squared[e]) for e in edges]))
    assert (tree.weight.diff("edge") >= 0).all()


def test_tree_in_units_of_the_data():
    assert hp.euclidean_mst([[0.0, 0.0], [3e200, 4e200]]).weight.item() == pytest.approx(5e200)
    assert hp.euclidean_mst([[1.0, 0.0], [0.0, 2.0]], metric="cosine").weight.item() == pytest.approx(1)
    assert hp.euclidean_mst([[1.0, 0.0]]).sizes["edge"] == 0


def test_bad_input():
    with pytest.raises(ValueError, match="points holds 1 values"):
        hp.euclidean_mst([0, np.nan])
    with pytest.raises(ValueError, match="'euclidean', 'cosine'"):
        hp.multiclass_hp([0, 1], [0, 1], metric="l1")
    with pytest.raises(ValueError, match="max_memory"):
        hp.euclidean_mst(np.arange(100), max_memory=1000)
    with pytest.raises(ValueError, match="one class only"):
        hp.multiclass_hp([0, 1], [0, 0])


def test_results_say_from_what_they_were_made():
    acts = xr.Dataset({"fc": ("sample", [0.0, 1, 8, 9])}, {"label": ("sample", [0, 0, 1, 1])}, {"key": "3"})
    expected = {"metric": "euclidean", "hpfunc_version": hp.__version__}
    assert hp.multiclass_hp(acts).attrs == expected | {"key": "3"}
    assert hp.euclidean_mst(acts.fc).attrs == expected


def test_more_ties_than_can_be_averaged_over_are_said(monkeypatch):
    monkeypatch.setattr(ties, "LARGEST_COMPONENT", 20)
    label = np.repeat(["a", "b", "c"], 10)
    with pytest.warns(UserWarning, match=r"layer 'one-hot': more distances are tied .* are NaN") as caught:
        found = hp.multiclass_hp({"one-hot": np.eye(30), "line": np.arange(30.0) ** 2}, label)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert np.isnan(found.hp.sel(layer="one-hot")).all()
    assert np.isfinite(found.hp.sel(layer="line")).all()
