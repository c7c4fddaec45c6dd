"""The model, the data and the random state are afterwards as they were, whatever happened."""

import copy
import random

import numpy as np
import pytest
import torch
from torch import nn

from hpfunc.activations import collect_activations
from tests.models import Mlp, SnapshotCNN, seeded


class Careless(nn.Module):
    """A model that keeps count, leaves a cache, draws random numbers and can fail in the middle of a batch."""

    def __init__(self, fail_at=None):
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3)
        self.norm = nn.BatchNorm2d(3)
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(3, 2)
        self.register_buffer("steps", torch.zeros(()))
        self.frozen = nn.Parameter(torch.ones(2), requires_grad=False)
        self.calls = 0
        self.fail_at = fail_at

    def forward(self, x):
        self.calls += 1
        self.cache = x
        self.steps += 1
        if self.fail_at is not None and self.calls >= self.fail_at:
            raise RuntimeError("the sky fell")
        x = self.drop(self.norm(self.conv(x))).mean((2, 3))
        random.random()
        np.random.rand()  # noqa: NPY002
        return self.fc(x + torch.rand_like(x)) * self.frozen


def mixed_modes(model):
    """Train mode with frozen normalisation: what eval() and train() in turn would destroy."""
    model.train()
    model.norm.eval()
    return model


def state(model):
    """Everything that can be compared."""
    return {
        "flags": [module.training for module in model.modules()],
        "tensors": {name: value.clone() for name, value in (*model.named_parameters(), *model.named_buffers())},
        "places": {name: value.data_ptr() for name, value in (*model.named_parameters(), *model.named_buffers())},
        "grads": {
            name: (p.requires_grad, None if p.grad is None else p.grad.tolist()) for name, p in model.named_parameters()
        },
        "attributes": [set(vars(module)) for module in model.modules()],
        "hooks": [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()],
        "calls": getattr(model, "calls", None),
        "grad mode": torch.is_grad_enabled(),
        "kernels": torch.backends.mha.get_fastpath_enabled(),
        "torch": torch.get_rng_state().tolist(),
        "numpy": np.random.get_state()[1:],  # noqa: NPY002
        "python": random.getstate(),
    }


def assert_same(before, after):
    torch.testing.assert_close(after.pop("tensors"), before.pop("tensors"), rtol=0, atol=0)
    np.testing.assert_equal(after, before)


def images(n=12):
    return np.random.default_rng(0).standard_normal((n, 1, 5, 5)).astype(np.float32), np.arange(n) % 2


METHODS = ["hooks", "fx", lambda x: {"double": 2 * x}]


@pytest.mark.parametrize("method", METHODS)
def test_after_success(method):
    model = mixed_modes(seeded(Careless))
    model.conv.weight.grad = torch.ones_like(model.conv.weight)
    before = state(model)
    collect_activations(model, images(), method=method, batch_size=5)
    assert_same(before, state(model))


@pytest.mark.parametrize("fail_at", [1, 2, 3])
def test_after_the_model_raised(fail_at):
    model = mixed_modes(seeded(lambda: Careless(fail_at)))
    before = state(model)
    with pytest.raises(RuntimeError, match="the sky fell") as caught:
        collect_activations(model, images(), batch_size=5)
    assert "batch of shape" in caught.value.__notes__[0]
    assert_same(before, state(model))


@pytest.mark.parametrize("with_labels", [False, True])
def test_after_the_data_raised(with_labels):
    class Broken(torch.utils.data.Dataset):
        def __init__(self):
            if with_labels:
                self.targets = [0, 1] * 6

        def __len__(self):
            return 12

        def __getitem__(self, k):
            torch.rand(1)
            np.random.rand()  # noqa: NPY002
            if k == 7:
                raise OSError("disk on fire")
            return torch.zeros(1, 5, 5), k % 2

    model = mixed_modes(seeded(Careless))
    before = state(model)
    for data in (Broken(), torch.utils.data.DataLoader(Broken(), batch_size=5, shuffle=False)):
        with pytest.raises(ValueError, match="item 7 could not be loaded: OSError: disk on fire"):
            collect_activations(model, data, batch_size=5)
        assert_same(copy.copy(before), state(model))


@pytest.mark.parametrize(
    "options",
    [
        {"layers": ["nothing"]},
        {"layers": ["*x*y*"]},
        {"max_memory": 10},
        {"reduce": lambda t: t.sum()},
        {"classes": [5]},
    ],
)
def test_after_a_refusal(options):
    model = mixed_modes(seeded(Careless))
    before = state(model)
    with pytest.raises(ValueError):
        collect_activations(model, images(), **options)
    assert_same(before, state(model))


def test_normalisation_runs_on_its_stored_statistics():
    x, y = images()
    model = seeded(lambda: nn.Sequential(nn.BatchNorm2d(1))).train()
    acts = collect_activations(model, (x, y), batch_size=3)
    expected = x[np.argsort(y, kind="stable")] / np.sqrt(1 + model[0].eps)
    np.testing.assert_allclose(acts["0"].values, expected, rtol=1e-6, atol=1e-6)
    assert int(model[0].num_batches_tracked) == 0


