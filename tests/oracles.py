"""Slow, obviously right versions of what hpfunc computes."""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import NamedTuple

import numpy as np


def direct_squared(x):
    """All squared distances by direct differences in float64."""
    x = np.asarray(x).reshape(len(x), -1).astype(np.float64)
    return np.stack([((x - row) ** 2).sum(axis=1) for row in x])


def kruskal(weights, n):
    """Edges (i, j) of a minimum spanning tree; ``weights`` maps (i, j) to anything that can be compared."""
    root = list(range(n))

    def find(i):
        while root[i] != i:
            root[i] = root[root[i]]
            i = root[i]
        return i

    tree = []
    for i, j in sorted(weights, key=lambda e: (weights[e], e)):
        a, b = find(i), find(j)
        if a != b:
            root[a] = b
            tree.append((i, j))
    return tree


def extreme_cross_edges(x, label):
    """Least and most cross edges over all minimum spanning trees: Kruskal on (weight, cross)."""
    squared = direct_squared(x)
    n = len(x)
    counts = []
    for sign in (1, -1):
        weights = {(i, j): (squared[i, j], sign * int(label[i] != label[j])) for i in range(n) for j in range(i + 1, n)}
        counts.append(sum(label[i] != label[j] for i, j in kruskal(weights, n)))
    return tuple(counts)


class AllTrees(NamedTuple):
    """All minimum spanning trees of a few points."""

    probability: dict  # (i, j) -> share of the trees that hold the edge
    cross: list  # cross edges of each tree


def all_minimum_trees(x, label):
    """Every spanning tree of the complete graph (by its Pruefer sequence), of which the lightest are kept."""
    squared = direct_squared(x)
    n = len(x)
    best, trees = np.inf, []
    sequences = itertools.product(range(n), repeat=n - 2) if n > 2 else [()]
    for sequence in sequences:
        edges = _from_pruefer(sequence, n)
        weight = sum(squared[e] for e in edges)
        if weight < best:
            best, trees = weight, []
        if weight == best:
            trees.append(edges)
    probability = defaultdict(float)
    for tree in trees:
        for edge in tree:
            probability[edge] += 1 / len(trees)
    return AllTrees(dict(probability), [sum(label[i] != label[j] for i, j in tree) for tree in trees])


def _from_pruefer(sequence, n):
    degree = [1] * n
    for i in sequence:
        degree[i] += 1
    edges = []
    for i in sequence:
        leaf = degree.index(1)
        edges.append((min(leaf, i), max(leaf, i)))
        degree[leaf] -= 1
        degree[i] -= 1
    edges.append(tuple(i for i in range(n) if degree[i] == 1))
    return edges


def every_labelling(edges, n, m):
    """Count the weighted cross edges for every choice of m of n vertices; edges (i, j) -> weight."""
    counts = []
    for chosen in itertools.combinations(range(n), m):
        inside = set(chosen)
        counts.append(sum(w for (i, j), w in edges.items() if (i in inside) != (j in inside)))
    return np.array(counts)


def labelling_moments(edges, n, m):
    """Compute mean and variance of the weighted cross edges over every choice of m of n vertices."""
    counts = every_labelling(edges, n, m)
    return counts.mean(), counts.var()


def orthogonal_trees(x, k):
    """Edges of k successive minimum spanning trees without common edges, for points without ties."""
    squared = direct_squared(x)
    n = len(x)
    weights = {(i, j): squared[i, j] for i in range(n) for j in range(i + 1, n)}
    trees = []
    for _ in range(k):
        tree = kruskal(weights, n)
        if len(tree) < n - 1:
            break
        trees.append(tree)
        for edge in tree:
            del weights[edge]
    return trees


def neighbour_pairs(x, k):
    """Ordered pairs (point, neighbour) of the k nearest neighbours, for points without ties."""
    squared = direct_squared(x)
    np.fill_diagonal(squared, np.inf)
    return [(i, int(j)) for i in range(len(squared)) for j in np.argsort(squared[i])[:k]]
