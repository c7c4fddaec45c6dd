"""Measure classes with the labels of their layers: from named layers to the variables of a result.

In flow layers with a label for each sample. `layers` reads them as points class by class, `folds` draws samples and
divides them into folds, `pairs` asks `hpfunc._tree` for counts and `hpfunc._stats` for numbers, `describe` says what
these are and what could not be computed, and `results` takes each layer through these steps. Out flow Datasets as
`hpfunc._labels.schema` describes them. Imports point from `results` to all others, from `folds` to `layers`, from
`pairs` to `describe`, and from this wing to labels, statistics and trees.
"""
