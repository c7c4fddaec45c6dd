"""Adjusted p-values: against closed testing, SciPy and known answers."""

import itertools

import numpy as np
import pytest
import scipy.stats
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from hpfunc.adjustment import adjust_pvalues

probabilities = st.lists(st.floats(0, 1) | st.sampled_from([0.0, 0.01, 0.05, 1.0]), min_size=1, max_size=7)


@given(probabilities)
def test_holm_is_closed_testing_with_bonferroni(pvalues):
    """The adjusted p-value is the largest Bonferroni p-value of all sets of hypotheses with it."""
    adjusted = adjust_pvalues(pvalues)
    indices = range(len(pvalues))
    sets = [s for size in range(1, len(pvalues) + 1) for s in itertools.combinations(indices, size)]
    for i in indices:
        expected = max(min(1, len(s) * min(pvalues[j] for j in s)) for s in sets if i in s)
        assert adjusted[i] == pytest.approx(expected, abs=1e-15)


@given(probabilities)
def test_bh_is_that_of_scipy(pvalues):
    theirs = scipy.stats.false_discovery_control(pvalues)
    np.testing.assert_allclose(adjust_pvalues(pvalues, method="bh"), theirs, rtol=1e-14, atol=0)


@given(st.permutations([0.01, 0.02, 0.03, 0.5]))
def test_adjusted_known_answers_in_any_order(pvalues):
    for method, expected in (("holm", [0.04, 0.06, 0.06, 0.5]), ("bh", [0.04, 0.04, 0.04, 0.5])):
        by_value = dict(zip([0.01, 0.02, 0.03, 0.5], expected, strict=True))
        np.testing.assert_allclose(adjust_pvalues(pvalues, method=method), [by_value[p] for p in pvalues])


def test_adjusting_a_dataarray_keeps_its_labels():
    pvalue = xr.DataArray(
        np.random.default_rng(0).uniform(size=(2, 3)) ** 3,
        {"split": ["train", "test"], "layer": ["conv1", "relu1", "fc"], "checkpoint": 6},
        ("split", "layer"),
        name="pvalue",
    )
    for method in ("holm", "bh"):
        jointly = adjust_pvalues(pvalue, method=method)
        assert jointly.dims == pvalue.dims
        assert jointly.name == "pvalue"
        assert jointly.coords.identical(pvalue.coords)
        np.testing.assert_array_equal(jointly, adjust_pvalues(pvalue.values, method=method))
        along = adjust_pvalues(pvalue, method=method, dim="layer")
        for split in pvalue.split.values:
            np.testing.assert_array_equal(
                along.sel(split=split), adjust_pvalues(pvalue.sel(split=split), method=method)
            )
        np.testing.assert_array_equal(adjust_pvalues(pvalue.T, method=method, dim="layer").T, along)
    assert "adjusted (Holm)" in adjust_pvalues(pvalue).attrs["long_name"]


@pytest.mark.parametrize("method", ["holm", "bh"])
def test_a_test_without_an_answer_is_not_counted(method):
    rows = np.array([[0.01, np.nan, 0.02, 0.5], [0.03, 0.01, 0.2, 0.04], [np.nan] * 4])
    along = adjust_pvalues(xr.DataArray(rows, dims=("split", "layer")), method=method, dim="layer")
    assert along.dims == ("split", "layer")
    for row, found in zip(rows, along.values, strict=True):
        there = ~np.isnan(row)
        np.testing.assert_array_equal(np.isnan(found), ~there)
        if there.any():
            np.testing.assert_array_equal(found[there], adjust_pvalues(row[there], method=method))
    np.testing.assert_array_equal(
        adjust_pvalues(rows, method=method)[~np.isnan(rows)], adjust_pvalues(rows[~np.isnan(rows)], method=method)
    )


def test_bad_pvalues_are_refused():
    pvalue = xr.DataArray([[0.1, 0.2], [0.4, 0.3]], dims=("layer", "pair"))
    for given_, options, error, message in (
        ([0.1, np.nan, -np.inf], {}, ValueError, r"1 values outside 0 to 1, the first -inf at position \(2,\)"),
        ([0.1, 1.5], {}, ValueError, "outside 0 to 1, the first 1.5"),
        ([-0.1], {}, ValueError, "outside 0 to 1"),
        ([], {}, ValueError, "nothing to adjust"),
        ([0.1], {"method": "bonferroni"}, ValueError, "'holm', 'bh'"),
        ([0.1], {"dim": "pair"}, ValueError, "dim='pair' is not a dim"),
        (pvalue, {"dim": "step"}, ValueError, "'layer', 'pair'"),
        (pvalue.to_dataset(name="p"), {}, TypeError, "Dataset"),
        (["a"], {}, TypeError, "dtype"),
    ):
        with pytest.raises(error, match=message):
            adjust_pvalues(given_, **options)
