"""A sweep with folds: parted alike everywhere, kept, opened and taken up again like any other."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr

import hpfunc as hp

N = 60
X = np.random.default_rng(0).normal(size=(N, 5)).astype("float32")
Y = np.random.default_rng(1).permutation(np.arange(N) % 2)
FILM = np.random.default_rng(2).integers(0, 12, N)
OPTIONS = {"samples_per_class": None, "key": 3, "folds": 3, "repeats": 2}


def build(seed=0):
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.ReLU())


def sweep(**options):
    checkpoints = {0: build(), 1: build(1)}
    return hp.sweep(checkpoints, {"train": (X, Y), "test": (X[::-1].copy(), Y[::-1].copy())}, **(OPTIONS | options))


@pytest.mark.filterwarnings("ignore:.*tied")
def test_dims_and_values_are_those_of_pairwise_hp():
    runs = sweep()
    assert runs.hp.dims == ("checkpoint", "split", "repeat", "fold", "layer", "pair")
    activations = hp.collect_activations(build(), (X, Y), samples_per_class=None, key=3)
    alone = hp.pairwise_hp(activations, folds=3, repeats=2, key=3)
    found = runs.sel(checkpoint=0, split="train", drop=True)
    for name in ("hp", "cross_edges", "pvalue", "n_a"):
        np.testing.assert_array_equal(found[name], alone[name])
    assert (runs.attrs["folds"], runs.attrs["hp_clipped"]) == (3, 0)
    change = (runs.hp.sel(checkpoint=1) - runs.hp.sel(checkpoint=0)).mean("pair")
    interval = hp.fold_interval(change.drop_sel(layer="input"))
    assert dict(interval.sizes) == {"split": 2, "layer": 2}
    with pytest.warns(UserWarning, match="2 of 2 entries do not vary"):
        unchanged = hp.fold_interval(change.sel(layer="input"))
    assert (unchanged.pvalue == 1).all()


@pytest.mark.parametrize("groups", [None, FILM, {"train": FILM, "test": FILM[::-1]}])
def test_a_store_keeps_opens_and_takes_up_folds(tmp_path, groups):
    runs = sweep(store=tmp_path / "store", groups=groups)
    xr.testing.assert_identical(hp.open_results(tmp_path / "store").load(), runs)
    xr.testing.assert_identical(sweep(store=tmp_path / "store", groups=groups), runs)
    runs.to_netcdf(tmp_path / "runs.nc")
    xr.testing.assert_equal(hp.open_results(tmp_path / "runs.nc"), runs)
    with pytest.raises(ValueError, match="folds"):
        sweep(store=tmp_path / "store", groups=groups, folds=4)
    # To leave out an option that the store was made with is a change: it holds results with folds.
    with pytest.raises(ValueError, match="folds was 3, now not given"):
        sweep(store=tmp_path / "store", folds=None, repeats=1)
    other = FILM[::-1].copy() if groups is None else None
    with pytest.raises(ValueError, match=r"made otherwise: groups (differs|was unknown)"):
        sweep(store=tmp_path / "store", groups=other)
    (tmp_path / "store").joinpath(next(p.name for p in (tmp_path / "store").glob("*.nc"))).unlink()
    xr.testing.assert_identical(sweep(store=tmp_path / "store", groups=groups), runs)


def test_a_stopped_sweep_goes_on_with_the_same_folds(tmp_path):
    stops = [True]

    def second():
        # As soon as the first checkpoint is kept, someone stops the sweep once.
        if any(tmp_path.glob("*.nc")) and stops:
            stops.clear()
            raise KeyboardInterrupt
        return build(1).state_dict()

    def go(store):
        return hp.sweep({0: build(), 1: second}, {"test": (X, Y)}, build=build, store=store, groups=FILM, **OPTIONS)

    with pytest.raises(KeyboardInterrupt):
        go(tmp_path)
    assert len(list(tmp_path.glob("*.nc"))) == 1
    xr.testing.assert_identical(go(tmp_path), go(None))


@pytest.mark.filterwarnings("ignore:.*leaves . samples")
def test_groups_go_by_the_position_of_a_sample():
    apart = sweep(groups={"train": FILM, "test": FILM[::-1]})
    drawn = sweep(groups=FILM, samples_per_class=20)
    activations = hp.collect_activations(build(), (X, Y), samples_per_class=20, key=3)
    films = FILM[activations.index.values]
    alone = hp.pairwise_hp(activations, folds=3, repeats=2, key=3, groups=films)
    np.testing.assert_array_equal(drawn.hp.sel(checkpoint=0, split="train"), alone.hp)
    assert (apart.n_a.sum("fold") == (Y == 0).sum()).all()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"key": None}, ValueError, "folds needs a key"),
        ({"folds": None}, ValueError, "repeats=2 goes with folds"),
        ({"groups": "film"}, TypeError, "groups='film' is a string"),
        ({"groups": {"train": FILM}}, ValueError, "no entry for the data 'test'"),
        ({"groups": FILM[:40]}, ValueError, r"groups of data 'train' has shape \(40,\)"),
    ],
)
def test_bad_options(options, error, message):
    with pytest.raises(error, match=message):
        sweep(**options)
