"""Other ways to the same counts: SciPy, and packages that are measured where they are installed."""

from __future__ import annotations

import contextlib
import itertools
import time
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float32]
# Cross edges of a tree over two samples.
Count = Callable[[Points, Points], float]


def scipy_count(one: Points, other: Points) -> float:
    """SciPy's tree over a table of squared distances in float64, which stand in the same order as distances."""
    from scipy.sparse.csgraph import minimum_spanning_tree
    from scipy.spatial.distance import pdist, squareform

    points = np.concatenate([one, other]).astype(np.float64)
    squared = pdist(points, "sqeuclidean")
    # What is below 1e-8 would be no edge: all are scaled to be above, with those of equal points in front.
    if squared.min() <= 1e-8:
        smallest = squared.min(where=squared > 0, initial=np.inf)
        squared *= 2.0 ** -np.frexp(smallest)[1]
        squared[squared == 0] = 0.25
    tree = minimum_spanning_tree(squareform(squared)).tocoo()
    return float(((tree.row < len(one)) != (tree.col < len(one))).sum())


def dataeval_count(one: Points, other: Points) -> float:
    """DataEval's tree over the 15 nearest neighbours. It reports one edge less."""
    errors: int = import_module("dataeval.core").divergence_mst(one, other)["errors"]
    return float(errors) + 1


def smartsvm_count(one: Points, other: Points) -> float:
    """SmartSVM's tree, in C, over SciPy's distances. It reports one edge less."""
    points = np.concatenate([one, other]).astype(np.float64)
    side = np.repeat([-1, 1], [len(one), len(other)])
    count: float = import_module("smartsvm.cross_connections").binary_cross_connections(points, side, nTrees=1)
    return count + 1


def installed(others: bool) -> dict[str, Count]:
    """SciPy, and if ``others`` those further ones that can be imported."""
    counts: dict[str, Count] = {"SciPy": scipy_count}
    if others:
        for name, module, count in (
            ("DataEval", "dataeval.core", dataeval_count),
            ("SmartSVM", "smartsvm.cross_connections", smartsvm_count),
        ):
            with contextlib.suppress(ImportError), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                import_module(module)
                counts[name] = count
    return counts


def measure_peer(
    count: Count, x: Points, n_classes: int, ours: Mapping[str, Any], most_seconds: float
) -> dict[str, Any]:
    """Seconds for all pairs, from as many as fit in the time (at least one), and how many counts equal ours.

    ``ours`` holds ``cross_edges_min`` and ``cross_edges_max`` of all pairs: where distances tie, any count of a
    minimum spanning tree is right.
    """
    size = len(x) // n_classes
    classes = [x[k * size : (k + 1) * size] for k in range(n_classes)]
    pairs = np.array(list(itertools.combinations(range(n_classes), 2)))
    # A sample of pairs that stands for all of them, the same in every run.
    order = np.random.default_rng(0).permutation(len(pairs))
    few = [c[:40] for c in classes[:2]]
    count(few[0], few[1])  # what is imported or compiled once is not timed
    seconds, equal, done = 0.0, 0, 0
    for p in order:
        start = time.perf_counter()
        found = count(*(classes[k] for k in pairs[p]))
        seconds += time.perf_counter() - start
        done += 1
        equal += ours["cross_edges_min"][p] <= found <= ours["cross_edges_max"][p]
        if seconds > most_seconds:
            break
    return {"seconds": seconds * len(pairs) / done, "pairs": done, "equal": int(equal)}
