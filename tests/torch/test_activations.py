"""Values, names, order and axes of what is collected, against a hand-written hook that clones."""

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hpfunc.activations import collect_activations
from tests.clone_hooks import assert_is_all_of, clone_hooks, leaf_values
from tests.models import Encoder, Mlp, Recurrent, SeedCNN, seeded
from tests.samples import grouped, points


def test_every_layer_is_what_a_cloning_hook_sees():
    x, y = points(20, 1, 28, 28, classes=4)
    model = seeded(SeedCNN)
    acts = collect_activations(model, (x, y), batch_size=7)
    assert list(acts.data_vars) == [
        "input", "conv1", "relu", "maxpool", "conv2", "relu_1", "maxpool_1", "fc1", "relu_2", "fc2", "softmax",
    ]  # fmt: skip
    np.testing.assert_array_equal(acts["input"].values, x[grouped(y)])
    assert_is_all_of(acts, leaf_values(model, torch.from_numpy(x)), y)
    assert acts["conv2"].dims == ("sample", "conv2_0", "conv2_1", "conv2_2")
    assert acts["conv2"].shape == (20, 64, 16, 16)


def test_labels_and_positions_go_with_the_rows():
    x, y = points(10, 6, classes=3)
    acts = collect_activations(seeded(Mlp), (x, y))
    np.testing.assert_array_equal(acts.label.values, np.sort(y))
    np.testing.assert_array_equal(acts.index.values, grouped(y))
    np.testing.assert_array_equal(acts["input"].values, x[acts.index.values])
    assert acts.label.dims == acts.index.dims == ("sample",)


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(1, 40),
    batch_size=st.integers(1, 45),
    limit=st.integers(1, 20),
    key=st.none() | st.integers(0, 99),
    seed=st.integers(0, 2**16),
)
def test_batches_do_not_matter(n, batch_size, limit, key, seed):
    x, _ = points(n, 6, seed=seed)
    y = np.random.default_rng(seed).integers(0, 3, n)
    options = {"samples_per_class": limit, "key": key}
    whole = collect_activations(seeded(Mlp), (x, y), batch_size=100, **options)
    parts = collect_activations(seeded(Mlp), (x, y), batch_size=batch_size, **options)
    xr.testing.assert_allclose(whole, parts, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(whole["input"].values, x[whole.index.values])
    np.testing.assert_array_equal(whole.label.values, y[whole.index.values])
    counts = np.bincount(y, minlength=3)
    np.testing.assert_array_equal(np.bincount(whole.label.values, minlength=3), np.minimum(counts, limit))
    for label in np.unique(y):
        rows = whole.index.values[whole.label.values == label]
        assert (np.diff(rows) > 0).all()


# Repeated calls and aliases.


def test_a_module_called_again_gets_a_suffix_that_no_other_module_bears():
    class Repeats(nn.Module):
        def __init__(self):
            super().__init__()
            self.act = nn.Tanh()
            self.act_1 = nn.Sigmoid()

        def forward(self, x):
            return self.act(self.act_1(self.act(x)))

    x, y = points(6, 4)
    acts = collect_activations(Repeats(), (x, y))
    assert list(acts.data_vars) == ["input", "act", "act_1", "act_2"]
    np.testing.assert_allclose(acts["act_1"], 1 / (1 + np.exp(-acts["act"])), rtol=1e-5)
    np.testing.assert_allclose(acts["act_2"], np.tanh(acts["act_1"]), rtol=1e-5)


def test_two_names_of_one_module_hide_no_call():
    relu = nn.ReLU()
    model = nn.Sequential()
    for name, module in (("first", nn.Linear(4, 3)), ("act", relu), ("second", nn.Linear(3, 3)), ("again", relu)):
        model.add_module(name, module)
    x, y = points(6, 4)
    acts = collect_activations(model, (x, y))
    assert list(acts.data_vars) == ["input", "first", "act", "second", "act_1"]
    assert_is_all_of(acts, leaf_values(model, torch.from_numpy(x)), y)


def test_a_second_call_and_the_axes_of_the_first_stay_apart():
    x, y = points(6, 3, 4, 5)
    relu = nn.ReLU()
    acts = collect_activations(nn.Sequential(nn.Conv2d(3, 2, 1), relu, relu), (x, y))
    assert list(acts.data_vars) == ["input", "0", "1", "1_1"]
    assert not set(acts.dims) & set(acts.data_vars)
    assert set(acts.coords) == {"label", "index"}
    assert acts["1"].dims == ("sample", "1_0", "1__1", "1_2")


# Modules that work in place.


@pytest.mark.parametrize("method", ["hooks", "fx"])
def test_what_a_module_overwrites_was_copied_before(method):
    x, y = points(7, 6)
    model = seeded(Mlp)
    acts = collect_activations(model, (x, y), method=method, batch_size=3)
    assert (acts["fc1"].values < 0).any()
    assert (acts["relu"].values >= 0).all()
    np.testing.assert_allclose(acts["relu"], np.maximum(acts["fc1"], 0))


def test_a_first_layer_in_place_changes_neither_the_input_nor_the_callers_array():
    x, y = points(7, 6)
    before = x.copy()
    tensor = torch.from_numpy(x)
    for data in ((x, y), (tensor, y), torch.utils.data.TensorDataset(tensor, torch.from_numpy(y))):
        acts = collect_activations(nn.Sequential(nn.ReLU(inplace=True), nn.Linear(6, 2)), data)
        assert (acts["input"].values < 0).any()
        np.testing.assert_array_equal(x, before)


# Nested outputs, and where the samples are.


def test_tuples_and_dicts_are_walked():
    class Head(nn.Module):
        def forward(self, x):
            return {"out": x * 2, "aux": (x[:, :1], None, 3), "a/b": [x]}

    x, y = points(6, 4)
    acts = collect_activations(nn.Sequential(nn.Linear(4, 3), Head()), (x, y))
    assert list(acts.data_vars) == ["input", "0", "1[out]", "1[aux][0]", "1[a_b][0]"]
    np.testing.assert_allclose(acts["1[out]"], 2 * acts["0"])
    named = collect_activations(nn.Sequential(nn.Linear(4, 3), Head()), (x, y), layers=["1[aux][0]", "1[out]"])
    assert list(named.data_vars) == ["1[out]", "1[aux][0]"]


def test_named_tuples_are_walked_by_field():
    from typing import NamedTuple

    class Pair(NamedTuple):
        logits: torch.Tensor
        aux: torch.Tensor | None

    class Head(nn.Module):
        def forward(self, x):
            return Pair(x, None)

    acts = collect_activations(Head(), points(4, 3))
    assert list(acts.data_vars) == ["input", "output[logits]"]


@pytest.mark.parametrize("batch_size", [2, 3, 4, 100])
def test_the_samples_are_found_on_whichever_axis_they_are(batch_size):
    x, y = points(8, 6, 4)
    model = seeded(Recurrent)
    acts = collect_activations(model, (x, y), batch_size=batch_size)
    assert list(acts.data_vars) == ["input", "lstm[0]", "lstm[1][0]", "lstm[1][1]", "head"]
    steps, hidden, cell, logits = leaf_values(model, torch.from_numpy(x))
    assert_is_all_of(acts, [steps, hidden.movedim(1, 0), cell.movedim(1, 0), logits], y)
    assert acts["lstm[1][0]"].shape == (8, 2, 5)


def test_attention_is_seen_whatever_the_fused_kernels_would_skip():
    x, y = points(8, 6, 4)
    model = seeded(Encoder)
    acts = collect_activations(model, (x, y))
    assert "encoder.layers.1.self_attn[0]" in acts
    assert "encoder.layers.1.linear1" in acts
    assert_is_all_of(acts, leaf_values(model, torch.from_numpy(x)), y)


def test_a_masked_encoder_gives_dense_values():
    """Its fused path would pass nested tensors, which have no shape, from layer to layer."""

    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            layer = nn.TransformerEncoderLayer(8, nhead=2, dim_feedforward=16, batch_first=True)
            self.encoder = nn.TransformerEncoder(layer, num_layers=2)

        def forward(self, x, mask):
            return self.encoder(x, src_key_padding_mask=mask)

    x, y = points(6, 5, 8)
    mask = np.zeros((6, 5), bool)
    mask[:, 3:] = True
    for method, name in (("hooks", "encoder.layers.0.norm2"), ("fx", "encoder")):
        acts = collect_activations(seeded(Masked), ((x, mask), y), method=method)
        assert acts[name].shape == (6, 5, 8)
        assert np.isfinite(acts[name].values).all()


def test_a_value_without_samples_is_left_out():
    class Positions(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(6, 4)
            self.fc = nn.Linear(4, 2)

        def forward(self, x):
            return self.fc(x + self.table(torch.arange(6)))

    x, y = points(6, 6, 4)
    assert list(collect_activations(Positions(), (x, y)).data_vars) == ["input", "fc"]
    with pytest.raises(ValueError, match=r"'table' has no axis .* \(6, 4\)"):
        collect_activations(Positions(), (x, y), layers=["table"])


def test_samples_mixed_with_another_axis_are_left_out_aloud():
    class Windows(nn.Module):
        def forward(self, x):
            return x.reshape(-1, 3)

    x, y = points(6, 6)
    with pytest.warns(UserWarning, match="left out: 0 "):
        acts = collect_activations(nn.Sequential(Windows(), nn.Unflatten(0, (-1, 2))), (x, y))
    assert list(acts.data_vars) == ["input", "1"]


# A hook must return None.


def test_the_model_gives_what_it_gives_without_being_watched():
    x, y = points(8, 6)
    model = seeded(Mlp)
    seen = []
    collect_activations(model, (x, y), forward=lambda model, x: seen.append(model(x)) or seen[-1], batch_size=8)
    with torch.no_grad():
        torch.testing.assert_close(seen[-1], model(torch.from_numpy(x)))


# Containers, parametrizations, models that are one layer.


def test_names_and_globs():
    x, y = points(6, 6)
    model = nn.Sequential(seeded(Mlp), nn.Linear(3, 3))

    def names(*layers):
        return list(collect_activations(model, (x, y), layers=layers).data_vars)

    assert names("1", "0.fc1") == ["0.fc1", "1"]
    assert names("0.fc?") == ["0.fc1", "0.fc2"]
    assert names("input", "0") == ["input", "0"]
    assert names("*fc1", "0.fc1") == ["0.fc1"]
    assert names("*") == ["input", "0.fc1", "0.relu", "0.fc2", "0", "1"]
    assert names("output") == ["output"]


def test_a_container_gives_what_it_returns():
    x, y = points(6, 6)
    model = nn.Sequential(seeded(Mlp), nn.ReLU())
    acts = collect_activations(model, (x, y), layers=["0", "0.fc2"])
    np.testing.assert_array_equal(acts["0"].values, acts["0.fc2"].values)
    reference = {name: value for name, value, _ in clone_hooks(model, torch.from_numpy(x))}
    np.testing.assert_allclose(acts["0"].values, reference["0"].numpy()[grouped(y)], rtol=1e-5, atol=1e-6)


def test_a_parametrized_layer_is_a_layer():
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    torch.nn.utils.parametrizations.weight_norm(model[0])
    x, y = points(6, 4)
    assert list(collect_activations(model, (x, y)).data_vars) == ["input", "0", "1"]


def test_a_model_without_layers_is_one():
    acts = collect_activations(nn.Linear(4, 3), points(6, 4))
    assert list(acts.data_vars) == ["input", "output"]


# Names that clash with the result's own.


def test_a_module_called_like_the_results_own_names_gets_a_suffix():
    class Clash(nn.Module):
        def __init__(self):
            super().__init__()
            self.input = nn.Linear(4, 4)
            self.label = nn.Linear(4, 4)
            self.sample = nn.Linear(4, 4)
            self.index = nn.Linear(4, 4)
            self.output = nn.Linear(4, 4)
            self.index_1 = nn.Linear(4, 4)

        def forward(self, x):
            return self.index_1(self.output(self.index(self.sample(self.label(self.input(x))))))

    x, y = points(6, 4)
    model = seeded(Clash)
    for method in ("hooks", "fx"):
        acts = collect_activations(model, (x, y), method=method)
        np.testing.assert_array_equal(acts["input"].values, x[grouped(y)])
        assert_is_all_of(acts, leaf_values(model, torch.from_numpy(x)), y)
        assert list(acts.data_vars)[:4] == ["input", "input_1", "label_1", "sample_1"]
    hooks = collect_activations(model, (x, y))
    assert list(hooks.data_vars)[4:] == ["index_2", "output", "index_1"]


def test_a_slash_becomes_an_underscore_and_the_result_can_be_written(tmp_path):
    model = nn.Sequential()
    model.add_module("a/b", nn.Linear(4, 3))
    model.add_module("a_b", nn.ReLU())
    acts = collect_activations(model, points(6, 4))
    assert list(acts.data_vars) == ["input", "a_b", "a_b_1"]
    acts.to_netcdf(tmp_path / "acts.nc")
    with xr.open_dataset(tmp_path / "acts.nc") as back:
        xr.testing.assert_equal(back.load(), acts)
    assert list(collect_activations(model, points(6, 4), layers=["a/b"]).data_vars) == ["a_b"]
