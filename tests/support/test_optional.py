"""Functions that need an optional package say which extra brings it."""

import sys

import pytest

import hpfunc as hp
from hpfunc._support.optional import need


def test_what_is_there_is_no_error():
    need("xarray", "this test")


@pytest.mark.parametrize(
    "call",
    [lambda: hp.collect_activations(None, ([0.0], [0])), lambda: hp.sweep({}, {}, build=None)],
    ids=["collect_activations", "sweep"],
)
def test_without_torch_the_error_names_the_extra(monkeypatch, call):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r'needs the package torch.*pip install "hpfunc\[torch\]"'):
        call()


def test_without_torchvision_the_traced_graph_names_the_extra(monkeypatch):
    nn = pytest.importorskip("torch.nn")
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(ImportError, match=r'method="fx" needs the package torchvision.*"hpfunc\[fx\]"'):
        hp.collect_activations(nn.Linear(2, 2), ([[0.0, 1.0]] * 4, [0, 1, 0, 1]), method="fx")
