"""Share fixtures among all tests, and leave out what cannot run here: tests of torch without torch."""

from __future__ import annotations

import ast
import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Data that no clone holds: real images and the older tool's own files. Only tests marked ``extra`` read them.
FURTHER = ROOT.parent / "shared"


@pytest.fixture(scope="session")
def further_data() -> Path:
    """Give the folder of further data, or skip the test where it is not there."""
    if not FURTHER.is_dir():
        pytest.skip(f"the further data are not at {FURTHER}")
    return FURTHER


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Share the whole suite out among at most 4 processes, and run tests that are asked for by name in one."""
    if config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return 0
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(allowed, 4) if allowed > 1 else 0


@cache
def needs_torch(path: Path) -> bool:
    """Tell whether importing a test module imports torch, itself or through helpers beside it."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        names = {alias.name for alias in node.names} if isinstance(node, ast.Import) else set()
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            names = {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        for name in names:
            if name.split(".")[0] in ("torch", "torchvision", "examples", "benchmarks"):
                return True
            helper = ROOT.joinpath(*name.split(".")).with_suffix(".py")
            if name.startswith("tests.") and helper.is_file() and needs_torch(helper):
                return True
    return False


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out test modules that import torch where torch is not installed."""
    if find_spec("torch") is not None or collection_path.suffix != ".py":
        return None
    return needs_torch(collection_path) or None
