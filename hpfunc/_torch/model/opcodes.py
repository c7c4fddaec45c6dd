"""Read a pickle as a list of opcodes: find the tensors that it describes, and create none of its objects.

Python's own unpickler imports what a file names and calls it. Here the opcodes only put plain values, descriptions of
tensors and marks for skipped objects on a stack, within limits on bytes, opcodes, depth and names.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any

import torch

from hpfunc._torch.model.specs import (
    LARGEST_NUMBER,
    Container,
    Name,
    Skipped,
    StorageSpec,
    TensorSpec,
    entries_of,
)

__all__ = ["LARGEST_PICKLE", "read_opcodes"]

# A tensor takes 30 opcodes and 100 bytes, and a checkpoint of Adam has three for each weight.
LARGEST_PICKLE = 2**24
_MOST_OPCODES = 400_000
# Python puts the entries of lists and dicts on the stack by thousands, and only those of a tuple all at once.
_LARGEST_STACK = 50_000
_MOST_NAMES = 1000

# The dtypes of the storage classes that torch has had.
_STORAGES = {
    "DoubleStorage": torch.float64, "FloatStorage": torch.float32, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8, "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64, "ComplexDoubleStorage": torch.complex128, "UntypedStorage": torch.uint8,
    "QInt8Storage": torch.int8, "QUInt8Storage": torch.uint8, "QInt32Storage": torch.int32,
    "QUInt4x2Storage": torch.uint8, "QUInt2x4Storage": torch.uint8,
}  # fmt: skip


def read_opcodes(stream: Any) -> tuple[Any, dict[str, StorageSpec]]:
    """Read one pickle from a stream, up to its end, and return what it describes.

    Returns
    -------
    root : str, int, float, bytes, None, Container, TensorSpec or Skipped
        The object that the pickle would make.
    storages : dict of StorageSpec
        Every storage that it names, by its key.

    Raises
    ------
    ValueError
        If the pickle is damaged, or exceeds a limit; the message completes "the file is refused, since".
    """
    machine = _Machine()
    for count, (opcode, argument, _) in enumerate(pickletools.genops(stream), 1):
        if count > _MOST_OPCODES:
            raise ValueError(f"its pickle has more than {_MOST_OPCODES:,} opcodes")
        if len(machine.stack) > _LARGEST_STACK or len(machine.marks) > _LARGEST_STACK:
            raise ValueError(f"its pickle puts more than {_LARGEST_STACK:,} objects on its stack")
        step = _STEPS.get(opcode.name)
        try:
            if step is not None:
                step(machine, argument)
            elif opcode.name in _CONSTANTS:
                machine.stack.append(_CONSTANTS[opcode.name])
            elif opcode.arg is not None and opcode.stack_after:
                machine.stack.append(argument)
            elif opcode.name not in _NOTHING:
                raise ValueError(f"its pickle has the opcode {opcode.name}, which torch.save does not write")
        except (IndexError, KeyError):
            raise ValueError("its pickle takes what it has not made") from None
        except TypeError:
            raise ValueError("its pickle calls a function with other arguments than torch.save writes") from None
    if len(machine.stack) != 1:
        raise ValueError("its pickle leaves more than one object")
    return machine.stack[0], machine.storages


_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_NOTHING = frozenset({"PROTO", "FRAME", "STOP"})


class _Machine:
    """Hold the stack, the marks on it, the memo, and the names met so far."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.names: dict[str, Name] = {}
        self.storages: dict[str, StorageSpec] = {}

    def since_mark(self) -> list[Any]:
        """Take what has been put on the stack since the last mark."""
        start = self.marks.pop()
        taken = self.stack[start:]
        del self.stack[start:]
        return taken

    def name(self, text: str) -> Name:
        """Return the mark of a class or function, one for each name."""
        if text not in self.names:
            if len(self.names) >= _MOST_NAMES:
                raise ValueError(f"its pickle names more than {_MOST_NAMES:,} classes and functions")
            self.names[text] = Name(text)
        return self.names[text]

    def remember(self, place: Any) -> None:
        """Put the top of the stack into the memo."""
        if not 0 <= int(place) < 2**32:
            raise ValueError("its pickle numbers an object that far up")
        self.memo[int(place)] = self.stack[-1]


