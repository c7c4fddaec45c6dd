"""What a container says of its entries is honoured or refused by every public function, and never dropped."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

import hpfunc as hp
from hpfunc._arrays import align_features, align_labels, as_array, as_points, sample_dim

RNG = np.random.default_rng(0)
Y = np.arange(40) % 2
X = RNG.normal(size=(40, 3)) + Y[:, None]
SHUFFLED = RNG.permutation(40)
EXPECTED = float(hp.pairwise_hp(X, Y).hp[0])


def frame(**options):
    return pd.DataFrame(X, columns=list("abc"), index=range(100, 140), **options)


def layers(square=True):
    wide = RNG.normal(size=(40, 40 if square else 30)) + Y[:, None]
    values = {"a": (("sample", "a_0"), wide), "b": (("sample", "b_0", "b_1"), RNG.normal(size=(40, 3, 2)))}
    return xr.Dataset(values, {"label": ("sample", Y), "index": ("sample", np.arange(40))})


# ---- masks


MASKED = np.ma.masked_greater(X, 2.5)


def masked_tensor(values, valid):
    with warnings.catch_warnings():
        # Torch calls them a prototype.
        warnings.simplefilter("ignore")
        return torch.masked.masked_tensor(torch.from_numpy(values), torch.from_numpy(valid))


@pytest.mark.parametrize(
    "call",
    [
        lambda m: hp.hp_statistic(m, X),
        lambda m: hp.pairwise_hp(m, Y),
        lambda m: hp.pairwise_hp({"a": m}, Y),
        lambda m: hp.multiclass_hp(m, Y),
        lambda m: hp.euclidean_mst(m),
        lambda m: hp.pca2d(m),
        lambda m: hp.pca2d(X, m),
    ],
)
@pytest.mark.parametrize("masked", [MASKED, masked_tensor(X, X <= 2.5), list(MASKED)], ids=["numpy", "torch", "list"])
def test_masked_points_are_an_error(call, masked):
    with pytest.raises(ValueError, match=r"masked entries, the first at position \(\d+, \d\); drop these samples"):
        call(masked)


def test_masks_that_hide_nothing_change_nothing():
    for points in (np.ma.masked_greater(X, 99), masked_tensor(X, np.ones_like(X, bool))):
        assert float(hp.pairwise_hp(points, Y).hp[0]) == EXPECTED


def test_masked_labels_and_values_are_an_error():
    with pytest.raises(ValueError, match="labels has 20 masked entries"):
        hp.pairwise_hp(X, np.ma.masked_equal(Y, 1))
    with pytest.raises(ValueError, match="before has 1 masked"):
        hp.fisher_permutation(np.ma.masked_equal([1.0, 2, 3], 2), [1.0, 2, 3], key=0)
    with pytest.raises(ValueError, match="pvalues has 1 masked"):
        hp.adjust_pvalues(np.ma.masked_equal([0.1, 0.2], 0.2))


# ---- sparse matrices


def test_sparse_matrices_say_toarray():
    sparse = pytest.importorskip("scipy.sparse")
    for matrix in (sparse.csr_matrix(X), sparse.csc_array(X), sparse.coo_array(X)):
        with pytest.raises(TypeError, match=r"activations is a sparse .*pass \.toarray\(\)"):
            hp.pairwise_hp(matrix, Y)


# ---- dims


def results(activations):
    return {name: float(hp.pairwise_hp(activations).hp.sel(layer=name)[0]) for name in activations}


def test_the_samples_may_stand_on_any_axis_and_bear_any_name():
    acts = layers()
    expected = results(acts)
    assert results(acts.assign(a=acts.a.T)) == expected
    assert results(acts.transpose(..., "sample")) == expected
    assert results(acts.rename(sample="image")) == expected
    assert results(acts.rename(sample="image").transpose(..., "image")) == expected
    assert results({"a": acts.a.T, "b": acts.b}) == expected
    assert float(hp.pairwise_hp(acts.a.T).hp[0]) == expected["a"]
    assert float(hp.pairwise_hp(acts.rename(sample="image").a.T).hp[0]) == expected["a"]
    bare = acts.drop_vars("label").rename(sample="image")
    assert float(hp.pairwise_hp(bare.a.T, acts.label.rename(sample="image")).hp[0]) == expected["a"]


def test_one_function_after_the_other_sees_the_samples():
    acts = layers(square=False)
    rows = acts.a
    assert hp.euclidean_mst(rows.T).equals(hp.euclidean_mst(rows))
    assert hp.pca2d(rows.T).equals(hp.pca2d(rows))
    parts = [acts.a[k == Y] for k in (0, 1)]
    expected = float(hp.hp_statistic(*parts).hp)
    assert float(hp.hp_statistic(parts[0].T, parts[1]).hp) == expected
    assert float(hp.hp_statistic(parts[0], parts[1].T).hp) == expected
    multi = hp.multiclass_hp(acts)
    assert hp.multiclass_hp(acts.transpose(..., "sample")).equals(multi)


def test_variables_without_samples_are_an_error():
    with pytest.raises(ValueError, match="the variables note without the dim 'sample'"):
        hp.pairwise_hp(layers().assign(note=3))
    with pytest.raises(ValueError, match="without the dim 'image'"):
        hp.pairwise_hp(layers().rename(sample="image").assign(c=("other", [1, 2])))


def test_features_in_another_order_of_dims_are_transposed():
    x = xr.DataArray(RNG.normal(size=(20, 3, 2)), dims=("sample", "channel", "time"))
    y = xr.DataArray(RNG.normal(size=(20, 3, 2)), dims=("sample", "channel", "time"))
    expected = float(hp.hp_statistic(x, y).cross_edges)
    assert float(hp.hp_statistic(x, y.transpose("time", "sample", "channel")).cross_edges) == expected
    with pytest.raises(ValueError, match="the first counts features in x"):
        hp.hp_statistic(x, y.rename(sample="image").transpose("time", ...))


def test_the_dim_of_the_samples_is_told():
    acts = layers()
    assert sample_dim(acts) == sample_dim(acts.a.T) == "sample"
    assert sample_dim(acts.rename(sample="image").a.T) == "image"
    assert sample_dim(acts.a.T, xr.DataArray(Y, dims="a_0")) == "a_0"
    assert sample_dim(xr.DataArray(np.zeros((2, 3)), dims=("u", "v"))) == "u"


# ---- labels along the features


@pytest.mark.parametrize("other", [lambda v: v[["c", "a", "b"]], lambda v: v.to_xarray().to_array("f").T[:, [2, 0, 1]]])
def test_the_same_features_in_another_order_are_aligned(other):
    x, y = frame()[:20], frame()[20:]
    expected = float(hp.hp_statistic(x.to_numpy(), y.to_numpy()).hp)
    assert float(hp.hp_statistic(x, other(y)).hp) == expected
    swapped = hp.pca2d(x, other(y))
    np.testing.assert_allclose(swapped.scores, hp.pca2d(X[:20], X[20:]).scores)


def test_frames_of_polars():
    """Columns are matched by name; a Series of any kind gives labels."""
    pl = pytest.importorskip("polars")
    x, y = pl.from_numpy(X, schema=["a", "b", "c"]), pl.Series("y", Y)
    expected = hp.pairwise_hp(X, Y)
    for labels in (y, y.cast(pl.Float64), y.cast(pl.UInt8)):
        xr.testing.assert_identical(hp.pairwise_hp(x, labels), expected)
    for dtype in (pl.String, pl.Categorical):
        assert hp.pairwise_hp(x, y.cast(pl.String).cast(dtype)).class_a.values.tolist()[0] == "0"
    first, second = x.filter(y == 0), x.filter(y == 1)
    alone = hp.hp_statistic(X[Y == 0], X[Y == 1])
    xr.testing.assert_identical(hp.hp_statistic(first, second.select(["c", "a", "b"])), alone)
    xr.testing.assert_identical(hp.hp_statistic(pl.from_numpy(X[Y == 0]), second), alone)
    with pytest.raises(ValueError, match="'c' in x only and 'd' in y only"):
        hp.hp_statistic(first, second.rename({"c": "d"}))
    with pytest.raises(ValueError, match="NaN"):
        hp.pairwise_hp(x.with_columns(a=pl.lit(None, pl.Float64)), y)
    with pytest.raises(TypeError, match="sample 0 of labels"):
        hp.pairwise_hp(x, pl.Series([None, *Y[1:].tolist()]))
    acts = hp.collect_activations(torch.nn.Linear(3, 2).double(), (x, y), classes=pl.Series([1, 0]))
    np.testing.assert_array_equal(acts.input, np.concatenate([X[Y == 1], X[Y == 0]]))


def test_other_features_are_an_error():
    x, y = frame()[:20], frame()[20:].rename(columns={"c": "d"})
    with pytest.raises(ValueError, match=r"features .* differently: 'c' in x only and 'd' in y only"):
        hp.hp_statistic(x, y)
    with pytest.raises(ValueError, match=r"'c' in points only and 'd' in others\[0\] only"):
        hp.pca2d(x, y)
    # What has no labels goes by position.
    assert hp.hp_statistic(x, y.to_numpy()).equals(hp.hp_statistic(X[:20], X[20:]))


# ---- labels along the samples


def test_labels_follow_the_index_of_the_samples():
    points, label = frame(), pd.Series(Y, index=range(100, 140))
    for shuffled in (label.iloc[SHUFFLED], label):
        assert float(hp.pairwise_hp(points, shuffled).hp[0]) == EXPECTED
        assert float(hp.pairwise_hp({"a": points}, shuffled).hp[0, 0]) == EXPECTED
    assert float(hp.pairwise_hp(points.iloc[SHUFFLED], label).hp[0]) == EXPECTED
    plane = hp.pca2d(points, labels=label.iloc[SHUFFLED])
    np.testing.assert_array_equal(plane.label, Y)
    # A default index counts the rows, and those of both are matched.
    plain = pd.DataFrame(X)
    assert float(hp.pairwise_hp(plain, pd.Series(Y).iloc[SHUFFLED]).hp[0]) == EXPECTED
    assert float(hp.pairwise_hp(points, Y).hp[0]) == EXPECTED


def test_labels_of_other_samples_are_an_error():
    with pytest.raises(ValueError, match=r"activations and labels label the samples differently: 100, .* by position"):
        hp.pairwise_hp(frame(), pd.Series(Y))
    twice = pd.Series(Y, index=[7] * 40)
    with pytest.raises(ValueError, match="more than once"):
        hp.pairwise_hp(frame().set_axis([7] * 39 + [8]), twice.set_axis([8] + [7] * 39))
    # Where they are equal, nothing needs to be matched.
    assert float(hp.pairwise_hp(frame().set_axis(twice.index), twice).hp[0]) == EXPECTED


def test_coords_along_the_samples_are_matched():
    acts = layers()
    expected = float(hp.pairwise_hp(acts.a).hp[0])
    assert float(hp.pairwise_hp(acts.a.isel(sample=SHUFFLED), acts.label).hp[0]) == expected
    assert float(hp.pairwise_hp(acts[["a"]].isel(sample=SHUFFLED), acts.label).hp[0, 0]) == expected
    other = acts.label.assign_coords(index=acts.index + 1)
    with pytest.raises(ValueError, match="0 in activations only and 40 in labels only"):
        hp.pairwise_hp(acts.a, other)
    # A default index says nothing about the coords.
    assert float(hp.pairwise_hp(acts.a, pd.Series(Y)).hp[0]) == expected


def test_plain_arrays_go_by_position():
    x, y = align_features(X, X[::-1], ("x", "y"))
    assert x is X
    np.testing.assert_array_equal(y, X[::-1])
    assert align_labels(Y, frame()) is Y


# ---- columns


def test_columns_of_every_numeric_kind():
    mixed = frame().assign(d=1, e=True)
    np.testing.assert_array_equal(as_points(mixed), np.column_stack([X, np.ones((40, 2))]))
    for points in (frame().convert_dtypes(), frame().astype("Float64"), frame().astype(pd.SparseDtype("float64"))):
        np.testing.assert_array_equal(as_points(points), X)
    assert as_points(frame().astype("float32")).dtype == np.float32
    assert as_array(pd.Series([1, 2], dtype="Int64")).dtype == np.int64
    with pytest.raises(TypeError, match="the column 'd' of dtype"):
        as_points(frame().assign(d="x"))


def test_missing_numbers_are_placed():
    gap = frame().astype("Float64")
    gap.iloc[3, 1] = None
    with pytest.raises(ValueError, match=r"1 values that are NaN .* sample 3 \(class 1\), feature 1"):
        hp.pairwise_hp(gap, Y)


def test_messages_name_the_rows_and_columns_of_a_frame():
    frame = pd.DataFrame(RNG.normal(size=(20, 2)), [f"r{i}" for i in range(20)], ["width", "height"])
    gap = frame.copy()
    gap.iloc[3, 1] = np.nan
    classes = np.arange(20) % 2
    for measure in (
        lambda: hp.pairwise_hp(gap, classes),
        lambda: hp.hp_statistic(frame, gap),
        lambda: hp.euclidean_mst(gap),
        lambda: hp.pca2d(frame, gap),
    ):
        with pytest.raises(ValueError, match=r"sample 3.*feature 1 \(row 'r3', column 'height'\)"):
            measure()
    with pytest.raises(TypeError, match="column 'kind' of dtype category"):
        hp.pairwise_hp(frame.assign(kind=pd.Categorical(["a", "b"] * 10)), classes)
    missing = pd.Series(["ant", None] * 10, frame.index)
    with pytest.raises(TypeError, match="sample 1, row 'r1' of labels has a label of type"):
        hp.pairwise_hp(frame, missing)
    with pytest.raises(TypeError, match="sample 1 of labels has a label of type NoneType"):
        hp.pairwise_hp(frame, ["ant", None] * 10)
    with pytest.raises(ValueError, match=r"shape \(20,\) and labels has shape \(20, 2\), which looks swapped"):
        hp.pairwise_hp(classes, frame)


# ---- along the dim of a permutation test


def test_entries_of_pandas_are_matched_as_those_of_xarray():
    labels = [f"p{i}" for i in range(12)]
    before, after = pd.Series(RNG.random(12), labels), pd.Series(RNG.random(12), labels)
    order = RNG.permutation(12)
    expected = hp.fisher_permutation(before.to_numpy(), after.to_numpy())
    found = hp.fisher_permutation(before, after.iloc[order])
    assert found.statistic.item() == pytest.approx(expected.statistic.item(), rel=1e-12)
    assert found.pvalue.item() == expected.pvalue.item()
    as_arrays = [xr.DataArray(x, {"pair": x.index}, ["pair"]) for x in (before, after.iloc[order])]
    assert hp.fisher_permutation(*as_arrays).equals(found)
    with pytest.raises(ValueError, match="'p0' in before only and 'q' in after only"):
        hp.fisher_permutation(before, after.rename({"p0": "q"}))


def test_frames_have_their_columns_along_the_dim():
    columns = list("abcdefgh")
    before = pd.DataFrame(RNG.random((2, 8)), ["conv", "fc"], columns)
    after = pd.DataFrame(RNG.random((2, 8)), ["conv", "fc"], columns)
    expected = hp.fisher_permutation(before.to_numpy(), after.to_numpy())
    found = hp.fisher_permutation(before, after[list("dbcafheg")].iloc[::-1])
    np.testing.assert_array_equal(found.pvalue, expected.pvalue)
    assert found.dim_0.values.tolist() == ["conv", "fc"]
    named = before.T.rename_axis(index="pair", columns="layer")
    assert hp.fisher_permutation(named, after.T.rename_axis(index="pair", columns="layer")).layer.values.tolist() == [
        "conv",
        "fc",
    ]


def test_pairs_in_an_index_of_two_levels_match_in_either_order():
    results = hp.pairwise_hp(RNG.normal(size=(30, 2)), np.arange(30) % 4)
    series = pd.Series(results.hp.values, pd.MultiIndex.from_arrays([results.class_a.values, results.class_b.values]))
    series.index.names = ["class_a", "class_b"]
    swapped = series.swaplevel().rename_axis(["class_a", "class_b"])[::-1]
    assert hp.fisher_permutation(series, swapped).statistic.item() == 0


def test_adjusted_values_keep_their_index():
    pvalues = pd.Series([0.01, 0.02, 0.5], list("abc"), name="p")
    found = hp.adjust_pvalues(pvalues)
    pd.testing.assert_series_equal(found, pd.Series([0.03, 0.04, 0.5], list("abc"), name="p"))
    assert pvalues.tolist() == [0.01, 0.02, 0.5]
    table = hp.adjust_pvalues(pvalues.to_frame())
    assert table.columns.tolist() == ["p"]
