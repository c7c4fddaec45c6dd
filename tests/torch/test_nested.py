"""One walk over nested values: the same containers and the same leaves, wherever a value is walked."""

import dataclasses
from collections import OrderedDict, UserDict
from typing import NamedTuple

import numpy as np
import pytest
import torch

from hpfunc._torch.nested import leaves, map_leaves, members
from hpfunc._torch.observe.names import entries


class Pair(NamedTuple):
    first: object
    second: object


@dataclasses.dataclass
class Output:
    logits: object
    state: object = None


A, B = torch.zeros(2), np.ones(3)


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ((A, [A, 3]), ["x[0]", "x[1][0]"]),
        ([A, (A,)], ["x[0]", "x[1][0]"]),
        ({"a/b": A, 1: [A]}, ["x[a_b]", "x[1][0]"]),
        (OrderedDict(k=A), ["x[k]"]),
        (UserDict(k=A), ["x[k]"]),
        (Pair(A, None), ["x[first]"]),
        (Output(A), ["x[logits]"]),
        (["red", "green"], []),
        (None, []),
        (Output, []),
    ],
)
def test_the_tensors_of_any_container_have_names(value, names):
    assert [name for name, _ in entries("x", value)] == names


@pytest.mark.parametrize(
    "value",
    [(A, B), [A, B], {"k": (A, [B])}, Pair(A, B), Output(A, B), [{"k": A}, "text"], ((A,), Pair(A, [B]))],
)
def test_containers_come_back_in_their_kind(value):
    seen = []
    same = map_leaves(lambda leaf: seen.append(leaf) or leaf, value)
    assert type(same) is type(value)
    assert [id(leaf) for leaf in seen] == [id(leaf) for leaf in leaves(value)]
    assert [id(leaf) for leaf in leaves(same)] == [id(leaf) for leaf in leaves(value)]


@pytest.mark.parametrize(
    "leaf", [A, B, "text", b"x", 3, None, ["red", "green"], [0.5, 1], (1, 2), [], object(), Output]
)
def test_texts_and_numbers_in_a_list_are_one_leaf(leaf):
    assert members(leaf) is None
    assert [found is leaf for found in leaves(leaf)] == [True]
    assert map_leaves(lambda value: value, leaf) is leaf


def test_mappings_of_any_kind_become_dicts():
    assert map_leaves(type, UserDict(a=A, b=(B,))) == {"a": torch.Tensor, "b": (np.ndarray,)}
