"""Read what the labelled functions accept: named layers with a label for each sample, as points class by class."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from hpfunc._arrays import (
    RowsInOrder,
    align_labels,
    as_labels,
    as_points,
    check_directions,
    check_finite,
    is_on_disk,
    namespace,
    on_device,
    sample_dim,
    samples_first,
)
from hpfunc._labels.schema import bad_name

__all__ = ["ClassPoints", "CopyCheck", "NamedLayer", "group_by_class", "read_layers"]

# Raises ValueError if copies of points are too large: `check_pairs_copy` or `check_tree_copy`, given its options.
CopyCheck = Callable[[Any, Any, int, str], None]


class NamedLayer(NamedTuple):
    """Hold the points of one layer as they were given, not yet checked, and their name in errors."""

    name: str | None  # None for a single array
    points: Any
    labels: Any
    index: Any = None  # position of each sample in the data set; None: its row
    groups: Any = None  # which samples belong together; None: each stands alone

    @property
    def where(self) -> str:
        """Name the layer as errors and warnings do."""
        return "activations" if self.name is None else f"layer {self.name!r}"


class ClassPoints(NamedTuple):
    """Hold the checked points of one layer, class by class."""

    points: Any  # (N, d)
    names: npt.NDArray[Any]  # (K,) the classes, sorted
    order: npt.NDArray[np.intp]  # (N,) the row of each point in the array that was given
    starts: npt.NDArray[np.intp]  # (K + 1,) rows starts[k]:starts[k + 1] are class k
    held: int = 0  # size of the points in bytes if they are a copy, else 0


def read_layers(activations: Any, labels: Any, groups: Any = None) -> Iterator[NamedLayer]:
    """Yield the layers of whatever `hpfunc.pairwise_hp` accepts, with the labels and groups of their samples."""
    if isinstance(activations, xr.Dataset):
        _check_variables(activations, labels)
        dim = sample_dim(activations, labels)
        for name, points in activations.data_vars.items():
            yield _layer(_layer_name(name), points, labels, groups, dim)
    elif isinstance(activations, Mapping):
        if not activations:
            raise ValueError("activations is an empty mapping; pass at least one layer name -> array")
        for name, points in activations.items():
            yield _layer(_layer_name(name), points, labels, groups)
    else:
        yield _layer(None, activations, labels, groups)


def _check_variables(activations: xr.Dataset, labels: Any) -> None:
    """Raise ValueError unless every variable of a Dataset has the dim that counts the samples."""
    _labels_or_coord(activations, labels)
    dim = sample_dim(activations, labels)
    without = [str(name) for name, values in activations.data_vars.items() if dim not in values.dims]
    if without or not activations.data_vars:
        what = f"the variables {', '.join(without)} without" if without else "no variable with"
        raise ValueError(
            f"activations holds {what} the dim {dim!r}, which counts the samples; its sizes are "
            f"{dict(activations.sizes)}. Drop or rename what is no layer"
        )


def _layer(name: str | None, points: Any, labels: Any, groups: Any, dim: Hashable | None = None) -> NamedLayer:
    """Put the samples of a layer first, and their labels and groups in the same order."""
    _check_order(points, labels)
    if isinstance(points, xr.DataArray):
        points = samples_first(points, sample_dim(points, labels) if dim is None else dim)
    layer = NamedLayer(name, points, _labels_or_coord(points, labels), _index_of(points))
    layer = layer._replace(
        labels=align_labels(layer.labels, points, (layer.where, "labels")),
        groups=align_labels(_groups_or_coord(points, groups), points, (layer.where, "groups")),
    )
    return layer._replace(points=points.data) if isinstance(points, xr.DataArray) else layer


def _check_order(points: Any, labels: Any) -> None:
    """Raise ValueError where points and labels were swapped."""
    shapes = [tuple(getattr(values, "shape", ())) for values in (points, labels)]
    if len(shapes[0]) == 1 and len(shapes[1]) > 1 and shapes[1][1] > 1 and shapes[0][0] == shapes[1][0]:
        raise ValueError(
            f"activations has shape {shapes[0]} and labels has shape {shapes[1]}, which looks swapped; pass the points "
            "first and then the labels, one for each sample (of one-hot rows their argmax)"
        )


def _layer_name(name: object) -> str:
    """Return a name that results can be written and read again with; raise for any other."""
    if not isinstance(name, str):
        raise TypeError(f"activations has the key {name!r}; layer names are strings")
    why = bad_name(name, "layer")
    if why:
        raise ValueError(f"activations: {why}; rename it")
    return name


def _labels_or_coord(values: Any, labels: Any) -> Any:
    """Return the labels given, or else the coord ``label`` of an xarray object."""
    if labels is not None:
        return labels
    if isinstance(values, (xr.Dataset, xr.DataArray)) and "label" in values.coords:
        return values.coords["label"].values
    raise ValueError("labels is missing, and the activations carry no coord 'label'; pass the class of each sample")


def _index_of(values: Any) -> Any:
    """Return the coord ``index`` of the samples of an xarray object, if it has one."""
    coord = values.coords.get("index") if isinstance(values, (xr.Dataset, xr.DataArray)) else None
    return coord.values if coord is not None and coord.ndim == 1 else None


def _groups_or_coord(values: Any, groups: Any) -> Any:
    """Return the groups given, or the coord that has this name."""
    if not isinstance(groups, str):
        return groups
    if not isinstance(values, (xr.Dataset, xr.DataArray)) or groups not in values.coords:
        known = sorted(map(str, values.coords)) if isinstance(values, (xr.Dataset, xr.DataArray)) else "none"
        raise ValueError(f"groups={groups!r} is not a coord of the activations (coords: {known}); pass an array")
    return values.coords[groups].values


def group_by_class(layer: NamedLayer, metric: str, check: CopyCheck) -> ClassPoints:
    """Check the points of a layer and put them in the order of their classes, unless the copy takes too much memory."""
    points = as_points(layer.points, layer.where)
    label = as_labels(layer.labels, len(points))
    check_finite(points, layer.where, label, layer.points)
    if metric == "cosine":
        check_directions(points, layer.where)
    names, number = np.unique(label, return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"labels holds one class only, {names[0].item()!r}; a pair needs two")
    starts = np.concatenate([[0], np.cumsum(np.bincount(number))])
    if (number[1:] >= number[:-1]).all():
        return ClassPoints(points, names, np.arange(len(points)), starts)
    order = np.argsort(number, kind="stable")
    if is_on_disk(points):
        return ClassPoints(RowsInOrder(points, order), names, order, starts)
    with on_device(points):
        rows = order if namespace(points) is np else namespace(points).asarray(order)
        check(points, starts, points.nbytes, layer.where)
        return ClassPoints(points[rows], names, order, starts, points.nbytes)
