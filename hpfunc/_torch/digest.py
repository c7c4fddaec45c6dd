"""What went into a result, as digests: weights, the structure of a model, samples."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hpfunc._torch.data.selection import choose_samples
from hpfunc._torch.model.restore import random_state

__all__ = ["samples_digest", "structure_digest", "weights_digest"]

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def weights_digest(source: Any) -> str:
    """Of a file its bytes; of a state dict or module the names, dtypes, shapes and values of its tensors."""
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
    """Of what a module prints, and of the code of its own and its parts' ``forward``; the weights do not matter."""
    forwards = {type(part): describe(type(part).forward) for part in module.modules()}
    own = sorted(text for kind, text in forwards.items() if not kind.__module__.startswith("torch."))
    return hashlib.sha256(_ADDRESS.sub("", "\n".join([str(module), *own])).encode()).hexdigest()


def samples_digest(data: Any, options: Mapping[str, Any]) -> str:
    """Of the chosen samples: labels, positions in the data set, and values. Reads the data set once."""
    digest = hashlib.sha256()
    with random_state():
        chosen = choose_samples(
            data,
            classes=options["classes"],
            per_class=options["samples_per_class"],
            key=options["key"],
            batch_size=options["batch_size"],
        )
        _add(digest, chosen.labels)
        _add(digest, chosen.index)
        for batch in chosen.batches():
            _add(digest, batch.inputs)
    return digest.hexdigest()


def _add(digest: Any, value: Any) -> None:
    """Feed a nested value of tensors and arrays to a digest."""
    if isinstance(value, Mapping):
        for name, member in value.items():
            digest.update(repr(name).encode())
            _add(digest, member)
    elif isinstance(value, (tuple, list)):
        for member in value:
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
