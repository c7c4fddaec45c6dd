"""Refusals: each names the argument, what was found, and what to do."""

import io
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from hpfunc.activations import collect_activations
from tests.models import Branching, Encoder, Mlp, Recurrent, SnapshotCNN, seeded

X = np.random.default_rng(0).standard_normal((8, 6)).astype(np.float32)
Y = np.arange(8) % 2


def refused(match, *, error=ValueError, model=None, data=(X, Y), **options):
    with pytest.raises(error, match=match):
        collect_activations(model or seeded(Mlp), data, **options)


# Layers that never ran.


def test_a_layer_that_never_ran_is_named_beside_those_that_did():
    refused("'conv1' is none of the layers that ran.*input, fc1, relu, fc2, output", layers=["fc1", "conv1"])
    sequences = np.zeros((8, 3, 4), np.float32)
    # In eval mode attention calls the weights of this module, not the module.
    name = "encoder.layers.0.self_attn.out_proj"
    refused(f"'{name}' is none of the layers", model=seeded(Encoder), data=(sequences, Y), layers=[name])


def test_the_nearest_name_is_suggested_for_a_misspelt_layer():
    refused(r"'fc_2' is none of the layers .*did you mean 'fc2'\? these did: input, fc1", layers=["fc_2"])
    refused(r"'norm' is none of the layers that ran and gave tensors; these did", layers=["norm"])


def test_a_glob_that_matches_nothing():
    refused(r"'conv\*' matches none of the layers that ran", layers=["fc1", "conv*"])


def test_a_layer_that_runs_for_some_batches_only():
    class Sometimes(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(6, 6)
            self.b = nn.Linear(6, 6)

        def forward(self, x):
            return self.a(x) if x[0, 0] > 0 else self.b(x)

    x = X.copy()
    x[:, 0] = [1, 1, 1, 1, -1, -1, -1, -1]
    model = seeded(Sometimes)
    refused(
        "'a' is one of the layers which do not run for every batch",
        model=model,
        data=(x, Y),
        batch_size=4,
        layers=["a"],
    )
    with pytest.warns(UserWarning, match=r"left out: a \(1 in all\), which do not run for every batch"):
        acts = collect_activations(model, (x, Y), batch_size=4)
    assert list(acts.data_vars) == ["input"]


@pytest.mark.parametrize("layers", ["fc1", 3, [], [3]])
def test_layers_that_are_no_list_of_names(layers):
    refused("layers=.* is not a list of names", error=TypeError, layers=layers)


# Models.


@pytest.mark.parametrize("output", [None, "text", 3.0, {"loss": 1.0}])
def test_an_output_without_tensors(output):
    class Silent(Mlp):
        def forward(self, x):
            super().forward(x)
            return output

    refused("the model returned a .* that holds no tensors; pass forward=", model=Silent())


def test_models_that_cannot_be_observed():
    refused("model is a function", error=TypeError, model=lambda x: x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        scripted = torch.jit.trace(seeded(Mlp), torch.zeros(1, 6))
    refused("model is a TorchScript module", error=TypeError, model=scripted)
    refused(
        "model has the layer '1', which is a TorchScript", error=TypeError, model=nn.Sequential(nn.ReLU(), scripted)
    )
    refused("lazy parameters", model=nn.LazyLinear(3))
    refused("meta device", model=nn.Linear(6, 2, device="meta"))


def test_fx_on_control_flow_says_which_line_and_offers_hooks():
    refused(
        r'method="fx" cannot trace Branching: .*models\.py, line \d+: if x\.sum\(\) > 0:.*method="hooks"',
        model=seeded(Branching),
        data=(X[:, :4], Y),
        method="fx",
    )


def test_a_snapshot_model_without_the_protocol():
    refused(r"Mlp has no refresh and no snapshot_forward; method=\"hooks\"", error=TypeError, method="snapshot")


def test_a_snapshot_entry_that_stays_empty():
    class Forgetful(SnapshotCNN):
        NAMES = (*SnapshotCNN.NAMES, "extra")

    images = np.zeros((4, 1, 28, 28), np.float32)
    refused("'extra' stayed empty", model=Forgetful(), data=(images, [0, 0, 1, 1]), method="snapshot")


def test_a_function_that_gives_no_dict():
    refused("expected a dict name -> tensor", error=TypeError, method=lambda x: x)


# Options.


@pytest.mark.parametrize(
    ("option", "value", "match"),
    [
        ("method", "hook", "choose one of 'hooks', 'fx', 'snapshot'"),
        ("store", "disk", "choose one of 'device', 'cpu'"),
        ("reduce", "max", 'choose "mean", .*"token-mean", a function'),
        ("reduce", {"fc1": "max"}, 'choose "mean", .*"token-mean", a function'),
        ("dtype", "int8", "choose one of float16, float32, float64"),
        ("dtype", torch.bfloat16, "choose one of float16, float32, float64"),
        ("dtype", "complex", "choose one of float16, float32, float64"),
        ("samples_per_class", 0, "samples_per_class=0 is not positive"),
        ("batch_size", -1, "batch_size=-1 is not positive"),
        ("max_memory", 0, "max_memory=0 is not a positive number"),
        ("key", -1, "key=-1 is negative"),
    ],
)
def test_unknown_values(option, value, match):
    refused(match, **{option: value})


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("samples_per_class", 1.5),
        ("batch_size", None),
        ("batch_size", True),
        ("max_memory", "1GB"),
        ("key", 0.5),
        ("forward", 3),
    ],
)
def test_options_of_another_type(option, value):
    refused(f"{option}=", error=TypeError, **{option: value})


