from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings

import hpfunc as hp
from hpfunc._tree.mst import ties
from tests.cuda_host import needs_compiler
from tests.cuda_host.stand_in import stand_in
from tests.made_results import make_results
from tests.oracles import all_minimum_trees, direct_squared
from tests.strategies import labelled_integers

# ---- hardest pairs


def slow_hardest(values, n):
    """Sort the pairs of one layer by hand: the classes and the value of each, the smallest first, NaN last."""
    rows = list(
        zip(values.class_a.values.tolist(), values.class_b.values.tolist(), values.values.tolist(), strict=True)
    )
    return sorted(rows, key=lambda row: (np.isnan(row[2]), row[2]))[:n]


@pytest.mark.parametrize("classes", [(0, 1, 2, 3), ("cat", "dog", "emu", "fox")])
def test_hardest_pairs_are_those_of_a_sort_by_hand(classes):
    runs = make_results(classes)
    random = np.random.default_rng(0)
    runs["hp"] = runs.hp.copy(data=random.integers(0, 4, runs.hp.shape) / 4)  # many values are equal
    runs.hp[0, 0, 0, :3] = np.nan
    hardest = hp.hardest_pairs(runs, 5)
    assert dict(hardest.sizes) == {"checkpoint": 2, "split": 2, "layer": 3, "rank": 5}
    assert hardest["rank"].values.tolist() == [1, 2, 3, 4, 5]
    for at in np.ndindex(2, 2, 3):
        place = dict(zip(("checkpoint", "split", "layer"), at, strict=True))
        found = hardest.isel(place)
        np.testing.assert_equal(
            list(
                zip(found.class_a.values.tolist(), found.class_b.values.tolist(), found.hp.values.tolist(), strict=True)
            ),
            slow_hardest(runs.hp.isel(place), 5),
        )
        # The other variables and the numbers of samples go with their pair.
        for rank in range(5):
            pair = {name: found[name].values[rank] for name in ("class_a", "class_b")}
            own = runs.isel(place).sel(pair)
            assert own.n_a.item() == found.n_a.values[rank]
            assert own.cross_edges.item() == found.cross_edges.values[rank]
    assert hardest.attrs == runs.attrs
    assert hardest.hp.attrs == runs.hp.attrs
    xr.testing.assert_identical(hp.hardest_pairs(runs.hp, 5), hardest.hp)


def test_hardest_pairs_keep_further_dims_and_become_a_table(tmp_path):
    runs = xr.concat([make_results(), make_results(offset=0.5)], "seed").assign_coords(seed=[3, 4])
    hardest = hp.hardest_pairs(runs, 2)
    assert hardest.hp.dims == ("seed", "checkpoint", "split", "layer", "rank")
    table = hp.to_frame(hardest)
    assert len(table) == 2 * 2 * 2 * 3 * 2
    assert table.columns.tolist()[:7] == ["seed", "checkpoint", "split", "layer", "n_features", "rank", "class_a"]
    row = table.iloc[-1]
    assert (row["class_a"], row["class_b"], row["layer"]) == (0, 2, "a_much_longer_layer")
    hardest.to_netcdf(tmp_path / "hardest.nc")
    xr.testing.assert_equal(hp.open_results(tmp_path / "hardest.nc"), hardest)
    one_layer = hp.pairwise_hp([0.0, 1, 2, 9], [0, 0, 1, 1])
    assert hp.hardest_pairs(one_layer, 1).hp.dims == ("rank",)


def test_hardest_pairs_of_lazy_results():
    pytest.importorskip("dask")
    runs = make_results()
    xr.testing.assert_equal(hp.hardest_pairs(runs.chunk(), 2), hp.hardest_pairs(runs, 2))


def test_hardest_pairs_refuse_what_they_cannot_rank():
    runs = make_results()
    for n, message in ((7, "n=7, and results has 6 pairs"), (0, "n=0 is not positive")):
        with pytest.raises(ValueError, match=message):
            hp.hardest_pairs(runs, n)
    with pytest.raises(TypeError, match=r"n=2.5 is a float"):
        hp.hardest_pairs(runs, 2.5)
    with pytest.raises(ValueError, match=r"no variable 'hp' to rank pairs by; it holds \['n_a'\]"):
        hp.hardest_pairs(runs[["n_a"]], 1)
    with pytest.raises(ValueError, match="no coord 'class_a'"):
        hp.hardest_pairs(runs.hp.mean("pair"), 1)


# ---- the ceiling


@pytest.mark.parametrize(("m", "n"), [(3, 3), (2, 9), (50, 50)])
def test_the_ceiling_is_one_cross_edge_whatever_the_sizes(m, n):
    far = hp.pairwise_hp({"a": np.append(np.arange(m), 1000 + np.arange(n))}, [0] * m + [1] * n)
    assert far.hp.item() == pytest.approx(1 - (m + n) / (2 * m * n))
    assert hp.at_ceiling(far).values.tolist() == [1.0]
    mixed = hp.pairwise_hp({"a": np.append(np.arange(m), 0.5 + np.arange(n))}, [0] * m + [1] * n)
    assert hp.at_ceiling(mixed).values.tolist() == [0.0]