def _put(machine: _Machine, kind: str, entries: list[Any]) -> None:
    machine.stack.append(Container(kind, entries))


def _pairs(entries: list[Any]) -> list[Any]:
    """Return alternating keys and values as pairs."""
    return list(zip(entries[::2], entries[1::2], strict=True))


def _tuple_of(count: int) -> Callable[[_Machine, Any], None]:
    def step(machine: _Machine, argument: Any) -> None:
        entries = [machine.stack.pop() for _ in range(count)][::-1]
        _put(machine, "tuple", entries)

    return step


def _from_mark(kind: str) -> Callable[[_Machine, Any], None]:
    def step(machine: _Machine, argument: Any) -> None:
        entries = machine.since_mark()
        _put(machine, kind, _pairs(entries) if kind == "dict" else entries)

    return step


def _add(machine: _Machine, entries: list[Any], kinds: tuple[str, ...]) -> None:
    """Add entries to the container on the top of the stack; what is skipped has none."""
    target = machine.stack[-1]
    if isinstance(target, Container) and target.kind in kinds:
        target.extend(entries)
    elif not isinstance(target, Skipped):
        raise ValueError("its pickle adds entries to what is no container")


def _append(machine: _Machine, argument: Any) -> None:
    entry = machine.stack.pop()
    _add(machine, [entry], ("list",))


def _set_item(machine: _Machine, argument: Any) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    _add(machine, [(key, value)], ("dict",))


def _build(machine: _Machine, argument: Any) -> None:
    state, target = machine.stack.pop(), machine.stack[-1]
    if isinstance(target, Container) and target.kind == "dict":
        target.state = state


def _call(machine: _Machine, argument: Any) -> None:
    arguments, function = machine.stack.pop(), machine.stack.pop()
    machine.stack.append(_result(function, entries_of(arguments)))


def _call_with_options(machine: _Machine, argument: Any) -> None:
    machine.stack.pop()
    _call(machine, argument)


def _call_at_mark(machine: _Machine, argument: Any) -> None:
    function, *_ = machine.since_mark()
    machine.stack.append(Skipped(function.name if isinstance(function, Skipped) else "an object"))


def _named_call(machine: _Machine, argument: Any) -> None:
    machine.since_mark()
    machine.stack.append(Skipped(machine.name(_dotted(argument)).name))


def _stack_name(machine: _Machine, argument: Any) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        raise ValueError("its pickle names a function by what is no string")
    machine.stack.append(machine.name(f"{module:.200}.{name:.200}"))


def _persistent(machine: _Machine, argument: Any) -> None:
    entries = entries_of(machine.stack.pop())
    if len(entries) < 5:
        raise ValueError("it names a storage that torch does not have")
    kind, storage, key, _, count, *view = entries
    dtype = _STORAGES.get(storage.name.rpartition(".")[2]) if isinstance(storage, Name) else None
    if kind != "storage" or dtype is None or type(count) is not int or not 0 <= count < LARGEST_NUMBER:
        raise ValueError("it names a storage that torch does not have")
    if view and view[0] is not None:
        raise ValueError("it has a storage that is part of another, as torch wrote before 0.4; save it again")
    if not isinstance(key, (str, int)) or (isinstance(key, int) and not 0 <= key < LARGEST_NUMBER):
        raise ValueError("it names a storage that torch does not have")
    spec = StorageSpec(str(key), dtype, count)
    first = machine.storages.setdefault(spec.key, spec)
    if (first.dtype, first.count) != (spec.dtype, spec.count):
        raise ValueError(f"its storage {spec.key!r:.50} is declared in two ways")
    machine.stack.append(first)


