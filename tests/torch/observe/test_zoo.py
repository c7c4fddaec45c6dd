"""Real architectures with random weights: every collected value equals that of a hook that clones."""

import re

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

from hpfunc.activations import collect_activations
from tests.clone_hooks import clone_hooks, leaf_values
from tests.models import Encoder, Recurrent, seeded
from tests.torch.zoo_families import (
    CLIPS,
    DETECTORS,
    TIMM,
    TORCHVISION,
    TRANSFORMERS,
    sees_images,
    texts,
    timm_model,
    torchvision_input,
    torchvision_model,
    transformers_model,
)
from tests.torch.zoo_families import images as family_images

LABELS = [0, 1, 1, 0]
ROWS = [0, 3, 1, 2]


def images(size):
    return torch.from_numpy(np.random.default_rng(0).standard_normal((4, 3, size, size)).astype(np.float32))


def assert_same(collected, expected, name):
    """Equal but for rounding: the batches differ, so the sums inside a convolution may be in another order."""
    scale = np.abs(expected).max() + 1e-12
    np.testing.assert_allclose(collected / scale, expected / scale, rtol=0, atol=1e-5, err_msg=name)


# Some layers inside put samples and windows on one axis.
@pytest.mark.filterwarnings("ignore:left out.*where no axis counts the samples alone")
@pytest.mark.parametrize("name", TORCHVISION)
def test_families_of_torchvision(name):
    model = torchvision_model(name)
    if name == "swinv2":
        # Its attention calls modules that see no samples: it is a layer all the same, and no leaf to the oracle.
        acts = collect_activations(model, (torchvision_input(name), [0, 1, 1, 0, 1]), batch_size=3)
        # In reverse, so that of a module that is called twice the first call counts.
        calls = reversed(clone_hooks(model, torchvision_input(name)))
        seen = {layer: value for layer, value, _ in calls if value.shape[:1] == (5,)}
        assert {"features.1.0.attn", "features.1.0.norm1", "head"} <= set(acts.data_vars) & set(seen)
        for layer in set(acts.data_vars) & set(seen):
            assert_same(acts[layer].values, seen[layer].numpy()[[0, 3, 1, 2, 4]], layer)
    else:
        assert_family(model, torchvision_input(name))
    assert all(module.training for module in model.modules())


@pytest.mark.filterwarnings("ignore:left out.*where no axis counts the samples alone")
@pytest.mark.parametrize("name", [name for name in TORCHVISION if name not in ("segmentation", *CLIPS, *DETECTORS)])
def test_fx(name):
    """Each node of samples has the value that torchvision extracts, and its name; but a module has its own name."""
    model, x = torchvision_model(name), torchvision_input(name, 4)
    model.eval()
    acts = collect_activations(model, (x, LABELS), method="fx", batch_size=3)
    names = get_graph_node_names(model, suppress_diff_warning=True)[1]
    extractor = extractor_without_overwriting(model, names[1:])
    with torch.no_grad():
        extracted, of_three = extractor(x), extractor(x[:3])
    tensors = {n: t for n, t in extracted.items() if isinstance(t, torch.Tensor) and t.shape[:1] == (4,)}
    tensors = {n: t for n, t in tensors.items() if of_three[n].shape == (3, *t.shape[1:])}
    layers = [n for n in acts.data_vars if n != "input" and "[" not in n]
    hooks = collect_activations(model, (x, LABELS), layers=["*"], batch_size=3)
    for layer, (theirs, value) in zip(layers, tensors.items(), strict=True):
        # Torchvision takes the number off a module's name, and counts anew.
        assert re.sub(r"_\d+$", "", layer) == re.sub(r"_\d+$", "", theirs)
        assert_same(acts[layer].values, value.detach().numpy()[ROWS], layer)
        if layer in hooks:
            assert_same(acts[layer].values, hooks[layer].values, layer)
        else:
            assert layer not in dict(model.named_modules())


