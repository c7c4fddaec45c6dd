"""Digests tell samples apart in every container that a batch may be, and do not depend on how the container prints."""

import dataclasses

import pytest
import torch

from hpfunc._sweep.task import samples_of

OPTIONS = {
    "layers": None, "classes": None, "samples_per_class": 4, "key": None, "batch_size": 8, "device": None,
    "method": "hooks", "reduce": None, "dtype": None, "forward": None, "max_memory": None,
}  # fmt: skip


@dataclasses.dataclass
class Images:
    left: torch.Tensor
    right: torch.Tensor


@pytest.mark.parametrize(
    "contain",
    [lambda x: x, lambda x: (x, x), lambda x: {"left": x, "right": x}, lambda x: Images(x, x)],
    ids=["tensor", "tuple", "mapping", "dataclass"],
)
def test_one_value_among_many_changes_the_digest(contain):
    # More than 1000 values: torch prints the first and last three of an axis only.
    images = torch.arange(8 * 400.0).reshape(8, 400)
    changed = images.clone()
    changed[4, 200] += 1

    def digest(x):
        return samples_of([(contain(image), k % 2) for k, image in enumerate(x)], OPTIONS)

    assert digest(images) == digest(images.clone()) != digest(changed)
