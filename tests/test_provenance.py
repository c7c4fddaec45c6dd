"""What a result says of its origin: enough to make it again, as text and numbers that files keep."""

import inspect

import numpy as np
import pytest
import xarray as xr

import hpfunc as hp

MADE_FROM = {"key": "3", "samples_per_class": 20, "layers": "fc*", "torch_version": "2.9", "numpy_version": "2.4"}


@pytest.fixture(scope="module")
def acts():
    rng = np.random.default_rng(0)
    label = np.repeat(["ant", "bee", "cat"], 20)
    points = rng.normal(size=(60, 4)) + 3 * (label == "bee")[:, None]
    layers = {name: (("sample", f"{name}_0"), points * scale) for name, scale in (("fc1", 1), ("fc2", [1, 1, 0, 0]))}
    return xr.Dataset(layers, {"label": ("sample", label)}, MADE_FROM)


@pytest.fixture(scope="module")
def folded(acts):
    return hp.pairwise_hp(acts, folds=4, repeats=2, key=5)


def results_of(acts, folded):
    """Make a result of each function, with the options that were not the default."""
    whole = hp.pairwise_hp(acts, metric="cosine", k=2)
    contrast = folded.hp.mean("pair").diff("layer")
    measured = {"metric": "cosine", "graph": "mst", "k": 2, **MADE_FROM}
    tested = {"dim": "fold", "paired": 0, "alternative": "less", "key": "(1, 2)", "most_permutations": 99}
    options = {"dim": "fold", "paired": False, "alternative": "less", "key": (1, 2), "n_permutations": 99}
    first, last = folded.hp.isel(layer=0, drop=True), folded.hp.isel(layer=1, drop=True)
    return {
        "pairwise_hp": (folded, {"folds": 4, "repeats": 2, "key": "5", "hp_clipped": 0, "samples_per_class": 20}),
        "multiclass_hp": (hp.multiclass_hp(acts), {"metric": "euclidean", **MADE_FROM}),
        "bridging_samples": (hp.bridging_samples(acts, metric="cosine"), {"metric": "cosine", **MADE_FROM}),
        "hardest_pairs": (hp.hardest_pairs(whole, 1), measured),
        "at_ceiling": (hp.at_ceiling(whole), measured),
        "bayes_error_bounds": (hp.bayes_error_bounds(whole), measured),
        "hp_estimate": (
            hp.hp_estimate(whole, estimator="u", clip=False), {**measured, "estimator": "u", "hp_clipped": 0},
        ),
        "to_square": (hp.to_square(whole), measured),
        "fold_interval": (hp.fold_interval(contrast, level=0.9), {"dim": "fold", "level": 0.9, "n": 4, "repeats": 2}),
        "fisher_permutation": (hp.fisher_permutation(first, last, **options), tested),
        "fisher_steps": (hp.fisher_steps(folded.hp, along="layer", **options), {**tested, "along": "layer"}),
        "pca2d": (hp.pca2d(acts.fc1.assign_attrs(acts.attrs), acts.fc2), MADE_FROM),
        "euclidean_mst": (hp.euclidean_mst(acts.fc1, metric="cosine"), {"metric": "cosine"}),
        "hp_statistic": (hp.hp_statistic(acts.fc1[:20], acts.fc1[20:40], k=3), {"metric": "euclidean", "k": 3}),
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore:no difference can be significant")
def test_attrs_hold_what_a_result_was_made_from(acts, folded, tmp_path):
    for name, (result, expected) in results_of(acts, folded).items():
        assert expected.items() <= result.attrs.items(), name
        assert result.attrs["hpfunc_version"] == hp.__version__, name
        # Print well, and in a file.
        assert {type(value) for value in result.attrs.values()} <= {str, int, float}, name
        path = tmp_path / f"{name}.nc"
        result.to_netcdf(path)
        with xr.open_dataset(path) as opened:
            attrs = opened[result.name].attrs if isinstance(result, xr.DataArray) else opened.attrs
            assert attrs == result.attrs, name


def test_every_function_that_measures_or_tests_was_tried(acts, folded):
    """A new function that returns a result of its own must say from what it was made."""
    returning = {
        name
        for name in hp.__all__
        if inspect.isfunction(function := getattr(hp, name))
        and str(inspect.signature(function).return_annotation) in ("xr.Dataset", "xr.DataArray", "Labelled")
    }
    with pytest.warns(UserWarning, match="no difference can be significant"):
        tried = set(results_of(acts, folded))
    # Sweeps, activations, p-values that were adjusted, and what files hold have tests of their own.
    elsewhere = {"sweep", "collect_activations", "adjust_pvalues", "open_results", "read_seed_results", "label_pairs"}
    assert returning - elsewhere == tried
