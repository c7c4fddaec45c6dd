"""Keep what a model holds, and put it back in place: attributes, containers, tensors and their values."""

from __future__ import annotations

import array
import random
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

__all__ = ["ModelState"]

# Values that cannot change, or are no part of a model: code, classes, modules of Python.
_FIXED = (
    str, bytes, int, float, complex, bool, type(None), type, torch.dtype, torch.device, torch.layout, torch.Size,
    FunctionType, BuiltinFunctionType, MethodType, ModuleType,
)  # fmt: skip
_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_MISSING = object()


class ModelState:
    """Record the present state of a model, and restore it.

    Reading changes nothing; `restore` may be called again and again, and interrupted.
    Followed are modules (also those in plain lists), containers of Python (dict, list, set, deque, tuple, bytearray,
    array) with the attributes of their subclasses, tensors with their gradients, NumPy arrays, random generators, and
    the attributes of other objects one level deep: further inside, such as in the trainer of a LightningModule, whole
    data sets and other programs begin. Functions and iterators are not followed.

    The values of tensors and arrays are copied, those of other devices to the host, and compared to the last bit:
    torch's version counter does not count writes through ``.data``, a NumPy view or a fused kernel. ``copies`` may pass
    the copies of another state of the same moment, so that nothing is copied twice.
    """

    def __init__(self, model: nn.Module, copies: dict[int, Any] | None = None) -> None:
        self.copies: dict[int, Any] = {} if copies is None else copies
        self._restores: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        # Holds what was seen, so that no new object can have the same id.
        seen: dict[int, Any] = {}
        waiting: list[tuple[Any, bool]] = [(model, True)]
        while waiting:
            value, deeper = waiting.pop()
            if isinstance(value, _FIXED) or id(value) in seen:
                continue
            seen[id(value)] = value
            waiting += self._note(value, deeper)
        self._seen = seen

    def restore(self) -> None:
        """Put back, entry by entry, what differs."""
        for restore, arguments in self._restores:
            restore(*arguments)

    def _note(self, value: Any, deeper: bool) -> Iterator[tuple[Any, bool]]:
        """Note how to restore a value, and yield what it holds; ``deeper`` tells whether objects are followed."""
        if isinstance(value, torch.Tensor):
            yield from self._note_tensor(value, deeper)
        elif isinstance(value, nn.Module):
            self._restores.append((_restore_object, (value, type(value), vars(value))))
            yield vars(value), deeper
        elif isinstance(value, (dict, list, deque, set, tuple, frozenset)):
            yield from ((member, deeper) for member in self._note_container(value))
            # A subclass may have attributes beside its members.
            yield getattr(value, "__dict__", None), deeper
        elif isinstance(value, (bytearray, array.array)):
            self._restores.append((_restore_numbers, (value, value[:])))
        elif isinstance(value, np.ndarray):
            if value.flags.writeable:
                self._restores.append((_restore_array, (value, self._copied(value, np.ndarray.copy))))
            if value.dtype == object:
                yield from ((member, deeper) for member in value.flat)
        elif (generator := _generator(value)) is not None:
            read, write = generator
            self._restores.append((write, (read(),)))
        elif deeper:
            yield from self._note_object(value)

    def _note_container(self, value: Any) -> Iterable[Any]:
        """Note how to restore a container, and return its members."""
        if isinstance(value, dict):
            self._restores.append((_restore_dict, (value, list(value.items()))))
            return list(value.values())
        if isinstance(value, (list, deque)):
            self._restores.append((_restore_sequence, (value, list(value))))
        elif isinstance(value, set):
            self._restores.append((_restore_set, (value, set(value))))
        return tuple(value)

    def _note_object(self, value: Any) -> Iterator[tuple[Any, bool]]:
        """Note the attributes of an object of another class, and yield them without following objects further."""
        if isinstance(getattr(value, "__dict__", None), dict):
            yield value.__dict__, False
        slots = [name for kind in type(value).__mro__ for name in _slots(kind)]
        if slots:
            held = [(name, getattr(value, name, _MISSING)) for name in slots]
            self._restores.append((_restore_slots, (value, held)))
            yield from ((member, False) for _, member in held)

    def _note_tensor(self, tensor: torch.Tensor, deeper: bool) -> Iterator[tuple[Any, bool]]:
        """Note a tensor's memory, values, gradient, hooks and attributes."""
        # It shares the memory, and keeps it where the model exchanges the tensor's data.
        memory = tensor.detach()
        values = self._copied(tensor, lambda _: _values_of(memory))
        self._restores.append((_restore_object, (tensor, type(tensor), vars(tensor))))
        leaf = tensor.is_leaf
        grad = tensor.grad if leaf else None
        hooks = tensor._backward_hooks, getattr(tensor, "_post_accumulate_grad_hooks", None)
        if memory.layout is torch.strided and not memory.is_meta:
            storage = memory.untyped_storage()
            self._restores.append((_restore_size, (storage, storage.nbytes())))
        kept = (tensor, memory, values, leaf, leaf and tensor.requires_grad, grad, hooks)
        self._restores.append((_restore_tensor, kept))
        yield from ((part, deeper) for part in (vars(tensor), grad, *hooks, *_parts(memory)))

    def _copied(self, value: Any, copy: Callable[[Any], Any]) -> Any:
        if id(value) not in self.copies:
            self.copies[id(value)] = copy(value)
        return self.copies[id(value)]


