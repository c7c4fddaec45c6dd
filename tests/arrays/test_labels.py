"""Labels of every kind become integers or strings with their values, and what is no label says what to pass."""

import enum

import numpy as np
import pandas as pd
import pytest
import torch

import hpfunc as hp
from hpfunc._arrays import as_label, as_labels, label_array, stack_labels

LARGE = 2**63 + 5


class Animal(enum.IntEnum):
    CAT = 0
    DOG = 1


class Text(str, enum.Enum):  # noqa: UP042 (prints its own name, unlike a StrEnum)
    CAT = "cat"
    DOG = "dog"


INTEGERS = [
    [0, 1, 1], np.array([0, 1, 1], np.uint8), np.array([0, 1, 1], ">i2"), np.array([1, 1, 0])[::-1],
    np.array([[0], [1], [1]]), [[0], [1], [1]], np.array([False, True, True]), [False, True, True],
    np.array([0.0, 1.0, 1.0]), np.array([0, 1, 1], np.float16), [0.0, 1.0, 1.0], np.array([0, 1, 1], object),
    torch.tensor([0, 1, 1]), torch.tensor([0.0, 1.0, 1.0]), torch.tensor([False, True, True]),
    torch.tensor([0, 1, 1], dtype=torch.bfloat16), torch.tensor([[0], [1], [1]]),
    [torch.tensor(0), torch.tensor(1), torch.tensor(1)], [torch.tensor([0]), torch.tensor([1]), torch.tensor([1])],
    [np.int64(0), np.uint8(1), 1], [*Animal, Animal.DOG],
    pd.Series([0, 1, 1]), pd.Series([0, 1, 1], dtype="Int64"), pd.Series([0, 1, 1]).astype("category"),
    pd.Series([False, True, True], dtype="boolean"), pd.Series([0, 1, 1]).astype(object), pd.Series([0.0, 1.0, 1.0]),
    pd.Series([0, 1, 1]).to_frame(), pd.Index([0, 1, 1]), np.ma.masked_equal([0, 1, 1], 9),
]  # fmt: skip


@pytest.mark.parametrize("labels", INTEGERS)
def test_integers_of_every_kind(labels):
    found = as_labels(labels, 3)
    assert found.dtype == np.int64
    assert found.tolist() == [0, 1, 1]


STRINGS = [
    ["cat", "dog"], np.array(["cat", "dog"]), np.array(["cat", "dog"], object), np.array([b"cat", b"dog"]),
    [b"cat", b"dog"], np.array([b"cat", b"dog"], object), np.array(["cat", "dog"], np.dtypes.StringDType()),
    pd.Series(["cat", "dog"]), pd.Series(["cat", "dog"], dtype="string"), pd.Series(["cat", "dog"]).astype("category"),
    list(Text), np.array([["cat"], ["dog"]]), ("cat", np.str_("dog")),
]  # fmt: skip


@pytest.mark.parametrize("labels", STRINGS)
def test_strings_of_every_kind(labels):
    found = as_labels(labels, 2)
    assert found.dtype.kind == "U"
    assert found.tolist() == ["cat", "dog"]


@pytest.mark.parametrize(
    "labels",
    [
        np.array([3, LARGE], np.uint64), [3, LARGE], [np.uint64(3), np.uint64(LARGE)],
        np.array([3, LARGE], object), pd.Series([3, LARGE], dtype="UInt64"),
    ],
)  # fmt: skip
def test_integers_keep_their_values_over_the_whole_range(labels):
    assert as_labels(labels, 2).tolist() == [3, LARGE]
    lowest = as_labels([-(2**63), 2**63 - 1], 2)
    assert lowest.tolist() == [-(2**63), 2**63 - 1]


def test_large_integers_stand_in_results_as_they_are():
    labels = np.array([2**63 - 1, 2**63, 2**64 - 1], np.uint64).repeat(4)
    points = np.random.default_rng(0).normal(size=(12, 2))
    results = hp.pairwise_hp(points, labels)
    assert sorted({*results.class_a.values.tolist(), *results.class_b.values.tolist()}) == np.unique(labels).tolist()
    assert float(results.hp.sel(class_a=2**64 - 1, class_b=2**63)) == float(results.hp[2])


