"""Draw the pictures behind `hpfunc.plot`, one module for each.

A picture reads its values from a Dataset or DataArray (`parts.values`), splits them into one series for each checkpoint
and split (`parts.series`), summarises each series (`parts.summary`), and draws it with the common colours, legends and
tick labels of the other modules in `parts`. Imports point from the pictures to `parts`, and from there to the labelled
layer. matplotlib is imported only when a picture is drawn.
"""
