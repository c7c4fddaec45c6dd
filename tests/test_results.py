"""Results as tables and in files."""

import itertools

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings

from hpfunc.results import label_pairs, open_results, to_square
from tests.made_results import labelled, make_results, stored_pairs

# ---- tables


@settings(max_examples=60, deadline=None)
@given(stored_pairs())
def test_a_table_holds_each_pair_on_both_sides(drawn):
    _, pairs = drawn
    square = to_square(labelled(pairs))
    assert square.dims == ("class_a", "class_b")
    assert square.class_a.values.tolist() == square.class_b.values.tolist()
    assert set(square.class_a.values.tolist()) == set(itertools.chain(*pairs))
    place = {frozenset(pair): at for at, pair in enumerate(pairs)}
    for a, b in itertools.product(square.class_a.values.tolist(), repeat=2):
        expected = place.get(frozenset([a, b]), np.nan)
        np.testing.assert_equal(square.sel(class_a=a, class_b=b).item(), expected)


def test_a_table_of_a_dataset_keeps_dims_attrs_and_the_meaning_of_the_counts():
    results = make_results((5, 2, 9, 4)).assign(by_layer=("layer", [1, 2, 3]))
    results.class_a.attrs["long_name"] = "First class"
    before = results.copy(deep=True)
    square = to_square(results)
    assert results.identical(before)
    assert list(square.data_vars) == list(results.data_vars)
    assert square.hp.dims == ("checkpoint", "split", "layer", "class_a", "class_b")
    assert square.hp.attrs == results.hp.attrs
    assert square.attrs == results.attrs
    assert square.class_a.attrs == {"long_name": "First class"}
    assert square.by_layer.identical(results.by_layer)
    # The order of the classes is the one of the results, since it is not the sorted one.
    assert square.class_a.values.tolist() == [5, 2, 9, 4]
    assert square.n_a.isel(checkpoint=0, split=0, layer=0).sel(class_a=9, class_b=[5, 2]).values.tolist() == [
        12,
        12,
    ]
    assert square.n_b.isel(checkpoint=0, split=0, layer=0).sel(class_a=9, class_b=[5, 2]).values.tolist() == [
        10,
        11,
    ]
    np.testing.assert_array_equal(square.n_a, square.n_b.transpose(..., "class_b", "class_a"))


def test_sorted_classes_make_a_sorted_table():
    pairs = [("a", "d"), ("a", "c"), ("b", "c")]
    assert to_square(labelled(pairs)).class_a.values.tolist() == ["a", "b", "c", "d"]


def test_half_a_table_is_an_error():
    results = make_results()
    with pytest.raises(ValueError, match="half a table"):
        to_square(results.n_a)
    with pytest.raises(ValueError, match="'n_b'"):
        to_square(results.drop_vars("n_b"))
    with pytest.raises(ValueError, match="more than once"):
        to_square(results.isel(pair=[0, 0]))


# ---- files


@pytest.mark.parametrize("classes", [(0, 1, 2, 3), ("cat", "dog", "emu", "fox")])
def test_files_give_back_what_was_written(tmp_path, classes):
    checkpoints = (0, 9) if classes[0] == 0 else ("before", "after")
    results = make_results(classes, checkpoints)
    results.to_netcdf(tmp_path / "results")
    opened = open_results(tmp_path / "results")
    assert opened.identical(results)
    assert {name: v.dtype for name, v in opened.variables.items()} == {n: v.dtype for n, v in results.variables.items()}
    assert {name: type(value) for name, value in opened.attrs.items()} == {
        "metric": str, "graph": str, "k": int, "hpfunc_version": str,
    }  # fmt: skip
    for checkpoint, layer in itertools.product(checkpoints, results.layer.values):
        here = {"checkpoint": checkpoint, "layer": layer}
        chosen = opened.sel(class_a=classes[3], class_b=classes[2], **here)
        assert chosen.identical(results.sel(class_a=classes[2], class_b=classes[3], **here))


def test_longer_names_survive_a_second_writing(tmp_path):
    make_results(("a", "b", "c")).to_netcdf(tmp_path / "first")
    opened = open_results(tmp_path / "first")
    assert not any(v.encoding for v in opened.variables.values())
    longer = opened.assign_coords(split=["a_longer_name_than_train", "test"])
    longer.to_netcdf(tmp_path / "second")
    assert open_results(tmp_path / "second").split.values.tolist() == ["a_longer_name_than_train", "test"]


def test_results_without_some_dims_can_be_opened(tmp_path):
    results = make_results()
    for at, part in enumerate(
        (
            results.sel(checkpoint=0, split="test"),
            results.sel(class_a=2, class_b=1),
            results[["hp"]].mean("pair", keep_attrs=True),
            results.isel(checkpoint=0, split=0, layer=0).drop_vars(["checkpoint", "split", "layer", "n_features"]),
        )
    ):
        path = tmp_path / f"{at}.nc"
        part.to_netcdf(path)
        assert open_results(path).identical(part)


