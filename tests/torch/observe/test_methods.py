"""The other ways of observing a model, and models of several inputs."""

from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from hpfunc.activations import collect_activations
from tests.clone_hooks import leaf_values
from tests.models import Functional, Mlp, MultiInput, SeedCNN, SnapshotCNN, seeded
from tests.samples import grouped, points

# The other ways of observing.


def test_snapshot_gives_its_entries_in_order_with_the_older_names():
    x, y = points(12, 1, 28, 28)
    plain, model = seeded(SeedCNN), seeded(SnapshotCNN)
    acts = collect_activations(model, (x, y), method="snapshot", batch_size=5)
    hooks = collect_activations(plain, (x, y), batch_size=5)
    assert list(acts.data_vars) == ["input", *SnapshotCNN.NAMES[1:]]
    for ours, theirs in zip(acts.data_vars, hooks.data_vars, strict=True):
        np.testing.assert_array_equal(acts[ours].values, hooks[theirs].values)
    assert not hasattr(model, "snapshot")


def test_a_snapshot_without_the_input_gets_it_and_the_callers_snapshot_stays():
    class Model(Mlp):
        def refresh(self):
            # In place: what the caller holds would be emptied.
            for taken in self.snapshot.values():
                taken.clear()

        def snapshot_forward(self, x):
            out = self.fc1(x)
            self.snapshot["act"].append(torch.tanh(out))
            self.snapshot["act"].append(torch.relu(out))
            return out

    model = seeded(Model)
    held = ["mine"]
    model.snapshot = mine = {"act": held}
    x, y = points(6, 6)
    acts = collect_activations(model, (x, y), method="snapshot")
    assert list(acts.data_vars) == ["input", "act", "act_1"]
    np.testing.assert_array_equal(acts["input"].values, x[grouped(y)])
    assert model.snapshot is mine
    assert mine == {"act": ["mine"]}
    assert mine["act"] is held


def test_the_input_of_a_snapshot_is_what_the_model_calls_so():
    class Model(SnapshotCNN):
        def snapshot_forward(self, x):
            return super().snapshot_forward(x / 255)

    images = np.random.default_rng(0).integers(0, 256, (4, 1, 28, 28)).astype(np.float32)
    acts = collect_activations(seeded(Model), (images, [0, 0, 1, 1]), method="snapshot")
    assert next(iter(acts.data_vars)) == "input"
    np.testing.assert_array_equal(acts["input"].values, images / np.float32(255))


def test_a_snapshot_forward_need_not_return():
    class Model(SnapshotCNN):
        def snapshot_forward(self, x):
            super().snapshot_forward(x)

    images = np.zeros((4, 1, 28, 28), np.float32)
    assert "fc2" in collect_activations(seeded(Model), (images, [0, 0, 1, 1]), method="snapshot")


def test_a_function_of_the_callers():
    x, y = points(8, 6)
    model = seeded(Mlp)
    taken = {"double": lambda x: x * 2, "fc": model.fc1}
    acts = collect_activations(model, (x, y), method=lambda x: {name: f(x) for name, f in taken.items()}, batch_size=3)
    assert list(acts.data_vars) == ["input", "double", "fc"]
    np.testing.assert_array_equal(acts["double"].values, 2 * x[grouped(y)])


# Operations that are not modules.


