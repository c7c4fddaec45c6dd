"""Fisher's permutation test: against slow oracles, SciPy, known answers, and under relabelling."""

import itertools
import tracemalloc
import warnings

import numpy as np
import pytest
import scipy.stats
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from hpfunc._labels.pair_index import PairIndex
from hpfunc.permutation import fisher_permutation, fisher_steps

ALTERNATIVES = ("two-sided", "greater", "less")
CLASS_A, CLASS_B = np.triu_indices(10, 1)

UNDECIDABLE = "no difference can be significant at 5 %"


def decide(*values, **options):
    """Run a test, and check that it warns where no difference can be significant, and nowhere else."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        test = fisher_permutation(*values, **options)
    least = float(test.least_pvalue.max()) * test.pvalue.size
    assert [str(warning.message).startswith(UNDECIDABLE) for warning in caught] == [True] * (least > 0.05)
    return test


def results(seed=0, *, layers=3, splits=2, ties=False):
    """HP-like values with dims (split, layer, pair) and the coords that results have."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(size=(splits, layers, 45))
    return xr.DataArray(
        np.round(values, 1) if ties else values,
        {
            "split": ["train", "test"][:splits],
            "layer": [f"layer{i}" for i in range(layers)],
            "n_features": ("layer", np.arange(layers)),
            "class_a": ("pair", CLASS_A),
            "class_b": ("pair", CLASS_B),
            "checkpoint": seed,
        },
        ("split", "layer", "pair"),
        name="hp",
    ).set_xindex(["class_a", "class_b"], PairIndex)


def oracle(before, after, *, paired, alternative):
    """Compute the exact p-value of integers, in integer arithmetic, one arrangement at a time."""
    if paired:
        differences = [a - b for a, b in zip(after, before, strict=True)]
        observed = sum(differences)
        signs = itertools.product([1, -1], repeat=len(differences))
        null = [sum(s * d for s, d in zip(row, differences, strict=True)) for row in signs]
    else:
        n1, n2, pooled = len(before), len(after), [*before, *after]
        observed = sum(after) * n1 - sum(before) * n2
        chosen = [sum(subset) for subset in itertools.combinations(pooled, n2)]
        null = [s * n1 - (sum(pooled) - s) * n2 for s in chosen]
    extreme = {
        "two-sided": lambda t: abs(t) >= abs(observed),
        "greater": lambda t: t >= observed,
        "less": lambda t: t <= observed,
    }[alternative]
    return sum(map(extreme, null)) / len(null)


small = st.lists(st.integers(-20, 20), min_size=1, max_size=6)


# ---- against oracles


@settings(deadline=None)
@given(
    data=st.data(),
    alternative=st.sampled_from(ALTERNATIVES),
    unit=st.sampled_from([1.0, 0.1, 1e-5, 0.3e7]),
    offset=st.sampled_from([0, -(10**6)]),
)
def test_exact_pvalues_are_those_of_integer_arithmetic(data, alternative, unit, offset):
    """Values such as .1 and .3 tie as decimals but not in float64: the tolerance has to count them."""
    before = data.draw(small)
    for paired in (True, False):
        size = len(before) if paired else None
        after = data.draw(st.lists(st.integers(-20, 20), min_size=size or 1, max_size=size or 6))
        x, y = (np.array(before) + offset) * unit, (np.array(after) + offset) * unit
        test = decide(x, y, paired=paired, alternative=alternative)
        expected = oracle(before, after, paired=paired, alternative=alternative)
        assert bool(test.exact)
        assert float(test.pvalue) == pytest.approx(expected, abs=1e-15)
        assert float(test.statistic) == pytest.approx(y.mean() - x.mean(), abs=1e-14 * abs(offset or 20) * unit)


