"""Say what a result holds, and select in it: classes, pairs of classes, entries matched by their labels.

`schema` lists the dims, variables and dtypes of a result, `classes` holds the classes of pairs as arrays, `pair_index`
is the xarray index that selects a pair in either order, and `pairs` attaches it. `align` matches the entries of two
results by their labels, `frame` lays a result out as a table, `counts` reads the counts in one, and `provenance` says
from what it was made. `pair_index` imports `classes`, and `pairs` imports `pair_index`.
"""
