"""The independent oracle of the collection: one pass over all samples, a hook that clones, and nothing clever."""

import numpy as np
import torch

from tests.samples import grouped


def clone_hooks(model, x, forward=None):
    """Every tensor that each call of a module gave, in the order the calls returned: (name, clone, had no calls).

    Calls inside a call are told by comparing when they began and ended.
    """
    calls, clock, begun, handles = [], iter(range(10**9)), [], []

    def before(module, args):
        begun.append(next(clock))

    def after(name):
        def hook(module, args, output):
            calls.append((name, begun.pop(), next(clock), [tensor.clone() for tensor in tensors_in(output)]))

        return hook

    for name, module in model.named_modules():
        handles += [module.register_forward_pre_hook(before), module.register_forward_hook(after(name))]
    flags = [(module, module.training) for module in model.modules()]
    fast = torch.backends.mha.get_fastpath_enabled()
    try:
        torch.backends.mha.set_fastpath_enabled(False)
        model.eval()
        with torch.no_grad():
            (forward or (lambda model, x: model(x)))(model, x.clone() if isinstance(x, torch.Tensor) else x)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for handle in handles:
            handle.remove()
        for module, flag in flags:
            module.training = flag
    ends = [(start, end) for _, start, end, _ in calls]
    return [
        (name, tensor, not any(start < s and e < end for s, e in ends))
        for name, start, end, tensors in calls
        for tensor in tensors
    ]


def leaf_values(model, x, forward=None):
    """Return the values of the calls inside which there was no other, without names."""
    return [tensor for _, tensor, leaf in clone_hooks(model, x, forward) if leaf]


def tensors_in(value):
    """List the tensors in nested tuples and dicts."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [t for member in value for t in tensors_in(member)] if isinstance(value, (tuple, list)) else []


def assert_is_all_of(acts, values, y):
    """Assert that the variables after the input are these values, in this order, sorted by class."""
    layers = list(acts.data_vars)[1:]
    assert len(layers) == len(values)
    for name, value in zip(layers, values, strict=True):
        np.testing.assert_allclose(acts[name].values, value.numpy()[grouped(y)], rtol=1e-5, atol=1e-6, err_msg=name)
