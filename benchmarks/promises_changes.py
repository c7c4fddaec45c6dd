"""Change models during their forward pass, in as many ways as we know: `CHANGES` maps a kind to what it does."""

from __future__ import annotations

import array
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn, overrides
from torch.nn import functional

__all__ = ["CHANGES", "Changing", "Meter", "Slots"]


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
    "cuDNN's precision": lambda model, x: setattr(torch.backends.cudnn, "allow_tf32", False),
    "the precision of products": lambda model, x: torch.set_float32_matmul_precision("medium"),
    "the precision of products, set anew": lambda model, x: setattr(
        torch.backends.cuda.matmul, "fp32_precision", "tf32"
    ),
    "the precision of everything": lambda model, x: setattr(torch.backends, "fp32_precision", "tf32"),
    "how float16 adds up": lambda model, x: setattr(
        torch.backends.cuda.matmul, "allow_fp16_reduced_precision_reduction", False
    ),
    "oneDNN": lambda model, x: torch._C._set_mkldnn_enabled(False),
    "the filling of memory": lambda model, x: setattr(torch.utils.deterministic, "fill_uninitialized_memory", False),
    "warnings of torch": lambda model, x: torch.set_warn_always(True),
    "a device that is entered": lambda model, x: torch.device("meta").__enter__(),
    "a mode that is entered": lambda model, x: overrides.BaseTorchFunctionMode().__enter__(),
    "the number of threads": lambda model, x: torch.set_num_threads(torch.get_num_threads() + 1),
    "deterministic algorithms": lambda model, x: torch.use_deterministic_algorithms(True),
}
