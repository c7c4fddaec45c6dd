"""What a permutation test makes of arrays, labels and dims, and what it refuses."""

import numpy as np
import pytest
import torch
import xarray as xr

from hpfunc.permutation import fisher_permutation
from tests.test_permutation import results

# ---- arrays and labels


@pytest.mark.parametrize("make", [list, tuple, np.uint8, np.float16, torch.tensor, "bfloat16", xr.DataArray])
def test_any_array_is_taken(make):
    low, high = [200, 180, 250, 200, 180, 250], [100, 120, 110, 100, 120, 110]
    if make == "bfloat16":
        x, y = (torch.tensor(v, dtype=torch.bfloat16, requires_grad=True) for v in (low, high))
    elif make is xr.DataArray:
        x, y = (xr.DataArray(v, dims="pair") for v in (low, high))
    else:
        x, y = make(low), make(high)
    assert float(fisher_permutation(x, y).statistic) == -100


def test_arguments_and_global_state_are_left_alone():
    x, y = np.random.default_rng(0).normal(size=(2, 5, 45))
    x.flags.writeable = y.flags.writeable = False
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first = fisher_permutation(x, y, key=(1, 2))
    assert first.identical(fisher_permutation(x, y, key=(1, 2)))
    assert not first.pvalue.equals(fisher_permutation(x, y, key=(2, 1)).pvalue)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_result_has_the_dims_coords_and_attrs_of_its_inputs():
    x, y = results(0), results(198)
    test = fisher_permutation(x, y, key=0)
    assert list(test.data_vars) == ["statistic", "pvalue", "n_permutations", "exact", "least_pvalue"]
    for variable in test.data_vars.values():
        assert variable.dims == ("split", "layer")
        assert variable.attrs["long_name"]
        assert variable.attrs["units"] == "1"
    # The checkpoint differs, so it is not the result's.
    assert set(test.coords) == {"split", "layer", "n_features"}
    assert all(isinstance(v, (str, int, float)) and not isinstance(v, bool) for v in test.attrs.values())
    xr.testing.assert_allclose(
        test.statistic, (y.mean("pair") - x.mean("pair")).drop_vars("checkpoint", errors="ignore")
    )
    with pytest.warns(UserWarning, match="with 3 and 3 entries along 'layer'.*for 90 tests"):
        over_layers = fisher_permutation(x, y, dim="layer", paired=False)
    assert over_layers.pvalue.dims == ("split", "pair")
    assert over_layers.pvalue.sel(class_a=8, class_b=3, split="test").ndim == 0


def test_dims_are_broadcast():
    x, y = results(0).isel(split=0, drop=True), results(1)
    test = fisher_permutation(x, y, key=0)
    assert test.pvalue.dims == ("layer", "split")
    each = fisher_permutation(x, y.sel(split="test"), key=0)
    np.testing.assert_array_equal(test.pvalue.sel(split="test"), each.pvalue)
    many = fisher_permutation(np.zeros(8), np.arange(16.0).reshape(2, 8))
    assert many.pvalue.dims == ("dim_0",)


# ---- errors

X, Y = results(0), results(1)
BAD_INPUT = {
    "no key": (X, Y, {}, ValueError, "key is required"),
    "a negative key": (X, Y, {"key": -1}, ValueError, "negative"),
    "a float as key": (X, Y, {"key": 1.5}, TypeError, "key=1.5"),
    "alternative": (X, Y, {"alternative": "both"}, ValueError, "'two-sided', 'greater', 'less'"),
    "paired": (X, Y, {"paired": "yes"}, TypeError, "paired='yes'"),
    "zero permutations": (X, Y, {"n_permutations": 0}, ValueError, "n_permutations=0"),
    "1e6 permutations": (X, Y, {"n_permutations": 1e6}, TypeError, "n_permutations=1000000.0"),
    "a batch of none": (X, Y, {"batch_size": 0}, ValueError, "batch_size=0"),
    "an unknown dim": (X, Y, {"dim": "pairs"}, ValueError, "'pairs' is not a dim of before.*'split', 'layer'"),
    "two dims": (X, Y, {"dim": ["layer", "pair"]}, TypeError, "stack"),
    "a dataset": (X.to_dataset(), Y, {}, TypeError, "before is a Dataset.*'hp'"),
    "a scalar": (1.0, 2.0, {}, ValueError, "before is a scalar"),
    "strings": (["a"], [1], {}, TypeError, "before has dtype"),
    "complex": ([1], [1j], {}, TypeError, "after has dtype complex"),
    "huge integers": ([1], [2**60], {}, ValueError, "exact"),
    "empty": ([], [], {}, ValueError, "before is empty"),
    "no layers": (X, Y.isel(layer=[]), {}, ValueError, "after is empty.*'layer': 0"),
    "other pairs": (
        X.isel(pair=slice(1, None)), Y.isel(pair=slice(44)), {}, ValueError,
        r"'pair': \(8, 9\) in before only and \(0, 1\) in after only",
    ),
    "a pair twice": (X.isel(pair=[0, 1, 1]), Y, {}, ValueError, r"before holds \(0, 2\) more than once"),
    "other layers": (X, Y.isel(layer=[0, 2]), {}, ValueError, "'layer': 'layer1' in before only"),
    "other layers, unpaired": (X, Y.isel(layer=[0, 2]), {"paired": False}, ValueError, "'layer1' in before only"),
    "labels on one side": (X[0, 0], Y[0, 0].values, {}, ValueError, "labelled differently along 'pair'"),
    "other coords": (
        xr.DataArray([1, 2], {"unit": ("pair", [0, 1])}, ["pair"]),
        xr.DataArray([1, 2], {"unit": ("pair", [1, 2])}, ["pair"]), {}, ValueError, "0 in before only and 2 in after",
    ),
    "sizes without labels": ([1, 2], [1, 2, 3], {}, ValueError, "before has 2 entries along 'pair', after 3"),
    "NaN": (
        X, Y.where((Y.layer != "layer1") | (Y.class_b != 3)), {}, ValueError,
        r"after holds 6 values that are NaN.*nan at split='train', layer='layer1', pair=\(0, 3\)",
    ),
    "infinity": ([1.0, -np.inf], [1, 2], {}, ValueError, "-inf at pair=1"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_refused(case):
    before, after, options, error, message = BAD_INPUT[case]
    with pytest.raises(error, match=message):
        fisher_permutation(before, after, **options)


def test_entries_without_a_match_are_fine_unpaired():
    test = fisher_permutation(X.isel(pair=slice(5)), Y.isel(pair=slice(3, 7)), paired=False)
    assert bool(test.exact.all())
    assert int(test.n_permutations[0, 0]) == 126
