from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
import xarray as xr

import hpfunc as hp

COUNTS = ("cross_edges", "cross_edges_min", "cross_edges_max", "hp", "z", "pvalue", "n_a", "n_b")


def example(seed=0, n=60, classes=4):
    rng = np.random.default_rng(seed)
    label = rng.integers(0, classes, n)
    label[:classes] = np.arange(classes)
    layers = {"conv.1": rng.normal(size=(n, 2, 3, 4)).astype(np.float32), "fc": rng.integers(0, 3, (n, 4))}
    return layers, label


def test_every_entry_is_hp_statistic_of_its_classes():
    layers, label = example()
    result = hp.pairwise_hp(layers, label)
    assert result.hp.dims == ("layer", "pair")
    assert result.layer.values.tolist() == ["conv.1", "fc"]
    assert result.n_features.values.tolist() == [24, 4]
    assert list(zip(result.class_a.values.tolist(), result.class_b.values.tolist(), strict=True)) == [
        (0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3),
    ]  # fmt: skip
    for name, x in layers.items():
        for a in range(4):
            for b in range(a + 1, 4):
                one = hp.hp_statistic(x[label == a], x[label == b])
                for variable in COUNTS:
                    got = result[variable].sel(layer=name, class_a=a, class_b=b)
                    np.testing.assert_array_equal(got.item(), one[variable].item())
                    assert result[variable].sel(layer=name, class_a=b, class_b=a).item() == pytest.approx(
                        one[variable].item(), nan_ok=True
                    )


def test_order_of_samples_changes_no_bit():
    layers, label = example(1)
    order = np.random.default_rng(2).permutation(len(label))
    xr.testing.assert_identical(
        hp.pairwise_hp({name: x[order] for name, x in layers.items()}, label[order]),
        hp.pairwise_hp(layers, label),
    )


def test_forms_of_input_agree():
    layers, label = example(3)
    expected = hp.pairwise_hp(layers, label)
    dataset = xr.Dataset(
        {
            name: (("sample", *(f"{name}_{axis}" for axis in range(x.ndim - 1))), x)
            for name, x in layers.items()
        },
        {"label": ("sample", label), "index": ("sample", np.arange(len(label)))},
    )  # fmt: skip
    xr.testing.assert_identical(hp.pairwise_hp(dataset), expected)
    tensors = {name: torch.from_numpy(x) for name, x in layers.items()}
    xr.testing.assert_identical(hp.pairwise_hp(tensors, torch.from_numpy(label)), expected)
    single = hp.pairwise_hp(dataset["fc"])
    assert single.hp.dims == ("pair",)
    xr.testing.assert_equal(single, expected.sel(layer="fc").drop_vars("layer"))
    xr.testing.assert_identical(hp.pairwise_hp(layers["fc"], label.tolist()), single)


def test_string_classes_and_chosen_pairs():
    layers, label = example(4)
    names = np.array(["zebra", "ant", "cat", "dog"])[label]
    result = hp.pairwise_hp(layers, names, pairs=[("zebra", "ant"), ("cat", "dog")])
    assert result.class_a.values.tolist() == ["ant", "cat"]
    assert result.class_b.values.tolist() == ["zebra", "dog"]
    whole = hp.pairwise_hp(layers, label)
    assert result.cross_edges.sel(layer="fc", class_a="zebra", class_b="ant").item() == pytest.approx(
        whole.cross_edges.sel(layer="fc", class_a=0, class_b=1).item()
    )
    for pairs in (np.array([[0, 1], [2, 3]]), torch.tensor([[0, 1], [2, 3]]), [torch.tensor([0, 1]), (2, 3)]):
        chosen = hp.pairwise_hp(layers, label, pairs=pairs)
        xr.testing.assert_identical(chosen, whole.sel(class_a=[0, 2]).isel(pair=[0, 3]))


def test_schema():
    layers, label = example(5)
    layers["fc"] += 1
    result = hp.pairwise_hp(layers, label, metric="cosine", graph="knn", k=2)
    assert set(result.data_vars) == set(COUNTS)
    assert result.attrs["metric"] == "cosine"
    assert (result.attrs["graph"], result.attrs["k"]) == ("knn", 2)
    for variable in COUNTS:
        assert result[variable].dims == ("layer", "pair")
        assert result[variable].dtype == (np.int64 if variable.startswith("n_") else np.float64)
        assert result[variable].attrs["units"] == "1"
    assert isinstance(result.hp.data, np.ndarray)


