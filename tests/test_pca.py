"""Two principal components: against a full SVD, under moves of the points, at the edges of what is defined."""

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from hpfunc._stats import principal
from hpfunc.pca import pca2d


def full_svd(points):
    """Scores, components and shares of all components, with the signs that pca2d promises."""
    points = np.asarray(points, dtype=np.float64)
    u, s, components = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    signs = np.sign(components[np.arange(len(s)), np.abs(components).argmax(axis=1)])
    return u * s * signs, components * signs[:, None], s**2 / (s**2).sum()


def spectrum(seed, n, d, *singular_values):
    """Centred points with the given singular values."""
    rng = np.random.default_rng(seed)
    k = len(singular_values)
    left = np.linalg.qr(np.column_stack([np.ones(n), rng.normal(size=(n, k))]))[0][:, 1:]
    right = np.linalg.qr(rng.normal(size=(d, k)))[0]
    return left * singular_values @ right.T


SHAPES = [(3, 2), (3, 4), (30, 30), (31, 30), (20, 300), (300, 20), (1000, 2), (3, 1000)]


@pytest.mark.parametrize("chunk", [7, 2**24])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("offset", [0, 1e6])
def test_like_a_full_svd(shape, offset, chunk, monkeypatch):
    monkeypatch.setattr(principal, "_CHUNK_ELEMENTS", chunk * min(shape))
    scales = np.geomspace(3, 1, shape[1])
    points = np.random.default_rng(0).normal(size=shape) * scales + offset
    plane = pca2d(points)
    scores, components, shares = full_svd(points)
    precision = 1e-10 if offset == 0 else 1e-6
    np.testing.assert_allclose(plane.components, components[:2], atol=precision)
    np.testing.assert_allclose(plane.scores, scores[:, :2], atol=precision * np.abs(scores).max())
    np.testing.assert_allclose(plane.explained_variance_ratio, shares[:2], atol=precision)
    np.testing.assert_allclose(plane["mean"], points.mean(axis=0), rtol=1e-14, atol=1e-14)
    assert plane.scores.dims == ("sample", "component")
    assert plane.components.dims == ("component", "feature")


@pytest.mark.parametrize("shape", [(40, 200), (200, 40)])
@pytest.mark.parametrize("second", [0.9, 1e-1, 1e-3, 1e-5, 1e-8, 1e-11])
def test_a_weak_second_component_is_found(shape, second):
    """Squared, the last of these singular values are below the rounding of the first."""
    points = spectrum(1, *shape, 1.0, second, second / 3)
    plane = pca2d(points)
    components = full_svd(points)[1]
    # What rounding of the points themselves leaves of the second component.
    precision = 1e-13 + 1e-15 / second
    np.testing.assert_allclose(plane.components[0], components[0], atol=1e-13)
    assert 1 - abs(float(plane.components[1].values @ components[1])) < 100 * precision**2 + 1e-14
    assert float(plane.explained_variance_ratio[1]) == pytest.approx(
        second**2 / (1 + second**2 + second**2 / 9), rel=10 * precision
    )
    np.testing.assert_allclose(plane.components.values @ plane.components.values.T, np.eye(2), atol=1e-14)


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 12), d=st.integers(2, 12), exponent=st.integers(-1000, 1000))
def test_properties(seed, n, d, exponent):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(n, d))
    plane = pca2d(points)
    shares = plane.explained_variance_ratio.values
    assert 0 <= shares[1] <= shares[0] <= shares.sum() <= 1 + 1e-12
    directions = plane.components.values[shares > 0]
    np.testing.assert_allclose(directions @ directions.T, np.eye(len(directions)), atol=1e-12)
    for direction in directions:
        assert direction[np.abs(direction).argmax()] > 0
    np.testing.assert_allclose(plane.scores, (points - points.mean(axis=0)) @ plane.components.values.T, atol=1e-12)
    np.testing.assert_allclose(plane.scores.mean("sample"), 0, atol=1e-13)
    # Neither scaling nor a move changes anything but rounding, even where squares would overflow.
    scaled = pca2d(np.ldexp(points, exponent))
    overlap = np.sum(scaled.components.values * plane.components.values, axis=1)
    if shares[0] - shares[1] > 0.01 and shares[1] - (1 - shares.sum()) > 0.01:
        np.testing.assert_allclose(np.abs(overlap), 1, atol=1e-12)
        scores = np.ldexp(scaled.scores * np.sign(overlap), -exponent)
        np.testing.assert_allclose(scores, plane.scores, atol=1e-10)
    np.testing.assert_allclose(scaled.explained_variance_ratio, shares, atol=1e-12)
    np.testing.assert_allclose(pca2d(points + 100).explained_variance_ratio, shares, atol=1e-10)


