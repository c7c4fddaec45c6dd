"""Measure two promises of collecting: models come back as they were, and so they do after Ctrl-C at any instant.

Each has a row: what was tried, how often, and how often a trace was left.
"""

from __future__ import annotations

import array
import contextlib
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

__all__ = ["CHANGES", "Changing", "interrupted", "picture", "pieces"]


class Meter:
    """Count something, as an object that a model holds."""

    def __init__(self) -> None:
        self.count, self.values = 0, [0.0]

    def update(self, value: float) -> None:
        """Take in a value."""
        self.count += 1
        self.values.append(value)


class Table(dict[str, int]):
    """Hold entries, and an attribute beside them."""

    total = 0


class Slots:
    """Have places for two attributes, of which a new object has one."""

    __slots__ = ("early", "late")

    def __init__(self) -> None:
        self.early = [1]


class Changing(nn.Module):
    """A model whose forward pass changes something of it: ``change(model, x)``."""

    def __init__(self, change: Callable[[Any, torch.Tensor], Any] = lambda model, x: None) -> None:
        super().__init__()
        self.change = change
        self.words = nn.Embedding(10, 4, max_norm=0.1)
        self.bn = nn.BatchNorm1d(4)
        self.fc = nn.Linear(4, 3)
        self.twin = nn.Linear(4, 3)
        self.watch = self.twin.register_forward_hook(lambda *args: None)
        self.register_buffer("steps", torch.zeros(3))
        self.register_buffer("spread", torch.zeros(1).expand(5))
        self.plain = torch.zeros(4)
        self.array = np.zeros(4)
        self.history = [1, [2]]
        self.table = {"a": 1, "b": {"c": [3]}}
        self.ordered = OrderedDict(a=1, b=2)
        self.counts = Counter("aab")
        self.group = {1, 2}
        self.queue = deque([1, 2], maxlen=3)
        self.bytes = bytearray(b"abc")
        self.doubles = array.array("d", [0.0, 1.0])
        self.objects = np.array([[1], None], object)
        self.groups: defaultdict[str, list[int]] = defaultdict(list)
        self.subclass = Table(a=1)
        self.slots = Slots()
        self.meter = Meter()
        self.space = SimpleNamespace(step=0)
        self.draws = torch.Generator().manual_seed(3)
        self.numbers = np.random.default_rng(3)
        self.hidden = [nn.BatchNorm1d(4), torch.zeros(2)]

    def forward(self, x: torch.Tensor) -> Any:
        """Change something, then run two layers."""
        self.change(self, x)
        return self.fc(self.bn(x))


def _normalise(model: Any, x: torch.Tensor) -> None:
    functional.batch_norm(x, model.bn.running_mean, model.bn.running_var, training=True)


def _reorder(model: Any, x: torch.Tensor) -> None:
    model.table["a"] = model.table.pop("a")


def _exchange_memory(model: Any, x: torch.Tensor) -> None:
    model.steps.data = torch.ones(3)
    model.fc.weight.data = model.fc.weight.data * 2


def _record(model: Any, x: torch.Tensor) -> None:
    with torch.enable_grad():
        model.plain.add_(model.fc.bias.sum())


def _exchange_layers(model: Any, x: torch.Tensor) -> None:
    model.fc, model.twin = model.twin, model.fc


def _write_gradient(model: Any, x: torch.Tensor) -> None:
    model.fc.weight.grad = torch.ones(3, 4)


def _reshape(model: Any, x: torch.Tensor) -> None:
    model.array.shape = (2, 2)
    model.array.setflags(write=False)


def _differentiate(model: Any, x: torch.Tensor) -> None:
    with torch.enable_grad():
        model.fc(x).sum().backward()