@pytest.mark.parametrize("alternative", ALTERNATIVES)
@pytest.mark.parametrize("seed", range(5))
def test_exact_pvalues_are_those_of_scipy(alternative, seed):
    rng = np.random.default_rng(seed)
    x, y, z = rng.normal(size=9), rng.normal(0.5, size=9), rng.normal(0.5, size=4)

    def difference(a, b, axis):
        return b.mean(axis=axis) - a.mean(axis=axis)

    def magnitude(a, b, axis):
        return abs(difference(a, b, axis))

    theirs = scipy.stats.permutation_test(
        (x, y), difference, permutation_type="samples", alternative=alternative, vectorized=True
    )
    ours = fisher_permutation(x, y, alternative=alternative)
    assert float(ours.pvalue) == pytest.approx(theirs.pvalue, abs=1e-12)
    assert float(ours.statistic) == pytest.approx(theirs.statistic, abs=1e-12)
    # SciPy doubles the smaller tail; |difference| is another test where the sizes differ.
    statistic, tail = (magnitude, "greater") if alternative == "two-sided" else (difference, alternative)
    theirs = scipy.stats.permutation_test((x, z), statistic, alternative=tail, vectorized=True)
    ours = fisher_permutation(x, z, alternative=alternative, paired=False)
    assert float(ours.pvalue) == pytest.approx(theirs.pvalue, abs=1e-12)


def test_known_answers():
    low, high = [0.1, 0.2, 0.3], [0.7, 0.8, 0.9]
    for paired, two_sided, one_sided in ((False, 0.1, 0.05), (True, 0.25, 0.125)):
        for alternative, expected in (("two-sided", two_sided), ("greater", one_sided), ("less", 1.0)):
            test = decide(low, high, paired=paired, alternative=alternative)
            assert float(test.pvalue) == pytest.approx(expected, abs=1e-15)
            assert float(test.statistic) == pytest.approx(0.6)
            assert int(test.n_permutations) == (8 if paired else 20)
    test = decide([0.9, 0.8], [0.1, 0.2, 0.3, 0.35, 0.7], paired=False)
    assert float(test.pvalue) == pytest.approx(1 / 21, abs=1e-15)


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_random_pvalues_are_close_to_exact_ones(paired, alternative):
    rng = np.random.default_rng(3)
    n = 11 if paired else 8
    x, y = rng.normal(size=(30, n)), rng.normal(0.3, size=(30, n))
    options = {"paired": paired, "alternative": alternative}
    exact = fisher_permutation(x, y, n_permutations=20_000, **options)
    drawn = fisher_permutation(x, y, n_permutations=2047 if paired else 12_869, key=1, **options)
    assert bool(exact.exact.all())
    assert not drawn.exact.any()
    n = int(drawn.n_permutations[0])
    spread = np.sqrt(exact.pvalue * (1 - exact.pvalue) / n)
    assert bool((abs(drawn.pvalue - exact.pvalue) <= 5.5 * spread + 1 / n).all())
    assert bool((drawn.pvalue >= 1 / (n + 1)).all())


def test_a_random_test_is_never_zero_and_counts_the_observed_arrangement():
    test = fisher_permutation(np.zeros(45), np.ones(45), key=0, n_permutations=999)
    assert float(test.pvalue) == 1 / 1000


@pytest.mark.parametrize(("paired", "count"), [(True, 2**6), (False, 924)])
def test_exact_from_the_number_of_arrangements_on(paired, count):
    x, y = np.arange(6), np.arange(6)[::-1] + 0.5
    enough = fisher_permutation(x, y, paired=paired, n_permutations=count)
    assert (bool(enough.exact), int(enough.n_permutations)) == (True, count)
    fewer = fisher_permutation(x, y, paired=paired, n_permutations=count - 1, key=0)
    assert (bool(fewer.exact), int(fewer.n_permutations)) == (False, count - 1)


def test_size_with_class_effects_common_to_both_stages():
    """The paired test keeps its level, with uniform p-values; the unpaired one cannot reject."""
    rng = np.random.default_rng(0)
    effect = rng.normal(size=(2000, 45))
    before, after = (effect + 0.1 * rng.normal(size=effect.shape) for _ in range(2))
    paired = decide(before, after, key=0).pvalue
    # One standard deviation is .0054: sampling of the 2000 series, and of the draws that they share.
    assert abs(float((paired <= 0.05).mean()) - 0.05) < 0.029
    assert scipy.stats.kstest(paired, "uniform").pvalue > 1e-6
    assert float((decide(before, after, key=0, paired=False).pvalue <= 0.05).mean()) == 0


