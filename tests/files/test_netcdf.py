"""Files of results from outside: what they declare is looked at first, by a process of its own."""

import random
import re
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import hpfunc as hp
from benchmarks.hostile import JSON_KINDS, NETCDF_KINDS
from hpfunc._files import apart, hdf5_script
from hpfunc._files.hdf5 import check_hdf5
from hpfunc.results import open_results, read_seed_results
from tests.made_results import make_results

CLASSES = ("cat", "dog", "emu", "fox")
NETCDF_ENGINES = ["h5netcdf", "netcdf4"]


# What is told from outside a file; the process that looks into files is not started for it.
SEEN_FROM_OUTSIDE = ("classic format", "text", "JSON", "pipe", "Zarr")


@pytest.fixture(scope="module")
def refusals(tmp_path_factory):
    """Check files of all kinds by one process, and return its words for each."""
    paths = {kind: NETCDF_KINDS[kind].make(tmp_path_factory.mktemp("hostile")) for kind in NETCDF_KINDS}
    inside = {kind: path for kind, path in paths.items() if kind not in SEEN_FROM_OUTSIDE}
    refused = apart.check_apart(list(inside.values()))
    return {kind: refused.get(path) for kind, path in inside.items()}


@pytest.mark.parametrize("kind", [kind for kind in NETCDF_KINDS if kind not in SEEN_FROM_OUTSIDE])
def test_a_file_that_means_harm_is_refused_in_words(refusals, kind):
    words = NETCDF_KINDS[kind].words
    # The Dataset is not opened: what is said then stands before the words of the check.
    assert re.search(words, f"it may be cut short or damaged: {refusals[kind]}")
    assert refusals[kind] is not None
    assert len(refusals[kind]) < 1000


@pytest.mark.parametrize("kind", [*SEEN_FROM_OUTSIDE, "group in itself", "external storage", "cut short"])
def test_a_file_that_is_refused_is_named(tmp_path, kind):
    make, words = NETCDF_KINDS[kind]
    path = make(tmp_path)
    with pytest.raises(ValueError, match=words) as error:
        open_results(path)
    assert path.name in str(error.value)
    assert len(str(error.value)) < 1500


@pytest.mark.parametrize("kind", JSON_KINDS)
def test_json_that_means_harm_is_refused_in_words(tmp_path, kind):
    make, words = JSON_KINDS[kind]
    with pytest.raises(ValueError, match=words) as error:
        read_seed_results({0: make(tmp_path)})
    assert len(str(error.value)) < 1500


@pytest.mark.parametrize("engine", NETCDF_ENGINES)
@pytest.mark.parametrize("packed", [False, True])
def test_files_of_both_libraries_are_read(tmp_path, engine, packed):
    if engine == "netcdf4":
        pytest.importorskip("netCDF4")
    results = make_results(CLASSES, ("before", "after"))
    options = {"zlib": True, "chunksizes": (1, 2, 3, 4)} if packed else {}
    results.to_netcdf(tmp_path / "a.nc", engine=engine, encoding={"hp": options, "n_a": options})
    assert open_results(tmp_path / "a.nc").identical(results)


def test_results_are_written_by_default_as_they_are_read(tmp_path):
    """In every version of xarray that is supported, whatever libraries are there."""
    results = make_results(CLASSES)
    results.to_netcdf(tmp_path / "a.nc")
    results.hp.to_netcdf(tmp_path / "b.nc")
    assert open_results(tmp_path / "a.nc").identical(results)
    assert open_results(tmp_path / "b.nc").hp.identical(results.hp)


def test_large_values_are_read_whole(tmp_path):
    values = np.random.default_rng(0).normal(size=(20, 150, 150))
    dataset = xr.Dataset({"hp": (("run", "layer", "step"), values)})
    dataset.to_netcdf(tmp_path / "a.nc", encoding={"hp": {"zlib": True, "chunksizes": (7, 100, 150)}})
    assert open_results(tmp_path / "a.nc").identical(dataset)


@pytest.mark.parametrize("packed", [False, True])
def test_a_changed_byte_never_ends_or_stops_this_process(tmp_path, packed):
    """One process looks at all files, so that this takes seconds; a crash of it is an answer, too."""
    whole = tmp_path / "whole.nc"
    encoding = {"hp": {"zlib": True, "chunksizes": (1, 2, 3, 4)}} if packed else {}
    make_results(CLASSES).to_netcdf(whole, encoding=encoding)
    content, chance, paths = whole.read_bytes(), random.Random(0), []
    for number in range(60):
        changed = bytearray(content)
        for _ in range(chance.choice([1, 1, 8])):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        paths.append(tmp_path / f"{number}.nc")
        paths[-1].write_bytes(changed[: chance.choice([None, None, chance.randrange(len(changed))])])
    refused = apart.check_apart([whole, *paths])
    assert whole not in refused
    assert set(refused) <= set(paths)
    assert len(refused) > 10


