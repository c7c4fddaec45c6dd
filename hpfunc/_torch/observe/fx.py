"""Observe a model through its traced graph: every operation, also those that are not modules."""

from __future__ import annotations

import inspect
import math
import re
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.fx
from torch import nn

from hpfunc._support.optional import need
from hpfunc._torch.observe.names import CallNames, clean
from hpfunc._torch.observe.recorder import MASK, Emit, Record, as_taken, mask_in

__all__ = ["traced"]


def traced(model: nn.Module) -> Record:
    """Return a recorder that runs the model's graph node by node, and emits each node's value as it comes.

    A node of a module has the module's own name, any other node the name that torchvision's feature extraction gives
    it. All nodes run, in their order: nothing is eliminated or fused, and an in-place operation comes after its input
    was emitted.
    """
    graphs: list[_Graph] = []

    def record(inputs: Any, emit: Emit) -> Any:
        # The first inputs tell which arguments of forward() are given, and which keep their defaults.
        if not graphs:
            graphs.append(_Graph(model, inputs))
        return graphs[0].run(inputs, emit)

    return record


class _Graph(torch.fx.Interpreter):
    """Run a traced model node by node."""

    def __init__(self, model: nn.Module, inputs: Any) -> None:
        self._given = _given_arguments(model, inputs)
        graph, self._names = _trace(model, self._given)
        self._model = model
        # Tracing may put constants on the model, which is put back; the graph's own module keeps them.
        super().__init__(torch.fx.GraphModule(model, graph))

    def run(self, inputs: Any, emit: Emit) -> Any:  # type: ignore[override]
        """Run on one batch."""
        self._emit = emit
        values = dict(self._given) | _by_name(self._model, inputs)
        emit(MASK, mask_in(values), ())
        return super().run(*_in_order(self._model, values))

    def run_node(self, n: torch.fx.Node) -> Any:
        """Run a node, and emit its value; the inputs have been emitted already, and constants have no names."""
        value = super().run_node(n)
        if n.op not in ("placeholder", "output") and n in self._names:
            self._emit(self._names[n], value, ())
        return value


def _trace(model: nn.Module, given: Mapping[str, Any]) -> tuple[torch.fx.Graph, dict[torch.fx.Node, str]]:
    """Return the graph of the model, and the names of its nodes."""
    need("torchvision", 'method="fx"')
    import torchvision.ops
    from torchvision.models.feature_extraction import NodePathTracer

    modules = [c for c in vars(torchvision.ops).values() if isinstance(c, type) and issubclass(c, nn.Module)]
    tracer = NodePathTracer(autowrap_modules=(math, torchvision.ops), leaf_modules=modules)
    kept = {name: value for name, value in given.items() if value is not _VARIES}
    patched = [vars(math), vars(torchvision.ops), getattr(type(model).forward, "__globals__", {})]
    try:
        graph = _trace_unpatched(tracer, model, kept or None, patched)
    except Exception as error:
        raise ValueError(
            f'method="fx" cannot trace {type(model).__name__}: {type(error).__name__}: {error}; it happened at '
            f'{_where(error)}. method="hooks" observes any model'
        ) from error
    return graph, _node_names(model, tracer.node_to_qualname)


def _trace_unpatched(tracer: Any, model: nn.Module, given: Any, patched: list[dict[str, Any]]) -> torch.fx.Graph:
    """Trace a model, and undo, also after an interrupt, what torch patches meanwhile for the whole process."""
    symbolic = torch.fx._symbolic_trace
    tables = [*patched, vars(symbolic), *symbolic._wrapped_fns_to_patch.values()]
    before = [(table, dict(table)) for table in tables]
    methods = {name: getattr(nn.Module, name) for name in ("__call__", "__getattr__")}
    try:
        graph: torch.fx.Graph = tracer.trace(model, concrete_args=given)
        return graph
    finally:
        for name, method in methods.items():
            if getattr(nn.Module, name) is not method:
                setattr(nn.Module, name, method)
        for table, entries in before:
            for name, value in entries.items():
                if table.get(name) is not value:
                    table[name] = value


def _node_names(model: nn.Module, qualified: Mapping[torch.fx.Node, str]) -> dict[torch.fx.Node, str]:
    """Name the nodes: a module by its own name, another operation by torchvision's.

    Torchvision takes the ending ``_<number>`` off every name and counts anew: the module ``fc_2`` would become ``fc``
    or ``fc_1``.
    """
    calls = CallNames([clean(name) for name, _ in model.named_modules()])
    names = {}
    for node, name in qualified.items():
        if node.op == "call_module":
            names[node] = calls.next(clean(str(node.target)))
        else:
            names[node] = calls.next(clean(re.sub(r"_[0-9]+$", "", name)), module=False)
    return names


_VARIES = object()


def _given_arguments(model: nn.Module, inputs: Any) -> dict[str, Any]:
    """Map each argument of ``forward`` to `_VARIES` if the inputs give it, else to its default."""
    names = _by_name(model, inputs)
    parameters = inspect.signature(model.forward).parameters
    return {
        name: _VARIES if name in names else parameter.default
        for name, parameter in parameters.items()
        if name in names or parameter.default is not parameter.empty
    }


def _by_name(model: nn.Module, inputs: Any) -> dict[str, Any]:
    """Map the names of the arguments of ``forward`` to the inputs."""
    signature = inspect.signature(model.forward)
    if isinstance(inputs, Mapping):
        args, options = as_taken(model, inputs)
        return dict(signature.bind(*args, **options).arguments)
    several = inputs if isinstance(inputs, (tuple, list)) else (inputs,)
    return dict(signature.bind(*several).arguments)


def _in_order(model: nn.Module, values: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the values of named arguments one by one, also those of ``*args``."""
    parameters = inspect.signature(model.forward).parameters
    for name, value in values.items():
        if parameters[name].kind is inspect.Parameter.VAR_POSITIONAL:
            yield from value
        else:
            yield value


def _where(error: Exception) -> str:
    """Quote the last line of the model's own code that the error passed through."""
    import torchvision.models.feature_extraction

    own = (str(Path(torch.__file__).parent), torchvision.models.feature_extraction.__file__, __file__)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(own)]
    if not frames:
        return "no line of the model's own"
    return f"{frames[-1].filename}, line {frames[-1].lineno}: {frames[-1].line}"
