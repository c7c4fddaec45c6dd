"""Check what has to hold on a GPU: each check is a function of the module CuPy, and raises if something does not."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import hpfunc as hp
from hpfunc._tree.device import pairs

__all__ = ["CHECKS", "assert_equal"]


def assert_equal(host: Any, device: Any) -> None:
    """Raise AssertionError unless all variables hold the same values, bit for bit."""
    for name in host.data_vars:
        np.testing.assert_array_equal(device[name].values, host[name].values, err_msg=str(name))


def _kinds(sizes: tuple[int, ...], d: int) -> dict[str, Any]:
    """Return points of many kinds, and the labels of all of them."""
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    x = random.normal(size=(len(labels), d)) + 0.3 * labels[:, None]
    ties = np.round(x)
    logits = 20 * x
    softmax = np.exp(logits - logits.max(axis=1, keepdims=True))
    kinds = {
        "normal": x, "ties": ties, "copies": x[random.integers(0, 1 + len(x) // 3, len(x))], "equal": np.ones_like(x),
        "collapsed": 1e-4 * x + 100.0 * labels[:, None], "offset": x + 1e6, "bytes": np.abs(ties).astype(np.uint8),
        "near ties": np.where(random.random(x.shape) < 0.1, np.nextafter(ties.astype(np.float32), np.float32(9)), ties),
        "softmax": softmax / softmax.sum(axis=1, keepdims=True),  # denormal numbers among them
        "tiny": x * 2.0**-140,  # nothing but denormal numbers in float32
    }  # fmt: skip
    return {"labels": labels, **kinds}


_SIZES = ((1, 1), (1, 2), (15, 16), (16, 16), (17, 16), (32, 31, 33), (63, 64, 65), (100, 150), (700, 900, 1200))


def counts(
    cupy: Any, sizes: Sequence[tuple[int, ...]] = _SIZES, widths: Sequence[int] = (2, 40, 784)
) -> dict[str, Any]:
    """Compare the counts of all kinds of points, in both precisions, with those of the host; report all differences.

    All trees are grown at once, and each by itself.
    """
    compared, wrong = 0, []
    for size in sizes:
        for d in widths:
            kinds = _kinds(size, d)
            labels = kinds.pop("labels")
            for name, x in kinds.items():
                for dtype in (x.dtype,) if x.dtype == np.uint8 else (np.float32, np.float64):
                    points = x.astype(dtype)
                    try:
                        on_host, on_device = hp.pairwise_hp(points, labels), cupy.asarray(points)
                        for places in (1, 2**30):
                            with mock.patch.object(pairs, "_PLACES_PER_TREE", places):
                                assert_equal(on_host, hp.pairwise_hp(on_device, labels))
                    except Exception as error:
                        what = f"{name}, classes of {size}, {d} features, {np.dtype(dtype)}"
                        wrong.append(f"{what}: {type(error).__name__}: {error}")
                    compared += len(size) * (len(size) - 1) // 2
    if wrong:
        raise AssertionError(f"{len(wrong)} of the layers are counted wrongly\n" + "\n".join(wrong))
    return {"pairs": compared}


def little_memory(
    cupy: Any, sizes: tuple[int, ...] = (1500, 1800, 1600), limits: Sequence[int] = (2**31, 80 * 10**6, 30 * 10**6)
) -> dict[str, Any]:
    """Compare counts in less and less memory: one table for all pairs, a table for each, and tile by tile.

    ``limits`` are bytes for each of the three.
    """
    kinds = _kinds(sizes, 64)
    x, labels = kinds["normal"].astype(np.float32), kinds["labels"]
    host = hp.pairwise_hp(x, labels)
    ways = []
    for limit in limits:
        with (
            mock.patch.object(pairs, "fill_table", wraps=pairs.fill_table) as tables,
            mock.patch.object(pairs.tiles, "spanning_by_tiles", wraps=pairs.tiles.spanning_by_tiles) as tiles,
        ):
            assert_equal(host, hp.pairwise_hp(cupy.asarray(x), labels, max_memory=limit))
        ways.append({"max_memory": limit, "tables": tables.call_count, "by_tiles": tiles.call_count})
    taken = [(way["tables"] > 1, way["by_tiles"] > 0) for way in ways]
    if taken != [(False, False), (True, False), (False, True)]:
        raise AssertionError(f"not every way was taken, of a table, a table for each pair, and tiles: {ways}")
    return {"ways": ways}


def other_functions(cupy: Any, sizes: tuple[int, int] = (700, 1300)) -> dict[str, Any]:
    """Compare single trees, cosine distances, permutation tests and principal components with the host's."""
    kinds = _kinds(sizes, 64)
    x, labels = kinds["normal"].astype(np.float32), kinds["labels"]
    copy = cupy.asarray(x)
    del kinds["labels"]
    for points in kinds.values():
        trees = hp.euclidean_mst(points), hp.euclidean_mst(cupy.asarray(points))
        assert_equal(*(tree[["source", "target"]] for tree in trees))
    assert_equal(hp.multiclass_hp(x, labels), hp.multiclass_hp(copy, labels))
    assert_equal(hp.pairwise_hp(x, labels, metric="cosine"), hp.pairwise_hp(copy, labels, metric="cosine"))
    before, after = x[:20, :40].astype(float), x[20:40, :40].astype(float)
    for paired in (True, False):
        on_host = hp.fisher_permutation(before, after, key=0, paired=paired)
        on_device = hp.fisher_permutation(cupy.asarray(before), cupy.asarray(after), key=0, paired=paired)
        np.testing.assert_array_equal(on_host.pvalue, on_device.pvalue)
    for points in (x, x[:30]):
        np.testing.assert_allclose(hp.pca2d(cupy.asarray(points)).scores, hp.pca2d(points).scores, atol=1e-9)
    return {}


def shared_memory(cupy: Any) -> dict[str, Any]:
    """Check that tensors and arrays share memory, that halves are widened on the device, and that streams are kept."""
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
            late = torch.nn.functional.normalize(late @ late)
        found = hp.pairwise_hp(late[:64], labels)
    torch.cuda.synchronize()
    assert_equal(hp.pairwise_hp(late[:64].cpu(), labels), found)
    model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU()).cuda()
    acts = hp.collect_activations(model, (np.ones((6, 8), np.float32), [0, 1, 0, 1, 0, 1]))
    assert all(isinstance(layer.data, cupy.ndarray) for layer in acts.data_vars.values())
    devices = torch.cuda.device_count()
    if devices > 1:
        second = tensor.detach().to("cuda:1")
        assert as_points(second).device.id == 1
        assert_equal(hp.pairwise_hp(second.cpu(), labels), hp.pairwise_hp(second, labels))
    # CuPy must be able to use the memory that torch holds but does not use.
    kept = torch.empty(int(0.8 * torch.cuda.mem_get_info()[0]), dtype=torch.uint8, device="cuda")
    del kept
    random = np.random.default_rng(0).normal(size=(4000, 64)).astype(np.float32)
    some = np.arange(4000) % 4
    assert_equal(hp.pairwise_hp(random, some), hp.pairwise_hp(cupy.asarray(random), some))
    return {"pointers_equal": True, "devices": devices}


def tests(cupy: Any) -> dict[str, Any]:
    """Run the tests that only a GPU can run, where pytest is installed."""
    if importlib.util.find_spec("pytest") is None:
        return {"skipped": "pytest is not installed"}
    root = Path(__file__).parent.parent
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/torch/test_gpu.py"]
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