def test_size_of_the_unpaired_test_with_unequal_sizes():
    rng = np.random.default_rng(1)
    pvalue = decide(rng.exponential(size=(2000, 20)), rng.exponential(size=(2000, 35)), key=0, paired=False).pvalue
    assert abs(float((pvalue <= 0.05).mean()) - 0.05) < 0.029
    assert scipy.stats.kstest(pvalue, "uniform").pvalue > 1e-6


# ---- what must not matter


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_batch_size_changes_no_bit(paired, alternative):
    """Values of one decimal tie everywhere, so that any rounding which depends on the batch would show."""
    x, y = results(0, ties=True), results(1, ties=True)
    options = {"paired": paired, "alternative": alternative, "key": 5, "n_permutations": 1500}
    whole = fisher_permutation(x, y, **options)
    for batch_size in (1, 2, 7, 64, 999, 1500, 10**9):
        assert fisher_permutation(x, y, batch_size=batch_size, **options).identical(whole)
    few = 8 if paired else 7
    exact = fisher_permutation(x.values[..., :few], y.values[..., :few], paired=paired, alternative=alternative)
    for batch_size in (1, 5, 64):
        again = fisher_permutation(
            x.values[..., :few],
            y.values[..., :few],
            paired=paired,
            alternative=alternative,
            batch_size=batch_size,
        )
        assert again.identical(exact)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), paired=st.booleans(), alternative=st.sampled_from(ALTERNATIVES))
def test_order_of_entries_and_dims_does_not_matter(seed, paired, alternative):
    rng = np.random.default_rng(seed)
    x, y = results(seed, ties=bool(seed % 2)), results(seed + 1, ties=bool(seed % 2))
    options = {"key": seed, "paired": paired, "alternative": alternative, "n_permutations": 200}
    plain = fisher_permutation(x, y, **options)
    assert plain.pvalue.dims == ("split", "layer")
    # The other argument in any order of everything, its pairs also turned round, without an index.
    turned = y.drop_indexes(["class_a", "class_b"])
    turned = turned.assign_coords(class_a=("pair", CLASS_B), class_b=("pair", CLASS_A))
    turned = turned.isel(pair=rng.permutation(45), layer=rng.permutation(3), split=[1, 0])
    turned = turned.transpose(*rng.permutation(turned.dims))
    assert fisher_permutation(x, turned, **options).identical(plain)
    # Both.
    shuffled = x.isel(pair=rng.permutation(45)).transpose(*rng.permutation(x.dims))
    again = fisher_permutation(shuffled, turned, **options)
    assert again.transpose("split", "layer").identical(plain)


@settings(deadline=None)
@given(seed=st.integers(0, 10**6), paired=st.booleans(), n=st.integers(1, 30))
def test_swapping_before_and_after(seed, paired, n):
    x, y = np.random.default_rng(seed).normal(size=(2, n))
    other = {"two-sided": "two-sided", "greater": "less", "less": "greater"}
    for alternative in ALTERNATIVES:
        ours = decide(x, y, key=0, paired=paired, alternative=alternative, n_permutations=99)
        swapped = decide(y, x, key=0, paired=paired, alternative=other[alternative], n_permutations=99)
        assert float(swapped.statistic) == -float(ours.statistic)
        # Random splits are drawn for positions in the pool, which the swap changes; signs are not.
        if paired or bool(ours.exact):
            assert float(swapped.pvalue) == float(ours.pvalue)


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("exponent", [-1000, -3, 0, 4, 990])
def test_scaling_by_powers_of_two_is_exact(paired, exponent):
    x, y = np.random.default_rng(0).normal(size=(2, 4, 20)).astype(np.float16).astype(np.float64)
    plain = fisher_permutation(x, y, key=0, paired=paired)
    scaled = fisher_permutation(np.ldexp(x, exponent), np.ldexp(y, exponent), key=0, paired=paired)
    np.testing.assert_array_equal(scaled.pvalue, plain.pvalue)
    np.testing.assert_array_equal(scaled.statistic, np.ldexp(plain.statistic, exponent))


