"""Make a module from a checkpoint (a path, a state dict, a module), reading plain tensors and nothing else."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import torch

from hpfunc._torch.model.archive import CheckpointFile, open_checkpoint
from hpfunc._torch.model.process import run_alone
from hpfunc._torch.model.specs import Container, Skipped, TensorSpec
from hpfunc._torch.model.weights import Candidate, choose_weights, listed

__all__ = ["check_source", "load_module", "load_source", "load_structure", "makes_itself"]


def check_source(checkpoint: Any, build: Any, name: str) -> None:
    """Raise early the errors that `load_module` raises without opening a file."""
    if isinstance(checkpoint, torch.nn.Module):
        return
    if isinstance(checkpoint, (str, PathLike)):
        path = Path(checkpoint)
        if not path.is_file():
            what = "is not a file" if path.exists() else "does not exist"
            raise ValueError(f"{name} ({path}) {what}")
    elif not isinstance(checkpoint, Mapping) and (not callable(checkpoint) or isinstance(checkpoint, type)):
        kind = type(checkpoint).__name__
        raise TypeError(
            f"{name} has the type {kind}; expected a path, a state dict, a torch.nn.Module or a function without "
            "arguments that returns a path or a state dict"
        )
    if isinstance(build, torch.nn.Module) or not callable(build):
        raise TypeError(
            f"build is of type {type(build).__name__}; {name} holds weights only, so pass a function without arguments "
            "that makes a new module, such as the class itself"
        )


def load_module(
    checkpoint: Any, build: Callable[[], torch.nn.Module] | None, name: str, part: str | None = None
) -> torch.nn.Module:
    """Make the module that a checkpoint stands for.

    Parameters
    ----------
    checkpoint : path, mapping or torch.nn.Module
        A module is returned unchanged. A file of ``torch.save`` or of safetensors is read without making or calling
        anything that it names but tensors. The weights may lie inside other mappings, beside other things, and under a
        prefix; they are copied into what ``build()`` returns.
    build : callable
        Makes a fresh module; not needed for a module. The random state is restored after it returns.
    name : str
        What errors call the checkpoint.
    part : str, optional
        The key or prefix of the weights, where a checkpoint holds several that fit.

    Raises
    ------
    TypeError
        If the checkpoint is none of the three, or ``build`` is no callable that returns a module.
    ValueError
        If the file is missing, damaged, of another kind, or declares more than it holds; if no weights in it fit the
        module, or several do.
    ImportError
        For a safetensors file where that package is not installed.
    """
    check_source(checkpoint, build, name)
    if isinstance(checkpoint, torch.nn.Module):
        return checkpoint
    if isinstance(checkpoint, (str, PathLike)):
        path = Path(checkpoint)
        name = f"{name} ({path})"
        file = _open(path, name)
    else:
        file = CheckpointFile(checkpoint)
    module = _build(build)
    chosen = choose_weights(file.root, module, part, name)
    return _fill(module, _read(file, chosen, name), chosen, name)


def load_source(checkpoint: Any, name: str) -> Any:
    """Return a checkpoint as it is, or what a function that loads it returns: a path or a state dict."""
    if isinstance(checkpoint, (str, PathLike, Mapping, torch.nn.Module)) or not callable(checkpoint):
        return checkpoint
    loaded = run_alone(checkpoint)
    if not isinstance(loaded, (str, PathLike, Mapping)):
        raise TypeError(
            f"{name} is a function that returned a {type(loaded).__name__}; expected a path or a state dict"
        )
    return Path(loaded).expanduser() if isinstance(loaded, (str, PathLike)) else loaded


def makes_itself(checkpoint: Any) -> bool:
    """Tell whether a checkpoint is a module, which needs no ``build``."""
    return isinstance(checkpoint, torch.nn.Module)


def load_structure(checkpoint: Any, build: Callable[[], torch.nn.Module] | None) -> torch.nn.Module:
    """Return the module that `load_module` would fill, with whatever weights it has."""
    return checkpoint if isinstance(checkpoint, torch.nn.Module) else _build(build)


def _open(path: Path, name: str) -> CheckpointFile:
    """Open a file; say in one line why it cannot be read."""
    try:
        return open_checkpoint(path)
    except ImportError as error:
        raise ImportError(f"{name}: {error}") from None
    except OSError as error:
        raise ValueError(f"{name} cannot be read: {error}") from error
    except ValueError as error:
        raise ValueError(f"{name} cannot be read: {error}") from None


def _read(file: CheckpointFile, chosen: Candidate, name: str) -> dict[str, Any]:
    """Read the tensors of the chosen weights, and check that they are dense and have values."""
    state = {**chosen.rest, **chosen.found} if not chosen.fits else dict(chosen.found)
    wanted = {key: value for key, value in state.items() if isinstance(value, TensorSpec)}
    try:
        state |= file.tensors(wanted) if wanted else {}
    except ValueError as error:
        raise ValueError(f"{name} cannot be read: {error}") from None
    for key, value in state.items():
        # The result of a module's own get_extra_state may be any plain value.
        if isinstance(value, (Container, Skipped)):
            raise ValueError(f"{name}: {key!r} is an extra state of more than plain values, which is not made")
        if isinstance(value, torch.Tensor) and (value.layout is not torch.strided or value.is_quantized):
            kind = "quantized" if value.is_quantized else str(value.layout)
            raise ValueError(f"{name}: {key!r} is a {kind} tensor; expected dense ones (to_dense, dequantize)")
        if isinstance(value, torch.Tensor) and value.is_meta:
            raise ValueError(f"{name}: {key!r} is on the meta device and has no values; save the real weights")
    return state


def _build(build: Any) -> torch.nn.Module:
    """Make a fresh module; its random weights, which are overwritten, must not move the caller's generators."""
    module = run_alone(build)
    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"build() returned a {type(module).__name__}; expected a torch.nn.Module")
    return module


