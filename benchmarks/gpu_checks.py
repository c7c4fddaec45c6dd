"""What has to hold on a GPU, each a function of the module CuPy that raises if it does not."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import hpfunc as hp

__all__ = ["CHECKS", "assert_equal"]


def assert_equal(host: Any, device: Any) -> None:
    """The same values in all variables, bit for bit."""
    for name in host.data_vars:
        np.testing.assert_array_equal(device[name].values, host[name].values, err_msg=str(name))


def _kinds(sizes: tuple[int, ...], d: int) -> dict[str, Any]:
    """Points of many kinds, and the labels of all of them."""
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    x = random.normal(size=(len(labels), d)) + 0.3 * labels[:, None]
    ties = np.round(x)
    kinds = {
        "normal": x, "ties": ties, "copies": x[random.integers(0, 1 + len(x) // 3, len(x))], "equal": np.ones_like(x),
        "collapsed": 1e-4 * x + 100.0 * labels[:, None], "offset": x + 1e6, "bytes": np.abs(ties).astype(np.uint8),
        "near ties": np.where(random.random(x.shape) < 0.1, np.nextafter(ties.astype(np.float32), np.float32(9)), ties),
    }  # fmt: skip
    return {"labels": labels, **kinds}


_SIZES = ((1, 1), (1, 2), (15, 16), (16, 16), (17, 16), (32, 31, 33), (63, 64, 65), (100, 150), (700, 900, 1200))


def counts(
    cupy: Any, sizes: Sequence[tuple[int, ...]] = _SIZES, widths: Sequence[int] = (2, 40, 784)
) -> dict[str, Any]:
    """Counts of all kinds of points, in both precisions, equal those of the host."""
    compared = 0
    for size in sizes:
        for d in widths:
            kinds = _kinds(size, d)
            labels = kinds.pop("labels")
            for name, x in kinds.items():
                for dtype in (x.dtype,) if x.dtype == np.uint8 else (np.float32, np.float64):
                    points = x.astype(dtype)
                    try:
                        assert_equal(hp.pairwise_hp(points, labels), hp.pairwise_hp(cupy.asarray(points), labels))
                    except AssertionError as error:
                        raise AssertionError(f"{name}, classes of {size}, {d} features, {dtype}: {error}") from None
                    compared += len(size) * (len(size) - 1) // 2
    return {"pairs": compared}


def little_memory(cupy: Any) -> dict[str, Any]:
    """The same counts in whatever memory there is, down to tiles."""
    kinds = _kinds((1500, 1800, 1600), 64)
    x, labels = kinds["normal"].astype(np.float32), kinds["labels"]
    host = hp.pairwise_hp(x, labels)
    limits = (2**31, 2**29, 9 * 10**8)
    for limit in limits:
        assert_equal(host, hp.pairwise_hp(cupy.asarray(x), labels, max_memory=limit))
    return {"max_memory": list(limits)}


def other_functions(cupy: Any) -> dict[str, Any]:
    """Trees of one cloud, cosine distances, permutation tests and principal components."""
    kinds = _kinds((200, 300), 64)
    x, labels = kinds["normal"].astype(np.float32), kinds["labels"]
    there = cupy.asarray(x)
    assert_equal(hp.euclidean_mst(x)[["source", "target"]], hp.euclidean_mst(there)[["source", "target"]])
    assert_equal(hp.multiclass_hp(x, labels), hp.multiclass_hp(there, labels))
    assert_equal(hp.pairwise_hp(x, labels, metric="cosine"), hp.pairwise_hp(there, labels, metric="cosine"))
    before, after = x[:20, :40].astype(float), x[20:40, :40].astype(float)
    for paired in (True, False):
        one = hp.fisher_permutation(before, after, key=0, paired=paired)
        other = hp.fisher_permutation(cupy.asarray(before), cupy.asarray(after), key=0, paired=paired)
        np.testing.assert_array_equal(one.pvalue, other.pvalue)
    for points in (x, x[:30]):
        np.testing.assert_allclose(hp.pca2d(cupy.asarray(points)).scores, hp.pca2d(points).scores, atol=1e-9)
    return {}


def shared_memory(cupy: Any) -> dict[str, Any]:
    """A tensor and the array made of it have one address; halves are widened on the device; streams are kept."""
    import torch

    from hpfunc._arrays import as_points

    tensor = torch.randn(64, 8, 4, device="cuda", requires_grad=True)
    points = as_points(tensor)
    assert isinstance(points, cupy.ndarray)
    assert points.data.ptr == tensor.data_ptr()
    assert points.shape == (64, 32)
    labels = np.arange(64) % 2
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        cast = tensor.detach().to(dtype)
        assert_equal(hp.pairwise_hp(cast.cpu(), labels), hp.pairwise_hp(cast, labels))
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        late = torch.randn(4096, 4096, device="cuda")
        for _ in range(20):
            late = late @ late / 64
        found = hp.pairwise_hp(late[:64], labels)
    torch.cuda.synchronize()
    assert_equal(hp.pairwise_hp(late[:64].cpu(), labels), found)
    model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU()).cuda()
    acts = hp.collect_activations(model, (np.ones((6, 8), np.float32), [0, 1, 0, 1, 0, 1]))
    assert all(isinstance(layer.data, cupy.ndarray) for layer in acts.data_vars.values())
    devices = torch.cuda.device_count()
    if devices > 1:
        other = tensor.detach().to("cuda:1")
        assert as_points(other).device.id == 1
        assert_equal(hp.pairwise_hp(other.cpu(), labels), hp.pairwise_hp(other, labels))
    return {"pointers_equal": True, "devices": devices}


def tests(cupy: Any) -> dict[str, Any]:
    """The tests that only a GPU can run, where pytest is installed."""
    if importlib.util.find_spec("pytest") is None:
        return {"skipped": "pytest is not installed"}
    root = Path(__file__).parent.parent
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_activations_gpu.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)
    last = done.stdout.strip().rpartition("\n")[2]
    if done.returncode:
        raise AssertionError(done.stdout[-2000:])
    return {"pytest": last}


CHECKS: dict[str, Callable[..., dict[str, Any]]] = {
    "counts": counts,
    "little_memory": little_memory,
    "other_functions": other_functions,
    "shared_memory": shared_memory,
    "tests": tests,
}
