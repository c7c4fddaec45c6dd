"""What is kept: reduced values, dtypes, memory that is shared, and arrays of any kind."""

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

from hpfunc.activations import collect_activations
from tests.models import Mlp, seeded
from tests.samples import grouped, points

# Smaller activations.


def test_mean_over_space_and_functions_by_layer():
    x, y = points(8, 3, 6, 6)
    model = seeded(lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2)))
    full = collect_activations(model, (x, y))
    mean = collect_activations(model, (x, y), reduce="mean", batch_size=3)
    assert mean["0"].dims == ("sample", "0_0")
    np.testing.assert_allclose(mean["0"], full["0"].mean(["0_1", "0_2"]), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(mean["3"], full["3"], rtol=1e-4, atol=1e-6)
    some = collect_activations(model, (x, y), reduce={"0": lambda t: t.amax((2, 3)), "?": "mean"})
    np.testing.assert_allclose(some["0"], full["0"].max(["0_1", "0_2"]), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(some["1"], mean["1"])
    assert some["input"].shape == (8, 3, 6, 6)


def test_the_mean_of_integers_is_a_fraction():
    pixels = np.random.default_rng(0).integers(0, 256, (6, 3, 4, 4), dtype=np.uint8)
    y = [0, 1] * 3
    acts = collect_activations(nn.Flatten(), (pixels, y), reduce="mean")
    np.testing.assert_allclose(acts["input"], pixels[acts.index.values].mean((2, 3)), rtol=1e-6)


def test_a_function_may_keep_one_number_a_sample():
    x, y = points(8, 6)
    acts = collect_activations(seeded(Mlp), (x, y), reduce=lambda values: values.mean(1))
    assert acts["fc1"].dims == ("sample",)
    np.testing.assert_allclose(acts["input"], x[grouped(y)].mean(1), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float64", torch.float64, np.float64, float])
def test_dtype_is_that_of_floating_values(dtype):
    model = nn.Sequential(nn.Embedding(5, 3), nn.Flatten())
    tokens = np.arange(12).reshape(6, 2) % 5
    acts = collect_activations(model, (tokens, [0, 1] * 3), dtype=dtype)
    assert acts["input"].dtype == np.int64
    assert acts["0"].dtype == acts["1"].dtype == np.float64


# What DLPack and NumPy cannot express.


def test_variables_share_memory_with_the_tensors_that_were_collected(monkeypatch):
    import hpfunc._torch.filling as filling

    kept = {}

    class Spy(filling.Rows):
        def write(self, layer, values, rows):
            super().write(layer, values, rows)
            kept.update(self.tensors)

    monkeypatch.setattr(filling, "Rows", Spy)
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        acts = collect_activations(seeded(Mlp).to(dtype), points(6, 6))
        assert set(kept) == set(acts.data_vars)
        for name, tensor in kept.items():
            assert np.shares_memory(acts[name].values, tensor.numpy())


def test_bfloat16_is_kept_in_float32_and_half_as_it_is():
    x, y = points(6, 6)
    acts = collect_activations(seeded(Mlp).to(torch.bfloat16), (x, y))
    assert acts["fc1"].dtype == np.float32
    rounded = torch.from_numpy(x).bfloat16().float().numpy()
    np.testing.assert_array_equal(acts["input"].values, rounded[grouped(y)])
    assert collect_activations(seeded(Mlp).half(), (x, y))["fc1"].dtype == np.float16


def test_conjugated_and_negated_views_are_resolved():
    class Views(nn.Module):
        def forward(self, x):
            z = torch.view_as_complex(x.reshape(len(x), -1, 2))
            return z.conj(), z.conj().imag

    x, y = points(6, 4)
    acts = collect_activations(Views(), (x, y))
    expected = x[grouped(y)].reshape(6, 2, 2)
    np.testing.assert_array_equal(acts["output[1]"].values, -expected[..., 1])
    np.testing.assert_array_equal(acts["output[0]"].values.imag, -expected[..., 1])


def test_arrays_of_any_layout():
    x, y = points(8, 6)
    expected = collect_activations(seeded(Mlp), (x, y))
    read_only = x.copy()
    read_only.flags.writeable = False
    reversed_rows = x[::-1].copy()[::-1]
    fortran = np.asfortranarray(x)
    needs_grad = torch.from_numpy(x.copy()).requires_grad_()
    for same in (read_only, reversed_rows, fortran, needs_grad, x.tolist(), xr.DataArray(x), x.astype(np.float64)):
        acts = collect_activations(seeded(Mlp), (same, y))
        xr.testing.assert_allclose(acts, expected, rtol=1e-5, atol=1e-6)
        assert acts["fc1"].dtype == np.float32