def _refused(words: str) -> Callable[[_Machine, Any], None]:
    def step(machine: _Machine, argument: Any) -> None:
        raise ValueError(words)

    return step


def _result(function: Any, arguments: list[Any]) -> Any:
    """Return what a call of the pickle stands for: a tensor, a dict, or something that is skipped."""
    name = function.name if isinstance(function, Skipped) else "an object"
    if name in ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor"):
        return TensorSpec(*arguments[:4])
    if name == "torch._utils._rebuild_tensor_v3":
        storage, offset, shape, stride, _, _, dtype, *_ = arguments
        return TensorSpec(storage, offset, shape, stride, dtype)
    if name in ("torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"):
        return arguments[0]
    if name == "torch._tensor._rebuild_from_type_v2":
        return _result(arguments[0], entries_of(arguments[2]))
    if name in ("collections.OrderedDict", "collections.defaultdict", "builtins.dict", "__builtin__.dict"):
        given = [argument for argument in arguments if isinstance(argument, Container)]
        pairs = [tuple(entries_of(pair)) for pair in given[0].entries] if given and given[0].kind == "list" else []
        return Container("dict", [pair for pair in pairs if len(pair) == 2])
    return Skipped(name)


def _dotted(argument: str) -> str:
    return argument.replace(" ", ".", 1)[:400]


_STEPS: dict[str, Callable[[_Machine, Any], Any]] = {
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "POP": lambda machine, _: machine.stack.pop(),
    "POP_MARK": lambda machine, _: machine.since_mark(),
    "DUP": lambda machine, _: machine.stack.append(machine.stack[-1]),
    "EMPTY_DICT": lambda machine, _: _put(machine, "dict", []),
    "EMPTY_LIST": lambda machine, _: _put(machine, "list", []),
    "EMPTY_TUPLE": lambda machine, _: _put(machine, "tuple", []),
    "EMPTY_SET": lambda machine, _: _put(machine, "set", []),
    "TUPLE": _from_mark("tuple"),
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "LIST": _from_mark("list"),
    "DICT": _from_mark("dict"),
    "FROZENSET": _from_mark("set"),
    "APPEND": _append,
    "APPENDS": lambda machine, _: _add(machine, machine.since_mark(), ("list",)),
    "SETITEM": _set_item,
    "SETITEMS": lambda machine, _: _add(machine, _pairs(machine.since_mark()), ("dict",)),
    "ADDITEMS": lambda machine, _: _add(machine, machine.since_mark(), ("set",)),
    "BUILD": _build,
    "REDUCE": _call,
    "NEWOBJ": _call,
    "NEWOBJ_EX": _call_with_options,
    "OBJ": _call_at_mark,
    "INST": _named_call,
    "GLOBAL": lambda machine, argument: machine.stack.append(machine.name(_dotted(argument))),
    "STACK_GLOBAL": _stack_name,
    "BINPERSID": _persistent,
    "PERSID": _refused("its pickle has the opcode PERSID, which torch.save does not write"),
    "GET": lambda machine, argument: machine.stack.append(machine.memo[int(argument)]),
    "BINGET": lambda machine, argument: machine.stack.append(machine.memo[argument]),
    "LONG_BINGET": lambda machine, argument: machine.stack.append(machine.memo[argument]),
    "PUT": lambda machine, argument: machine.remember(argument),
    "BINPUT": lambda machine, argument: machine.remember(argument),
    "LONG_BINPUT": lambda machine, argument: machine.remember(argument),
    "MEMOIZE": lambda machine, _: machine.remember(len(machine.memo)),
    "EXT1": _refused("its pickle has a registered extension, which torch.save does not write"),
    "EXT2": _refused("its pickle has a registered extension, which torch.save does not write"),
    "EXT4": _refused("its pickle has a registered extension, which torch.save does not write"),
    "NEXT_BUFFER": _refused("its pickle has buffers beside it, which torch.save does not write"),
    "READONLY_BUFFER": _refused("its pickle has buffers beside it, which torch.save does not write"),
}
