"""Folds of `pairwise_hp`: each is the statistic of its own samples, and parted the same for all layers."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import hpfunc as hp

COUNTS = ("cross_edges", "cross_edges_min", "cross_edges_max", "z", "pvalue", "n_a", "n_b")


def example(seed=0, n=63):
    rng = np.random.default_rng(seed)
    label = rng.permutation(np.arange(n) % 3)
    layers = {"conv": rng.normal(size=(n, 2, 20)).astype(np.float32), "relu": rng.integers(0, 3, (n, 3))}
    dataset = xr.Dataset(
        {name: (("sample", *(f"{name}_{i}" for i in range(x.ndim - 1))), x) for name, x in layers.items()},
        {"label": ("sample", label), "index": ("sample", rng.permutation(1000)[:n])},
    )
    return dataset.assign_coords(film=("sample", rng.integers(0, 15, n)))


def folds_of(activations, **options):
    """Find which fold each sample falls in: of points that are far apart, one by one, by leaving it out."""
    from hpfunc._measure.folds import SampleOptions, draw_and_part
    from hpfunc._measure.layers import group_by_class, read_layers

    [layer] = read_layers(activations, None, options.get("groups"))

    def check(*args):
        pass

    classes = group_by_class(layer, "euclidean", check)
    key = options["key"]
    fold = draw_and_part(layer, classes, SampleOptions(None, 4, 2, key, "groups" in options), key, check)[1]
    where = np.empty_like(fold)
    where[:, classes.order] = fold
    return where


@pytest.mark.parametrize("options", [{}, {"graph": "knn", "k": 2}, {"k": 2}, {"metric": "cosine"}])
@pytest.mark.filterwarnings("ignore:.*distances tie")
def test_each_fold_is_the_statistic_of_its_samples(options):
    activations = example() + 1
    result = hp.pairwise_hp(activations, folds=4, repeats=2, key=3, **options)
    assert result.hp.dims == ("repeat", "fold", "layer", "pair")
    assert dict(result.sizes) == {"repeat": 2, "fold": 4, "layer": 2, "pair": 3}
    assert (result.attrs["folds"], result.attrs["repeats"], result.attrs["key"], result.attrs["hp_clipped"]) == (
        4,
        2,
        "3",
        0,
    )
    fold, label = folds_of(activations["relu"], key=3), activations.label.values
    for repeat in range(2):
        for f in range(4):
            for layer in ("conv", "relu"):
                x = activations[layer].values
                for a, b in ((0, 1), (0, 2), (1, 2)):
                    mine = [x[(fold[repeat] == f) & (label == k)] for k in (a, b)]
                    expected = hp.hp_statistic(*mine, **options)
                    found = result.sel(repeat=repeat, fold=f, layer=layer, class_a=a, class_b=b)
                    for name in COUNTS:
                        assert found[name].item() == pytest.approx(expected[name].item(), nan_ok=True), name
                    assert found.hp.item() == pytest.approx(hp.hp_estimate(expected, clip=False).item())
    assert (result.hp < 0).any()


def test_folds_are_the_same_for_all_layers_orders_and_kinds_of_input():
    activations = example(1)
    result = hp.pairwise_hp(activations, folds=4, repeats=2, key=0)
    order = np.random.default_rng(2).permutation(63)
    xr.testing.assert_identical(hp.pairwise_hp(activations.isel(sample=order), folds=4, repeats=2, key=0), result)
    alone = hp.pairwise_hp(activations["conv"], folds=4, repeats=2, key=0)
    assert alone.hp.dims == ("repeat", "fold", "pair")
    np.testing.assert_array_equal(alone.hp, result.hp.sel(layer="conv"))
    twice = hp.pairwise_hp(
        activations.assign(again=activations["conv"].rename(conv_0="b", conv_1="c")), folds=4, repeats=2, key=0
    )
    np.testing.assert_array_equal(twice.hp.sel(layer="again"), result.hp.sel(layer="conv"))
    # Without positions, rows are the positions.
    plain = activations.assign_coords(index=("sample", np.arange(63)))
    by_row = hp.pairwise_hp({"conv": activations["conv"].values}, activations.label.values, folds=4, key=0)
    np.testing.assert_array_equal(by_row.hp, hp.pairwise_hp(plain[["conv"]], folds=4, key=0).hp)
    assert (hp.pairwise_hp(activations, folds=4, repeats=2, key=1).hp != result.hp).any()


@pytest.mark.parametrize("groups", ["film", "array", "strings"])
def test_groups_stay_together(groups):
    activations = example(3, 90)
    film = activations.film.values
    given = {"film": "film", "array": film, "strings": film.astype(str)}[groups]
    fold = folds_of(activations["conv"], groups=given, key=0)
    for row in fold:
        assert all(len(np.unique(row[film == one])) == 1 for one in np.unique(film))
    result = hp.pairwise_hp(activations, folds=4, repeats=2, key=0, groups=given)
    assert (result.n_a.sum("fold") == 30).all()


def test_groups_are_divided_alike_for_all_orders_layers_and_pairs():
    activations, options = example(3, 90), {"folds": 4, "repeats": 2, "key": 0, "groups": "film"}
    result = hp.pairwise_hp(activations, **options)
    order = np.random.default_rng(2).permutation(90)
    xr.testing.assert_identical(hp.pairwise_hp(activations.isel(sample=order), **options), result)
    alone = hp.pairwise_hp(activations["relu"], pairs=[(2, 0)], **options)
    np.testing.assert_array_equal(alone.hp.isel(pair=0), result.hp.sel(layer="relu", class_a=0, class_b=2))


def test_one_progress_bar_counts_pairs_and_repeats(capfd):
    hp.pairwise_hp(example(), folds=3, repeats=2, key=0, progress=True)
    assert "12/12" in capfd.readouterr().err


def test_few_samples_are_said_or_refused():
    x, y = np.random.default_rng(4).normal(size=(24, 2)), np.arange(24) % 2
    with pytest.warns(UserWarning, match="folds=4 leaves 3 samples of class 0 in a fold") as caught:
        hp.pairwise_hp({"fc": x}, y, folds=4, key=0)
    assert caught[0].filename == __file__
    with pytest.raises(ValueError, match="layer 'fc': folds=7 leaves 1 sample of class 0 in a fold"):
        hp.pairwise_hp({"fc": x}, y, folds=7, key=0)
    with pytest.raises(ValueError, match="groups stay together"):
        hp.pairwise_hp({"fc": x}, y, folds=4, key=0, groups=y)


def test_groups_that_make_folds_uneven_are_said():
    x, y = np.random.default_rng(4).normal(size=(80, 2)), np.repeat(["ant", "bee"], 40)
    # One group holds half of a class, whose other samples are groups of their own.
    groups = np.where(np.arange(80) < 60, np.arange(80), 60)
    with pytest.warns(UserWarning, match=r"uneven, with 5 to 24 samples of class 'bee'") as caught:
        result = hp.pairwise_hp({"fc": x}, y, folds=4, repeats=2, key=0, groups=groups)
    assert len(caught) == 1
    assert (result.n_b.min(), result.n_b.max()) == (5, 24)


def test_ties_in_folds_are_said_once_with_the_fold(monkeypatch):
    monkeypatch.setattr("hpfunc._tree.mst.ties.LARGEST_COMPONENT", 4)
    grid = np.stack(np.meshgrid(np.arange(6), np.arange(6)), axis=-1).reshape(-1, 2)
    with pytest.warns(UserWarning, match=r"layer 'relu', classes 0 and 1, fold \d of repeat \d") as caught:
        hp.pairwise_hp({"relu": grid}, np.arange(36) % 2, folds=2, repeats=2, key=0)
    assert len(caught) == 1


@pytest.mark.parametrize("graph", ["mst", "knn"])
def test_equal_numbers_are_drawn_of_unequal_classes(graph):
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(220, 3)), np.repeat(["many", "few"], [200, 20])
    result = hp.pairwise_hp(x, y, samples_per_class=20, key=1, graph=graph)
    assert (result.n_a.item(), result.n_b.item()) == (20, 20)
    assert (result.attrs["samples_per_class"], result.attrs["key"]) == (20, "1")
    order = rng.permutation(220)
    shuffled = xr.DataArray(
        x[order], dims=["sample", "f"], coords={"label": ("sample", y[order]), "index": ("sample", order)}
    )
    xr.testing.assert_identical(hp.pairwise_hp(shuffled, samples_per_class=20, key=1, graph=graph), result)
    in_folds = hp.pairwise_hp(x, y, samples_per_class=20, key=1, folds=2, graph=graph)
    assert (in_folds.n_a == 10).all()
    with pytest.raises(ValueError, match=r"class 'few' has 20 samples, fewer than samples_per_class=21"):
        hp.pairwise_hp(x, y, samples_per_class=21, key=1)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"folds": 3}, ValueError, "folds needs a key"),
        ({"samples_per_class": 3}, ValueError, "samples_per_class needs a key"),
        ({"key": 3}, ValueError, "no use"),
        ({"folds": 3, "key": -1}, ValueError, "negative"),
        ({"folds": 1, "key": 0}, ValueError, "folds=1"),
        ({"folds": 2.5, "key": 0}, TypeError, "folds=2.5"),
        ({"folds": 3, "repeats": 0, "key": 0}, ValueError, "repeats=0"),
        ({"repeats": 3}, ValueError, "repeats=3 goes with folds"),
        ({"groups": "film"}, ValueError, "groups goes with folds"),
        ({"folds": 3, "key": 0, "groups": "movie"}, ValueError, r"groups='movie' is not a coord.*'film'"),
        ({"folds": 3, "key": 0, "groups": [1, 2]}, ValueError, r"groups has shape \(2,\)"),
        ({"folds": 3, "key": 0, "groups": np.full(63, 0.5)}, (TypeError, ValueError), "groups"),
        ({"folds": 3, "key": 0, "graph": "knn", "k": 15}, ValueError, "a fold of layer 'conv', classes 0 and 1"),
    ],
)
def test_bad_options(options, error, message):
    with pytest.raises(error, match=message):
        hp.pairwise_hp(example(), **options)


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [(np.zeros(63, int), ValueError, "holds 0 more than once in class 0"), (np.ones(63), TypeError, "float64")],
)
def test_positions_tell_samples_apart(index, error, message):
    activations = example().assign_coords(index=("sample", index))
    hp.pairwise_hp(activations)
    with pytest.raises(error, match=message):
        hp.pairwise_hp(activations, folds=3, key=0)
