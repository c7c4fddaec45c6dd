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
    """Find the newest NVRTC among the packages that are installed."""
    found = [
        path
        for folder in map(Path, sys.path)
        for path in (folder / "nvidia").glob("*/lib/libnvrtc.so.*")
        if re.fullmatch(r"libnvrtc\.so\.\d+(\.\d+)?", path.name)
    ]
    for path in sorted(found, key=lambda path: path.name, reverse=True):
        try:
            # NVRTC looks for its second library by name only, where the system's libraries are.
            for builtins in path.parent.glob("libnvrtc-builtins.so.*"):
                ctypes.CDLL(str(builtins))
            return ctypes.CDLL(str(path))
        except OSError:
            continue
    return None


def compile_for(source: str, defines: tuple[str, ...], architecture: str) -> dict[str, Usage]:
    """Compile for an architecture such as ``sm_90``; return what each kernel takes, where the compiler tells.

    Raises
    ------
    ValueError
        With the compiler's words, for a text that it refuses.
    """
    return _usage(_compile(source, defines, architecture)[0])


def ptx_of(source: str, defines: tuple[str, ...], architecture: str) -> str:
    """Compile for a virtual architecture such as ``compute_90``; return the instructions."""
    return _compile(source, defines, architecture)[1]


@functools.cache
def _compile(source: str, defines: tuple[str, ...], architecture: str) -> tuple[str, str]:
    """Compile as CuPy does; return the compiler's log, and the instructions for a virtual architecture."""
    nvrtc = library()
    if nvrtc is None:
        pytest.skip("no NVRTC among the installed packages")
    program = ctypes.c_void_p()
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernel.cu", 0, None, None) == 0
    # CuPy appends -ftz=true to whatever it is given.
    options = (f"-arch={architecture}", "--std=c++17", "--ptxas-options=-v", *defines, "-ftz=true")
    failed = nvrtc.nvrtcCompileProgram(
        program, len(options), (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    )
    log, ptx = _text(nvrtc, program, "ProgramLog"), "" if failed else _text(nvrtc, program, "PTX")
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    if failed or "warning" in log:
        raise ValueError(log)
    return log, ptx


def _text(nvrtc: ctypes.CDLL, program: ctypes.c_void_p, what: str) -> str:
    size = ctypes.c_size_t()
    nvrtc[f"nvrtcGet{what}Size"](program, ctypes.byref(size))
    text = ctypes.create_string_buffer(max(1, size.value))
    nvrtc[f"nvrtcGet{what}"](program, text)
    return text.value.decode()


def _usage(log: str) -> dict[str, Usage]:
    """Read what the assembler reports: for each kernel its registers and spills, with those of functions it calls."""
    usage = {}
    for part in log.split("Compiling entry function '")[1:]:
        registers = re.search(r"Used (\d+) registers", part)
        spills = [int(n) for n in re.findall(r"(\d+) bytes spill", part)]
        if registers:
            usage[part.partition("'")[0]] = Usage(int(registers[1]), sum(spills))
    return usage
