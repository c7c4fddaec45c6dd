"""On a CUDA device: CuPy arrays over the memory of the tensors, and a model that stays where it was."""

import numpy as np
import pytest
import torch

from hpfunc.activations import collect_activations
from tests.models import Mlp, SnapshotCNN, seeded

if not torch.cuda.is_available():
    pytest.skip("there is no CUDA device", allow_module_level=True)

X = np.random.default_rng(0).standard_normal((12, 6)).astype(np.float32)
Y = np.arange(12) % 3


def test_activations_stay_on_the_device_as_cupy_arrays():
    cupy = pytest.importorskip("cupy")
    expected = collect_activations(seeded(Mlp), (X, Y))
    acts = collect_activations(seeded(Mlp).cuda(), (X, Y), batch_size=5)
    for name, layer in acts.data_vars.items():
        assert isinstance(layer.data, cupy.ndarray)
        np.testing.assert_allclose(cupy.asnumpy(layer.data), expected[name].values, rtol=1e-4, atol=1e-5)


def test_variables_share_memory_with_the_tensors_that_were_collected(monkeypatch):
    pytest.importorskip("cupy")
    import hpfunc._torch.collect as collect

    kept = {}

    class Spy(collect.Rows):
        def __init__(self, *args):
            super().__init__(*args)
            kept.update(self.tensors)

    monkeypatch.setattr(collect, "Rows", Spy)
    acts = collect_activations(seeded(Mlp).cuda(), (X, Y))
    assert {name: layer.data.data.ptr for name, layer in acts.data_vars.items()} == {
        name: tensor.data_ptr() for name, tensor in kept.items()
    }


def test_another_device_runs_a_copy_and_the_host_can_keep_the_result():
    model = seeded(Mlp)
    places = [p.data_ptr() for p in model.parameters()]
    acts = collect_activations(model, (X, Y), device="cuda", store="cpu", batch_size=5)
    expected = collect_activations(model, (X, Y))
    assert [p.data_ptr() for p in model.parameters()] == places
    for name, layer in acts.data_vars.items():
        assert isinstance(layer.data, np.ndarray)
        np.testing.assert_allclose(layer.values, expected[name].values, rtol=1e-4, atol=1e-5)


def test_the_random_state_of_the_device_is_kept():
    before = torch.cuda.get_rng_state()
    collect_activations(seeded(Mlp).cuda(), (X, Y), store="cpu", forward=lambda model, x: model(x + torch.rand_like(x)))
    assert torch.equal(torch.cuda.get_rng_state(), before)


def test_arrays_on_the_device_are_taken_as_they_are():
    acts = collect_activations(
        seeded(Mlp).cuda(), (torch.from_numpy(X).cuda(), torch.from_numpy(Y).cuda()), store="cpu"
    )
    np.testing.assert_array_equal(acts["input"].values, X[acts.index.values])


def test_snapshots_that_bring_their_values_to_the_host_stay_there():
    images = np.zeros((4, 1, 28, 28), np.float32)
    acts = collect_activations(seeded(SnapshotCNN).cuda(), (images, [0, 1, 0, 1]), method="snapshot", layers=["fc2"])
    assert isinstance(acts["fc2"].data, np.ndarray)
