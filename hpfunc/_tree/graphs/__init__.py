"""Graphs other than one minimum spanning tree of each pair: k nearest neighbours, and k orthogonal trees.

`pair_graphs` builds them from the points of one pair; `small_graphs` lays out the graphs of pairs of few samples as
tables of weights, so that every labelling of them can be tried.
"""