def script_text():
    """Return the text of the script that checks files, for a copy of it in another folder."""
    text = Path(hdf5_script.__file__).read_text(encoding="utf-8")
    return text.replace("Path(__file__)", f"Path({hdf5_script.__file__!r})")


def test_a_crash_of_the_library_is_told_from_a_refusal(tmp_path, monkeypatch):
    good = tmp_path / "good.nc"
    make_results().to_netcdf(good)
    crash = tmp_path / "crash.nc"
    crash.write_bytes(good.read_bytes())
    script = tmp_path / "script.py"
    text = script_text()
    call = "            check_hdf5(Path(file))"
    assert call in text
    crashing = f"{call} if 'crash.nc' not in file else __import__('os').abort()"
    script.write_text(text.replace(call, crashing), encoding="utf-8")
    monkeypatch.setattr(hdf5_script, "__file__", str(script))
    assert apart.check_apart([good, crash, good]) == {crash: "the HDF5 library crashes on it"}
    with pytest.raises(ValueError, match=r"crash\.nc cannot be read.*the HDF5 library crashes on it"):
        open_results(crash)


def test_a_check_that_runs_without_end_is_stopped(tmp_path, monkeypatch):
    pytest.importorskip("resource")
    good = tmp_path / "good.nc"
    make_results().to_netcdf(good)
    script = tmp_path / "script.py"
    endless = "            while True: pass"
    text = script_text().replace("            check_hdf5(Path(file))", endless)
    text = text.replace("used.ru_stime) + 2", "used.ru_stime) + 1")
    assert endless in text
    script.write_text(text, encoding="utf-8")
    monkeypatch.setattr(hdf5_script, "__file__", str(script))
    assert "more than two seconds of work" in apart.check_apart([good])[good]


def test_a_python_that_cannot_be_started_is_named(tmp_path, monkeypatch):
    make_results().to_netcdf(tmp_path / "good.nc")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    with pytest.raises(RuntimeError, match="cannot be started"):
        apart.check_apart([tmp_path / "good.nc"])
    monkeypatch.setattr(sys, "executable", "/bin/echo")
    with pytest.raises(RuntimeError, match="did not start"):
        apart.check_apart([tmp_path / "good.nc"])


def test_the_check_needs_nothing_of_hpfunc(tmp_path):
    """It starts in a moment: xarray, pandas and torch are not imported."""
    make_results().to_netcdf(tmp_path / "good.nc")
    code = f"""
import runpy, sys, io, json
sys.stdin = io.TextIOWrapper(io.BytesIO(json.dumps([{str(tmp_path / "good.nc")!r}]).encode()))
runpy.run_path({hdf5_script.__file__!r}, run_name="__main__")
print(sorted({{"xarray", "pandas", "torch", "hpfunc"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["ready", "null", "[]"]


def test_zarr_is_opened_by_xarray_and_labelled(tmp_path):
    pytest.importorskip("zarr")
    results = make_results(CLASSES)
    with warnings.catch_warnings():
        # Zarr 3 warns that strings of fixed width are not in its specification yet.
        warnings.simplefilter("ignore")
        results.to_zarr(tmp_path / "a.zarr")
        opened = hp.label_pairs(xr.open_zarr(tmp_path / "a.zarr")).load()
    assert opened.sel(class_a="fox", class_b="cat").equals(results.sel(class_a="cat", class_b="fox"))
    with pytest.raises(
        ValueError, match=r"a\.zarr is a Zarr store; if you trust its source, write hpfunc\.label_pairs"
    ):
        open_results(tmp_path / "a.zarr")


def test_the_home_folder_can_be_named(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    results = make_results()
    results.to_netcdf("~/a.nc")
    assert open_results("~/a.nc").identical(results)
    with pytest.raises(ValueError, match="home folder"):
        open_results("~nobody-of-this-name/a.nc")


def test_a_check_in_this_process_is_the_same(tmp_path):
    results = make_results()
    results.to_netcdf(tmp_path / "a.nc")
    check_hdf5(tmp_path / "a.nc")
    with tempfile.TemporaryDirectory() as folder, pytest.raises(ValueError, match="is a group"):
        check_hdf5(NETCDF_KINDS["group in itself"].make(Path(folder)))
