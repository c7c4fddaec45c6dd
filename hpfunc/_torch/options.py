"""Check the options of a collection before any work begins."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hpfunc._support.checks import check_count, check_option
from hpfunc._support.keys import RandomKey, check_key
from hpfunc._support.memory import max_bytes
from hpfunc._torch.data.items import LabelPlace
from hpfunc._torch.reduction import Form, as_form

__all__ = ["CollectOptions", "check_options"]


@dataclasses.dataclass(frozen=True)
class CollectOptions:
    """Hold the options of `collect_activations` as the modules inside use them."""

    layers: Sequence[str] | None
    classes: Sequence[Any] | None
    samples_per_class: int | None
    key: RandomKey | None
    batch_size: int
    device: Any
    store: str
    method: str | Callable[[Any], Mapping[str, Any]]
    form: Form
    forward: Callable[[Any, Any], Any] | None
    label: LabelPlace
    max_bytes: int | None


def check_options(given: Mapping[str, Any]) -> CollectOptions:
    """Check the options of `collect_activations`, and return them together.

    Parameters
    ----------
    given : mapping
        The options by their public names, without ``progress``. ``store`` and ``label`` may be left out.

    Raises
    ------
    TypeError, ValueError
        For an option of another type or value; the message names the option, the value and the remedy.
    """
    options = {"store": "device", "label": None, **given}
    max_memory = options.pop("max_memory")
    check_option("store", options["store"], ("device", "cpu"))
    _check_method(options["method"], options["forward"])
    _check_label(options["label"])
    options |= _check_samples(options["samples_per_class"], options["key"])
    if options["layers"] is not None:
        options["layers"] = _check_layers(options["layers"])
    options["batch_size"] = check_count("batch_size", options["batch_size"])
    form = as_form(options.pop("reduce"), options.pop("dtype"))
    return CollectOptions(**options, form=form, max_bytes=None if max_memory is None else max_bytes(max_memory))


def _check_method(method: Any, forward: Any) -> None:
    """Raise TypeError or ValueError for an unknown method, or for a ``forward`` that does not go with it."""
    if not callable(method):
        check_option("method", method, ("hooks", "fx", "snapshot"))
    if forward is not None and not callable(forward):
        raise TypeError(f"forward={forward!r} is not a function; pass one of (model, x)")
    if forward is not None and method != "hooks":
        raise ValueError(f'forward= goes with method="hooks" only, and method is {method!r}')


def _check_label(label: Any) -> None:
    """Raise TypeError unless ``label`` can say where the label of an item stands."""
    if isinstance(label, bool) or not (label is None or callable(label) or isinstance(label, (int, str))):
        raise TypeError(
            f"label={label!r} is not known; pass the position of the label in an item, its key, or a function that "
            "returns (inputs, label)"
        )


def _check_samples(samples_per_class: Any, key: Any) -> dict[str, Any]:
    """Return how many samples of each class are drawn, as an int, and the key that draws them."""
    if samples_per_class is not None:
        samples_per_class = check_count("samples_per_class", samples_per_class, "an integer of 1 or more, or None")
    if key is not None:
        check_key(key)
    return {"samples_per_class": samples_per_class, "key": key}


def _check_layers(layers: Sequence[str]) -> list[str]:
    """Return ``layers`` as a list of names."""
    if isinstance(layers, str) or not hasattr(layers, "__iter__"):
        raise TypeError(f"layers={layers!r} is not a list of names; pass layers=[{layers!r}]")
    names = list(layers)
    if not names or not all(isinstance(name, str) for name in names):
        raise TypeError(f"layers={layers!r} is not a list of names; name at least one, or pass None for all")
    return names
