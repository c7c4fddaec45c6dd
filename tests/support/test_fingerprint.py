"""What a sweep depends on, described by text: equal where options are equal, and short whatever they hold."""

import functools
import subprocess
import sys

import numpy as np
import pytest

from hpfunc._support.fingerprint import describe


def holding(value):
    """Make a function that holds a value."""

    def forward(model, x):
        return model(x), value

    return forward


def test_a_function_is_described_by_what_it_holds():
    numbers = np.arange(2_000_000.0)
    changed = numbers.copy()
    changed[1_000_000] += 1
    for value, other in (([1, 2], [1, 3]), (numbers, changed), (np.arange(3), np.arange(4)), ({"a": 1}, {"a": 2})):
        assert describe(holding(value)) == describe(holding(value))
        assert describe(holding(value)) != describe(holding(other))
    assert len(describe(numbers)) < 100
    assert describe(functools.partial(max, numbers)) != describe(functools.partial(max, changed))
    assert describe(np.array([1, 2])) == describe([1, 2])


def test_tensors_and_modules_are_described_by_their_values():
    torch = pytest.importorskip("torch")
    for dtype in (torch.float32, torch.bfloat16, torch.bool, torch.complex64):
        # Only the ends of a long tensor are printed.
        tensor = torch.zeros(3000, dtype=dtype)
        changed = tensor.clone()
        changed[1500] = 1
        assert describe(holding(tensor)) == describe(holding(tensor.clone()))
        assert describe(holding(tensor)) != describe(holding(changed))
    assert describe(torch.tensor(1.0)) != describe(torch.tensor(2.0))
    assert describe(torch.zeros(2, device="meta"))
    first, second = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    assert describe(holding(first)) != describe(holding(second))
    second.load_state_dict(first.state_dict())
    assert describe(holding(first)) == describe(holding(second))


def test_a_function_that_names_itself_is_described():
    def make():
        def forward(model, x):
            forward.calls += 1
            return model(x)

        return forward

    assert describe(make()) == describe(make())


def test_descriptions_are_the_same_in_every_process():
    code = (
        "import numpy as np; from hpfunc._support.fingerprint import describe; "
        "print(describe(np.arange(5000)), describe(np.linalg.norm))"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert there.split() == f"{describe(np.arange(5000))} {describe(np.linalg.norm)}".split()
