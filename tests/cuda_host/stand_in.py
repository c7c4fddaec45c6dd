"""A stand-in for CuPy over NumPy, whose arrays refuse to become NumPy arrays unless asked by ``get``.

So a stray ``np.`` in code for CuPy arrays is an error here as it would be on a GPU, and kernels run on the host. An
operation reads and writes denormal float32 numbers as zeros, as CuPy's do, which are compiled with ``-ftz=true``; only
what moves numbers keeps them. There are two devices: an operation outside the device of its arrays is an error.
`Counts` says how much a call launched, made and waited for.
"""

from __future__ import annotations

import contextlib
import dataclasses
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

# Methods of NumPy's that CuPy's arrays have too, as far as hpfunc uses them: those that compute, and those that move.
_COMPUTING = ("all", "any", "argmax", "argmin", "dot", "max", "mean", "min", "sum")
_MOVING = ("copy", "diagonal", "fill", "ravel", "reshape", "transpose", "view")
# Functions that move numbers without an instruction that would flush them.
_MOVERS = {
    "ascontiguousarray", "broadcast_to", "concatenate", "moveaxis", "ravel", "repeat", "reshape", "stack", "take",
    "take_along_axis",
}  # fmt: skip
_OPERATORS = (
    "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "lshift", "rshift",
)  # fmt: skip
_COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")
N_DEVICES = 2


class OutOfMemoryError(MemoryError):
    """What CuPy raises when the device has no memory left."""


class CUBLASError(RuntimeError):
    """What CuPy raises when cuBLAS fails."""

    def __init__(self, status: int) -> None:
        super().__init__(f"CUBLAS_STATUS {status}")
        self.status = status


@dataclasses.dataclass
class Counts:
    """What has happened on the device."""

    launches: int = 0  # of hpfunc's own kernels and of cuBLAS
    operations: int = 0  # of CuPy's own, each a launch too
    arrays: int = 0  # array objects made
    uploads: int = 0  # copies from the host
    waits: int = 0  # copies to the host, for which it waits


counts = Counts()


class Device:
    """One of the devices; inside a ``with`` it is the current one."""

    attributes = {"MaxSharedMemoryPerBlock": 49152, "MaxSharedMemoryPerBlockOptin": 232448}  # noqa: RUF012
    current = 0

    def __init__(self, number: int | None = None) -> None:
        self.id = Device.current if number is None else number
        assert 0 <= self.id < N_DEVICES
        self._before: list[int] = []

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and other.id == self.id

    __hash__ = None  # type: ignore[assignment]

    def __enter__(self) -> Device:
        self._before.append(Device.current)
        Device.current = self.id
        return self

    def __exit__(self, *error: object) -> None:
        Device.current = self._before.pop()


def flushed(array: Any) -> Any:
    """Return an array in which denormal float32 numbers are zeros of their sign."""
    if not isinstance(array, (np.ndarray, np.generic)) or array.dtype != np.float32:
        return array
    denormal = (np.abs(array) < np.finfo(np.float32).tiny) & (array != 0)
    return np.where(denormal, np.copysign(np.float32(0), array), array) if denormal.any() else array


