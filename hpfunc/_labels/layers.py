"""Read what the labelled functions accept: named layers with a label for each sample, as points class by class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from hpfunc._arrays import as_labels, as_points, check_directions, check_finite, namespace
from hpfunc._labels.schema import bad_name

__all__ = ["ClassPoints", "NamedLayer", "group_by_class", "read_layers"]


class NamedLayer(NamedTuple):
    """The points of one layer as they were given, not yet checked, and what errors call them."""

    name: str | None  # None for a single array
    points: Any
    labels: Any

    @property
    def where(self) -> str:
        """Name the layer as errors and warnings do."""
        return "activations" if self.name is None else f"layer {self.name!r}"


class ClassPoints(NamedTuple):
    """Checked points of one layer, class by class."""

    points: Any  # (N, d)
    names: npt.NDArray[Any]  # (K,) the classes, sorted
    order: npt.NDArray[np.intp]  # (N,) the row of each point in the array that was given
    starts: npt.NDArray[np.intp]  # (K + 1,) rows starts[k]:starts[k + 1] are class k


def read_layers(activations: Any, labels: Any) -> Iterator[NamedLayer]:
    """Yield the layers of whatever `hpfunc.pairwise_hp` accepts, with their labels."""
    if isinstance(activations, xr.Dataset):
        label = _labels_or_coord(activations, labels)
        names = [name for name in activations.data_vars if activations[name].dims[:1] == ("sample",)]
        if not names:
            raise ValueError(
                f"activations holds no variable whose first dim is 'sample'; it holds {dict(activations.sizes)}"
            )
        yield from (NamedLayer(_layer_name(name), activations[name].data, label) for name in names)
    elif isinstance(activations, Mapping):
        if not activations:
            raise ValueError("activations is an empty mapping; pass at least one layer name -> array")
        for name, points in activations.items():
            yield NamedLayer(_layer_name(name), points, _labels_or_coord(points, labels))
    else:
        yield NamedLayer(None, activations, _labels_or_coord(activations, labels))


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


def group_by_class(layer: NamedLayer, metric: str) -> ClassPoints:
    """Check the points of a layer and put them in the order of their classes."""
    points = as_points(layer.points, layer.where)
    label = as_labels(layer.labels, len(points))
    check_finite(points, layer.where, label)
    if metric == "cosine":
        check_directions(points, layer.where)
    names, number = np.unique(label, return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"labels holds one class only, {names[0].item()!r}; a pair needs two")
    starts = np.concatenate([[0], np.cumsum(np.bincount(number))])
    if (number[1:] >= number[:-1]).all():
        return ClassPoints(points, names, np.arange(len(points)), starts)
    order = np.argsort(number, kind="stable")
    rows = order if namespace(points) is np else namespace(points).asarray(order)
    return ClassPoints(points[rows], names, order, starts)