def test_inputs_are_shared_and_not_written_to():
    layers, label = example(6)
    for x in layers.values():
        x.flags.writeable = False
    label.flags.writeable = False
    copies = {name: x.copy() for name, x in layers.items()}
    hp.pairwise_hp(layers, label)
    for name, x in layers.items():
        np.testing.assert_array_equal(x, copies[name])


def test_progress_counts_pairs(capfd):
    layers, label = example(7)
    hp.pairwise_hp(layers, label, progress=True)
    assert "12/12" in capfd.readouterr().err


def test_measuring_again_is_logged(caplog):
    rng = np.random.default_rng(8)
    x = (1 + rng.normal(size=(80, 100)) * 1e-6).astype(np.float32)
    x[0] += 1000
    with caplog.at_level(logging.INFO, "hpfunc"):
        hp.pairwise_hp({"fc": x}, np.arange(80) % 2)
    assert "layer 'fc': 1 of 1 pairs measured again in float64" in caplog.text


def test_ties_too_many_to_average_name_layer_and_classes(monkeypatch):
    monkeypatch.setattr("hpfunc._tree.mst.ties.LARGEST_COMPONENT", 10)
    grid = np.stack(np.meshgrid(np.arange(6), np.arange(6)), axis=-1).reshape(-1, 2)
    with pytest.warns(UserWarning, match=r"layer 'relu', classes 0 and 1") as caught:
        result = hp.pairwise_hp({"relu": grid}, np.arange(36) % 2)
    assert caught[0].filename == __file__
    assert np.isnan(result.cross_edges.item())
    assert result.cross_edges_min.item() < result.cross_edges_max.item()


@pytest.mark.parametrize(
    ("activations", "labels", "options", "error", "message"),
    [
        (np.zeros((4, 2)), None, {}, ValueError, "labels is missing"),
        (np.zeros((4, 2)), [0, 1, 1], {}, ValueError, r"\(3,\).*\(4,\)"),
        (np.zeros((4, 2)), [0.5, 1, 1, 0], {}, TypeError, "label of type float .0.5"),
        (np.zeros((4, 2)), [1, 1, 1, 1], {}, ValueError, "one class only, 1"),
        ({"a": np.zeros((4, 2))}, [0, 1, 0, 1], {"pairs": [(0, 5)]}, ValueError, r"class 5.*\[0, 1\]"),
        ({"a": np.zeros((4, 2))}, [0, 1, 0, 1], {"pairs": [(0, 0)]}, ValueError, "with itself"),
        ({"a": np.zeros((4, 2))}, [0, 1, 0, 1], {"pairs": [(0, 1), (1, 0)]}, ValueError, "twice"),
        ({"a": np.zeros((4, 2))}, [0, 1, 0, 1], {"pairs": []}, ValueError, "empty"),
        ({"a": np.zeros((4, 2))}, [0, 1, 0, 1], {"pairs": [3]}, TypeError, "not a pair"),
        ({}, [0, 1], {}, ValueError, "empty mapping"),
        ({1: np.zeros((2, 2))}, [0, 1], {}, TypeError, "strings"),
        ({"a/b": np.zeros((2, 2))}, [0, 1], {}, ValueError, "'a/b' has a slash"),
        ({"a" * 10_000: np.zeros((2, 2))}, [0, 1], {}, ValueError, "10,000 characters"),
        ({"a": [[0, 1], [np.nan, 1]]}, [3, 4], {}, ValueError, r"layer 'a' holds 1 values.*class 4"),
        ({"a": np.zeros((0, 2))}, [], {}, ValueError, "layer 'a' has shape"),
        ({"a": np.zeros((4, 2))}, [0, 1, 0, 1], {"graph": "knn", "k": 9}, ValueError, "layer 'a'"),
        ({"a": [[1], [0], [1], [2]]}, [1, 0, 1, 0], {"metric": "cosine"}, ValueError, "layer 'a'.*first is sample 1"),
        ({"a": np.zeros((4, 2), complex)}, [0, 1, 0, 1], {}, TypeError, "layer 'a'"),
        (xr.Dataset({"a": ("sample", [1, 2]), "b": 3}), [0, 1], {}, ValueError, "b without the dim 'sample'"),
    ],
)  # fmt: skip
def test_bad_input(activations, labels, options, error, message):
    with pytest.raises(error, match=message):
        hp.pairwise_hp(activations, labels, **options)
