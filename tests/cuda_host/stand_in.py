"""A stand-in for CuPy over NumPy, whose arrays refuse to become NumPy arrays unless asked by ``get``.

So a stray ``np.`` in code for CuPy arrays is an error here as it would be on a GPU, and kernels run on the host.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import math
import operator
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.cuda_host import HostModule

# Methods of NumPy's that CuPy's arrays have too, as far as hpfunc uses them.
_METHODS = (
    "all", "any", "argmax", "argmin", "copy", "diagonal", "dot", "fill", "max", "mean", "min", "ravel", "reshape",
    "sum", "transpose", "view",
)  # fmt: skip
_OPERATORS = (
    "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "lshift", "rshift",
)  # fmt: skip
_COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")


class OutOfMemoryError(MemoryError):
    """What CuPy raises when the device has no memory left."""


class Device:
    """The one device there is."""

    id = 0
    attributes = {"MaxSharedMemoryPerBlock": 49152, "MaxSharedMemoryPerBlockOptin": 232448}  # noqa: RUF012

    def __init__(self, number: int = 0) -> None:
        assert number == 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device)

    __hash__ = None  # type: ignore[assignment]

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *error: object) -> None:
        pass


class ndarray:  # noqa: N801
    """A NumPy array that nobody else sees."""

    __array_ufunc__ = None

    def __init__(self, inner: Any) -> None:
        self._inner = np.asarray(inner)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    def __array_function__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("a function of NumPy's was called with an array that lives on the device")

    shape = property(lambda self: self._inner.shape)
    dtype = property(lambda self: self._inner.dtype)
    size = property(lambda self: self._inner.size)
    ndim = property(lambda self: self._inner.ndim)
    nbytes = property(lambda self: self._inner.nbytes)
    flags = property(lambda self: self._inner.flags)
    T = property(lambda self: ndarray(self._inner.T))
    device = property(lambda self: Device())

    def get(self) -> Any:
        return self._inner.copy()

    def item(self) -> Any:
        return self._inner.item()

    def astype(self, dtype: Any, copy: bool = True) -> ndarray:
        return ndarray(self._inner.astype(dtype, copy=copy))

    def __getitem__(self, key: Any) -> ndarray:
        return ndarray(self._inner[_bare_key(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        self._inner[_bare_key(key)] = _bare(value)

    def __len__(self) -> int:
        return len(self._inner)

    def __iter__(self) -> Iterator[ndarray]:
        return (ndarray(part) for part in self._inner)

    def __float__(self) -> float:
        return float(self._inner)

    def __int__(self) -> int:
        return int(self._inner)

    def __bool__(self) -> bool:
        return bool(self._inner)

    def __neg__(self) -> ndarray:
        return ndarray(-self._inner)

    def __abs__(self) -> ndarray:
        return ndarray(abs(self._inner))

    def __invert__(self) -> ndarray:
        return ndarray(~self._inner)


def _bare(value: Any) -> Any:
    """What an argument stands for: arrays of the device unwrapped, numbers as they are, NumPy's arrays refused."""
    if isinstance(value, ndarray):
        return value._inner
    if isinstance(value, np.ndarray) and value.ndim:
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    if isinstance(value, (list, tuple)):
        return type(value)(_bare(v) for v in value)
    return value


def _bare_key(key: Any) -> Any:
    return tuple(_bare(k) for k in key) if isinstance(key, tuple) else _bare(key)


def _wrapped(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_wrapped(v) for v in value)
    return ndarray(value) if isinstance(value, (np.ndarray, np.generic)) else value


def _method(name: str) -> Any:
    def method(self: ndarray, *args: Any, **kwargs: Any) -> Any:
        bare = {key: _bare(value) for key, value in kwargs.items()}
        return _wrapped(getattr(self._inner, name)(*_bare(args), **bare))

    return method


def _binary(function: Any, *, swapped: bool = False) -> Any:
    def method(self: ndarray, other: Any) -> ndarray:
        pair = (self._inner, _bare(other))
        return ndarray(function(*(pair[::-1] if swapped else pair)))

    return method


def _in_place(function: Any) -> Any:
    def method(self: ndarray, other: Any) -> ndarray:
        before = self._inner
        self._inner = function(before, _bare(other))
        assert self._inner is before or self._inner.base is before.base
        return self

    return method


for _name in _METHODS:
    setattr(ndarray, _name, _method(_name))
for _name in _OPERATORS:
    _function = getattr(operator, _name if hasattr(operator, _name) else f"{_name}_")
    setattr(ndarray, f"__{_name}__", _binary(_function))
    setattr(ndarray, f"__r{_name}__", _binary(_function, swapped=True))
    setattr(ndarray, f"__i{_name}__", _in_place(getattr(operator, f"i{_name}")))
for _name in _COMPARISONS:
    setattr(ndarray, f"__{_name}__", _binary(getattr(operator, _name)))


