"""Find the weights of a module in what a checkpoint holds: wrapped, prefixed, beside other things.

A candidate is a mapping with tensors somewhere in the checkpoint, and a prefix of its keys. It fits if it gives every
tensor of the module, in its shape, and no others. Exactly one candidate that fits is loaded, and the log says which; of
several the caller names one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch

from hpfunc._torch.model.specs import Container, Skipped, TensorSpec

__all__ = ["Candidate", "choose_weights", "listed"]

_log = logging.getLogger("hpfunc")

# How deep the state dict may lie inside other mappings.
_DEEPEST = 3
# Errors list this many keys.
_LISTED = 10
# At most this many names of the module are looked for, and at most this many prefixes tried.
_TRIED = 20
# Compiled modules put this into the keys wherever they stand.
_COMPILED = "_orig_mod."
_EXTRA = "_extra_state"


class Candidate(NamedTuple):
    """Describe a mapping in a checkpoint: the prefix of its keys, and how it fits the module."""

    path: str
    prefix: str
    found: dict[str, Any]  # name in the module -> value
    missing: list[str]
    unexpected: list[str]
    wrong: list[str]  # names whose shapes differ
    left_out: list[str]
    rest: dict[str, Any]  # tensors under the prefix that the module has no name for
    metadata: Any

    @property
    def fits(self) -> bool:
        """Tell whether it gives what the module needs, and nothing else that could be a weight."""
        return bool(self.found) and not (self.missing or self.unexpected or self.wrong)

    @property
    def names(self) -> set[str]:
        """Return the names by which a caller can mean this candidate."""
        prefix = self.prefix.rstrip(".")
        return {name for name in (self.path, prefix, ".".join(filter(None, (self.path, prefix)))) if name}


def choose_weights(content: Any, module: torch.nn.Module, part: str | None, name: str) -> Candidate:
    """Choose the weights that fit a module; raise ValueError, saying what is there, if none or several do."""
    own = module.state_dict(keep_vars=True)
    _check_keys(content, name)
    found = [candidate for path, part_of in _mappings(content) for candidate in _candidates(path, part_of, own)]
    if not found:
        raise ValueError(f"{name} {_no_tensors(content)}")
    meant = [candidate for candidate in found if part is None or part in candidate.names]
    if not meant:
        names = sorted(set().union(*(candidate.names for candidate in found)))
        raise ValueError(f"{name} has no part {part!r}; it has {listed(names)}")
    fitting = [candidate for candidate in meant if candidate.fits]
    different = [c for k, c in enumerate(fitting) if not any(_same(c, other) for other in fitting[:k])]
    if len(different) > 1:
        parts = ", ".join(repr(max(c.names, key=len) if c.names else "") for c in different)
        raise ValueError(f"{name} holds several sets of weights that fit: {parts}; say which by part=")
    if different:
        _report(different[0], name)
        return different[0]
    best = max(meant, key=lambda c: (len(c.found) - len(c.wrong), -len(c.unexpected), -len(c.path)))
    if best.wrong:
        raise ValueError(f"{name} does not fit what build() makes ({type(module).__name__}): {_why_not(best, own)}")
    # Modules may rename old keys as they load them; torch finds out.
    return best


def listed(keys: Any) -> str:
    """Write keys as text for an error: the first few, and how many there are."""
    shown = ", ".join(f"{key!r:.60}" for key in list(keys)[:_LISTED]) or "none"
    return shown if len(keys) <= _LISTED else f"{shown}, ... ({len(keys)} in all)"


class _Part(NamedTuple):
    """Hold a mapping of a checkpoint: values by keys that are strings, other keys of tensors, and the metadata."""

    values: dict[str, Any]
    other_keys: list[Any]
    metadata: Any


def _mappings(content: Any) -> Iterator[tuple[str, _Part]]:
    """Yield each mapping inside a checkpoint that has tensors of its own, once, with the keys that lead to it."""
    waiting: list[tuple[str, Any, int]] = [("", content, 0)]
    seen: set[int] = set()
    while waiting:
        path, value, depth = waiting.pop(0)
        part = _as_part(value) if id(value) not in seen else None
        if part is None:
            continue
        seen.add(id(value))
        if any(_is_tensor(entry) for entry in part.values.values()) or (not part.values and not depth):
            yield path, part
        if depth < _DEEPEST:
            inner = [(key, entry) for key, entry in part.values.items() if isinstance(entry, (Mapping, Container))]
            waiting += [(f"{path}.{key}" if path else key, entry, depth + 1) for key, entry in inner]


def _as_part(content: Any) -> _Part | None:
    if isinstance(content, Container) and content.kind == "dict":
        pairs, metadata = content.entries, _metadata(content.state)
    elif isinstance(content, Mapping):
        pairs, metadata = list(content.items()), getattr(content, "_metadata", None)
    else:
        return None
    values = {key: value for key, value in pairs if isinstance(key, str)}
    return _Part(values, [key for key, value in pairs if not isinstance(key, str) and _is_tensor(value)], metadata)


def _candidates(path: str, part: _Part, own: Mapping[str, Any]) -> Iterator[Candidate]:
    """Yield a mapping under each prefix that leads to names of the module."""
    # The module may be compiled or wrapped itself.
    names = {_bare(name): name for name in own}
    values = {key.replace(_COMPILED, ""): key for key in part.values}
    prefixes = {""}
    for name in list(names)[:_TRIED]:
        ends = {key[: -len(name)] for key in values if key.endswith("." + name)}
        if ends or name in values:
            prefixes |= ends
            break
    for prefix in sorted(prefixes, key=len)[:_TRIED]:
        here = {bare[len(prefix) :]: key for bare, key in values.items() if bare.startswith(prefix)}
        yield _candidate(path, prefix, {bare: (key, part.values[key]) for bare, key in here.items()}, part, names, own)


def _candidate(
    path: str, prefix: str, here: dict[str, tuple[str, Any]], part: _Part, names: dict[str, str], own: Mapping[str, Any]
) -> Candidate:
    """Compare the entries under a prefix with the tensors of the module."""
    # A module of more than one process wraps others; their keys have no counterpart in a plain module.
    found = {names[bare]: value for bare, (_, value) in here.items() if bare in names}
    wrong = [name for name, value in found.items() if not name.endswith(_EXTRA) and _misfit(value, own[name])]
    given = {id(own[name]) for name in found}
    missing = [name for name in own if name not in found and not _needless(name) and id(own[name]) not in given]
    extra = {key: value for bare, (key, value) in here.items() if bare not in names}
    unexpected = [key for key, value in extra.items() if _may_be_weight(value)]
    under_prefix = {key for key, _ in here.values()}
    left_out = [key for key in part.values if key in extra or key not in under_prefix]
    rest = {bare: value for bare, (_, value) in here.items() if bare not in names and _is_tensor(value)}
    return Candidate(path, prefix, found, missing, unexpected, wrong, left_out, rest, part.metadata)


def _bare(name: str) -> str:
    """Return a name of the module without what wrappers have put into it."""
    return name.replace(_COMPILED, "").removeprefix("module.")


def _misfit(value: Any, own: Any) -> bool:
    """Tell whether a value cannot be copied into a tensor of the module."""
    return not _is_tensor(value) or tuple(value.shape) != tuple(own.shape)


def _needless(name: str) -> bool:
    """Tell whether torch can load a module without an entry of this name."""
    return name.endswith(("num_batches_tracked", _EXTRA))


def _may_be_weight(value: Any) -> bool:
    """Tell whether a leftover is floating: counters, positions and masks of an older version are no weights."""
    return _is_tensor(value) and (value.dtype.is_floating_point or value.dtype.is_complex)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, (torch.Tensor, TensorSpec))


def _same(first: Candidate, second: Candidate) -> bool:
    """Tell whether two candidates are the same tensors."""
    if first.found.keys() != second.found.keys():
        return False
    return all(_place(first.found[name]) == _place(second.found[name]) for name in first.found)


def _place(value: Any) -> Any:
    """Return where the numbers of a tensor are."""
    if isinstance(value, TensorSpec):
        return value.storage.key, value.offset, tuple(value.shape), tuple(value.stride), value.dtype
    return id(value) if not isinstance(value, torch.Tensor) else (value.data_ptr(), value.shape, value.stride())


def _report(candidate: Candidate, name: str) -> None:
    """Say in the log which part was taken, if it was not the whole."""
    said = [f"the weights are {candidate.path!r}"] if candidate.path else []
    said += [f"the prefix {candidate.prefix!r} is taken off"] if candidate.prefix else []
    said += [f"left out: {listed(candidate.left_out)}"] if candidate.left_out else []
    if said:
        _log.info("%s: %s", name, "; ".join(said))


def _why_not(best: Candidate, own: Mapping[str, Any]) -> str:
    """Say which tensors of the nearest candidate the module cannot take."""
    where = f"in {best.path!r}, " if best.path else ""
    for key in best.wrong:
        value = best.found[key]
        if not _is_tensor(value):
            return f"{where}{key!r} {_kind(value)}; a state dict holds tensors. Save model.state_dict()"
    shapes = [f"{key} has shape {list(best.found[key].shape)}, not {list(own[key].shape)}" for key in best.wrong]
    return where + "; ".join(shapes[:_LISTED])


def _kind(value: Any) -> str:
    """Say what stands where a tensor should."""
    if isinstance(value, Skipped):
        kinds = {"sparse": "a sparse tensor", "meta": "a tensor on the meta device", "qtensor": "a quantized tensor"}
        found = [words for key, words in kinds.items() if f"_rebuild_{key}" in value.name]
        if found:
            return f"is {found[0]}; expected dense ones with values (to_dense, dequantize)"
        return f"is more than plain tensors ({value.name:.100}), and is not made, because that could run its code"
    return f"is a {value.kind if isinstance(value, Container) else type(value).__name__}"


def _no_tensors(content: Any) -> str:
    """Say what a checkpoint without tensors holds."""
    part = _as_part(content)
    values = part.values if part is not None else {}
    skipped = [value for value in (content, *values.values()) if isinstance(value, Skipped)]
    if skipped and "._rebuild_" in skipped[0].name:
        return f"holds no tensors that can be read; the first {_kind(skipped[0])}"
    if skipped:
        return (
            f"holds more than plain tensors ({skipped[0].name:.100}), and no tensors beside: making it could run its "
            "code, so it was not loaded. Save model.state_dict() where the model is, and pass that file"
        )
    if part is None:
        kind = content.kind if isinstance(content, Container) else type(content).__name__.removesuffix("Spec")
        return f"holds an object of type {kind}; expected a state dict"
    first = "".join(f"; {key!r:.60} {_kind(value)}" for key, value in list(values.items())[:1])
    return f"holds no tensors; its keys are {listed([*values])}{first}"


def _check_keys(content: Any, name: str) -> None:
    """Raise ValueError for a state dict that has tensors under other keys than strings."""
    part = _as_part(content)
    if part is not None and part.other_keys and any(map(_is_tensor, part.values.values())):
        raise ValueError(f"{name} has the key {part.other_keys[0]!r:.60}; the keys of a state dict are strings")


def _metadata(state: Any) -> Any:
    """Return the versions of modules that a pickled state dict carries, or None."""
    table = dict(_string_pairs(state)).get("_metadata")
    if not isinstance(table, Container):
        return None
    return {name: dict(_string_pairs(entry)) for name, entry in _string_pairs(table) if len(_string_pairs(entry)) < 10}


def _string_pairs(value: Any) -> list[tuple[str, Any]]:
    pairs = value.entries if isinstance(value, Container) and value.kind == "dict" else []
    return [(key, entry) for key, entry in pairs if isinstance(key, str)]
