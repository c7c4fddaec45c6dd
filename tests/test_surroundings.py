"""Results do not depend on how the caller has set NumPy, and come out where warnings are errors."""

import numpy as np
import pytest

import hpfunc as hp

RNG = np.random.default_rng(0)
Y = np.arange(60) % 3
# Very small, very large and equal values: what overflows, underflows and divides by zero on the way.
POINTS = {
    "plain": RNG.normal(size=(60, 4)),
    "small": RNG.normal(size=(60, 4)) * 1e-200,
    "large": RNG.normal(size=(60, 4)) * 1e150,
    "float32": (RNG.normal(size=(60, 4)) * 1e-30).astype(np.float32),
    "half": RNG.normal(size=(60, 4)).astype(np.float16),
    "tied": np.repeat(np.eye(4), 15, axis=0),
}

CALLS = {
    "hp_statistic": lambda x: hp.hp_statistic(x[:30], x[30:]),
    "knn": lambda x: hp.hp_statistic(x[:30], x[30:], graph="knn", k=3),
    "cosine": lambda x: hp.pairwise_hp(x, Y, metric="cosine"),
    "pairwise_hp": lambda x: hp.pairwise_hp(x, Y),
    "orthogonal trees": lambda x: hp.pairwise_hp(x, Y, k=3),
    "multiclass_hp": lambda x: hp.multiclass_hp(x, Y),
    "euclidean_mst": lambda x: hp.euclidean_mst(x),
    "pca2d": lambda x: hp.pca2d(x),
    "estimates": lambda x: hp.bayes_error_bounds(hp.hp_statistic(x[:30], x[30:])),
    "fisher_permutation": lambda x: hp.fisher_permutation(x[:30].ravel(), x[30:].ravel(), key=0),
    "adjust_pvalues": lambda x: hp.adjust_pvalues(np.clip(np.abs(x), 0, 1).ravel()),
}


def outcome(call, x):
    """Return the values of a result, or the words of the error."""
    try:
        found = call(x)
    except (ValueError, UserWarning) as error:
        return str(error)
    return found if isinstance(found, np.ndarray) else {name: found[name].values for name in found}


@pytest.mark.parametrize("points", POINTS)
@pytest.mark.parametrize("name", CALLS)
def test_error_settings_of_numpy_change_nothing(name, points):
    x = POINTS[points]
    expected = outcome(CALLS[name], x)
    for setting in ("raise", "warn"):
        with np.errstate(all=setting):
            np.testing.assert_equal(outcome(CALLS[name], x), expected)
    before = np.seterr(all="raise")
    try:
        np.testing.assert_equal(outcome(CALLS[name], x), expected)
        assert set(np.geterr().values()) == {"raise"}
    finally:
        np.seterr(**before)
