"""Runs CUDA kernels on the host: their texts compiled with g++ behind ``shim.h``."""

from __future__ import annotations

import ctypes
import functools
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")

_KERNEL = re.compile(r'extern "C" __global__ void (?:__launch_bounds__\([^)]*\) )?(\w+)\(')
# The one instruction of PTX in the kernels: it widens a float32 without flushing it.
_WIDENED = re.compile(r'asm\("cvt\.f64\.f32 %0, %1;" : "=d"\((\w+)\) : "f"\((\w+)\)\);')
_DYNAMIC = re.compile(r"extern __shared__ (\w+) (\w+)\[\];")
_ENTRY = """
static void **args_{0};
extern "C" const char *launch_{0}(const unsigned *shape, void **args, size_t dynamic, unsigned seed) {{
  args_{0} = args;
  return launch([] {{ call({0}, args_{0}); }}, shape, dynamic, seed);
}}
extern "C" size_t sizes_{0}(size_t *sizes) {{
  auto all = sizes_of({0});
  for (size_t i = 0; i < all.size(); ++i) sizes[i] = all[i];
  return all.size();
}}
"""


@functools.cache
def _compile(source: str, defines: tuple[str, ...]) -> tuple[ctypes.CDLL, tuple[str, ...]]:
    """Compile the kernels in a text to a shared library; return it and their names."""
    folder = Path(tempfile.mkdtemp(prefix="cuda_host"))
    names = tuple(_KERNEL.findall(source))
    text = _DYNAMIC.sub(r"\1 *\2 = (\1 *)host::dynamic_memory.data();", source)
    text = _WIDENED.sub(r"\1 = host::exact(\2);", text)
    shim = Path(__file__).with_name("shim.h").read_text(encoding="utf-8")
    (folder / "kernel.cpp").write_text(
        "\n".join([shim, text, *(_ENTRY.format(name) for name in names)]), encoding="utf-8"
    )
    command = ["g++", "-std=c++17", "-O1", "-ffp-contract=off", "-shared", "-fPIC", "-w", *defines]
    done = subprocess.run(
        [*command, "-o", folder / "kernel.so", folder / "kernel.cpp"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ValueError(f"g++ refuses the text:\n{done.stderr}")
    library = ctypes.CDLL(str(folder / "kernel.so"))
    shutil.rmtree(folder)
    return library, names


class HostModule:
    """Kernels compiled for the host."""

    def __init__(self, source: str, options: tuple[str, ...] = ()) -> None:
        self._library, self.names = _compile(source, tuple(o for o in options if o.startswith("-D")))

    def launch(
        self, name: str, grid: tuple[int, ...], block: tuple[int, ...], args: tuple[Any, ...], *,
        shared_mem: int = 0, seed: int = 0,
    ) -> None:  # fmt: skip
        """Run a kernel on NumPy arrays (by address, contiguous), NumPy scalars by their type, Python's as CuPy does."""
        values = [_c_value(arg) for arg in args]
        sizes = (ctypes.c_size_t * 64)()
        count = self._library[f"sizes_{name}"](sizes)
        given = [ctypes.sizeof(value) for value in values]
        if given != list(sizes[:count]):
            raise TypeError(f"{name} takes parameters of {list(sizes[:count])} bytes and was given {given}")
        addresses = (ctypes.c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
        shape = (ctypes.c_uint * 6)(*(*grid, 1, 1)[:3], *(*block, 1, 1)[:3])
        entry = self._library[f"launch_{name}"]
        entry.restype = ctypes.c_char_p
        error = entry(shape, addresses, ctypes.c_size_t(shared_mem), ctypes.c_uint(seed))
        if error:
            raise RuntimeError(f"{name}: {error.decode()}")


def _c_value(arg: Any) -> Any:
    """Convert an argument to the C value that a kernel gets."""
    if isinstance(arg, np.ndarray):
        assert arg.flags.c_contiguous, "a kernel takes contiguous arrays"
        return ctypes.c_void_p(arg.ctypes.data)
    if isinstance(arg, np.generic):
        return np.ctypeslib.as_ctypes_type(arg.dtype)(arg.item())
    assert not isinstance(arg, bool), "say of which type a flag is"
    return ctypes.c_double(arg) if isinstance(arg, float) else ctypes.c_longlong(arg)