def extractor_without_overwriting(model, names):
    """Torchvision's extractor, which keeps references: what works in place would change what it has extracted."""
    for module in model.modules():
        if getattr(module, "inplace", False) is True:
            module.inplace = False
    extractor = create_feature_extractor(model, {n: n for n in names}, suppress_diff_warning=True).eval()
    for node in extractor.graph.nodes:
        if node.kwargs.get("inplace"):
            node.kwargs = {**node.kwargs, "inplace": False}
    extractor.recompile()
    return extractor


def assert_family(model, x, forward=None, data=None):
    """Every value with rows of samples, in the order of the calls, is what a hook that clones sees."""
    rows = [0, 3, 1, 2, 4]
    acts = collect_activations(model, (x if data is None else data, [0, 1, 1, 0, 1]), batch_size=3)
    # Five samples: no other axis of these models is five long.
    expected = [value for value in leaf_values(model, x, forward) if 5 in value.shape]
    layers = [name for name in acts.data_vars if not name.startswith("input")]
    assert len(expected) > 5
    for layer, value in zip(layers, expected, strict=True):
        value = value.movedim(value.shape.index(5), 0)
        assert_same(acts[layer].values, value.to(torch.float32).numpy()[rows], layer)


# Some layers inside put samples and windows, or samples and tokens, on one axis.
@pytest.mark.filterwarnings("ignore:left out.*where no axis counts the samples alone")
@pytest.mark.slow
@pytest.mark.parametrize("name", TIMM)
def test_families_of_timm(name):
    model = timm_model(name)
    assert_family(model, family_images(size=TIMM[name].get("img_size", 64)))


@pytest.mark.filterwarnings("ignore:left out.*where no axis counts the samples alone")
@pytest.mark.slow
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_families_of_transformers(name):
    model = transformers_model(name)
    size = TRANSFORMERS[name].get("image_size", 32)
    data = {"pixel_values": family_images(size=size)} if sees_images(name) else texts()
    assert_family(model, data, lambda model, x: model(**x))


@pytest.mark.parametrize("model", [Recurrent, Encoder])
def test_sequence_models(model):
    model = seeded(model).train()
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((4, 7, 4)).astype(np.float32))
    acts = collect_activations(model, (x, LABELS), batch_size=3)
    for layer, value in zip(list(acts.data_vars)[1:], leaf_values(model, x), strict=True):
        value = value.movedim(1, 0) if layer.startswith("lstm[1]") else value
        assert_same(acts[layer].values, value.numpy()[ROWS], layer)
    traced = collect_activations(model, (x, LABELS), method="fx", batch_size=3)
    last = list(traced.data_vars)[-1]
    assert last == "head"
    assert_same(traced[last].values, acts[last].values, last)


def test_auxiliary_outputs_are_walked():
    """In eval mode torchvision's own heads are silent; a segmentation model's speak, in a dict."""

    class Segmenter(nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone = nn.Conv2d(3, 4, 3)
            self.classifier = nn.Conv2d(4, 2, 1)
            self.aux_classifier = nn.Conv2d(4, 2, 1)

        def forward(self, x):
            features = self.backbone(x)
            return {"out": self.classifier(features), "aux": self.aux_classifier(features)}

    model, x = seeded(Segmenter), images(6)
    acts = collect_activations(model, (x, LABELS), layers=["output", "aux_classifier"])
    assert list(acts.data_vars) == ["aux_classifier", "output[out]", "output[aux]"]
    np.testing.assert_array_equal(acts["output[aux]"].values, acts["aux_classifier"].values)
    for layers, names in ((["output*"], ["output[out]", "output[aux]"]), (["output[aux]"], ["output[aux]"])):
        named = collect_activations(model, (x, LABELS), layers=layers)
        assert list(named.data_vars) == names
        np.testing.assert_array_equal(named["output[aux]"], acts["output[aux]"])