class ndarray:  # noqa: N801
    """A NumPy array that nobody else sees."""

    __array_ufunc__ = None

    def __init__(self, inner: Any) -> None:
        self._inner = np.asarray(inner)
        self._device = Device.current
        counts.arrays += 1

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
    T = property(lambda self: ndarray(_bare(self).T))
    device = property(lambda self: Device(self._device))

    def get(self) -> Any:
        counts.waits += 1
        return self._inner.copy()

    def item(self) -> Any:
        counts.waits += 1
        return self._inner.item()

    def astype(self, dtype: Any, copy: bool = True) -> ndarray:
        if self.dtype == dtype:
            return ndarray(_bare(self).copy()) if copy else self
        counts.operations += 1
        return ndarray(flushed(flushed(_bare(self)).astype(dtype)))

    def __getitem__(self, key: Any) -> ndarray:
        counts.operations += isinstance(key, ndarray)
        return ndarray(_bare(self)[_bare_key(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        counts.operations += 1
        _bare(self)[_bare_key(key)] = _bare(value)

    def __len__(self) -> int:
        return len(self._inner)

    def __iter__(self) -> Iterator[ndarray]:
        return (ndarray(part) for part in _bare(self))

    def __float__(self) -> float:
        counts.waits += 1
        return float(self._inner)

    def __int__(self) -> int:
        counts.waits += 1
        return int(self._inner)

    def __bool__(self) -> bool:
        counts.waits += 1
        return bool(self._inner)

    def __neg__(self) -> ndarray:
        return _computed(operator.neg, self)

    def __abs__(self) -> ndarray:
        return _computed(operator.abs, self)

    def __invert__(self) -> ndarray:
        return _computed(operator.invert, self)


def _bare(value: Any) -> Any:
    """Unwrap arrays of the device, pass numbers as they are, and refuse NumPy's arrays."""
    if isinstance(value, ndarray):
        assert value._device == Device.current, "an array of another device than the current one"
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


def _read(value: Any) -> Any:
    """Return what an instruction reads of an argument."""
    if isinstance(value, (list, tuple)):
        return type(value)(_read(v) for v in value)
    return flushed(_bare(value))


def _computed(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Return what a function computes of arrays of the device, flushed as it is read and written."""
    counts.operations += 1
    return _wrapped(flushed(function(*_read(args), **{key: _read(value) for key, value in kwargs.items()})))


def _method(name: str, *, computing: bool) -> Any:
    def method(self: ndarray, *args: Any, **kwargs: Any) -> Any:
        if computing:
            return _computed(lambda inner, *a, **k: getattr(inner, name)(*a, **k), self, *args, **kwargs)
        bare = {key: _bare(value) for key, value in kwargs.items()}
        return _wrapped(getattr(_bare(self), name)(*_bare(args), **bare))

    return method


def _binary(function: Any, *, swapped: bool = False) -> Any:
    def method(self: ndarray, other: Any) -> ndarray:
        pair = (self, other)
        found: ndarray = _computed(function, *(pair[::-1] if swapped else pair))
        return found

    return method


def _in_place(function: Any) -> Any:
    def method(self: ndarray, other: Any) -> ndarray:
        counts.operations += 1
        _bare(self)[...] = flushed(_read(self))
        before = self._inner
        self._inner = function(before, _read(other))
        assert self._inner is before or self._inner.base is before.base
        self._inner[...] = flushed(self._inner)
        return self

    return method


for _names, _computing in ((_COMPUTING, True), (_MOVING, False)):
    for _name in _names:
        setattr(ndarray, _name, _method(_name, computing=_computing))
for _name in _OPERATORS:
    _function = getattr(operator, _name if hasattr(operator, _name) else f"{_name}_")
    setattr(ndarray, f"__{_name}__", _binary(_function))
    setattr(ndarray, f"__r{_name}__", _binary(_function, swapped=True))
    setattr(ndarray, f"__i{_name}__", _in_place(getattr(operator, f"i{_name}")))
for _name in _COMPARISONS:
    setattr(ndarray, f"__{_name}__", _binary(getattr(operator, _name)))


def make_cupy(
    *, free: int = 2**32, largest: float = math.inf, kept: int = 0, cublas_fails: int = 0, cublas_status: int = 3
) -> types.ModuleType:
    """Make a module to stand at ``sys.modules["cupy"]``.

    Parameters
    ----------
    free : int
        Bytes that the device says are free.
    largest : float
        Allocations of more bytes than this fail.
    kept : int
        Bytes that the pool keeps.
    cublas_fails : int
        So many of the first products fail.
    cublas_status : int
        With this status; 3 is a failed allocation.
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
        return _public(getattr(np, name), moves=name in _MOVERS)

    cupy.__getattr__ = __getattr__  # type: ignore[method-assign]
    cupy.ndarray = ndarray
    cupy.asarray = lambda x, dtype=None: _uploaded(x, dtype) if not isinstance(x, ndarray) else x
    cupy.array = lambda x, dtype=None: _uploaded(x, dtype)
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
    failures = iter(range(cublas_fails))
    cupy.cublas = types.SimpleNamespace(
        gemm=_failing(gemm, failures, cublas_status), syrk=_failing(syrk, failures, cublas_status)
    )
    cupy.RawModule = RawModule
    return cupy


def _host(x: Any) -> Any:
    return _bare(x) if isinstance(x, ndarray) else x


def _uploaded(x: Any, dtype: Any) -> ndarray:
    counts.uploads += not isinstance(x, ndarray)
    return ndarray(np.array(_host(x), dtype))


def _failing(product: Any, failures: Iterator[int], status: int) -> Any:
    def function(*args: Any, **kwargs: Any) -> Any:
        if next(failures, None) is not None:
            raise CUBLASError(status)
        return product(*args, **kwargs)

    return function


def _real_names() -> str:
    """Read the names of the installed CuPy from its source, since importing takes long; empty without CuPy."""
    spec = importlib.util.find_spec("cupy") if "cupy" not in sys.modules else None
    return Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""


_NAMES = _real_names()


def _has(name: str) -> bool:
    """Whether the CuPy that is installed has this name; any, if none is."""
    return not _NAMES or re.search(rf"(import|as) {name}\b", _NAMES) is not None


def _public(attribute: Any, *, moves: bool = False) -> Any:
    """Wrap a function of NumPy for arrays of the device; its methods (``reduceat``, ``at``) are not CuPy's."""
    if not callable(attribute) or isinstance(attribute, type):
        return attribute

    def function(*args: Any, **kwargs: Any) -> Any:
        out = kwargs.pop("out", None)
        if moves:
            result = _wrapped(attribute(*_bare(args), **{key: _bare(value) for key, value in kwargs.items()}))
        else:
            result = _computed(attribute, *args, **kwargs)
        if out is None:
            return result
        out._inner[...] = result._inner
        return out

    if isinstance(attribute, np.ufunc) and attribute.nin == 2:
        function.accumulate = _public(attribute.accumulate)  # type: ignore[attr-defined]
    return function


def gemm(
    transa: str, transb: str, a: ndarray, b: ndarray, out: Any = None, alpha: float = 1.0, beta: float = 0.0
) -> Any:
    """``out = alpha op(a) op(b) + beta out``, as `cupy.cublas.gemm`."""
    assert a.dtype == b.dtype
    counts.launches += 1
    left, right = (flushed(_bare(x) if t == "N" else _bare(x).T) for x, t in ((a, transa), (b, transb)))
    if out is None:
        return ndarray(np.asfortranarray(a.dtype.type(alpha) * (left @ right)))
    assert out.shape == (left.shape[0], right.shape[1])
    assert out.dtype == a.dtype
    before = 0 if beta == 0 else out.dtype.type(beta) * out._inner
    out._inner[...] = flushed(a.dtype.type(alpha) * (left @ right) + before)
    return out


def syrk(trans: str, a: ndarray, out: ndarray, alpha: float = 1.0, beta: float = 0.0, lower: bool = False) -> ndarray:
    """Write one triangle of ``out = alpha a a^T + beta out``, as `cupy.cublas.syrk`, and nothing else of ``out``."""
    assert trans == "N"
    assert out.shape == (len(a), len(a))
    assert out.dtype == a.dtype
    counts.launches += 1
    triangle = np.tril_indices(len(a)) if lower else np.triu_indices(len(a))
    product = flushed(a.dtype.type(alpha) * (flushed(_bare(a)) @ flushed(_bare(a)).T))[triangle]
    out._inner[triangle] = flushed(product + (0 if beta == 0 else out.dtype.type(beta) * _bare(out)[triangle]))
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
        self._device = Device.current

    def __call__(self, grid: Any, block: Any, args: Any, *, shared_mem: int = 0) -> None:
        assert math.prod(block) <= 1024
        assert shared_mem <= self.max_dynamic_shared_size_bytes, "ask for so much shared memory first"
        assert self._device == Device.current, "a kernel of another device than the current one"
        RawModule.seed += 1
        counts.launches += 1
        bare = tuple(_host(arg) for arg in args)
        self._module.launch(self._name, grid, block, bare, shared_mem=shared_mem, seed=RawModule.seed)


@contextlib.contextmanager
def stand_in(**options: Any) -> Iterator[types.ModuleType]:
    """Put the stand-in where `hpfunc` looks for CuPy."""
    before = sys.modules.get("cupy")
    sys.modules["cupy"] = make_cupy(**options)
    try:
        yield sys.modules["cupy"]
    finally:
        del sys.modules["cupy"]
        if before is not None:
            sys.modules["cupy"] = before
