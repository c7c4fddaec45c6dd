"""Compiles kernels for a GPU that need not be there, with the compiler that torch's or CuPy's CUDA packages bring."""

from __future__ import annotations

import ctypes
import functools
import re
import sys
from pathlib import Path
from typing import NamedTuple

import pytest


class Usage(NamedTuple):
    """What a kernel takes of a multiprocessor."""

    registers: int
    spilled: int  # bytes stored and loaded because there were too few


@functools.cache
def library() -> ctypes.CDLL | None:
    """The newest NVRTC among the packages that are installed."""
    found = [
        path
        for folder in map(Path, sys.path)
        for path in (folder / "nvidia").glob("*/lib/libnvrtc.so.*")
        if re.fullmatch(r"libnvrtc\.so\.\d+(\.\d+)?", path.name)
    ]
    for path in sorted(found, key=lambda path: path.name, reverse=True):
        try:
            return ctypes.CDLL(str(path))
        except OSError:
            continue
    return None


def compile_for(source: str, defines: tuple[str, ...], architecture: str) -> dict[str, Usage]:
    """Compile for an architecture such as ``sm_90``; what each kernel takes, where the compiler tells.

    Raises
    ------
    ValueError
        With the compiler's words, for a text that it refuses.
    """
    nvrtc = library()
    if nvrtc is None:
        pytest.skip("no NVRTC among the installed packages")
    program = ctypes.c_void_p()
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernel.cu", 0, None, None) == 0
    options = (f"-arch={architecture}", "--std=c++17", "--ptxas-options=-v", *defines)
    failed = nvrtc.nvrtcCompileProgram(
        program, len(options), (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    )
    size = ctypes.c_size_t()
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    text = log.value.decode()
    if failed or "warning" in text:
        raise ValueError(text)
    return _usage(text)


def _usage(log: str) -> dict[str, Usage]:
    """What the assembler reports: for each kernel its registers, and spills, with those of functions it calls."""
    usage = {}
    for part in log.split("Compiling entry function '")[1:]:
        registers = re.search(r"Used (\d+) registers", part)
        spills = [int(n) for n in re.findall(r"(\d+) bytes spill", part)]
        if registers:
            usage[part.partition("'")[0]] = Usage(int(registers[1]), sum(spills))
    return usage