@pytest.mark.parametrize("device", ["cuda:99", "gpu", "meta", -1.5])
def test_a_device_that_does_not_exist(device):
    refused("device=.* there are cpu|device=.*holds no values", device=device)


def test_forward_goes_with_hooks_only():
    refused('forward= goes with method="hooks" only', forward=lambda model, x: model(x), method="fx")


def test_reduce_that_loses_the_samples_or_means_no_layer():
    refused(r"reduce made \(\) of layer 'input'", reduce=lambda values: values.mean())
    refused("reduce made a float", reduce=lambda values: 1.0)
    refused(
        r"reduce: 'conv\*' is none of the layers that are collected; these are input, fc1", reduce={"conv*": "mean"}
    )


# Memory is predicted.


def test_too_much_memory_is_refused_before_the_data_is_read_and_names_the_largest():
    loaded = []

    class Counted(torch.utils.data.Dataset):
        targets = [0] * 1000

        def __len__(self):
            return 1000

        def __getitem__(self, k):
            loaded.append(k)
            return torch.zeros(6, 4), 0

    match = (
        r"1000 samples of 5 layers need 308 kB of memory, more than max_memory=100 kB; the largest are "
        r"lstm\[0\] 120 kB, input 96 kB"
    )
    refused(match, model=seeded(Recurrent), data=Counted(), max_memory=100_000, batch_size=10)
    assert len(loaded) == 10


def test_the_prediction_is_the_result():
    acts = collect_activations(seeded(Mlp), (X, Y))
    needed = sum(layer.nbytes for layer in acts.data_vars.values())
    collect_activations(seeded(Mlp), (X, Y), max_memory=needed)
    refused("more than max_memory", max_memory=needed - 1)
    collect_activations(seeded(Mlp), (X, Y), max_memory=needed // 2, dtype="float16")


def test_more_than_the_machine_has_free_is_refused_without_being_asked():
    class Huge(nn.Module):
        def forward(self, x):
            return x[:, :1].expand(len(x), 10**13)

    refused("need 3.2e.05 GB of memory, more than the .* that are free on cpu", model=Huge())


# Progress.


def test_progress_counts_samples(capsys):
    collect_activations(seeded(Mlp), (X, Y), progress=True, batch_size=3)
    shown = capsys.readouterr().err
    assert "activations" in shown
    assert "8/8" in shown
    collect_activations(seeded(Mlp), (X, Y))
    assert capsys.readouterr().err == ""


def test_a_pickled_model_is_not_needed():
    """What runs on the model's own device runs the model itself: nothing that cannot be copied is copied."""
    model = seeded(Mlp)
    model.handle = io.TextIOWrapper(io.BytesIO())
    assert "fc1" in collect_activations(model, (X, Y))
    assert "fc1" in collect_activations(model, (X, Y), device="cpu")
