"""Exact minimum spanning trees of clouds of points, and counts over all of them where distances tie.

`prim` grows trees from tables of lower bounds and gives their path maxima; `kruskal` takes sparse edges, and decides by
exact distances what their bounds leave undecided; `remeasure` measures a whole cloud again. `class_candidates` finds
the candidate edges of every class of a layer, `class_trees` its trees, and `lay_out` arranges the trees for looking up
path maxima. `tiled` takes one cloud that is too large for a table of its distances. `ties` and `tie_counts` average
over all minimum spanning trees.
"""
