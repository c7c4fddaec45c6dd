"""Data that cannot be used: each refusal names the sample, the label or the class."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset, Subset

from hpfunc.activations import collect_activations
from tests.models import Mlp, seeded
from tests.samples import Known, N, Plain, Stream, X, Y


def collect(data, model=None, **options):
    return collect_activations(model or seeded(Mlp), data, **options)


def test_a_class_without_samples_is_named():
    with pytest.raises(ValueError, match="no sample of class 7, 9; its labels are 0, 1, 2"):
        collect((X, Y), classes=[0, 7, 9])
    with pytest.raises(ValueError, match="no sample of class 'dog'; its labels are 0, 1, 2"):
        collect(Stream(), classes=[0, "dog"])


@pytest.mark.parametrize("classes", [[], [0, 0]])
def test_classes_that_make_no_sense(classes):
    with pytest.raises(ValueError, match="classes"):
        collect((X, Y), classes=classes)


@pytest.mark.parametrize("classes", [3, "ab", [0.5]])
def test_classes_of_another_type(classes):
    with pytest.raises(TypeError, match="classes"):
        collect((X, Y), classes=classes)


@pytest.mark.parametrize("label", [0.5, None, torch.zeros(2), [1], {"a": 1}])
def test_labels_of_another_type_are_named_with_their_item(label):
    with pytest.raises(TypeError, match="item 0 of data has a label of type"):
        collect(Plain(lambda y: label))


def test_labels_of_a_wrong_shape():
    with pytest.raises(ValueError, match=r"x has shape \(30, 6\) and there are 29 labels"):
        collect((X, Y[:-1]))
    with pytest.raises(ValueError, match=r"labels has shape \(30, 3\); one-hot rows .*argmax"):
        collect((X, np.eye(3)[Y]))
    with pytest.raises(TypeError, match="both int and str"):
        collect((X, [0, "a"] * 15))


def test_samples_of_different_sizes_are_named():
    class Ragged(Plain):
        def __getitem__(self, k):
            return torch.zeros(6 + (k == 4)), 0

    with pytest.raises(ValueError, match=r"item 4 has shape \(7,\), and item 0 has \(6,\)"):
        collect(Ragged())
    with pytest.raises(ValueError, match=r"item 4 has shape \(7,\), and item 0 has \(6,\)"):
        collect(DataLoader(Ragged(), batch_size=8))
    options = {"batch_size": 1, "forward": lambda model, x: model(x[:, :6])}
    with pytest.warns(UserWarning, match=r"left out: input \(1 in all\), whose samples have different shapes"):
        acts = collect(Ragged(), **options)
    assert "input" not in acts
    assert len(acts.data_vars) > 0
    with pytest.raises(ValueError, match=r"'input' .*different shapes.*\(7,\) here.* \(6,\) in the first batch"):
        collect(Ragged(), layers=["input"], **options)


def test_no_samples():
    for empty in ((X[:0], Y[:0]), [], Subset(Known(), []), DataLoader(Subset(Known(), []), batch_size=2)):
        with pytest.raises(ValueError, match="data is empty"):
            collect(empty)


@pytest.mark.parametrize("data", [3, None, X, (X,), "folder"])
def test_data_of_another_kind(data):
    with pytest.raises((TypeError, ValueError), match="data"):
        collect(data)


def test_items_of_another_kind():
    for item in (3, (torch.zeros(6),), {"x": torch.zeros(6), "kind": 0}):
        with pytest.raises(TypeError, match=r"item 0 of data is .* expected \(x, label\).* label= says where"):
            collect([item] * 3)


def test_a_stream_that_fails_is_named():
    class Broken(IterableDataset):
        def __iter__(self):
            yield X[0], 0
            yield X[1], 1
            raise OSError("disk on fire")

    with pytest.raises(ValueError, match="item 2 could not be loaded: OSError: disk on fire"):
        collect(Broken())


def test_a_loader_of_single_samples():
    with pytest.raises(ValueError, match="pass its data set instead"):
        collect(DataLoader(Known(), batch_size=None))


@pytest.mark.parametrize("x", [np.array([["a"]] * N), X.astype(complex), np.array([None] * N)])
def test_arrays_of_no_numbers(x):
    with pytest.raises(TypeError, match="data: x has dtype"):
        collect((x, Y))