def test_rotation_turns_components_and_keeps_scores():
    points = spectrum(2, 50, 8, 3.0, 2.0, 1.0)
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(8, 8)))[0]
    plane, turned = pca2d(points), pca2d(points @ rotation)
    overlap = np.sum(turned.components.values * (plane.components.values @ rotation), axis=1)
    np.testing.assert_allclose(np.abs(overlap), 1, atol=1e-12)
    np.testing.assert_allclose(turned.scores * np.sign(overlap), plane.scores, atol=1e-12)


@pytest.mark.parametrize(
    ("points", "rank"),
    [
        (np.full((5, 3), 0.1), 0),
        (np.full((2, 7), 1e6 + 0.1), 0),
        ([[1.0, 2.0, 3.0]], 0),
        ([7.0], 0),
        ([1.0, 2.0, 4.0], 1),
        (np.outer([1, 2, 3.3, 7], [0.1, 0.2, 0.7]), 1),
        (np.outer(np.arange(3), np.arange(50)) + 1e3, 1),
        ([[0.0, 1e300], [1.0, 1e300]], 1),
        ([[0.0, 0.1, 1e-3], [0.0, 0.1, 5e-3]], 1),
        ([[0.0, 0.0], [0.0, 5e-324]], 1),
        (np.eye(3), 2),
    ],
)
def test_components_beyond_the_rank_are_zero(points, rank):
    plane = pca2d(points)
    present = np.arange(2) < rank
    np.testing.assert_allclose(np.linalg.norm(plane.components, axis=1), present, atol=1e-14)
    assert ((plane.explained_variance_ratio.values > 0) == present).all()
    assert ((np.abs(plane.scores.values).max(axis=0) > 0) == present).all()
    assert not np.signbit(plane.components.values[~present]).any()
    if rank == 1:
        assert float(plane.explained_variance_ratio[0]) == pytest.approx(1)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float16, np.float32, ">f4", "torch", "bfloat16"])
def test_any_dtype_is_computed_in_float64(dtype):
    integers = np.random.default_rng(0).integers(0, 2, size=(20, 3, 4))
    points = torch.tensor(integers, dtype=torch.float32, requires_grad=True) if dtype == "torch" else integers
    points = torch.tensor(integers, dtype=torch.bfloat16) if dtype == "bfloat16" else points
    points = points if isinstance(points, torch.Tensor) else points.astype(dtype)
    plane = pca2d(points)
    assert plane.identical(pca2d(integers.reshape(20, 12).astype(np.float64)))
    assert all(isinstance(v.data, np.ndarray) and v.dtype == np.float64 for v in plane.data_vars.values())


def test_points_are_not_written_to():
    points = np.asfortranarray(np.random.default_rng(0).normal(size=(6, 40)))
    points.flags.writeable = False
    assert pca2d(points).identical(pca2d(points[::-1][::-1].copy()))


def test_groups_are_pooled_and_labelled():
    rng = np.random.default_rng(0)
    x, y, z = rng.normal(size=(5, 2, 3)), rng.normal(size=(4, 6)).astype(np.float32), rng.normal(size=(1, 6))
    plane = pca2d(x, y, z)
    assert plane.label.values.tolist() == [0] * 5 + [1] * 4 + [2]
    pooled = np.concatenate([x.reshape(5, 6), y, z])
    labels = [f"class {i}" for i in plane.label.values]
    named = pca2d(x, y, z, labels=labels)
    assert named.label.values.tolist() == labels
    for one in (named, pca2d(pooled)):
        assert one.drop_vars("label").identical(plane.drop_vars("label"))
    assert pca2d(pooled).label.values.tolist() == [0] * 10


def test_labels_of_a_dataarray_are_used():
    points = xr.DataArray(
        np.random.default_rng(0).normal(size=(4, 3)),
        {"label": ("sample", ["cat", "dog", "cat", "dog"]), "index": ("sample", [3, 1, 4, 1])},
        ("sample", "conv1_0"),
    )
    assert pca2d(points).label.values.tolist() == ["cat", "dog", "cat", "dog"]
    assert pca2d(points, labels=[1, 2, 3, 4]).label.values.tolist() == [1, 2, 3, 4]
    assert pca2d(points, points).label.values.tolist() == ["cat", "dog", "cat", "dog"] * 2
    # Where one group has no labels, each group is a class.
    assert pca2d(points, points.drop_vars("label")).label.values.tolist() == [0] * 4 + [1] * 4
    assert pca2d(points.drop_vars("label").assign_coords(label=7)).label.values.tolist() == [7] * 4


NAN = np.array([[1.0, 2.0], [np.nan, 3.0]])


