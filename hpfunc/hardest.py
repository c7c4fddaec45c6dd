"""Where separation is low, and where samples are too few to tell: hardest pairs, bridging samples, the ceiling."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from hpfunc._arrays import namespace, on_device
from hpfunc._labels.counts import read_counts
from hpfunc._labels.pairs import Labelled, label_pairs
from hpfunc._labels.provenance import kept_attrs
from hpfunc._measure.layers import NamedLayer, group_by_class, read_layers
from hpfunc._measure.results import pair_numbers
from hpfunc._support.checks import check_count, check_option
from hpfunc._support.surroundings import unaffected
from hpfunc._support.warn import warn
from hpfunc._tree import SampleEdges, check_tree_copy, edges_of_samples
from hpfunc._version import __version__

__all__ = ["at_ceiling", "bridging_samples", "hardest_pairs"]

# The mean over trees that each have one cross edge is 1 up to rounding.
_ONE = 1 + 1e-9

_SAMPLE_VARIABLES = {
    "share": "Share of edges that bridge classes",
    "cross_edges": "Edges to other classes",
    "forced": "Forced edges among them",
    "edges": "Edges",
}


@unaffected
def hardest_pairs(results: Labelled, n: int, /) -> Labelled:
    """Select the pairs of classes that are separated least, at every layer and checkpoint.

    Parameters
    ----------
    results : xarray.Dataset or xarray.DataArray
        What `pairwise_hp`, `sweep` or `hp_estimate` returned, with the dim ``pair`` and any other dims. A Dataset is
        ranked by ``hp``.
    n : int
        How many pairs to select, at most as many as there are.

    Returns
    -------
    xarray.Dataset or xarray.DataArray
        The variables of ``results`` with the dim ``rank`` (1 is the hardest pair) in place of ``pair``; all other dims
        stay. The coords ``class_a`` and ``class_b`` name the pair at each rank, layer and checkpoint. Pairs of equal HP
        keep their order, and pairs whose HP is NaN come last. `to_frame` makes a table with one row for each.

    Raises
    ------
    TypeError
        If ``results`` is not an xarray object, or ``n`` is not an integer.
    ValueError
        If there are no pairs of classes, no variable ``hp``, or fewer pairs than ``n``.

    Notes
    -----
    Results in folds give the hardest pairs of each fold; ``results.mean(["repeat", "fold"])`` ranks the means.

    Examples
    --------
    >>> import xarray as xr
    >>> import hpfunc as hp
    >>> values = xr.DataArray([[0.9, 0.8, 0.7], [0.6, 0.9, 0.8]], dims=("layer", "pair"), name="hp", coords={
    ...     "layer": ["input", "fc"], "class_a": ("pair", ["cat", "cat", "dog"]),
    ...     "class_b": ("pair", ["dog", "fox", "fox"])})
    >>> hp.to_frame(hp.hardest_pairs(values, 1))[["layer", "rank", "class_a", "class_b", "hp"]].values.tolist()
    [['input', 1, 'dog', 'fox', 0.7], ['fc', 1, 'cat', 'dog', 0.6]]
    """
    results = label_pairs(results)
    n = check_count("n", n)
    values: xr.DataArray = _ranked_by(results)
    if "pair" not in values.dims or n > values.sizes["pair"]:
        count = values.sizes.get("pair", 0)
        pairs = "1 pair" if count == 1 else f"{count} pairs"
        raise ValueError(f"n={n}, and results has {pairs} of classes; ask for at most as many as there are")
    # A stable sort keeps equal pairs in their order and puts NaN last.
    order = np.argsort(values.transpose(..., "pair").values, axis=-1, kind="stable")[..., :n]
    dims = (*(dim for dim in values.dims if dim != "pair"), "rank")
    chosen: Labelled = results.drop_indexes(["class_a", "class_b"]).isel(pair=xr.DataArray(order, dims=dims))
    rank = ("rank", np.arange(1, n + 1), {"long_name": "Rank, the hardest pair first"})
    return chosen.assign_coords(rank=rank).transpose(..., "rank")


def _ranked_by(results: xr.Dataset | xr.DataArray) -> xr.DataArray:
    """Return the values by which pairs are ranked."""
    if isinstance(results, xr.DataArray):
        return results
    if "hp" not in results:
        raise ValueError(f"results has no variable 'hp' to rank pairs by; it holds {list(results.data_vars)}")
    return results["hp"]


@unaffected
def at_ceiling(results: xr.Dataset, /) -> xr.DataArray:
    """Compute the share of pairs whose HP is as high as their numbers of samples allow.

    A tree over two classes has at least one cross edge. So HP of m and n samples is at most 1 - (m + n) / (2 m n), or
    1 - 1 / n for n samples of each class. Pairs at this ceiling may differ in separation, but HP cannot tell.

    Parameters
    ----------
    results : xarray.Dataset
        What `pairwise_hp` or `sweep` returned: ``cross_edges``, ``n_a``, ``n_b``, with the dim ``pair``.

    Returns
    -------
    xarray.DataArray
        The share from 0 to 1, with the dims of the counts but ``pair``. Pairs that were not counted are left out.

    Raises
    ------
    TypeError
        If ``results`` is not a Dataset.
    ValueError
        For results without counts or without pairs.

    Notes
    -----
    More samples raise the ceiling; folds lower it, since each fold has fewer samples. With ``graph="knn"`` the fewest
    cross edges are none, and the ceiling is 1. Where ties leave the mean over trees undefined (NaN), trees differ, so
    the pair is not at the ceiling.

    Examples
    --------
    >>> import hpfunc as hp
    >>> results = hp.pairwise_hp({"input": [0, 2, 1, 3, 9, 10], "fc": [0, 1, 5, 6, 9, 10]}, [0, 0, 1, 1, 2, 2])
    >>> hp.at_ceiling(results).round(2).to_series().to_dict()
    {'input': 0.67, 'fc': 1.0}
    """
    cross, n_a, n_b = read_counts(results)
    if "pair" not in cross.dims:
        raise ValueError(f"results has the dims {cross.dims}; expected pairs of classes along 'pair'")
    fewest = 0.0 if results.attrs.get("graph") == "knn" else _ONE
    counted = n_a.notnull() & n_b.notnull()
    share = (cross <= fewest).where(counted).mean("pair")
    own = {"long_name": "Share of pairs at the ceiling of HP", "units": "1"}
    return share.rename("at_ceiling").assign_attrs(results.attrs | own)


@unaffected
def bridging_samples(
    activations: Any,
    labels: Any = None,
    /,
    *,
    pair: tuple[Any, Any] | None = None,
    metric: str = "euclidean",
    max_memory: int | None = None,
) -> xr.Dataset:
    """Find the samples that bridge classes: for each, the share of its edges in the tree that lead to another class.

    Such samples are often ambiguous, mislabelled or confused by the network.

    Parameters
    ----------
    activations : xarray.Dataset, mapping or array-like
        What `collect_activations` returned; or a mapping of layer name -> array ``(n, ...)``; or one array.
    labels : array-like, optional
        The class of each sample, ``(n,)`` integers or strings. Not needed where the activations carry the coord
        ``label``.
    pair : (class, class), optional
        Only the samples of these two classes, whose tree is the one that HP counts. By default one tree joins the
        samples of all classes, as in `multiclass_hp`.
    metric : {"euclidean", "cosine"}
        Distance between points.
    max_memory : int, optional
        Limit on working memory in bytes, beyond the data; by default half of the free memory. A call that needs more
        raises ValueError and names the bytes that it needs.

    Returns
    -------
    xarray.Dataset
        Dims ``(layer, sample)``, the samples in the order given; one array gives no dim ``layer``. ``edges`` counts the
        edges at each sample, ``cross_edges`` those that lead to another class, and ``forced`` those cross edges that
        any tree over these classes must have; all are means over all minimum spanning trees. ``share`` is (cross_edges
        - forced) / edges. Coords on ``sample``: ``label``, and ``index``, the position in the data set (the coord
        ``index`` of the activations, or else the row).

    Raises
    ------
    TypeError, ValueError
        As in `pairwise_hp`; ValueError also where layers hold different samples.

    Warns
    -----
    UserWarning
        Where too many distances tie for the mean over trees, so that values are NaN.

    Notes
    -----
    A tree that joins K classes has at least K - 1 cross edges, however far apart the classes are. The K - 1 longest
    count as these forced edges (divided equally where edges of the same length tie), so that samples of well separated
    classes have the share 0, and a sample that lies among another class has the share 1. A sample whose only edge leads
    to such a sample also has the share 1, since an edge counts at both of its ends.

    Examples
    --------
    The third sample of class 0 lies among those of class 1:

    >>> import hpfunc as hp
    >>> found = hp.bridging_samples([0.0, 1.0, 11.5, 9.0, 10.0, 11.0, 12.0], [0, 0, 0, 1, 1, 1, 1])
    >>> found.share.values
    array([0. , 0. , 1. , 0. , 0. , 0.5, 1. ])
    >>> hp.to_frame(found).nlargest(1, ["share", "cross_edges"])["index"].item()
    2
    """
    check_option("metric", metric, ("euclidean", "cosine"))
    layers = list(read_layers(activations, labels))
    parts = [_measure(layer, pair, metric, max_memory) for layer in layers]
    first = parts[0]
    for part in parts[1:]:
        if not first.coords.equals(part.coords):
            raise ValueError("activations holds layers of different samples; give all layers the same labels")
    result = xr.concat(parts, "layer", coords="minimal", compat="override", join="override")
    names = [layer.name for layer in layers]
    result = result.isel(layer=0) if names == [None] else result.assign_coords(layer=names)
    collected = kept_attrs(activations.attrs) if isinstance(activations, (xr.Dataset, xr.DataArray)) else {}
    return result.assign_attrs(collected)


def _measure(layer: NamedLayer, pair: tuple[Any, Any] | None, metric: str, max_memory: int | None) -> xr.Dataset:
    """Count the edges at each sample of one layer, in the order in which the samples were given."""
    check = partial(check_tree_copy, metric=metric, max_memory=max_memory)
    grouped = group_by_class(layer, metric, check)
    points, starts, rows, held = grouped.points, grouped.starts, grouped.order, grouped.held
    numbers = np.arange(len(grouped.names))
    if pair is not None:
        [numbers] = pair_numbers([pair], grouped.names)
        at = np.concatenate([np.arange(starts[number], starts[number + 1]) for number in numbers])
        held += len(at) * points[0].nbytes
        check(points, np.array([0, len(at)]), held, layer.where)
        with on_device(points):
            points = points[at if namespace(points) is np else namespace(points).asarray(at)]
        rows = rows[at]
    label = np.repeat(np.arange(len(numbers)), np.diff(starts)[numbers])
    with on_device(points):
        counts = edges_of_samples(points, label, metric=metric, max_memory=max_memory, name=layer.where, held=held)
    order = np.argsort(rows)
    undefined = int(np.isnan(counts.cross + counts.forced).sum())
    if undefined:
        warn(f"{layer.where}: too many distances tie to count the edges of {undefined} samples over all trees (NaN)")
    rows = rows[order]
    return _labelled(
        SampleEdges(*(values[order] for values in counts)),
        {
            "label": ("sample", grouped.names[numbers][label[order]], {"long_name": "Class"}),
            "index": ("sample", rows if layer.index is None else np.asarray(layer.index)[rows]),
        },
        metric,
    )


def _labelled(counts: SampleEdges, coords: dict[str, Any], metric: str) -> xr.Dataset:
    """Label the numbers of edges of one layer, and compute the share of the bridging ones."""
    values = {
        "share": (counts.cross - counts.forced) / counts.edges,
        "cross_edges": counts.cross,
        "forced": counts.forced,
        "edges": counts.edges,
    }
    variables = {
        name: ("sample", value, {"long_name": _SAMPLE_VARIABLES[name], "units": "1"}) for name, value in values.items()
    }
    return xr.Dataset(variables, coords, {"metric": metric, "hpfunc_version": __version__})
