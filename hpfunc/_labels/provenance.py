"""Record in the attrs of a result how it was made, so that it can be made again."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from hpfunc._support.fingerprint import describe

__all__ = ["collected_attrs", "kept_attrs"]

# Options that are recorded only where they were given.
_OPTIONAL = ("classes", "reduce", "dtype", "forward", "label")
_NAMES = ("key", "samples_per_class", "layers", "method", *_OPTIONAL, "torch_version", "numpy_version")


def collected_attrs(options: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the options of `collect_activations` and the versions of torch and NumPy as text and integers."""
    key, count, layers = options["key"], options["samples_per_class"], options["layers"]
    method = options["method"]
    attrs: dict[str, Any] = {
        "key": "none" if key is None else str(key),
        "samples_per_class": "all" if count is None else int(count),
        "layers": "all" if layers is None else ", ".join(layers),
        "method": method if isinstance(method, str) else describe(method),
    }
    attrs |= {name: describe(options[name]) for name in _OPTIONAL if options.get(name) is not None}
    torch = sys.modules.get("torch")
    versions = {"torch_version": None if torch is None else str(torch.__version__), "numpy_version": np.__version__}
    return attrs | {name: version for name, version in versions.items() if version is not None}


def kept_attrs(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    """Choose those attrs of activations that describe how they were collected."""
    return {name: attrs[name] for name in _NAMES if name in attrs}