def test_denormals_and_values_near_the_largest():
    tiny = np.array([1, 2, 3]) * 5e-324
    test = decide(tiny, tiny[::-1] * 4, paired=False)
    assert float(test.pvalue) == oracle([1, 2, 3], [12, 8, 4], paired=False, alternative="two-sided")
    assert float(decide([-8e307, -8e307], [8e307, 8e307]).pvalue) == 0.5
    with pytest.raises(ValueError, match="too large for float64"):
        decide([-1.7e308], [1.7e308])


@pytest.mark.parametrize("paired", [True, False])
def test_other_layers_do_not_matter(paired):
    x, y = results(0), results(1)
    both = fisher_permutation(x, y, key=3, paired=paired)
    alone = fisher_permutation(x.sel(layer=["layer1"]), y.sel(layer=["layer1"]), key=3, paired=paired)
    assert alone.identical(both.sel(layer=["layer1"]))


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("n", [1, 3, 45])
@pytest.mark.parametrize("value", [0.0, 0.1, -1e300, 5e-324])
def test_constant_inputs_give_one(paired, n, value):
    for alternative in ALTERNATIVES:
        test = decide([value] * n, [value] * n, key=0, paired=paired, alternative=alternative)
        assert float(test.pvalue) == 1
        assert float(test.statistic) == 0


def test_memory_is_bounded_whatever_the_number_of_permutations():
    x, y = results(0, layers=11), results(1, layers=11)
    for paired in (True, False):
        tracemalloc.start()
        fisher_permutation(x, y, key=0, n_permutations=1_000_000, paired=paired)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 200e6


# ---- steps

VALUES = results(0)


@pytest.mark.parametrize("paired", [True, False])
def test_steps_are_the_tests_of_neighbours(paired):
    values = results(0, layers=5)
    steps = fisher_steps(values, along="layer", key=4, paired=paired, n_permutations=300)
    assert steps.pvalue.dims == ("split", "step")
    assert steps.before.values.tolist() == [f"layer{i}" for i in range(4)]
    assert steps.after.values.tolist() == [f"layer{i}" for i in range(1, 5)]
    for i in range(4):
        one = fisher_permutation(
            values.isel(layer=i), values.isel(layer=i + 1), key=4, paired=paired, n_permutations=300
        )
        for name in one.data_vars:
            np.testing.assert_array_equal(steps[name].isel(step=i), one[name])
    np.testing.assert_array_equal(steps.pvalue.sel(before="layer2"), steps.pvalue.sel(after="layer3"))


def test_another_layer_leaves_the_other_steps_as_they_were():
    values = results(0, layers=5)
    steps = fisher_steps(values, along="layer", key=4)
    longer = xr.concat([values, values.isel(layer=[0]).assign_coords(layer=["last"])], "layer")
    np.testing.assert_array_equal(fisher_steps(longer, along="layer", key=4).pvalue[:, :4], steps.pvalue)


def test_steps_along_checkpoints_and_along_positions():
    values = xr.concat([results(s) for s in (0, 6, 198)], "checkpoint")
    steps = fisher_steps(values, along="checkpoint", key=0)
    assert steps.pvalue.dims == ("step", "split", "layer")
    assert (steps.before.values.tolist(), steps.after.values.tolist()) == ([0, 6], [6, 198])
    assert set(steps.coords) == {"before", "after", "split", "layer", "n_features"}
    bare = fisher_steps(xr.DataArray(values.values, dims=("a", "b", "c", "pair")), along="a", key=0)
    assert bare.after.values.tolist() == [1, 2]
    np.testing.assert_array_equal(bare.pvalue, steps.pvalue)


def test_bad_steps_are_refused():
    with pytest.raises(TypeError, match="DataArray"):
        fisher_steps(VALUES.values, along="layer", key=0)
    with pytest.raises(ValueError, match=r"along='depth'.*'layer': 3"):
        fisher_steps(VALUES, along="depth", key=0)
    with pytest.raises(ValueError, match="two entries"):
        fisher_steps(VALUES.isel(layer=[0]), along="layer", key=0)
    with pytest.raises(ValueError, match="is dim too"):
        fisher_steps(VALUES, along="pair", key=0)
    with pytest.raises(ValueError, match="a dim named 'step'"):
        fisher_steps(VALUES.rename(split="step"), along="layer", key=0)
    with pytest.raises(ValueError, match="key is required"):
        fisher_steps(VALUES, along="layer")
    with pytest.raises(ValueError, match=r"values holds 1 .*layer='layer2', pair=\(0, 5\)"):
        fisher_steps(
            VALUES.copy(data=np.where(np.arange(270).reshape(VALUES.shape) == 94, np.nan, VALUES)),
            along="layer",
            key=0,
        )


