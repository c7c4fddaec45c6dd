"""Results as tidy tables."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import hpfunc as hp
from tests.made_results import make_results


def test_a_row_for_each_entry_with_all_labels():
    results = make_results(("cat", "dog", "emu"))
    frame = hp.to_frame(results)
    assert frame.columns.tolist() == [
        "checkpoint", "split", "layer", "n_features", "class_a", "class_b", "cross_edges", "hp", "n_a", "n_b",
    ]  # fmt: skip
    assert len(frame) == results.hp.size
    for row in frame.to_dict("records"):
        here = {name: row[name] for name in ("checkpoint", "split", "layer", "class_a", "class_b")}
        entry = results.sel(here)
        assert {name: row[name] for name in results.data_vars} == {n: v.item() for n, v in entry.data_vars.items()}
        assert row["n_features"] == entry.n_features
    assert frame.dtypes[["checkpoint", "n_a"]].tolist() == [np.int64, np.int64]


@settings(max_examples=40, deadline=None)
@given(st.permutations(["checkpoint", "split", "layer", "pair"]), st.integers(0, 4))
def test_values_do_not_depend_on_the_order_of_dims(order, kept):
    results = make_results()
    values = results.hp.transpose(*order).isel(dict.fromkeys(order[kept:], 0))
    frame = hp.to_frame(values)
    assert len(frame) == values.size
    # A scalar is one row.
    np.testing.assert_array_equal(np.sort(frame["hp"]), np.sort(values.values.ravel()))
    for row in frame.to_dict("records"):
        where = {name: row[name] for name in ("checkpoint", "split", "layer", "class_a", "class_b")}
        assert results.hp.sel(where) == row["hp"]


def test_what_has_fewer_dims_is_repeated_and_dims_without_labels_are_counted():
    dataset = xr.Dataset(
        {"hp": (("run", "layer"), [[1.0, 2.0], [3.0, 4.0]]), "seconds": ("run", [7, 8]), "all": 5},
        {"layer": ["a", "b"], "width": ("layer", [4, 5]), "when": np.datetime64("2024-01-01", "ns")},
    )
    frame = hp.to_frame(dataset)
    assert frame.columns.tolist() == ["run", "layer", "width", "when", "hp", "seconds", "all"]
    assert frame["run"].tolist() == [0, 0, 1, 1]
    assert frame["seconds"].tolist() == [7, 7, 8, 8]
    assert frame["all"].tolist() == [5] * 4
    assert frame["hp"].tolist() == [1, 2, 3, 4]
    assert hp.to_frame(dataset.hp.mean("run").rename(None)).columns.tolist() == ["layer", "width", "when", "value"]


def test_each_kind_of_entry_of_all_classes_at_once_has_its_rows():
    result = hp.multiclass_hp({"a": [0, 1, 10, 11, 20, 21]}, [0, 0, 1, 1, 2, 2])
    frame = hp.to_frame(result)
    pairs, classes = frame[frame["class"].isna()], frame[frame["class"].notna()]
    assert len(pairs) == 9
    assert len(classes) == 3
    assert pairs["cross_edges"].tolist() == result.cross_edges.values.ravel().tolist()
    assert pairs["class_a"].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert classes["hp"].tolist() == result.hp.values.ravel().tolist()
    assert classes["n"].tolist() == [2, 2, 2]
    assert classes["lower"].tolist() == [result.lower.item()] * 3
    # Whole numbers stay whole where other rows lack them.
    assert str(frame["class"].dtype) == str(frame["class_a"].dtype) == "Int64"


def test_a_file_of_the_table_holds_the_names_of_the_classes(tmp_path):
    results = make_results(("cat", "dog", "emu"))
    hp.to_frame(results).to_csv(tmp_path / "a.csv", index=False)
    again = pd.read_csv(tmp_path / "a.csv")
    assert sorted(set(again["class_a"]) | set(again["class_b"])) == ["cat", "dog", "emu"]
    np.testing.assert_array_equal(again["hp"], results.hp.values.ravel())


def test_something_else_is_an_error():
    with pytest.raises(TypeError, match="results is a list"):
        hp.to_frame([1])
    with pytest.raises(ValueError, match="holds no variable"):
        hp.to_frame(xr.Dataset())