def test_the_share_at_the_ceiling_by_layer_and_graph():
    label = np.repeat([0, 1, 2], 4)
    random, more = np.random.default_rng(0).normal(size=(2, 12))
    layers = {"apart": more + 100 * label, "noise": random, "two": random + 500 * (label == 2)}
    results = hp.pairwise_hp(layers, label)
    assert hp.at_ceiling(results).sel(layer="apart").item() == 1
    assert hp.at_ceiling(results).sel(layer="noise").item() == 0
    expected = (results.hp.values >= 1 - 1 / 4 - 1e-9).mean(axis=1)
    np.testing.assert_allclose(hp.at_ceiling(results), expected)
    knn = hp.pairwise_hp(layers, label, graph="knn", k=2)
    np.testing.assert_allclose(hp.at_ceiling(knn), (knn.hp.values == 1).mean(axis=1))
    trees = hp.pairwise_hp(layers, label, k=2)
    np.testing.assert_allclose(hp.at_ceiling(trees), (trees.cross_edges.values == 1).mean(axis=1))
    # Pairs that were not counted are left out, and those of which only the mean over trees is unknown are not.
    results.cross_edges[0, 1] = np.nan
    assert hp.at_ceiling(results).sel(layer="apart").item() == pytest.approx(2 / 3)
    results["n_a"] = results.n_a.where(results.cross_edges.notnull())
    assert hp.at_ceiling(results).sel(layer="apart").item() == 1


def test_the_ceiling_needs_counts_of_pairs():
    with pytest.raises(ValueError, match="results has no n_a and no n_b"):
        hp.at_ceiling(make_results()[["hp", "cross_edges"]])
    with pytest.raises(ValueError, match="expected pairs of classes along 'pair'"):
        hp.at_ceiling(hp.hp_statistic([0, 1], [2, 3]))


# ---- samples that bridge


def slow_bridging(x, label):
    """Count at each sample over every minimum spanning tree: all edges, cross edges, and the longest K - 1 of these."""
    squared, n = direct_squared(x), len(x)
    probability = all_minimum_trees(x, label).probability
    cross = {edge: p for edge, p in probability.items() if label[edge[0]] != label[edge[1]]}
    forced, left = dict.fromkeys(probability, 0.0), len(set(label)) - 1
    for length in sorted({squared[edge] for edge in cross}, reverse=True):
        level = [edge for edge in cross if squared[edge] == length]
        mass = sum(cross[edge] for edge in level)
        for edge in level:
            forced[edge] = cross[edge] * min(left, mass) / mass
        left -= min(left, mass)
    return np.array([
        [sum(p for edge, p in counts.items() if sample in edge) for sample in range(n)]
        for counts in (probability, cross, forced)
    ])  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(labelled_integers(max_points=6))
def test_bridging_samples_are_counted_over_every_tree(case):
    x, label = case
    if len(x) > 3:
        label = np.append(label[:-1], 2)  # three classes, or two
    if len(set(label.tolist())) < 2:
        label[0] = 1 - label[0]
    found = hp.bridging_samples(x, label)
    edges, cross, forced = slow_bridging(x, np.unique(label, return_inverse=True)[1])
    np.testing.assert_allclose(found.edges, edges, atol=1e-12)
    np.testing.assert_allclose(found.cross_edges, cross, atol=1e-12)
    np.testing.assert_allclose(found.forced, forced, atol=1e-12)
    np.testing.assert_allclose(found.share, (cross - forced) / edges, atol=1e-12)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_without_ties_they_are_counted_in_the_tree(metric):
    random = np.random.default_rng(1)
    x, label = random.normal(size=(60, 5)), random.integers(0, 4, 60)
    tree, found = hp.euclidean_mst(x, metric=metric), hp.bridging_samples(x, label, metric=metric)
    ends = np.stack([tree.source, tree.target])
    cross = np.flatnonzero(label[ends[0]] != label[ends[1]])
    for name, kept in (("edges", np.arange(59)), ("cross_edges", cross), ("forced", cross[-3:])):
        np.testing.assert_array_equal(found[name], np.bincount(ends[:, kept].ravel(), minlength=60))
    counts = hp.multiclass_hp(x, label, metric=metric).cross_edges
    assert found.cross_edges.sum() == counts.sum()