@pytest.mark.parametrize(
    ("labels", "error", "words"),
    [
        ([0.5, 1.0], TypeError, "0.5"),
        (np.array([1.0, 0.25]), TypeError, "holds 0.25 for sample 1.*argmax"),
        (np.array([1.0, np.nan]), TypeError, "holds nan for sample 1"),
        (np.array([1.0, 2.0**60]), TypeError, "for sample 1"),
        (np.eye(2), ValueError, r"shape \(2, 2\); one-hot rows and probabilities .* labels\.argmax\(-1\)"),
        (torch.eye(2, dtype=torch.long), ValueError, "argmax"),
        ([[1, 0], [0, 1]], ValueError, "argmax"),
        (np.zeros((2, 4, 4), int), ValueError, r"shape \(2, 4, 4\)"),
        (3, ValueError, r"shape \(\)"),
        ([1, 2, 3], ValueError, r"shape \(3,\); expected \(2,\)"),
        (["a", 1], TypeError, "both int and str"),
        (np.array(["a", 1], object), TypeError, "both int and str"),
        ([None, 1], TypeError, "NoneType"),
        (pd.Series([1, None], dtype="Int64"), TypeError, "NAType"),
        (pd.Series(["a", None], dtype="string"), TypeError, "type"),
        ([{}, {}], TypeError, "dict"),
        (np.array([1j, 2]), TypeError, "complex"),
        (np.array(["2020", "2021"], "M8[Y]"), TypeError, "datetime64"),
        ([b"\xff", b"a"], TypeError, "UTF-8"),
        ([-1, LARGE], ValueError, "no dtype holds"),
        ([2**70, 1], ValueError, "no dtype holds"),
        (np.ma.masked_equal([0, 1], 1), ValueError, "1 masked entries, the first at position"),
    ],
)
def test_what_is_no_label_is_refused(labels, error, words):
    with pytest.raises(error, match=words):
        as_labels(labels, 2)


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (3, 3), (np.uint8(3), 3), (3.0, 3), (np.float32(3), 3), (True, 1), (np.True_, 1), (torch.tensor(3), 3),
        (torch.tensor([3]), 3), (torch.tensor(3.0), 3), (np.array([3]), 3), ("a", "a"), (np.str_("a"), "a"),
        (b"a", "a"), (np.bytes_(b"a"), "a"), (Animal.DOG, 1), (Text.DOG, "dog"), (np.uint64(LARGE), LARGE),
    ],
)  # fmt: skip
def test_one_label(value, label):
    found = as_label(value, "item 0")
    assert found == label
    assert type(found) is type(label)


@pytest.mark.parametrize("value", [0.5, None, torch.zeros(2), [1], {"y": 1}, float("nan"), 1e300, torch.zeros(1, 1)])
def test_what_is_no_single_label_is_refused(value):
    with pytest.raises(TypeError, match=r"item 7 has (a|the) label"):
        as_label(value, "item 7")


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({0: 1}.values(), "dict_values and has .*pass a list"),
        ((k for k in (0, 1)), "generator and has .*pass a list"),
        (np.array([[0, 1]]), r"shape \(1, 2\); .*labels.ravel"), (torch.ones(2).to_sparse(), "^labels: .*to_dense"),
    ],
)  # fmt: skip
def test_what_holds_labels_otherwise_says_what_to_pass(labels, words):
    with pytest.raises((TypeError, ValueError), match=words):
        as_labels(labels, 2)


def test_one_hot_rows_of_an_item_say_argmax():
    with pytest.raises(TypeError, match=r"list of 2 entries; one-hot rows .*argmax"):
        as_label([0, 1], "item 7")
    with pytest.raises(TypeError, match=r"shape \(2,\); one-hot rows .*argmax"):
        as_label(torch.eye(2)[0], "item 7")


def test_labels_are_stacked_in_the_smallest_sufficient_way():
    assert stack_labels([1, -2], "x").dtype == np.int64
    assert stack_labels([1, LARGE], "x").dtype == np.uint64
    assert stack_labels(["a", "bcd"], "x").dtype == np.dtype("U3")
    assert label_array([], "x").dtype == np.int64
