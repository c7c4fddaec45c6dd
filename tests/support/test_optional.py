"""Functions that need an optional package say which extra brings it."""

import re
import sys
from importlib import metadata

import pytest

import hpfunc as hp
from hpfunc._support import optional
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
    # The command names the installed torch, so that pip looks for the torchvision that fits it.
    command = f'pip install "hpfunc[fx]" "torch=={metadata.version("torch")}"'
    with pytest.raises(ImportError, match=rf'method="fx" needs the package torchvision.*{re.escape(command)}(\n|$)'):
        hp.collect_activations(nn.Linear(2, 2), ([[0.0, 1.0]] * 4, [0, 1, 0, 1]), method="fx")


def test_a_missing_package_that_needs_torch_is_named_without_a_version_where_torch_is_missing_too(monkeypatch):
    def unknown(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(optional, "version", unknown)
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(ImportError, match=r'pip install "hpfunc\[fx\]"$'):
        need("torchvision", "this test")
