"""Statistics on plain arrays: no labels, no xarray, no trees.

What flows in are counts of cross edges, p-values, or points; what flows out are arrays of numbers. `estimate` turns
counts into estimates, bounds and a null distribution; `permutation` runs Fisher's tests; `adjust` corrects p-values
for the number of tests; `principal` finds principal components. The modules do not import one another, and import
only `hpfunc._arrays` and `hpfunc._support`.
"""