@pytest.mark.parametrize(
    ("groups", "options", "error", "message"),
    [
        ((np.ones((2, 3)), np.ones((4, 5))), {}, ValueError, r"\(2, 3\) and others\[0\] has shape \(4, 5\)"),
        ((NAN,), {}, ValueError, "points holds 1 values.*sample 1.*feature 0"),
        ((NAN,), {"labels": ["cat", "dog"]}, ValueError, r"sample 1 \(class 'dog'\)"),
        ((np.ones((2, 2)), NAN), {}, ValueError, r"others\[0\] holds 1 values.*class 1"),
        ((np.empty((0, 2)),), {}, ValueError, "points has shape"),
        ((np.ones((2, 2)),), {"labels": [1]}, ValueError, "labels has shape"),
        ((np.ones((2, 2)),), {"labels": [0.5, 1]}, TypeError, "labels has a label of type float .0.5"),
        ((np.ones((2, 2)) * 1j,), {}, TypeError, "complex"),
        ((3.0,), {}, ValueError, "scalar"),
        ((xr.Dataset({"conv1": ("sample", [1.0, 2.0])}),), {}, TypeError, "one of its layers .'conv1'"),
        (([[-1.7e308], [1.7e308]],), {}, ValueError, "further apart than float64"),
    ],
)
def test_bad_input_is_refused(groups, options, error, message):
    with pytest.raises(error, match=message):
        pca2d(*groups, **options)


@pytest.mark.slow
def test_two_thousand_wide_activations_have_the_variances_of_their_gram_matrix():
    points = np.random.default_rng(0).standard_normal((2000, 32768), dtype=np.float32)
    plane = pca2d(points)
    centred = points - points.mean(axis=0, dtype=np.float64).astype(np.float32)
    squared = np.linalg.eigvalsh((centred @ centred.T).astype(np.float64))
    np.testing.assert_allclose(plane.explained_variance_ratio, squared[:-3:-1] / squared.sum(), rtol=1e-4)


def test_groups_that_carry_labels_keep_them():
    points = np.random.default_rng(0).normal(size=(6, 3))
    before = xr.DataArray(points, dims=("sample", "f"), coords={"label": ("sample", list("ababab"))})
    both = pca2d(before, before + 1)
    assert both.label.values.tolist() == list("ababab") * 2
    # Features are matched by their labels, not by their places.
    named = before.assign_coords(f=["x", "y", "z"])
    turned = pca2d(named, named.isel(f=[2, 0, 1]) + 1)
    xr.testing.assert_allclose(turned.scores, both.scores)
    with pytest.raises(ValueError, match=r"label the features .* differently"):
        pca2d(named, named.assign_coords(f=["x", "y", "w"]))
    # Where a group carries none, each group is a class.
    assert pca2d(before, points).label.values.tolist() == [0] * 6 + [1] * 6
    assert pca2d(before, before, labels=range(12)).label.values.tolist() == list(range(12))


def test_coords_of_samples_are_carried():
    rng = np.random.default_rng(0)
    points = xr.DataArray(
        rng.normal(size=(6, 4)),
        dims=("sample", "feature"),
        coords={
            "sample": list("abcdef"),
            "index": ("sample", np.arange(6) * 3),
            "label": ("sample", [0, 0, 0, 1, 1, 1]),
        },
    )
    plane = pca2d(points)
    assert plane.sample.values.tolist() == list("abcdef")
    assert plane.index.values.tolist() == [0, 3, 6, 9, 12, 15]
    # Of several groups, what all carry; a column of one only has no value for the others.
    both = pca2d(points[:2].assign_coords(day=("sample", [1, 2])), points[3:])
    assert both["index"].values.tolist() == [0, 3, 9, 12, 15]
    assert both.label.values.tolist() == [0, 0, 1, 1, 1]
    assert "day" not in both.coords
    assert set(pca2d(points.values).coords) == {"label"}
    frame = pd.DataFrame(points.values, index=list("uvwxyz"))
    assert pca2d(frame).sample.values.tolist() == list("uvwxyz")
    assert set(pca2d(pd.DataFrame(points.values)).coords) == {"label"}
    assert pca2d(frame[:2], frame[4:]).sample.values.tolist() == list("uvyz")
    two = frame.set_index([pd.Index(list("aabbcc"), name="day"), pd.Index([1, 2, 1, 2, 1, 2])])
    assert pca2d(two).day.values.tolist() == list("aabbcc")
    assert pca2d(two).level_1.values.tolist() == [1, 2, 1, 2, 1, 2]
    with pytest.raises(ValueError, match="points has a coord 'mean', the name of a part of the result; rename or drop"):
        pca2d(points.assign_coords(mean=("sample", np.arange(6))))
