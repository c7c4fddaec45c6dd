"""Damaged files of a store are noticed, and those that are good are opened."""

import logging
import shutil

import numpy as np
import pytest
import torch
import xarray as xr

from hpfunc._store.folder import locked, part_of
from hpfunc.results import open_results
from hpfunc.sweeps import sweep
from tests.models import Mlp, seeded
from tests.store.kept import DATA, contents

# ---- damage


@pytest.mark.parametrize("damage", ["cut", "empty", "flip", "end", "text"])
def test_a_damaged_file_is_noticed_and_redone(paths, store, expected, measured, damage, caplog):
    path = store / part_of(1)
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
    path.write_bytes(
        {"cut": content[:-100], "empty": b"", "flip": content, "end": content + b"\0", "text": b"x" * 99}[damage]
    )
    with pytest.raises(ValueError, match=f"{path.name}.*will redo checkpoint 1"):
        open_results(store)
    with caplog.at_level(logging.WARNING, "hpfunc"):
        assert sweep(paths, DATA, build=Mlp, store=store).identical(expected)
    assert measured == [1]
    assert "checkpoint 1 is done anew" in caplog.text
    assert open_results(store).load().identical(expected)


def test_every_flipped_bit_is_noticed(store, expected):
    for label in (1, 2):
        (store / part_of(label)).unlink()
    path = store / part_of(0)
    content = path.read_bytes()
    generator = np.random.default_rng(0)
    for at in generator.integers(len(content), size=60):
        changed = bytearray(content)
        changed[at] ^= 1 << int(generator.integers(8))
        path.write_bytes(changed)
        with pytest.raises(ValueError, match="damaged"):
            open_results(store)
    path.write_bytes(content)
    assert open_results(store).load().equals(expected.sel(checkpoint=[0]))


def test_what_a_killed_sweep_left_half_written_is_taken_away(paths, tmp_path):
    store = tmp_path / "new"
    store.mkdir()
    (store / f"{part_of(0)}.123.part").write_bytes(b"half")
    (store / "sweep.json.123.part").write_bytes(b"{")
    sweep({0: paths[0]}, DATA, build=Mlp, store=store)
    assert set(contents(store)) == {"sweep.json", part_of(0)}


def test_files_that_changed_places_are_an_error(store):
    shutil.copy(store / part_of(0), store / part_of(1))
    with pytest.raises(ValueError, match="is not of checkpoint 1"):
        open_results(store)


def test_a_folder_of_something_else_is_refused(paths, tmp_path):
    store = tmp_path / "photos"
    store.mkdir()
    (store / "cat.png").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"is no store and holds 'cat.png'"):
        sweep(paths, DATA, build=Mlp, store=store)
    assert [path.name for path in store.iterdir()] == ["cat.png"]
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="cannot be used"):
        sweep(paths, DATA, build=Mlp, store=tmp_path / "file")
    with pytest.raises(ValueError, match="overwrite=True goes with store="):
        sweep(paths, DATA, build=Mlp, overwrite=True)


# ---- opening a store


def test_a_store_opens_lazily_and_selects_pairs_in_either_order(store, expected, tmp_path):
    pytest.importorskip("dask")
    opened = open_results(store)
    assert all(variable.chunks is not None for variable in opened.data_vars.values())
    assert opened.hp.sel(class_a=2, class_b=0).compute().identical(expected.hp.sel(class_a=0, class_b=2))
    assert opened.hp.mean().compute().item() == pytest.approx(expected.hp.mean().item())
    assert opened.attrs == expected.attrs
    opened.to_netcdf(tmp_path / "whole.nc")
    assert open_results(tmp_path / "whole.nc").identical(expected)


def test_a_store_opens_without_dask(store, expected, monkeypatch):
    monkeypatch.setattr("hpfunc._store.combine.find_spec", lambda name: None)
    opened = open_results(store)
    assert opened.identical(expected)
    assert all(type(variable.data) is np.ndarray for variable in opened.data_vars.values())


def test_a_file_of_a_store_can_be_opened_by_itself(store, expected):
    found = open_results(store / part_of(2))
    xr.testing.assert_equal(found, expected.sel(checkpoint=[2]))


def test_a_store_without_a_finished_checkpoint_says_so(tmp_path):
    with pytest.raises(ValueError, match="failed"):
        sweep({0: seeded(Mlp).state_dict()}, DATA, build=lambda: torch.nn.Linear(1, 1), store=tmp_path / "store")
    with pytest.raises(ValueError, match="has not finished a checkpoint yet"):
        open_results(tmp_path / "store")


DAMAGED_LISTS = (
    '{"hpfunc_store": 1, "checkpoints": [0, "a"]}',
    '{"hpfunc_store": 1, "checkpoints": [NaN]}',
    '{"hpfunc_store": 1, "checkpoints": [[]]}',
    '{"hpfunc_store": 2, "checkpoints": []}',
    '{"hpfunc_store": 1}',
    "[" * 100_000,
    "[]",
    "",
)


def test_a_damaged_list_is_noticed_and_written_anew(paths, store, expected, measured):
    for content in DAMAGED_LISTS:
        (store / "sweep.json").write_text(content)
        with pytest.raises(ValueError, match=r"sweep\.json"):
            open_results(store)
        with locked(store) as kept:
            assert kept.known_labels() == []
    assert sweep(paths, DATA, build=Mlp, store=store).identical(expected)
    assert measured == []
    assert open_results(store).load().identical(expected)
