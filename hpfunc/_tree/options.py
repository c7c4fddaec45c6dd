"""Describe the graph whose edges are counted, and the memory for counting them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from hpfunc._arrays.types import Ints
from hpfunc._support.checks import check_count, check_option
from hpfunc._tree.threads import StageClock

__all__ = ["GraphOptions"]


class GraphOptions(NamedTuple):
    """Hold the options of a graph whose edges are counted; see `hpfunc.hp_statistic`."""

    metric: str = "euclidean"
    graph: str = "mst"
    k: int = 1
    exact: bool = True
    max_memory: int | None = None
    held: int = 0  # bytes of max_memory that the caller's copy of the points already takes
    clock: StageClock | None = None  # adds up the seconds of each stage of counting one tree

    @property
    def is_one_tree(self) -> bool:
        """Tell whether the graph is a single minimum spanning tree."""
        return self.graph == "mst" and self.k == 1

    def check(self) -> None:
        """Raise TypeError or ValueError unless metric, graph and k are known."""
        check_option("metric", self.metric, ("euclidean", "cosine"))
        check_option("graph", self.graph, ("mst", "knn"))
        check_count("k", self.k, "a number of trees or neighbours of 1 or more")

    def check_neighbours(self, sizes: Ints, name: Callable[[int], str]) -> None:
        """Raise ValueError if the samples of a pair, of ``(P, 2)`` class sizes, cannot have k neighbours each."""
        samples = sizes.sum(axis=1)
        n, p = int(samples.min()), int(samples.argmin())
        if self.graph == "knn" and self.k >= n:
            raise ValueError(f"k={self.k} neighbours among the {n} samples of {name(p)}; at most {n - 1} are possible")