def test_a_data_array_can_be_written_and_opened(tmp_path):
    results = make_results()
    results.hp.to_netcdf(tmp_path / "hp.nc")
    assert open_results(str(tmp_path / "hp.nc")).hp.identical(results.hp)


def test_truncated_netcdf_is_an_error(tmp_path):
    make_results().to_netcdf(tmp_path / "whole.nc")
    whole = (tmp_path / "whole.nc").read_bytes()
    for size in (0, 1, 7, 8, 100, len(whole) // 3, len(whole) // 2, len(whole) - 1):
        path = tmp_path / f"{size}.nc"
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=f"{size}.nc"):
            open_results(path)


def test_what_is_no_file_of_results_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="does not exist"):
        open_results(tmp_path / "none.nc")
    (tmp_path / "text.nc").write_text("checkpoint,hp\n0,0.5\n")
    with pytest.raises(ValueError, match="not a netCDF file"):
        open_results(tmp_path / "text.nc")
    with pytest.raises(ValueError, match="a folder that no sweep has written"):
        open_results(tmp_path)
    with pytest.raises(TypeError, match="path is a int"):
        open_results(3)


@pytest.mark.parametrize(
    "change",
    [
        lambda r: xr.concat([r, r + 1], xr.Variable("seed", [7, 8]), join="exact"),
        lambda r: xr.concat([r, r + 1], "run", join="exact"),
        lambda r: r.mean("pair", keep_attrs=True),
        lambda r: r.mean(),
        lambda r: r.astype("float32"),
        lambda r: r.transpose("pair", ...),
        lambda r: r.rename(split="part"),
        lambda r: r.drop_vars("layer"),
        lambda r: r.drop_vars("checkpoint"),
        lambda r: r.assign_coords(layer=[1, 2, 3]),
        lambda r: r.assign_coords(checkpoint=[0.5, 1.5]),
        lambda r: r.assign_coords(checkpoint=np.array(["2024-01-01", "2025-06-01T12"], "datetime64[ns]")),
        lambda r: r.expand_dims(width=[64]).assign_coords(when=("checkpoint", np.array([1, 5], "timedelta64[s]"))),
        lambda r: r.assign(kept=r.hp > 0.01, by_hand=("layer", [1.0, 2.0, 3.0])),
        lambda r: r.isel(pair=slice(0)),
        lambda r: r.isel(pair=2),
        lambda r: r.hp.rename("separation").to_dataset(),
        lambda r: r.hp.sel(checkpoint=9).to_dataset() - r.hp.sel(checkpoint=0),
        lambda r: r.assign_coords(class_a=r.class_a.astype("int16"), class_b=r.class_b.astype("int16")),
    ],
)
def test_what_users_derive_is_opened_as_it_was(tmp_path, change):
    results = make_results().drop_indexes(["class_a", "class_b"])
    changed = change(results)
    changed = label_pairs(changed) if "pair" in changed.dims else changed
    changed.to_netcdf(tmp_path / "derived.nc")
    opened = open_results(tmp_path / "derived.nc")
    assert opened.identical(changed)
    assert {name: v.dtype for name, v in opened.variables.items()} == {n: v.dtype for n, v in changed.variables.items()}
    assert opened.xindexes.keys() == changed.xindexes.keys()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r.drop_vars(["class_a", "class_b"]), "no coord 'class_a'"),
        (lambda r: r.assign(note=("layer", ["a", "b", "c"])), "'note' has dtype"),
        (lambda r: r.drop_vars(list(r.data_vars)), "holds no variable"),
        (lambda r: r.assign_coords(class_a=("pair", np.arange(6) / 2)), "class_a has dtype float64"),
        (lambda r: r.assign_coords(layer=["a", "b/c", "d"]), "slash"),
        (lambda r: r.assign_coords(layer=["a", "x" * 10_000, "d"]), "10,000 characters"),
    ],
)
def test_files_of_something_else_are_an_error(tmp_path, change, words):
    results = make_results().drop_indexes(["class_a", "class_b"]).assign(by_hand=("layer", [1.0, 2.0, 3.0]))
    change(results).to_netcdf(tmp_path / "other.nc")
    with pytest.raises(ValueError, match=words):
        open_results(tmp_path / "other.nc")


def test_a_class_paired_with_itself_is_an_error(tmp_path):
    results = make_results().drop_indexes(["class_a", "class_b"])
    results.assign_coords(class_b=results.class_a).to_netcdf(tmp_path / "other.nc")
    with pytest.raises(ValueError, match="with itself"):
        open_results(tmp_path / "other.nc")
