from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import hpfunc as hp


def interval(values, **options):
    return hp.fold_interval(xr.DataArray(values, dims=["repeat", "fold"]), **options)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[0.1, 0.3, 0.2], [0.2, 0.2, 0.5]],
         {"estimate": 0.25, "se": np.sqrt(0.00416667), "low": 0.25 - 0.277735, "high": 0.527735, "pvalue": 0.0606636}),
        ([[0.1, 0.2, 0.3], [0.3, 0.1, 0.2]], {"estimate": 0.2, "se": np.sqrt(0.00333333)}),
        # Partitions that differ more than their folds: the floor holds.
        ([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], {"estimate": 0.35, "se": np.sqrt(0.00166667)}),
    ],
)  # fmt: skip
def test_known_answers(values, expected):
    result = interval(values)
    for name, value in expected.items():
        assert result[name].item() == pytest.approx(value, abs=1e-6), name
    assert result.df.item() == 2


@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
def test_one_partition_is_the_one_sample_t_test(level):
    x = np.random.default_rng(0).normal(0.2, 1, (4, 9))
    result = hp.fold_interval(xr.DataArray(x, dims=["layer", "run"]), dim="run", level=level)
    expected = stats.ttest_1samp(x, 0, axis=1)
    low, high = expected.confidence_interval(level)
    np.testing.assert_allclose(result.pvalue, expected.pvalue, rtol=1e-12)
    np.testing.assert_allclose(result.low, low, rtol=1e-12)
    np.testing.assert_allclose(result.high, high, rtol=1e-12)
    assert result.estimate.dims == ("layer",)
    same = hp.fold_interval(xr.DataArray(x, dims=["layer", "run"]), dim="run", repeat=None, level=level)
    xr.testing.assert_identical(result, same)


def test_the_formula_by_loops_over_every_other_dim_in_any_order():
    x = np.random.default_rng(1).normal(size=(3, 5, 2, 4))
    values = xr.DataArray(
        x, {"layer": ["conv", "fc"], "class_a": ("pair", [0, 0, 0, 1]), "class_b": ("pair", [1, 2, 3, 2])},
        ["repeat", "fold", "layer", "pair"], "hp",
    )  # fmt: skip
    values = hp.label_pairs(values)
    result = hp.fold_interval(values.transpose("pair", "fold", "layer", "repeat"))
    for i, layer in enumerate(["conv", "fc"]):
        for j in range(4):
            part = x[:, :, i, j]
            within = np.mean([row.var(ddof=1) / 5 for row in part])
            between = (1 - 1 / 3) * np.var([row.mean() for row in part], ddof=1)
            found = result.isel(pair=j).sel(layer=layer)
            assert found.estimate.item() == pytest.approx(part.mean())
            assert found.se.item() == pytest.approx(np.sqrt(max(within - between, within / 2)))
    xr.testing.assert_equal(result.sel(class_a=1, class_b=0).estimate, result.sel(class_a=0, class_b=1).estimate)


def test_values_that_do_not_vary_have_no_interval():
    x = xr.DataArray(
        np.stack([np.full((2, 4), 0.98), np.zeros((2, 4)), np.arange(8.0).reshape(2, 4)]),
        dims=["layer", "repeat", "fold"],
    )
    with pytest.warns(
        UserWarning, match=r"2 of 3 entries do not vary at all \(at layer=0 every value is 0.98;"
    ) as caught:
        result = hp.fold_interval(x)
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(np.isnan(result.low), [True, True, False])
    np.testing.assert_array_equal(result.se[:2], 0)
    np.testing.assert_allclose(result.estimate[:2], [0.98, 0])
    assert np.isnan(result.pvalue[0])
    assert result.pvalue[1] == 1
    assert 0 < result.pvalue[2] < 1
    # Also where the folds are all there is.
    with pytest.warns(UserWarning, match=r"1 of 1 entries do not vary at all \(every value is 0.98;"):
        assert hp.fold_interval(x[0, 0]).low.isnull()


def test_the_estimate_says_what_the_contrast_is():
    values = xr.DataArray([1.0, 2.0, 4.0], dims="fold")
    assert hp.fold_interval(values).estimate.attrs == {"long_name": "mean over folds", "units": "1"}
    named = hp.fold_interval(values.assign_attrs(long_name="change of HP", units="%"))
    assert named.estimate.attrs == {"long_name": "change of HP", "units": "%"}
    assert {name: named[name].attrs["units"] for name in ("se", "low", "high", "pvalue", "df")} == {
        "se": "%", "low": "%", "high": "%", "pvalue": "1", "df": "1",
    }  # fmt: skip
    assert named.low.attrs["long_name"] == "lower end of the interval"


def test_neither_the_order_of_folds_nor_of_repeats_matters():
    x = np.random.default_rng(2).normal(size=(6, 7))
    turned = interval(x[::-1, ::-1])
    for name, value in interval(x).items():
        assert turned[name].item() == pytest.approx(value.item())


@pytest.mark.parametrize(
    ("values", "options", "error", "message"),
    [
        ([1.0, 2.0], {}, TypeError, "list"),
        (xr.Dataset({"hp": ("fold", [1.0, 2.0])}), {}, TypeError, "results.hp"),
        (xr.DataArray([1.0, 2.0], dims="layer"), {}, ValueError, "folds=10, repeats=10"),
        (xr.DataArray([1.0, 2.0], dims="layer"), {"dim": "run"}, ValueError, "dim='run'"),
        (xr.DataArray([1.0], dims="fold"), {}, ValueError, "1 entry"),
        (xr.DataArray([1.0, np.nan], dims="fold"), {}, ValueError, "fold=1"),
        (xr.DataArray([1j, 1], dims="fold"), {}, TypeError, "complex"),
        (xr.DataArray([1.0, 2.0], dims="pair"), {"dim": "pair"}, ValueError, "share classes"),
        (xr.DataArray([1.0, 2.0], dims="fold"), {"level": 95}, ValueError, "level=95"),
        (xr.DataArray([1.0, 2.0], dims="fold"), {"level": "high"}, TypeError, "level='high'"),
        (xr.DataArray([1.0, 2.0], dims="fold"), {"repeat": "fold"}, ValueError, "both 'fold'"),
    ],
)  # fmt: skip
def test_bad_input(values, options, error, message):
    with pytest.raises(error, match=message):
        hp.fold_interval(values, **options)