def _fill(module: torch.nn.Module, state: dict[str, Any], chosen: Candidate, name: str) -> torch.nn.Module:
    """Copy the weights into a fresh module; torch itself checks each shape before it copies."""
    what = f"{name} does not fit what build() makes ({type(module).__name__})"
    own = module.state_dict(keep_vars=True)
    for key in own.keys() & state.keys():
        both = own[key], state[key]
        if all(map(torch.is_tensor, both)) and both[0].is_complex() != both[1].is_complex():
            raise ValueError(f"{what}: {key!r} has dtype {both[1].dtype}, and {both[0].dtype} in the module")
    _check_tied(own, state, what)
    ordered: Any = OrderedDict(state)
    if chosen.metadata is not None:
        ordered._metadata = chosen.metadata
    try:
        # Load without strict mode, which mixes missing keys, unexpected keys and other shapes in one error.
        missing, unexpected = module.load_state_dict(ordered, strict=False)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()[1:]] or [str(error)]
        raise ValueError(f"{what}: {' '.join(lines[:10])}") from error
    if chosen.fits:
        # A tied tensor is filled under its other name.
        filled = {id(own[key]) for key in state if key in own}
        missing = [key for key in missing if id(own.get(key)) not in filled]
    if missing or unexpected:
        raise ValueError(f"{what}: missing keys: {listed(missing)}; unexpected keys: {listed(unexpected)}")
    return module


def _check_tied(own: Mapping[str, Any], state: Mapping[str, Any], what: str) -> None:
    """Raise ValueError if two names of one tensor of the module are given different values."""
    first: dict[int, str] = {}
    for key in own:
        if isinstance(state.get(key), torch.Tensor):
            twin = first.setdefault(id(own[key]), key)
            if twin != key and not torch.equal(state[twin], state[key]):
                raise ValueError(f"{what}: {twin!r} and {key!r} are one tensor in the module, and differ in the file")
