"""From a checkpoint (a path, a state dict, a module) to a module, reading plain tensors and nothing else."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import Any

import torch

from hpfunc._torch.model.archive import check_archive
from hpfunc._torch.model.process import run_alone

__all__ = ["check_source", "load_module", "load_structure", "makes_itself"]

# Errors list this many keys.
_LISTED = 10

# Prefixes that wrappers of a model put before every key, and what they come from.
_WRAPPERS = {"module.": "DataParallel or DistributedDataParallel", "_orig_mod.": "torch.compile"}

# How torch says that a pickle asks for something other than tensors.
_REFUSED = re.compile(r"GLOBAL ([\w.]+)|unrecognized function (.+)|but got (.+)")


def check_source(checkpoint: Any, build: Any, name: str) -> None:
    """Find out early what `load_module` would refuse without opening a file; see there."""
    if isinstance(checkpoint, torch.nn.Module):
        return
    if isinstance(checkpoint, (str, PathLike)):
        path = Path(checkpoint)
        if not path.is_file():
            what = "is not a file" if path.exists() else "does not exist"
            raise ValueError(f"{name} ({path}) {what}")
    elif not isinstance(checkpoint, Mapping):
        kind = type(checkpoint).__name__
        raise TypeError(f"{name} has the type {kind}; expected a path, a state dict or a torch.nn.Module")
    if isinstance(build, torch.nn.Module) or not callable(build):
        raise TypeError(
            f"build is of type {type(build).__name__}; {name} holds weights only, so pass a function without arguments "
            "that makes a new module, such as the class itself"
        )


def load_module(checkpoint: Any, build: Callable[[], torch.nn.Module] | None, name: str) -> torch.nn.Module:
    """Make the module that a checkpoint stands for.

    Parameters
    ----------
    checkpoint : path, mapping or torch.nn.Module
        A module is given back as it is. A path is read by ``torch.load(weights_only=True)``, or by safetensors
        if it ends in ``.safetensors``. A state dict is copied into what ``build()`` returns.
    build : callable
        Makes a fresh module; not needed for a module. The random state is as before when it has returned.
    name : str
        What errors call the checkpoint.

    Raises
    ------
    TypeError
        If the checkpoint is none of the three, or ``build`` is no callable that returns a module.
    ValueError
        If the file is missing, damaged or holds more than plain tensors; if it does not fit the module.
    ImportError
        For a safetensors file where that package is not installed.
    """
    check_source(checkpoint, build, name)
    if isinstance(checkpoint, torch.nn.Module):
        return checkpoint
    state: Mapping[Any, Any]
    if isinstance(checkpoint, (str, PathLike)):
        path = Path(checkpoint)
        name = f"{name} ({path})"
        state = _read(path, name)
    else:
        state = checkpoint
    _check_state(state, name)
    return _fill(_build(build), state, name)


def makes_itself(checkpoint: Any) -> bool:
    """Whether a checkpoint is a module, which needs no ``build``."""
    return isinstance(checkpoint, torch.nn.Module)


def load_structure(checkpoint: Any, build: Callable[[], torch.nn.Module] | None) -> torch.nn.Module:
    """Return the module that `load_module` would fill, with whatever weights it has."""
    return checkpoint if isinstance(checkpoint, torch.nn.Module) else _build(build)


def _read(path: Path, name: str) -> Mapping[Any, Any]:
    safe = path.suffix == ".safetensors"
    if safe and find_spec("safetensors") is None:
        raise ImportError(f"{name} needs the package safetensors: pip install safetensors")
    try:
        state = import_module("safetensors.torch").load_file(path, device="cpu") if safe else _unpickle(path)
    except pickle.UnpicklingError as error:
        # Not chained: torch's message explains how to load what should not be loaded.
        found = _REFUSED.search(str(error))
        if found is None:
            raise ValueError(f"{name} cannot be read; it is cut short or nothing that torch.save wrote") from None
        raise ValueError(
            f"{name} holds more than plain tensors ({next(filter(None, found.groups()))}): loading it could run "
            "its code, so it was not loaded. Save model.state_dict() where the model is, and pass that file"
        ) from None
    except Exception as error:
        # Damaged archives make torch raise anything: RuntimeError, EOFError, KeyError, ...
        first = next(iter(str(error).strip().splitlines()), "")
        raise ValueError(
            f"{name} cannot be read; it is cut short or no checkpoint: {type(error).__name__} {first:.200}"
        ) from error
    if not isinstance(state, Mapping):
        raise ValueError(f"{name} holds an object of type {type(state).__name__}; expected a state dict")
    return state


def _unpickle(path: Path) -> Any:
    check_archive(path)
    with warnings.catch_warnings():
        # Torch warns of what it goes on to refuse.
        warnings.simplefilter("ignore")
        return torch.load(path, map_location="cpu", weights_only=True)


def _check_state(state: Mapping[Any, Any], name: str) -> None:
    """Raise unless ``state`` maps names to dense tensors with values."""
    inner = [key for key, value in state.items() if isinstance(value, Mapping) and _has_tensors(value)]
    if inner and not _has_tensors(state):
        raise ValueError(
            f"{name} wraps its state dict; its keys are {_listed(state)}. Pass the inner one: "
            f"torch.load(path, map_location='cpu', weights_only=True)[{inner[0]!r}]"
        )
    for key, value in state.items():
        if not isinstance(key, str):
            raise ValueError(f"{name} has the key {key!r}; the keys of a state dict are strings")
        # What a module's own get_extra_state returned may be anything.
        if key.endswith("_extra_state"):
            continue
        if not isinstance(value, torch.Tensor):
            raise ValueError(f"{name}: {key!r} is a {type(value).__name__}; a state dict holds tensors")
        if value.layout is not torch.strided or value.is_quantized:
            kind = "quantized" if value.is_quantized else str(value.layout)
            raise ValueError(f"{name}: {key!r} is a {kind} tensor; expected dense ones (to_dense, dequantize)")
        if value.is_meta:
            raise ValueError(f"{name}: {key!r} is on the meta device and has no values; save the real weights")


def _has_tensors(state: Mapping[Any, Any]) -> bool:
    return any(isinstance(value, torch.Tensor) for value in state.values())


def _build(build: Any) -> torch.nn.Module:
    # Its weights are drawn at random only to be overwritten: that must not move the caller's generators.
    module = run_alone(build)
    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"build() returned a {type(module).__name__}; expected a torch.nn.Module")
    return module


def _fill(module: torch.nn.Module, state: Mapping[str, Any], name: str) -> torch.nn.Module:
    """Copy the weights into a fresh module; torch itself checks each shape before it copies."""
    what = f"{name} does not fit what build() makes ({type(module).__name__})"
    own = module.state_dict()
    for key in own.keys() & state.keys():
        both = own[key], state[key]
        if all(map(torch.is_tensor, both)) and both[0].is_complex() != both[1].is_complex():
            raise ValueError(f"{what}: {key!r} has dtype {both[1].dtype}, and {both[0].dtype} in the module")
    try:
        # Not strict, since strict mode mixes what is missing, what is too much and what has another shape.
        missing, unexpected = module.load_state_dict(state, strict=False)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()[1:]] or [str(error)]
        raise ValueError(f"{what}: {' '.join(lines[:_LISTED])}") from error
    if missing or unexpected:
        hints = [
            f". Every key starts with {prefix!r}, which comes from {origin}: take it away"
            for prefix, origin in _WRAPPERS.items()
            if state and all(key.startswith(prefix) for key in state)
        ]
        keys = f"missing keys: {_listed(missing)}; unexpected keys: {_listed(unexpected)}"
        raise ValueError(f"{what}: {keys}{''.join(hints)}")
    return module


def _listed(keys: Any) -> str:
    shown = ", ".join(f"{key!r:.60}" for key in list(keys)[:_LISTED]) or "none"
    return shown if len(keys) <= _LISTED else f"{shown}, ... ({len(keys)} in all)"