def _values_of(memory: torch.Tensor) -> torch.Tensor | None:
    """Copy the values of a tensor to the host; None for those of `_parts`, and for layouts without plain values."""
    if memory.layout is not torch.strided or memory.is_nested or memory.is_meta:
        return None
    if memory.numel() and not memory.untyped_storage().nbytes():
        # A program that spreads the model over devices has freed this memory.
        return None
    return _without_repeats(memory).to("cpu", copy=True)


def _parts(memory: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return the dense tensors that a sparse one consists of."""
    if memory.layout is torch.sparse_coo:
        return memory._indices(), memory._values()
    if memory.layout in (torch.sparse_csr, torch.sparse_bsr):
        return memory.crow_indices(), memory.col_indices(), memory.values()
    if memory.layout in (torch.sparse_csc, torch.sparse_bsc):
        return memory.ccol_indices(), memory.row_indices(), memory.values()
    return ()


def _restore_size(storage: torch.UntypedStorage, size: int) -> None:
    """Give a storage that was freed or cut its memory back, so that values can be written into it."""
    if storage.nbytes() < size:
        storage.resize_(size)


def _restore_tensor(
    tensor: torch.Tensor,
    memory: torch.Tensor,
    values: torch.Tensor | None,
    leaf: bool,
    requires_grad: bool,
    grad: torch.Tensor | None,
    hooks: tuple[Any, Any],
) -> None:
    if memory.layout is not torch.strided or not tensor.is_set_to(memory):
        tensor.data = memory
    if values is not None:
        own = _without_repeats(memory)
        if not _same_bits(own, values):
            # Outside inference mode a tensor of that mode cannot be written to; other tensors count this as no version.
            if own.is_inference():
                with torch.inference_mode():
                    own.copy_(values)
            else:
                own.data.copy_(values)
    if leaf and not tensor.is_leaf and not tensor._is_view():
        # A gradient was recorded for what was written into it.
        tensor.detach_()
    if tensor.is_leaf:
        if tensor.requires_grad != requires_grad:
            tensor.requires_grad_(requires_grad)
        if tensor.grad is not grad:
            tensor.grad = grad
    if tensor._backward_hooks is not hooks[0]:
        tensor._backward_hooks = hooks[0]
    if getattr(tensor, "_post_accumulate_grad_hooks", None) is not hooks[1]:
        tensor._post_accumulate_grad_hooks = hooks[1]


def _without_repeats(memory: torch.Tensor) -> torch.Tensor:
    """Return the part of an expanded tensor that has memory of its own."""
    if memory.layout is torch.strided:
        for axis, (size, step) in enumerate(zip(memory.shape, memory.stride(), strict=True)):
            if step == 0 and size > 1:
                memory = memory.narrow(axis, 0, 1)
    return memory


def _same_bits(own: torch.Tensor, values: torch.Tensor) -> bool:
    """Tell whether two tensors are equal to the last bit."""
    values = values.to(own.device)
    if own.is_quantized or own.is_conj() or own.is_neg():
        return torch.equal(own, values)
    if own.is_complex():
        own, values = torch.view_as_real(own), torch.view_as_real(values)
    kind = _INTEGERS[own.dtype.itemsize]
    return torch.equal(own.view(kind), values.view(kind))


def _restore_object(value: nn.Module | torch.Tensor, kind: type, attributes: dict[str, Any]) -> None:
    if type(value) is not kind:
        value.__class__ = kind
    if vars(value) is not attributes:
        value.__dict__ = attributes


def _restore_dict(table: dict[Any, Any], items: list[tuple[Any, Any]]) -> None:
    """Put a dict back entry by entry, so that no reader ever finds it empty."""
    if len(table) == len(items) and all(
        key is key_then and value is value_then
        for (key, value), (key_then, value_then) in zip(table.items(), items, strict=True)
    ):
        return
    # The methods of a subclass may do more than to store; OrderedDict keeps an order of its own.
    plain: Any = OrderedDict if isinstance(table, OrderedDict) else dict
    kept = dict(items)
    for key in [key for key in table if key not in kept]:
        plain.__delitem__(table, key)
    for key, value in items:
        if table.get(key, _MISSING) is not value:
            plain.__setitem__(table, key, value)
    if list(table) != list(kept):
        for key, value in items:
            plain.__delitem__(table, key)
            plain.__setitem__(table, key, value)


def _restore_sequence(sequence: Any, members: list[Any]) -> None:
    if len(sequence) == len(members) and all(a is b for a, b in zip(sequence, members, strict=True)):
        return
    if isinstance(sequence, list):
        list.__setitem__(sequence, slice(None), members)
    else:
        sequence.clear()
        sequence.extend(members)


def _restore_set(found: set[Any], members: set[Any]) -> None:
    if found != members:
        set.update(found, members)
        set.intersection_update(found, members)


def _restore_numbers(numbers: Any, values: Any) -> None:
    if bytes(numbers) != bytes(values):
        numbers[:] = values


def _restore_array(own: np.ndarray[Any, Any], values: np.ndarray[Any, Any]) -> None:
    if not own.flags.writeable:
        own.setflags(write=True)
    if own.shape != values.shape:
        own.shape = values.shape
    if own.dtype.hasobject or own.tobytes() != values.tobytes():
        own[...] = values


def _restore_slots(value: Any, held: list[tuple[str, Any]]) -> None:
    for name, member in held:
        if getattr(value, name, _MISSING) is member:
            continue
        if member is _MISSING:
            object.__delattr__(value, name)
        else:
            object.__setattr__(value, name, member)


def _slots(kind: type) -> Iterable[str]:
    slots = kind.__dict__.get("__slots__", ())
    names = (slots,) if isinstance(slots, str) else tuple(slots)
    return (name for name in names if name not in ("__dict__", "__weakref__"))


def _generator(value: Any) -> tuple[Callable[[], Any], Callable[[Any], Any]] | None:
    """Return how to read and write the state of a random generator, or None for another object."""
    if isinstance(value, torch.Generator):
        return value.get_state, value.set_state
    if isinstance(value, random.Random):
        return value.getstate, value.setstate
    if isinstance(value, np.random.RandomState):
        return value.get_state, value.set_state
    if isinstance(value, np.random.Generator):
        bits = value.bit_generator
        return lambda: bits.state, lambda state: setattr(bits, "state", state)
    return None