def test_netcdf_round_trip(tmp_path):
    steps = fisher_steps(results(0), along="layer", key=0)
    steps.to_netcdf(tmp_path / "steps.nc")
    with xr.open_dataset(tmp_path / "steps.nc") as opened:
        xr.testing.assert_identical(opened.load().set_xindex("before").set_xindex("after"), steps)


@pytest.mark.parametrize(
    ("n", "paired", "alternative", "least"),
    [(1, True, "two-sided", 1), (3, True, "two-sided", 0.25), (5, True, "two-sided", 0.0625), (5, True, "less", 1 / 32),
     (3, False, "two-sided", 0.1), (3, False, "greater", 0.05), (60, True, "two-sided", 1e-4)],
)  # fmt: skip
def test_the_least_pvalue_is_reached_where_all_values_rise_and_never_passed(n, paired, alternative, least):
    options = {"paired": paired, "alternative": alternative, "key": 0}
    rise = np.arange(n) / 100 + 1
    sign = -1 if alternative == "less" else 1
    test = decide(np.zeros(n), sign * rise, **options)
    assert test.least_pvalue.item() == pytest.approx(least)
    assert test.pvalue.item() == pytest.approx(least)
    random = np.random.default_rng(n)
    for _ in range(20):
        assert decide(random.normal(size=n), random.normal(size=n), **options).pvalue >= least - 1e-12


# ---- tests that cannot find anything


@pytest.mark.parametrize(
    ("n", "message"),
    [
        (1, r"with 1 entry along 'pair' and 2 arrangements the least possible p-value is 1; measure more"),
        (3, r"with 3 entries along 'pair' and 8 arrangements the least possible p-value is 0.25; measure more"),
        (5, r"with 5 entries along 'pair' and 32 arrangements the least possible p-value is 0.0625; measure more"),
    ],
)
def test_too_few_entries_get_a_warning(n, message):
    with pytest.warns(UserWarning, match=f"{UNDECIDABLE}, however large: {message} entries along 'pair'"):
        fisher_permutation(np.zeros(n), np.arange(n))


def test_the_warning_counts_the_tests_of_the_result_and_names_the_remedy():
    """A test that could reach the level alone cannot where Holm's adjustment multiplies the least p-value."""
    x, y = np.random.default_rng(0).normal(size=(2, 2, 7))  # the least p-value is 1 / 64
    assert fisher_permutation(x, y).least_pvalue.max() * 2 <= 0.05
    x, y = np.random.default_rng(0).normal(size=(2, 4, 7))
    with pytest.warns(UserWarning, match=r"is 0.0156 \(0.0625 after Holm's adjustment for 4 tests\); measure more"):
        fisher_permutation(x, y)
    with pytest.warns(UserWarning, match=r"with 45 entries .* is 0.01 \(0.06 after .* pass n_permutations=120 or more"):
        fisher_permutation(results(0), results(1), key=0, n_permutations=99)
    fisher_permutation(results(0), results(1), key=0, n_permutations=120)
    with pytest.warns(UserWarning, match="with 2 and 3 entries") as caught:
        fisher_permutation([1.0, 2.0], [3.0, 4.0, 5.0], paired=False)
    assert [warning.filename for warning in caught] == [__file__]
    with pytest.warns(UserWarning, match=f"{UNDECIDABLE}.*3 entries .* 2 tests") as caught:
        fisher_steps(results(0).isel(pair=slice(3), split=0), along="layer")
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_options_may_be_numbers_of_numpy():
    before, after = np.random.default_rng(0).random((2, 30))
    plain = fisher_permutation(before, after, key=1, n_permutations=99, paired=True)
    of_numpy = fisher_permutation(before, after, key=np.int64(1), n_permutations=np.int32(99), paired=np.True_)
    assert of_numpy.identical(plain)