# Kind -> what a forward pass does.
CHANGES: dict[str, Callable[[Any, torch.Tensor], Any]] = {
    "nothing": lambda model, x: None,
    "Embedding(max_norm=)": lambda model, x: model.words(torch.arange(10)),
    "functional batch_norm(training=True)": _normalise,
    "a part in train mode": lambda model, x: model.bn.train(),
    "a buffer by .data.add_": lambda model, x: model.steps.data.add_(1),
    "a buffer by +=": lambda model, x: model.steps.add_(1),
    "an expanded buffer": lambda model, x: model.spread[:1].data.add_(1),
    "memory exchanged by .data =": _exchange_memory,
    "a buffer by its NumPy view": lambda model, x: model.steps.numpy().__iadd__(1),
    "-0.0 for 0.0": lambda model, x: model.steps.data.neg_(),
    "NaN": lambda model, x: model.steps.data.fill_(float("nan")),
    "parameters by clamp_": lambda model, x: model.fc.weight.clamp_(-0.01, 0.01),
    "a parameter by .data =": lambda model, x: setattr(model.fc.weight, "data", torch.zeros(3, 4)),
    "a parameter of another dtype": lambda model, x: model.fc.double(),
    "tensors exchanged": lambda model, x: torch.utils.swap_tensors(model.fc.weight, model.twin.weight),
    "a parameter exchanged for a tensor": lambda model, x: torch.utils.swap_tensors(model.fc.bias, model.steps),
    "layers exchanged": _exchange_layers,
    "a parameter replaced": lambda model, x: setattr(model.fc, "weight", nn.Parameter(torch.ones(3, 4))),
    "a buffer replaced": lambda model, x: setattr(model, "steps", torch.ones(3)),
    "a buffer added": lambda model, x: model.register_buffer("late", torch.ones(2)),
    "a module replaced": lambda model, x: setattr(model, "bn", nn.Identity()),
    "a module added": lambda model, x: setattr(model, "extra", nn.Linear(2, 2)),
    "an attribute added": lambda model, x: setattr(model, "cache", x),
    "a list": lambda model, x: (model.history.append(x), model.history[1].clear()),
    "a dict": lambda model, x: model.table["b"].update(d=4, c=5),
    "a dict's order": _reorder,
    "an OrderedDict": lambda model, x: model.ordered.move_to_end("a"),
    "a Counter": lambda model, x: model.counts.update("abc"),
    "a set": lambda model, x: (model.group.add(3), model.group.discard(1)),
    "a deque": lambda model, x: model.queue.extend([3, 4]),
    "a bytearray": lambda model, x: model.bytes.extend(b"d"),
    "an array of numbers": lambda model, x: model.doubles.append(2.0),
    "a defaultdict": lambda model, x: model.groups["new"].append(1),
    "attributes of a dict": lambda model, x: setattr(model.subclass, "total", 1),
    "slots of an object": lambda model, x: (setattr(model.slots, "late", 1), model.slots.early.append(2)),
    "a plain tensor": lambda model, x: model.plain.add_(1),
    "a NumPy array": lambda model, x: model.array.__iadd__(1),
    "the shape and flags of a NumPy array": _reshape,
    "lists in a NumPy array": lambda model, x: model.objects[0].append(2),
    "the history of a plain tensor": _record,
    "an object's attributes": lambda model, x: model.meter.update(1.0),
    "a namespace": lambda model, x: setattr(model.space, "step", model.space.step + 1),
    "a torch.Generator": lambda model, x: torch.rand(2, generator=model.draws),
    "a NumPy generator": lambda model, x: model.numbers.random(),
    "a module in a plain list": lambda model, x: (model.hidden[0](x), model.hidden[1].add_(1)),
    "requires_grad": lambda model, x: model.fc.requires_grad_(False),
    "a gradient written": _write_gradient,
    "gradients": _differentiate,
    "hooks of modules": lambda model, x: model.fc.register_forward_hook(lambda *args: None),
    "a hook removed": lambda model, x: model.watch.remove(),
    "hooks of all modules": lambda model, x: nn.modules.module.register_module_forward_hook(lambda *args: None),
    "hooks of tensors": lambda model, x: model.fc.weight.register_hook(lambda grad: grad),
    "attributes of tensors": lambda model, x: setattr(model.fc.weight, "tag", 1),
    "the class of a module": lambda model, x: setattr(model.bn, "__class__", nn.BatchNorm2d),
    "the default dtype": lambda model, x: torch.set_default_dtype(torch.float64),
    "the default device": lambda model, x: torch.set_default_device("meta"),
    "the gradient mode": lambda model, x: torch.set_grad_enabled(True),
    "autocast": lambda model, x: torch.set_autocast_enabled("cpu", True),
    "anomaly detection": lambda model, x: torch.set_anomaly_enabled(True),
    "the kernels of attention": lambda model, x: torch.backends.cuda.enable_flash_sdp(False),
    "NumPy's errors": lambda model, x: np.seterr(all="raise"),
    "random numbers": lambda model, x: (torch.rand(1), np.random.rand()),  # noqa: NPY002
    "the number of threads": lambda model, x: torch.set_num_threads(torch.get_num_threads() + 1),
    "deterministic algorithms": lambda model, x: torch.use_deterministic_algorithms(True),
}