def test_fx_sees_every_operation_under_torchvisions_names():
    from torchvision.models.feature_extraction import get_graph_node_names

    x, y = points(7, 6)
    model = seeded(Functional)
    acts = collect_activations(model, (x, y), method="fx", batch_size=4)
    assert list(acts.data_vars) == ["input", "fc1", "add", "relu", "exp", "fc2", "mul_", "add_1"]
    assert list(acts.data_vars)[1:] == get_graph_node_names(model)[1][1:]
    weights = {name: value.detach().numpy() for name, value in model.named_parameters()}
    fc1 = x[grouped(y)] @ weights["fc1.weight"].T + weights["fc1.bias"]
    relu = np.maximum(fc1 + 1, 0)
    fc2 = relu @ weights["fc2.weight"].T + weights["fc2.bias"]
    expected = {"fc1": fc1, "add": fc1 + 1, "relu": relu, "exp": np.exp(relu), "fc2": fc2}
    expected |= {"mul_": 2 * fc2, "add_1": 2 * fc2 + relu}
    for name, value in expected.items():
        np.testing.assert_allclose(acts[name].values, value, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    "children",
    [["fc_1", "fc_2", "fc_3"], ["conv_2", "conv_1"], ["ln", "ln_1"], ["a_1", "a", "a_2", "a_1_1"], ["add", "add_1"]],
)
@pytest.mark.parametrize("nested", [False, True])
def test_with_fx_a_modules_name_is_its_own(children, nested):
    class Adds(nn.Sequential):
        def forward(self, x):
            for layer in self:
                x = layer(x) + 1
            return layer(x)

    def build():
        inner = Adds(OrderedDict((name, nn.Linear(4, 4)) for name in children))
        return nn.Sequential(OrderedDict(block_0=inner, block_1=nn.Linear(4, 2))) if nested else inner

    model, (x, y) = seeded(build), points(12, 4)
    hooks = collect_activations(model, (x, y))
    graph = collect_activations(model, (x, y), method="fx")
    for name in hooks.data_vars:
        np.testing.assert_allclose(graph[name].values, hooks[name].values, rtol=1e-5, atol=1e-6, err_msg=name)
        alone = collect_activations(model, (x, y), method="fx", layers=[name])
        np.testing.assert_array_equal(alone[name].values, graph[name].values)
    # One addition for each child.
    assert len(graph) == len(hooks) + len(children)


def test_with_fx_an_operation_before_a_module_of_its_name_takes_nothing_from_it():
    """The operation ``relu`` was ``relu_1``, and the module ``relu``, which came after it, became ``relu_2``."""

    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.relu, self.add_1 = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x):
            return self.relu(torch.relu(self.add_1(x) + x + 1)) + self.relu(x)

    model, (x, y) = seeded(Named), points(12, 4)
    hooks = collect_activations(model, (x, y))
    graph = collect_activations(model, (x, y), method="fx")
    assert list(graph.data_vars) == ["input", "add_1", "add", "add_2", "relu_1", "relu", "relu_2", "add_3"]
    assert list(hooks.data_vars) == ["input", "add_1", "relu", "relu_1"]
    np.testing.assert_array_equal(graph["relu"], hooks["relu"])
    np.testing.assert_array_equal(graph["relu_2"], hooks["relu_1"])


def test_fx_keeps_the_defaults_of_arguments_that_are_not_given():
    class Masked(Mlp):
        def forward(self, x, mask=None, scale=2.0):
            if mask is not None:
                x = x * mask
            return self.fc1(x) * scale

    x, y = points(6, 6)
    model = seeded(Masked)
    acts = collect_activations(model, (x, y), method="fx")
    np.testing.assert_allclose(acts["mul"].values, 2 * acts["fc1"].values)
    both = collect_activations(model, ({"x": x, "mask": np.zeros_like(x)}, y), method="fx")
    np.testing.assert_array_equal(both["mul"].values, 0)


def test_fx_gives_variable_arguments_one_by_one():
    class Variable(MultiInput):
        def forward(self, *inputs):
            return super().forward(inputs[0], inputs[1])

    (a, y), (b, _) = points(8, 4), points(8, 2, seed=1)
    model = seeded(Variable)
    acts = collect_activations(model, ((a, b), y), method="fx")
    hooks = collect_activations(model, ((a, b), y))
    np.testing.assert_array_equal(acts["right"].values, hooks["right"].values)


# Several inputs.


@pytest.mark.parametrize("method", ["hooks", "fx"])
def test_several_inputs_by_position_and_by_name(method):
    (a, y), (b, _) = points(8, 4), points(8, 2, seed=1)
    model = seeded(MultiInput)
    tuples = collect_activations(model, ((a, b), y), method=method, batch_size=3)
    dicts = collect_activations(model, ({"b": b, "a": a}, y), method=method, batch_size=3)
    assert list(tuples.data_vars)[:4] == ["input[0]", "input[1]", "left", "right"]
    assert list(dicts.data_vars)[:4] == ["input[b]", "input[a]", "left", "right"]
    np.testing.assert_array_equal(tuples["left"].values, dicts["left"].values)
    _, right = leaf_values(model, (torch.from_numpy(a), torch.from_numpy(b)), lambda model, x: model(*x))
    np.testing.assert_allclose(tuples["right"].values, right.numpy()[grouped(y)], rtol=1e-5, atol=1e-6)


def test_a_function_that_runs_the_model():
    x, y = points(8, 4)
    model = seeded(MultiInput)
    acts = collect_activations(model, (x, y), forward=lambda model, x: model(x, x[:, :2]))
    assert list(acts.data_vars) == ["input", "left", "right"]
