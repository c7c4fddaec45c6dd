"""Count cross edges with SciPy, and with other packages if they are installed."""

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


def scipy_count(class_a: Points, class_b: Points) -> float:
    """Count with SciPy's tree over squared distances in float64, which have the same order as the distances."""
    from scipy.sparse.csgraph import minimum_spanning_tree
    from scipy.spatial.distance import pdist, squareform

    points = np.concatenate([class_a, class_b]).astype(np.float64)
    squared = pdist(points, "sqeuclidean")
    # SciPy ignores weights below 1e-8, so all are scaled to lie above, and equal points get the smallest weight.
    if squared.min() <= 1e-8:
        smallest = squared.min(where=squared > 0, initial=np.inf)
        squared *= 2.0 ** -np.frexp(smallest)[1]
        squared[squared == 0] = 0.25
    tree = minimum_spanning_tree(squareform(squared)).tocoo()
    return float(((tree.row < len(class_a)) != (tree.col < len(class_a))).sum())


def dataeval_count(class_a: Points, class_b: Points) -> float:
    """Count with DataEval's tree over 15 nearest neighbours, which reports one edge too few."""
    errors: int = import_module("dataeval.core").divergence_mst(class_a, class_b)["errors"]
    return float(errors) + 1


def smartsvm_count(class_a: Points, class_b: Points) -> float:
    """Count with SmartSVM's tree, in C, over SciPy's distances, which reports one edge too few."""
    points = np.concatenate([class_a, class_b]).astype(np.float64)
    side = np.repeat([-1, 1], [len(class_a), len(class_b)])
    count: float = import_module("smartsvm.cross_connections").binary_cross_connections(points, side, nTrees=1)
    return count + 1


def installed(others: bool) -> dict[str, Count]:
    """Return the count functions by name: SciPy's, and if ``others``, those of the packages that can be imported."""
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
    """Measure pairs for a limited time (at least one); return the seconds for all pairs, and how many counts agree.

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
