"""Layers in groups, where all of them together would not fit in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hpfunc._support.memory import free_device_bytes, max_bytes
from hpfunc._torch.collect import layer_sizes, observed
from hpfunc._torch.data.open import open_source
from hpfunc._torch.data.selection import choose_samples
from hpfunc._torch.data.sources import LabelledSource
from hpfunc._torch.model.device import as_device, device_of
from hpfunc._torch.model.restore import unwrap
from hpfunc._torch.observe.names import matches
from hpfunc._torch.reduction import as_form

__all__ = ["layer_groups"]


def layer_groups(model: Any, data: Any, options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The options ``layers`` and ``reduce`` of the collections that together give all layers, in execution order.

    Each fits in ``max_memory``, by default in half of what is free; a layer that is larger than that stands alone.
    One group, of no options, means that everything fits. So it does where the layers cannot be measured: the
    collection then tells what is wrong.
    """
    # A stream of samples would be read once more for this, and may be one that can be read only once.
    if options["max_memory"] is None and not isinstance(open_source(data, options["batch_size"]), LabelledSource):
        return [{}]
    try:
        sizes = _sizes(model, data, options)
        limit = _limit(model, options)
    except Exception:
        return [{}]
    groups: list[list[str]] = [[]]
    room = limit
    for name, size in sizes.items():
        if groups[-1] and size > room:
            groups.append([])
            room = limit
        groups[-1].append(name)
        room -= size
    if len(groups) == 1:
        return [{}]
    return [{"layers": names, "reduce": _reduce_for(names, options["reduce"])} for names in groups]


def _sizes(model: Any, data: Any, options: Mapping[str, Any]) -> dict[str, int]:
    form = as_form(options["reduce"], options["dtype"])
    with observed(model, method=options["method"], forward=options["forward"], device=options["device"]) as record:
        chosen = choose_samples(
            data,
            classes=options["classes"],
            per_class=options["samples_per_class"],
            key=options["key"],
            batch_size=options["batch_size"],
        )
        return layer_sizes(record, chosen, options["layers"], form)


def _limit(model: Any, options: Mapping[str, Any]) -> int:
    if options["max_memory"] is not None:
        return int(options["max_memory"])
    device = device_of(unwrap(model)) if options["device"] is None else as_device(options["device"])
    if device is not None and device.type == "cuda":
        return free_device_bytes(device.index) // 2
    return max_bytes(None)


def _reduce_for(names: Sequence[str], reduce: Any) -> Any:
    """The entries of ``reduce`` that mean one of these layers: an entry that means none is an error."""
    if not isinstance(reduce, Mapping):
        return reduce
    return {pattern: value for pattern, value in reduce.items() if matches(pattern, names)} or None
