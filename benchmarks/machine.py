"""Describe the machine of a measurement: processor, memory, versions."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = ("numpy", "scipy", "xarray", "torch", "dataeval", "smartsvm")


def describe_machine() -> dict[str, Any]:
    return {
        "processor": _processor(),
        "cores": cores(),
        "memory": f"{_memory() / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "blas": _blas(),
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
    }


def when() -> dict[str, str]:
    """Return the time, and the state of the sources where git tells."""
    facts = {"measured": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")}
    try:
        command = ["git", "rev-parse", "--short=10", "HEAD"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent, check=True)
        facts["commit"] = done.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        pass
    return facts


def cores() -> int:
    """Count the cores that this process may use: as many threads multiply."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 0


def _blas() -> str:
    """Name the BLAS of NumPy, and the kernels that it chose for this processor."""
    import numpy as np

    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return "unknown"
    np.ones((2, 2)) @ np.ones((2, 2))
    libraries = [library for library in threadpool_info() if library["user_api"] == "blas"]
    return "; ".join(
        f"{lib['internal_api']} {lib['version']} ({lib.get('architecture', 'unknown')}, {lib['num_threads']} threads)"
        for lib in libraries[:1]
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
