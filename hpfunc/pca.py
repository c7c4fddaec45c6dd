"""Points in the plane of their first two principal components."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from hpfunc._arrays import (
    align_features,
    align_labels,
    as_labels,
    as_points,
    check_finite,
    is_pandas,
    namespace,
    on_device,
    samples_first,
)
from hpfunc._labels.provenance import kept_attrs
from hpfunc._stats.principal import principal_components
from hpfunc._support.surroundings import unaffected
from hpfunc._version import __version__

__all__ = ["pca2d"]


@unaffected
def pca2d(points: Any, /, *others: Any, labels: Any = None) -> xr.Dataset:
    """Project points on their first two principal components.

    Parameters
    ----------
    points : array-like (n, ...)
        Any array or DataArray; all axes but the first are flattened to d features.
    *others : array-like (n_i, ...)
        More groups, with the same number of features. All groups are pooled: one mean, one pair of components.
    labels : array-like (n,), optional
        Integers or strings, one for each sample (of all groups, one after the other). By default groups are
        labelled 0, 1, ... in the order given; DataArrays that all have a coord ``label`` keep their own labels.

    Returns
    -------
    xarray.Dataset
        ``scores (sample, component)``, in the unit of the points; ``components (component, feature)``, of length 1 and
        orthogonal; ``explained_variance_ratio (component)``, shares of the total variance; ``mean (feature)``; the
        coord ``label`` on ``sample``, and all further coords that the samples of each group carry, such as ``index``; a
        pandas index other than 0, 1, 2, ... becomes the coord ``sample``. NumPy arrays in float64, wherever the points
        are.

    Raises
    ------
    TypeError
        For a Dataset, for data that are not real numbers, and for groups on different devices.
    ValueError
        For no samples or features, groups of different feature counts, NaN or infinity (naming where), labels of the
        wrong length, coords that have the name of a part of the result, and points so far apart that float64 cannot
        express the distance.

    Notes
    -----
    Everything is computed in float64, whatever the dtype of the points, by eigenvectors of the smaller Gram matrix of
    the centred points (n x n or d x d, which sets the memory needed). Where the Gram matrix alone would not be
    accurate, the second component is computed from the residual after the first.

    The sign of a component is fixed: its entry of largest magnitude (the first of equal ones) is positive.
    There are always two components. One in which the points do not vary (points on a line, one feature, one
    sample, equal points) does not exist as a direction: it is all zeros, as are its scores and its ratio.

    Examples
    --------
    >>> import hpfunc as hp
    >>> plane = hp.pca2d([[0.0, 0.0], [2.0, 0.0]], [[0.0, 1.0], [2.0, 1.0]])
    >>> plane.components.values
    array([[1., 0.],
           [0., 1.]])
    >>> plane.explained_variance_ratio.values
    array([0.8, 0.2])
    >>> plane.scores.where(plane.label == 1, drop=True).values
    array([[-1. ,  0.5],
           [ 1. ,  0.5]])
    """
    names = ["points", *(f"others[{i}]" for i in range(len(others)))]
    aligned = [align_features(points, x, ("points", name))[1] for x, name in zip(others, names[1:], strict=True)]
    groups = [_read_points(x, name) for x, name in zip((points, *aligned), names, strict=True)]
    for group, name in zip(groups[1:], names[1:], strict=True):
        if group.shape[1] != groups[0].shape[1]:
            raise ValueError(
                f"points has shape {groups[0].shape} and {name} has shape {group.shape}, axes but the first "
                "flattened; all groups need the same number of features"
            )
        if group.device != groups[0].device:
            raise TypeError(f"points and {name} are not on the same device; move one of them first")
    sizes = [group.shape[0] for group in groups]
    if labels is None and not others:
        labels = _own_labels(samples_first(points))
    elif labels is None:
        own = [_own_labels(samples_first(group)) for group in (points, *aligned)]
        # Groups that all carry their labels keep them; else each group is one class.
        labels = np.concatenate(own) if all(label is not None for label in own) else None
    elif not others:
        labels = align_labels(labels, samples_first(points), ("points", "labels"))
    sample_labels = np.repeat(np.arange(len(groups)), sizes) if labels is None else as_labels(labels, sum(sizes))
    ends = np.cumsum(sizes)
    for group, name, end, source in zip(groups, names, ends, (points, *aligned), strict=True):
        check_finite(group, name, sample_labels[end - group.shape[0] : end], source)
    with on_device(groups[0]):
        pooled = namespace(groups[0]).concatenate(groups) if others else groups[0]
        scores, components, share, mean = principal_components(pooled, 2)
    plane = xr.Dataset(
        {
            "scores": (("sample", "component"), scores, {"long_name": "principal component score"}),
            "components": (("component", "feature"), components, {"long_name": "principal component"}),
            "explained_variance_ratio": (
                "component",
                share,
                {"long_name": "share of the variance", "units": "1"},
            ),
            "mean": ("feature", mean, {"long_name": "mean of the points"}),
        },
    )
    further = _sample_coords([samples_first(group) for group in (points, *aligned)])
    if taken := further.keys() & {*plane.variables, *plane.dims} - {"sample"}:
        raise ValueError(f"points has a coord {min(taken)!r}, the name of a part of the result; rename or drop it")
    coords = {name: ("sample", values) for name, values in further.items()}
    made_from = kept_attrs(points.attrs) if isinstance(points, xr.DataArray) else {}
    return plane.assign_coords({**coords, "label": ("sample", sample_labels)}).assign_attrs(
        hpfunc_version=__version__, **made_from
    )


def _read_points(x: Any, name: str) -> Any:
    """Read the points of one group, ``(n, d)``; a Dataset is refused."""
    if isinstance(x, xr.Dataset):
        layers = ", ".join(repr(v) for v in x.data_vars)
        raise TypeError(f"{name} is a Dataset; pass one of its layers ({layers}) as a DataArray")
    return as_points(x, name)


def _own_labels(x: Any) -> Any:
    """Give the coord ``label`` of a DataArray's samples, if it has one."""
    if not isinstance(x, xr.DataArray) or "label" not in x.coords:
        return None
    label = x.coords["label"]
    if label.ndim == 0:
        return np.full(x.shape[0], label.values)
    return label.values if label.dims == x.dims[:1] else None


def _sample_coords(groups: list[Any]) -> dict[str, Any]:
    """Join the coords other than ``label`` that the samples of all groups carry: name to values."""
    along = [_coords_of_samples(group) for group in groups]
    common = [name for name in along[0] if name != "label" and all(name in coords for coords in along)]
    return {name: np.concatenate([coords[name] for coords in along]) for name in common}


def _coords_of_samples(group: Any) -> dict[str, Any]:
    """Return the coords along the samples of a DataArray, or the index of a DataFrame or Series: name to values."""
    if isinstance(group, xr.DataArray):
        return {str(name): c.values for name, c in group.coords.items() if c.dims == group.dims[:1]}
    if not is_pandas(group) or not hasattr(group, "index"):
        return {}
    index = group.index
    if index.nlevels == 1:
        counts = index.name is None and index.tolist() == list(range(len(index)))
        return {} if counts else {"sample": index.to_numpy()}
    return {str(name or f"level_{i}"): index.get_level_values(i).to_numpy() for i, name in enumerate(index.names)}
