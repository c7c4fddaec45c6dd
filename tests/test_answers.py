"""What a new user does with results: further dims from files, tables of pandas, one pair, unequal classes."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import hpfunc as hp

NAMES = np.repeat(["elk", "fox", "yak"], 15)


def layers(seed=0, classes=3):
    x = np.random.default_rng(seed).normal(size=(15 * classes, 4)) + 1.5 * np.repeat(np.arange(classes), 15)[:, None]
    return {"input": x, "fc": x * [1, 1, 0, 0]}, NAMES[: 15 * classes]


def test_files_of_two_further_dims_are_joined_opened_and_answer(tmp_path):
    grid = []
    for width in (16, 32):
        row = []
        for start in range(3):
            path = tmp_path / f"{width}-{start}.nc"
            row.append(hp.pairwise_hp(*layers(width + start)))
            if start == 0:  # the others come from memory, as when one run is added to what is stored
                row[0].to_netcdf(path)
                row[0] = hp.open_results(path)
        grid.append(xr.concat(row, "init").assign_coords(init=["a", "b", "c"]))
    joined = xr.concat(grid, "width").assign_coords(width=[16, 32])
    joined.to_netcdf(tmp_path / "all.nc")
    runs = hp.open_results(tmp_path / "all.nc")
    assert runs.equals(joined)
    at = {"width": 32, "init": "b", "layer": "fc"}
    expected = hp.pairwise_hp(*layers(33)).hp.sel(layer="fc", class_a="elk", class_b="yak")
    assert runs.hp.sel(at).sel(class_a="yak", class_b="elk") == expected

    table = hp.to_frame(runs)
    assert table.columns[:6].tolist() == ["width", "init", "layer", "n_features", "class_a", "class_b"]
    assert len(table) == 2 * 3 * 2 * 3
    hardest = hp.to_frame(hp.hardest_pairs(runs, 1)).set_index(["width", "init", "layer"]).loc[tuple(at.values())]
    assert hardest.hp == runs.hp.sel(at).min()
    assert hp.at_ceiling(runs).dims == ("width", "init", "layer")
    assert hp.fold_interval(runs.hp.mean("pair"), dim="init").low.dims == ("width", "layer")
    with pytest.raises(ValueError, match=r"For each further dim, select one entry, .*width: 16, 32; init: a, b, c"):
        hp.plot_layers(runs)
    one = runs.sel(width=16)
    assert "mean over 3 inits" in " ".join(hp.plot_layers(one, over="init").get_ylabel().split())
    hp.plot_distributions(one, over="init")
    hp.plot_trajectory(runs.rename(width="checkpoint"), over="init")
    hp.plot_pairs(one.sel(layer="fc"), over="init")


def test_tables_with_odd_indexes_and_categories_are_matched_by_their_index():
    arrays, names = layers()
    rng = np.random.default_rng(1)
    index = pd.Index(rng.permutation(45) * 10, name="sheet")
    features = pd.DataFrame(arrays["input"], index, list("wxyz"))
    kinds = pd.Series(pd.Categorical(names, ["yak", "elk", "fox", "gnu"], ordered=True), index)
    plain = hp.pairwise_hp({"all": arrays["input"], "two": arrays["input"][:, :2]}, names)
    found = hp.pairwise_hp({"all": features, "two": features[["w", "x"]]}, kinds.sample(frac=1, random_state=0))
    xr.testing.assert_equal(found, plain)
    counts = hp.to_frame(hp.multiclass_hp(features, kinds))
    assert counts["class"].dropna().tolist() == ["elk", "fox", "yak"]
    assert len(counts) == 9 + 3
    plane = hp.pca2d(features, labels=kinds)
    assert plane.sample.values.tolist() == index.tolist()
    with pytest.raises(TypeError, match="column 'kind' of dtype category"):
        hp.pairwise_hp(features.assign(kind=kinds), names)


def test_one_pair_of_classes_is_enough_for_every_answer_and_picture():
    acts, names = layers(classes=2)
    results = hp.pairwise_hp(acts, names)
    assert hp.to_frame(hp.hardest_pairs(results, 1))[["class_a", "class_b"]].values.tolist() == [["elk", "fox"]] * 2
    with pytest.raises(ValueError, match="n=2, and results has 1 pair of classes"):
        hp.hardest_pairs(results, 2)
    found = hp.bridging_samples(acts, names, pair=("fox", "elk"))
    xr.testing.assert_equal(found, hp.bridging_samples(acts, names))
    assert "mean over 1 pair" in hp.plot_layers(results).get_ylabel()
    for picture in (hp.plot_distributions, hp.plot_pairs):
        picture(results.isel(layer=0))
    hp.plot_distributions(results, by_layer=True)
    with pytest.warns(UserWarning, match="with 1 entry along 'pair'"):
        tests = hp.fisher_steps(results.hp, along="layer")
    hp.plot_fisher(tests)


def test_unequal_classes_become_equal_on_request():
    names = np.repeat(["a", "b", "c"], [200, 20, 7])
    points = np.random.default_rng(0).normal(size=(227, 3)) + 2.0 * (names == "b")[:, None]
    whole, equal = hp.pairwise_hp(points, names), hp.pairwise_hp(points, names, samples_per_class=7, key=1)
    assert (whole.n_a.values.tolist(), whole.n_b.values.tolist()) == ([200, 200, 20], [20, 7, 7])
    assert set(equal.n_a.values) == set(equal.n_b.values) == {7}
    highest = 1 - (whole.n_a + whole.n_b) / (2 * whole.n_a * whole.n_b)
    assert (whole.hp <= highest).all()
