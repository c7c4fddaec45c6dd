"""Exact minimum spanning trees of clouds of points, and counts over all of them where distances tie.

`prim` grows trees from tables of lower bounds and gives their path maxima; `kruskal` takes sparse edges, and decides by
exact distances what their bounds leave undecided; `remeasure` does so for a whole cloud. `class_trees` puts these
together for every class of a layer, and `lay_out` arranges the trees for looking up. `tiled` takes one cloud too large
for a table. `ties` and `tie_counts` average over all minimum spanning trees.
"""
