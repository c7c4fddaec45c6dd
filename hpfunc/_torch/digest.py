"""Digest what went into a result: weights, the structure of a model, samples."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hpfunc._torch.collect import choose
from hpfunc._torch.data.open import generators_of
from hpfunc._torch.model.process import run_alone
from hpfunc._torch.nested import members
from hpfunc._torch.options import CollectOptions

__all__ = ["samples_digest", "structure_digest", "weights_digest"]

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def weights_digest(source: Any) -> str:
    """Digest the bytes of a file, or the names, dtypes, shapes and values of a state dict's or module's tensors."""
    if isinstance(source, (str, PathLike)):
        try:
            with Path(source).open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise ValueError(f"{source} cannot be read: {error}") from error
    state = source.state_dict() if isinstance(source, torch.nn.Module) else source
    digest = hashlib.sha256()
    for name in sorted(map(str, state)):
        digest.update(repr(name).encode())
        _add(digest, state.get(name))
    return digest.hexdigest()


def structure_digest(module: torch.nn.Module, describe: Callable[[Any], str]) -> str:
    """Digest the printed form of a module and the code of each ``forward`` in it, without the weights."""
    forwards = {type(part): describe(type(part).forward) for part in module.modules()}
    own = sorted(text for kind, text in forwards.items() if not kind.__module__.startswith("torch."))
    return hashlib.sha256(_ADDRESS.sub("", "\n".join([str(module), *own])).encode()).hexdigest()


def samples_digest(data: Callable[[], Any], options: CollectOptions) -> str:
    """Digest the chosen samples of what ``data()`` returns: labels, positions and values. Read the data set once."""

    def read(source: Any) -> str:
        digest = hashlib.sha256()
        chosen = choose(source, options)
        _add(digest, chosen.labels)
        _add(digest, chosen.index)
        for batch in chosen.batches():
            _add(digest, batch.inputs)
        return digest.hexdigest()

    def work() -> str:
        source = data()
        return run_alone(lambda: read(source), generators_of(source))

    return run_alone(work)


def _add(digest: Any, value: Any) -> None:
    """Feed a nested value of tensors and arrays to a digest."""
    if isinstance(value, (tuple, list)):
        for member in value:
            _add(digest, member)
    elif (named := members(value)) is not None:
        for name, member in named:
            digest.update(repr(name).encode())
            _add(digest, member)
    elif isinstance(value, torch.Tensor):
        plain = value.detach().cpu().contiguous()
        digest.update(f"{plain.dtype} {tuple(plain.shape)}".encode())
        digest.update(plain.flatten().view(torch.uint8).numpy())
    elif isinstance(value, np.ndarray):
        digest.update(f"{value.dtype} {value.shape}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    else:
        digest.update(_ADDRESS.sub("", repr(value)).encode())