def make_cupy(*, free: int = 2**32, largest: float = math.inf, kept: int = 0) -> types.ModuleType:
    """A module to stand at ``sys.modules["cupy"]``.

    Parameters
    ----------
    free : int
        Bytes that the device says are free.
    largest : float
        Allocations of more bytes than this fail.
    kept : int
        Bytes that the pool keeps.
    """
    cupy = types.ModuleType("cupy")

    def made(array: Any) -> ndarray:
        if array.nbytes > largest:
            raise OutOfMemoryError(f"Out of memory allocating {array.nbytes:,} bytes")
        return ndarray(array)

    def make(function: Any, *args: Any, **kwargs: Any) -> ndarray:
        return made(function(*_bare(args), **kwargs))

    def __getattr__(name: str) -> Any:  # noqa: N807
        if name.startswith("__") or not _has(name):
            raise AttributeError(f"module 'cupy' has no attribute {name!r}")
        return _public(getattr(np, name))

    cupy.__getattr__ = __getattr__  # type: ignore[method-assign]
    cupy.ndarray = ndarray
    cupy.asarray = lambda x, dtype=None: ndarray(np.array(_host(x), dtype)) if not isinstance(x, ndarray) else x
    cupy.array = lambda x, dtype=None: ndarray(np.array(_host(x), dtype))
    cupy.asnumpy = lambda x: x.get()
    for name in ("empty", "zeros", "ones", "full", "arange"):
        setattr(cupy, name, functools.partial(make, getattr(np, name)))
    cupy.linalg = types.SimpleNamespace(eigh=_public(np.linalg.eigh), norm=_public(np.linalg.norm))
    pool = types.SimpleNamespace(kept=kept, free_bytes=lambda: pool.kept, total_bytes=lambda: pool.kept)
    pool.free_all_blocks = lambda: setattr(pool, "kept", 0)
    cupy.get_default_memory_pool = lambda: pool
    cupy.cuda = types.SimpleNamespace(
        Device=Device,
        memory=types.SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
        runtime=types.SimpleNamespace(memGetInfo=lambda: (free, 2 * free)),
        Event=lambda: types.SimpleNamespace(record=lambda: None, synchronize=lambda: None),
        get_elapsed_time=lambda begin, end: 1.0,
    )
    cupy.cublas = types.SimpleNamespace(gemm=gemm)
    cupy.RawModule = RawModule
    return cupy


def _host(x: Any) -> Any:
    return x._inner if isinstance(x, ndarray) else x


def _real_names() -> str:
    """The text that names what the CuPy that is installed has; importing it would take long. Empty without one."""
    spec = importlib.util.find_spec("cupy") if "cupy" not in sys.modules else None
    return Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""


_NAMES = _real_names()


def _has(name: str) -> bool:
    """Whether the CuPy that is installed has this name; any, if none is."""
    return not _NAMES or re.search(rf"(import|as) {name}\b", _NAMES) is not None


def _public(attribute: Any) -> Any:
    """A function of NumPy's for arrays of the device; its methods (``reduceat``, ``at``) are not CuPy's."""
    if not callable(attribute) or isinstance(attribute, type):
        return attribute

    def function(*args: Any, **kwargs: Any) -> Any:
        out = kwargs.get("out")
        result = attribute(*_bare(args), **{key: _bare(value) for key, value in kwargs.items()})
        return out if out is not None else _wrapped(result)

    if isinstance(attribute, np.ufunc) and attribute.nin == 2:
        function.accumulate = _public(attribute.accumulate)  # type: ignore[attr-defined]
    return function


def gemm(
    transa: str, transb: str, a: ndarray, b: ndarray, out: Any = None, alpha: float = 1.0, beta: float = 0.0
) -> Any:
    """``out = alpha op(a) op(b) + beta out``, as `cupy.cublas.gemm`."""
    assert a.dtype == b.dtype
    left, right = (x._inner if t == "N" else x._inner.T for x, t in ((a, transa), (b, transb)))
    if out is None:
        return ndarray(np.asfortranarray(a.dtype.type(alpha) * (left @ right)))
    assert out.shape == (left.shape[0], right.shape[1])
    assert out.dtype == a.dtype
    before = 0 if beta == 0 else out.dtype.type(beta) * out._inner
    out._inner[...] = a.dtype.type(alpha) * (left @ right) + before
    return out


class RawModule:
    """Kernels, run by the shim in an order of threads that changes with each launch."""

    seed = 0

    def __init__(self, code: str, options: tuple[str, ...] = ()) -> None:
        self._module = HostModule(code, options)

    def get_function(self, name: str) -> Any:
        return Kernel(self._module, name)


class Kernel:
    """A function of a `RawModule`."""

    def __init__(self, module: HostModule, name: str) -> None:
        self._module, self._name, self.max_dynamic_shared_size_bytes = module, name, 40 * 1024

    def __call__(self, grid: Any, block: Any, args: Any, *, shared_mem: int = 0) -> None:
        assert math.prod(block) <= 1024
        assert shared_mem <= self.max_dynamic_shared_size_bytes, "ask for so much shared memory first"
        RawModule.seed += 1
        bare = tuple(_host(arg) for arg in args)
        self._module.launch(self._name, grid, block, bare, shared_mem=shared_mem, seed=RawModule.seed)


@contextlib.contextmanager
def stand_in(**options: Any) -> Iterator[types.ModuleType]:
    """The stand-in, where `hpfunc` looks for CuPy."""
    before = sys.modules.get("cupy")
    sys.modules["cupy"] = make_cupy(**options)
    try:
        yield sys.modules["cupy"]
    finally:
        del sys.modules["cupy"]
        if before is not None:
            sys.modules["cupy"] = before
