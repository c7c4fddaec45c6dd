"""Graphs other than one minimum spanning tree of each pair: k nearest neighbours, and k orthogonal trees.

`count_graphs` is the door. What the pairs of a layer share is computed once: bounds of all distances (`layer_bounds`)
and the neighbours within each class (`neighbours`) or its k trees (`class_forests`). Then the pairs of one class with
several others are counted together (`blocks`), their trees in `orthogonal`, from edges sorted into `forests`; what
bounds do not exclude is measured by direct differences. `pair_graphs` defines the graphs, from the points of one pair;
it counts the pairs that bounds leave undecided. `small_graphs` lays out the graphs of pairs of few samples as tables of
weights, so that every labelling of them can be tried.
"""