def test_they_lead_back_to_the_samples_in_any_order():
    random = np.random.default_rng(2)
    x, label = random.integers(0, 4, (40, 3)), np.array(["ant", "bee", "cat", "dog"] * 10)
    acts = xr.Dataset(
        {"input": (("sample", "f"), x), "fc": ("sample", x.sum(axis=1))},
        {"label": ("sample", label), "index": ("sample", 100 + np.arange(40))},
        {"key": "3"},
    )
    found = hp.bridging_samples(acts)
    assert found.share.dims == ("layer", "sample")
    assert found.layer.values.tolist() == ["input", "fc"]
    assert found.attrs == {"metric": "euclidean", "hpfunc_version": hp.__version__, "key": "3"}
    xr.testing.assert_equal(found.label.drop_vars("index"), acts.label.drop_vars("index"))
    order = random.permutation(40)
    xr.testing.assert_identical(hp.bridging_samples(acts.isel(sample=order)), found.isel(sample=order))
    pair = hp.bridging_samples(acts, pair=("dog", "bee"))
    two = acts.isel(sample=np.isin(label, ["bee", "dog"]))
    xr.testing.assert_identical(pair, hp.bridging_samples(two))
    assert set(pair["index"].values.tolist()) == {100 + i for i in range(40) if label[i] in ("bee", "dog")}
    single = hp.bridging_samples(acts.fc)
    xr.testing.assert_equal(single, found.sel(layer="fc", drop=True))
    assert hp.to_frame(found).columns.tolist()[:3] == ["layer", "label", "index"]


def test_a_sample_of_another_class_has_the_share_1_and_separated_classes_have_0():
    random = np.random.default_rng(3)
    x, label = random.normal(size=(100, 2)) + np.repeat([0, 90], 50)[:, None], np.repeat([0, 1], 50)
    apart = hp.bridging_samples(x, label)
    assert (apart.share == 0).all()
    assert apart.forced.sum() == apart.cross_edges.sum() == 2
    label[7] = 1  # a wrong label
    found = hp.bridging_samples(x, label)
    assert found.share[7] == 1
    assert found.share[label == 1].drop_isel(sample=0).sum() == 0
    assert found.share.sum() < 1 + found.edges[7]


@needs_compiler
@pytest.mark.parametrize("kind", ["normal", "ties"])
def test_bridging_samples_on_a_device_are_those_of_the_host(kind):
    random = np.random.default_rng(4)
    x, label = random.normal(size=(30, 8)).astype(np.float32), random.integers(0, 3, 30)
    x = np.round(x) if kind == "ties" else x
    with stand_in() as cupy:
        for pair in (None, (0, 2)):
            found = hp.bridging_samples(cupy.asarray(x), label, pair=pair)
            xr.testing.assert_identical(found, hp.bridging_samples(x, label, pair=pair))


def test_what_bridging_samples_refuse(monkeypatch):
    with pytest.raises(ValueError, match="labels is missing"):
        hp.bridging_samples([0.0, 1.0])
    with pytest.raises(ValueError, match="pairs names the class 7"):
        hp.bridging_samples([0.0, 1.0], [0, 1], pair=(0, 7))
    with pytest.raises(ValueError, match="metric='manhattan'"):
        hp.bridging_samples([0.0, 1.0], [0, 1], metric="manhattan")
    layers = {
        "a": xr.DataArray([0.0, 1.0, 2.0], dims="sample", coords={"label": ("sample", [0, 1, 1])}),
        "b": xr.DataArray([0.0, 1.0, 2.0], dims="sample", coords={"label": ("sample", [0, 0, 1])}),
    }
    with pytest.raises(ValueError, match="layers of different samples"):
        hp.bridging_samples(layers)
    monkeypatch.setattr(ties, "LARGEST_COMPONENT", 3)
    square = [[0, 0], [0, 1], [1, 0], [1, 1], [9, 9]]
    with pytest.warns(UserWarning, match=r"activations: too many distances tie .* 4 samples"):
        found = hp.bridging_samples(square, [0, 0, 1, 1, 1])
    assert found.share.isnull().values.tolist() == [True] * 4 + [False]


# ---- what the bounds on the Bayes error cannot say


def test_the_lower_bound_never_reaches_0_and_fitted_points_look_separated():
    n = 50
    apart = hp.bayes_error_bounds(hp.hp_statistic(np.arange(n), 1000 + np.arange(n)))
    assert apart.lower.item() == pytest.approx(0.5 - np.sqrt(1 - 1 / n) / 2)
    assert round(apart.lower.item(), 3) == 0.005
    assert round(apart.upper.item(), 3) == 0.01
    noise, label = np.random.default_rng(0).normal(size=(100, 90)), np.arange(100) % 2
    # The direction of a linear discriminant: within-class covariance, solved for the difference of means.
    means = np.stack([noise[label == k].mean(axis=0) for k in (0, 1)])
    scores = (noise - means[label]).T @ (noise - means[label])
    scores = noise @ np.linalg.solve(scores, means[1] - means[0])
    bounds = [hp.bayes_error_bounds(hp.pairwise_hp(x, label)) for x in (noise, scores)]
    assert bounds[0].lower.item() > 0.3
    assert bounds[1].upper.item() < 0.02