def picture(value: Any, seen: dict[int, Any] | None = None) -> Any:
    """Describe a value to the last bit, with the identity of each object, so that two moments can be compared."""
    seen = {} if seen is None else seen
    if id(value) in seen:
        return id(value)
    seen[id(value)] = value
    if isinstance(value, torch.Tensor):
        plain = value.detach()
        memory = (plain.data_ptr(), tuple(plain.shape), plain.stride(), str(plain.dtype))
        numbers = plain.cpu().contiguous().numpy().tobytes()
        gradient = picture(value.grad, seen) if value.is_leaf else None
        parts = (picture(vars(value), seen), len(value._backward_hooks or ()), gradient)
        return id(value), type(value), value.is_leaf, memory, numbers, value.requires_grad, parts
    if isinstance(value, np.ndarray):
        numbers = [picture(member, seen) for member in value.flat] if value.dtype == object else value.tobytes()
        return id(value), value.shape, value.flags.writeable, numbers
    if isinstance(value, torch.Generator):
        return id(value), value.get_state().numpy().tobytes()
    if isinstance(value, np.random.Generator):
        return id(value), repr(value.bit_generator.state)
    if isinstance(value, dict):
        members = [(key, picture(member, seen)) for key, member in value.items()]
        return id(value), type(value), members, dict(getattr(value, "__dict__", {}))
    if isinstance(value, (list, tuple, deque)):
        return id(value), [picture(member, seen) for member in value]
    if isinstance(value, (set, bytearray)):
        return id(value), sorted(value)
    if isinstance(value, (nn.Module, Meter, SimpleNamespace)):
        return id(value), type(value), picture(vars(value), seen)
    if isinstance(value, Slots):
        return id(value), [picture(getattr(value, name, None), seen) for name in Slots.__slots__]
    return id(value), repr(value)


def surroundings() -> Any:
    """Describe what all threads of the process share."""
    numbers = torch.get_rng_state().numpy().tobytes(), repr(np.random.get_state())  # noqa: NPY002
    switches = torch.get_default_dtype(), torch.get_default_device(), torch.is_grad_enabled()
    threads = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    calls = nn.Module.__call__, nn.Module.__getattr__
    kernels = torch.backends.mha.get_fastpath_enabled(), torch.backends.cuda.flash_sdp_enabled()
    modes = torch.is_autocast_enabled("cpu"), torch.is_anomaly_enabled(), np.geterr()
    hooks = list(nn.modules.module._global_forward_hooks)
    return numbers, switches, threads, kernels, modes, hooks, calls


def moment(model: nn.Module) -> Any:
    """Describe a model and its surroundings."""
    return picture(model), surroundings()


def data(count: int = 12) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return samples of four features, and labels."""
    return np.random.default_rng(0).standard_normal((count, 4)).astype(np.float32), np.arange(count) % 2


def collect(model: nn.Module, **options: Any) -> Any:
    """Collect the activations of a model in batches of five."""
    import hpfunc as hp

    return hp.collect_activations(model, data(), batch_size=5, **options)


@contextlib.contextmanager
def interrupted(instant: float, count: list[int]) -> Iterator[None]:
    """Raise KeyboardInterrupt before the given instruction of the package or of torch; count them in ``count``."""
    count[:] = [0]

    def each(frame: Any, event: str, argument: Any) -> Any:
        count[0] += 1
        if count[0] == instant:
            raise KeyboardInterrupt
        return each

    def enter(frame: Any, event: str, argument: Any) -> Any:
        name = frame.f_code.co_filename
        if f"{'hpfunc'}/_" not in name.replace("\\", "/") and "torch" not in name:
            return None
        frame.f_trace_opcodes = True
        return each(frame, event, argument)

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        yield
    finally:
        sys.settrace(before)


def changed_kinds() -> list[str]:
    """List the kinds of change that collecting leaves in a model."""
    left = []
    for kind, change in CHANGES.items():
        model = Changing(change)
        before = moment(model)
        with contextlib.suppress(Exception):
            collect(model)
        if moment(model) != before:
            left.append(kind)
    return left


def traces_of_interrupts(instants: int, **options: Any) -> tuple[int, int]:
    """Interrupt a collection at so many instants, spread evenly; return how many struck, and how many left a trace."""
    model = Changing(CHANGES["functional batch_norm(training=True)"])
    collect(model, **options)
    count: list[int] = []
    with interrupted(float("inf"), count):
        collect(model, **options)
    total, struck, left = count[0], 0, 0
    for instant in np.linspace(1, total, instants).astype(int).tolist():
        before = moment(model)
        try:
            with interrupted(instant, count):
                collect(model, **options)
        except KeyboardInterrupt as stop:
            struck += 1
            # The frames of the error still hold what they held.
            left += moment(model) != before
            del stop
    return struck, left


def pieces(found: Sequence[dict[str, Any]], instants: int = 300) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """Measure both promises, with a row for what was tried, how often, and how often a trace was left."""

    def changes() -> dict[str, Any]:
        count = {"times": len(CHANGES), "left": len(changed_kinds())}
        return {"promise": "models unchanged", "tried": "kinds of change", **count}

    def interrupts(method: str) -> dict[str, Any]:
        struck, left = traces_of_interrupts(instants, method=method)
        return {"promise": "interrupts", "tried": f'method="{method}"', "times": struck, "left": left}

    yield "changes", changes
    for method in ("hooks", "fx"):
        yield method, partial(interrupts, method)


if __name__ == "__main__":
    for _, make in pieces([]):
        print(make())
