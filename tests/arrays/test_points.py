"""Points of any library come in, share memory where they can, and are refused where they are no numbers."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
import xarray as xr

import hpfunc as hp
from hpfunc._arrays import as_array, as_points, check_finite, from_tensor
from tests.cuda_host.stand_in import stand_in


class Exporter:
    """An array of some other library: DLPack is all it offers."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def test_memory_is_shared():
    tensor = torch.zeros(4, 3, requires_grad=True)
    numpy = np.zeros((4, 3, 2))
    assert np.shares_memory(as_points(tensor), tensor.detach().numpy())
    assert np.shares_memory(as_points(tensor.detach()[::2]), tensor.detach().numpy())
    assert np.shares_memory(as_points(numpy), numpy)
    assert np.shares_memory(as_points(numpy[::-1]), numpy)
    assert np.shares_memory(as_points(xr.DataArray(numpy)), numpy)
    assert np.shares_memory(as_points(Exporter(numpy)), numpy)


def test_points_are_flat():
    assert as_points(np.zeros(5)).shape == (5, 1)
    assert as_points(np.zeros((5, 2, 3))).shape == (5, 6)
    assert as_points(torch.zeros(5, 2, 3).permute(0, 2, 1)).shape == (5, 6)
    assert as_points([[1, 2], [3, 4]]).dtype.kind == "i"


def test_tensors_that_dlpack_cannot_express():
    assert as_points(torch.ones(2, 2, dtype=torch.bfloat16)).dtype == np.float32
    assert as_points(torch.ones(2, 2, dtype=torch.float16)).dtype == np.float16
    assert as_points(torch.ones(2, 2, dtype=torch.bool)).dtype == np.bool_
    negative = torch.complex(torch.zeros(2), torch.ones(2)).conj().imag
    assert as_points(negative)[0, 0] == -1
    with pytest.raises(TypeError, match="to_dense"):
        as_points(torch.ones(2, 2).to_sparse())
    with pytest.raises(TypeError, match="meta"):
        as_points(torch.ones(2, 2, device="meta"))
    with pytest.raises(TypeError, match="complex64"):
        as_points(torch.ones(2, 2, dtype=torch.complex64))


class Cuda:
    """What the door sees of a tensor on a GPU."""

    dtype, layout = torch.float32, torch.strided
    device = torch.device("cuda:0")

    def detach(self):
        return self

    resolve_conj = resolve_neg = detach


class OtherCuda:
    """An array of another library on a GPU."""

    def __dlpack_device__(self):
        return (2, 0)

    def __dlpack__(self, **options):
        raise AssertionError


def test_a_cuda_array_without_cupy_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(TypeError, match=r"hpfunc\[cuda12\]"):
        as_points(OtherCuda())
    with pytest.raises(TypeError, match=r"hpfunc\[cuda12\]"):
        from_tensor(Cuda(), "x")


def test_a_cupy_that_does_not_fit_the_driver_says_what_to_install():
    def from_dlpack(array):
        raise RuntimeError("CUDA driver version is insufficient for CUDA runtime version")

    with stand_in() as cupy:
        cupy.from_dlpack, cupy.__version__ = from_dlpack, "14.2.0"
        with pytest.raises(TypeError, match=r"driver version is insufficient.*hpfunc\[cuda12\]"):
            from_tensor(Cuda(), "x")
        # Host arrays never meet it.
        np.testing.assert_array_equal(as_points(torch.ones(2, 2)), np.ones((2, 2)))
        assert float(hp.hp_statistic([0.0, 1.0], [5.0, 6.0]).cross_edges) == 1


def test_host_arrays_do_not_notice_a_cupy_without_a_device():
    pytest.importorskip("cupy")
    assert float(hp.hp_statistic([0.0, 1.0], [5.0, 6.0]).cross_edges) == 1


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (1.0, ValueError, "scalar"),
        (np.zeros((0, 3)), ValueError, r"\(0, 3\)"),
        (np.zeros((3, 0)), ValueError, r"\(3, 0\)"),
        ([[1], [1, 2]], ValueError, "rectangular"),
        (np.array([1, 2], object), TypeError, "object"),
        (torch.nn.Identity(), TypeError, "x is a Identity, which is no array; collect_activations"),
        (np.array(["a"]), TypeError, "<U1"),
        (np.array([1j]), TypeError, "complex128"),
        (np.array([2**53 + 2]), ValueError, "2\\*\\*53"),
        (np.array([2**64 - 1], np.uint64), ValueError, "2\\*\\*53"),
        (np.array(["2020"], "M8[Y]"), TypeError, "datetime64"),
    ],
)
def test_refused(x, error, message):
    with pytest.raises(error, match=message):
        as_points(x, "x")


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize <= 8, reason="long double is float64 on this machine")
def test_extended_precision_is_refused():
    with pytest.raises(TypeError, match="64 bits"):
        as_array(np.ones(3, np.longdouble))


def test_non_finite_values_are_placed_and_counted():
    x = np.ones((5, 4), np.float32)
    check_finite(x, "layer 'fc'")
    x[3, 1], x[4] = np.nan, np.inf
    with pytest.raises(ValueError, match=r"layer 'fc' holds 5 .* 2 of 5 .* nan in sample 3 \(class 9\), feature 1"):
        check_finite(x, "layer 'fc'", np.array([0, 0, 0, 9, 9]))
    # A sum that overflows is no reason to refuse finite values.
    check_finite(np.full((4, 4), 1e308), "x")
