"""Observe a model through its traced graph: every operation, also those that are not modules."""

from __future__ import annotations

import contextlib
import inspect
import math
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.fx
from torch import nn

from hpfunc._support.optional import need
from hpfunc._torch.observe.names import CallNames, clean
from hpfunc._torch.observe.recorder import Emit, Record

__all__ = ["traced"]


@contextlib.contextmanager
def traced(model: nn.Module) -> Iterator[Record]:
    """A recorder that runs the model's graph node by node, and emits each node's value as it comes.

    The nodes bear the names that torchvision's feature extraction gives them. All of them run, in their order:
    nothing is eliminated or fused, and an in-place operation comes after its input was emitted.
    """
    graphs: list[_Graph] = []

    def record(inputs: Any, emit: Emit) -> Any:
        # The first inputs tell which arguments of forward() are given, and which keep their defaults.
        if not graphs:
            graphs.append(_Graph(model, inputs))
        return graphs[0].run(inputs, emit)

    yield record


class _Graph(torch.fx.Interpreter):
    """A traced model, that runs node by node."""

    def __init__(self, model: nn.Module, inputs: Any) -> None:
        self._given = _given_arguments(model, inputs)
        graph, names = _trace(model, self._given)
        calls = CallNames(names.values())
        self._names = {node: calls.next(name) for node, name in names.items()}
        super().__init__(model, graph=graph)

    def run(self, inputs: Any, emit: Emit) -> Any:  # type: ignore[override]
        """Run on one batch."""
        self._emit = emit
        values = dict(self._given) | _by_name(self.module, inputs)
        return super().run(*_in_order(self.module, values))

    def run_node(self, n: torch.fx.Node) -> Any:
        """Run a node, and emit its value; the inputs have been emitted already, and constants have no names."""
        value = super().run_node(n)
        if n.op not in ("placeholder", "output") and n in self._names:
            self._emit(self._names[n], value, True)
        return value


def _trace(model: nn.Module, given: Mapping[str, Any]) -> tuple[torch.fx.Graph, dict[torch.fx.Node, str]]:
    """The graph of the model, and the names of its nodes."""
    need("torchvision", 'method="fx"')
    import torchvision.ops
    from torchvision.models.feature_extraction import NodePathTracer

    modules = [c for c in vars(torchvision.ops).values() if isinstance(c, type) and issubclass(c, nn.Module)]
    tracer = NodePathTracer(autowrap_modules=(math, torchvision.ops), leaf_modules=modules)
    kept = {name: value for name, value in given.items() if value is not _VARIES}
    try:
        graph = tracer.trace(model, concrete_args=kept or None)
    except Exception as error:
        raise ValueError(
            f'method="fx" cannot trace {type(model).__name__}: {type(error).__name__}: {error}; it happened at '
            f'{_where(error)}. method="hooks" observes any model'
        ) from error
    return graph, {node: clean(name) for node, name in tracer.node_to_qualname.items()}


_VARIES = object()


def _given_arguments(model: nn.Module, inputs: Any) -> dict[str, Any]:
    """Every argument of ``forward``: `_VARIES` for those that the inputs give, else the default."""
    names = _by_name(model, inputs)
    parameters = inspect.signature(model.forward).parameters
    return {
        name: _VARIES if name in names else parameter.default
        for name, parameter in parameters.items()
        if name in names or parameter.default is not parameter.empty
    }


def _by_name(model: nn.Module, inputs: Any) -> dict[str, Any]:
    """The inputs by the names of the arguments of ``forward``."""
    signature = inspect.signature(model.forward)
    if isinstance(inputs, Mapping):
        return dict(signature.bind(**inputs).arguments)
    several = inputs if isinstance(inputs, (tuple, list)) else (inputs,)
    return dict(signature.bind(*several).arguments)


def _in_order(model: nn.Module, values: Mapping[str, Any]) -> Iterator[Any]:
    """The values of named arguments one by one, also those of ``*args``."""
    parameters = inspect.signature(model.forward).parameters
    for name, value in values.items():
        if parameters[name].kind is inspect.Parameter.VAR_POSITIONAL:
            yield from value
        else:
            yield value


def _where(error: Exception) -> str:
    """The last line of the model's own code that the error passed through."""
    import torchvision.models.feature_extraction

    own = (str(Path(torch.__file__).parent), torchvision.models.feature_extraction.__file__, __file__)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(own)]
    if not frames:
        return "no line of the model's own"
    return f"{frames[-1].filename}, line {frames[-1].lineno}: {frames[-1].line}"