def test_without_gradients_and_without_inference_mode():
    """Tensors of inference_mode could not be trained on later, also where the caller is in it."""
    model, seen = seeded(Mlp), []

    def forward(model, x):
        seen.append(model(x))
        return seen[-1]

    with torch.inference_mode():
        collect_activations(model, (np.zeros((6, 6), np.float32), [0, 1] * 3), forward=forward)
    assert not any(values.requires_grad or values.is_inference() for values in seen)
    head = nn.Linear(3, 2)
    head(seen[-1]).sum().backward()
    assert head.weight.grad is not None


def test_modes_are_set_without_the_methods_that_models_override():
    """Some merge weights in eval(), some keep a part frozen in train(): what they do could not be undone."""

    class Merging(Mlp):
        def train(self, mode=True):
            raise AssertionError(f"train({mode}) was called")

    model = seeded(Merging)
    collect_activations(model, (np.zeros((6, 6), np.float32), [0, 1] * 3))
    assert model.training


def test_the_callers_own_hooks_stay_and_still_fire():
    model = seeded(Mlp)
    fired = []
    model.fc1.register_forward_hook(lambda module, args, output: fired.append(1) or output + 1)
    x = np.zeros((6, 6), np.float32)
    acts = collect_activations(model, (x, [0, 1] * 3))
    np.testing.assert_allclose(acts["fc1"].values[0], model.fc1.bias.detach().numpy() + 1, rtol=1e-6)
    count = len(fired)
    model(torch.zeros(1, 6))
    assert len(fired) == count + 1


def test_random_models_give_what_the_next_pass_would_give():
    x, y = images()
    model = seeded(Careless).eval()
    torch.manual_seed(5)
    acts = collect_activations(model, (x, y), layers=["fc"], batch_size=12)
    again = collect_activations(model, (x, y), layers=["fc"], batch_size=12)
    np.testing.assert_array_equal(acts["fc"].values, again["fc"].values)
    torch.manual_seed(5)
    with torch.no_grad():
        plain = model(torch.from_numpy(x)).numpy()[acts.index.values]
    np.testing.assert_allclose(acts["fc"].values, plain, rtol=1e-5, atol=1e-6)


def test_a_snapshot_model_is_as_it_was():
    model = seeded(SnapshotCNN).train()
    model.refresh()
    before, taken = state(model), model.snapshot
    collect_activations(model, (np.zeros((4, 1, 28, 28), np.float32), [0, 1, 0, 1]), method="snapshot")
    assert model.snapshot is taken
    assert all(values == [] for values in taken.values())
    assert_same(before, state(model))


# Compiled and parallel models.


def test_a_compiled_model_is_observed_as_it_is_written():
    compilations = []

    def backend(graph, inputs):
        compilations.append(graph)
        return graph.forward

    x, y = np.random.default_rng(0).standard_normal((6, 6)).astype(np.float32), [0, 1] * 3
    model = seeded(Mlp).eval()
    expected = collect_activations(model, (x, y))
    compiled = torch.compile(model, backend=backend)
    in_place = seeded(Mlp).eval()
    in_place.compile(backend=backend)
    inside = nn.Sequential(torch.compile(seeded(Mlp).eval(), backend=backend))
    try:
        for watched in (compiled, in_place, inside):
            watched(torch.from_numpy(x))
        before = len(compilations)
        assert before
        for watched in (compiled, in_place):
            assert collect_activations(watched, (x, y)).identical(expected)
        names = list(collect_activations(inside, (x, y), layers=["*"]).data_vars)
        assert names == ["input", "0.fc1", "0.relu", "0.fc2", "0"]
        # Nothing was compiled again, with the hooks in it, and what was compiled still serves.
        for watched in (compiled, in_place, inside):
            watched(torch.from_numpy(x))
        assert len(compilations) == before
    finally:
        torch._dynamo.reset()


def test_parallel_wrappers_are_taken_off():
    x, y = np.zeros((6, 6), np.float32), [0, 1] * 3
    model = seeded(Mlp)
    expected = collect_activations(model, (x, y))
    assert collect_activations(nn.DataParallel(model), (x, y)).identical(expected)
    assert collect_activations(torch.compile(nn.DataParallel(model), backend="eager"), (x, y)).identical(expected)


def test_distributed_wrappers_are_taken_off(tmp_path):
    if not torch.distributed.is_available() or torch.distributed.is_initialized():
        pytest.skip("torch.distributed cannot be set up here")
    x, y = np.zeros((6, 6), np.float32), [0, 1] * 3
    model = seeded(Mlp)
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    try:
        acts = collect_activations(nn.parallel.DistributedDataParallel(model), (x, y))
    finally:
        torch.distributed.destroy_process_group()
    assert acts.identical(collect_activations(model, (x, y)))


def test_threads_take_turns():
    """Each restores switches and random state that all threads share: interleaved, some would be lost."""
    from concurrent.futures import ThreadPoolExecutor

    x, y = images()
    models = [seeded(Careless, seed) for seed in range(8)]
    before = [state(model) for model in models]

    def collect(model):
        return collect_activations(model, (x, y), batch_size=2)

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(collect, models))
    for model, was, acts in zip(models, before, done, strict=True):
        assert_same(was, state(model))
        assert acts.identical(collect(model))


def test_another_device_runs_a_copy():
    from hpfunc._torch.model.device import on_device

    model = seeded(Mlp)
    copied = on_device(model, torch.device("meta"))
    assert copied is not model
    assert {p.device.type for p in copied.parameters()} == {"meta"}
    assert {p.device.type for p in model.parameters()} == {"cpu"}
    assert on_device(model, torch.device("cpu")) is model
