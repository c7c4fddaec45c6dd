"""Turn any data set into batches of chosen samples, each loaded once.

In flows what the caller passed as ``data``: arrays, a torch data set, a loader. `open` makes a source of it, whose
labels are known before its samples are loaded or must be read with them (`sources`, `loader`). `selection` chooses
samples of each class (`sampling` draws them) and hands out batches with their rows in the result. `items` splits what a
data set delivers into inputs and label, and stacks inputs into batches; `labels` finds labels without loading samples;
`repeats` finds samples that come more than once; `order` finds where a collation has put each sample.

`open` and `selection` import the others, `loader` imports `sources`, and all of them import `items`, which imports
`labels`.
"""
