"""Read the older tool's result files, and check their form.

One line of JSON: ``{"(0, 1) train": {"Euclid initial": 0.975, "Euclid conv1": 0.95}, "(0, 1) test": ...}``.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any, NamedTuple

from hpfunc._files import read_json
from hpfunc._labels.schema import Label, bad_name

__all__ = ["INPUT", "METRICS", "Axes", "Entries", "axes_of", "read_entries"]

# The older tool's names of metrics and of the model's input; other metrics keep the names that its users gave them.
METRICS = {"Euclid": "euclidean", "Cosine": "cosine"}
INPUT = "initial"

# A result of 4,950 pairs, 2 splits and 20 layers takes 6 MB.
_LARGEST_FILE = 2**24

# A class as Python writes it, or as it stands.
_ESCAPE = r"\\(?:['\"\\nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U00(?:0[0-9a-f]|10)[0-9a-f]{4})"
_LABEL = rf"""'(?:[^'\\\x00-\x1f]|{_ESCAPE})*'|"(?:[^"\\\x00-\x1f]|{_ESCAPE})*"|[^'"(),]+"""
_ENTRY = re.compile(rf"\((?P<first>{_LABEL}), (?P<second>{_LABEL})\) (?P<split>.+)", re.DOTALL)
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")

Pair = tuple[Label, Label]
# (pair, split) -> layer -> value
Entries = dict[tuple[Pair, str], dict[str, float]]


class Axes(NamedTuple):
    """Hold the labels of a file along each of its dims."""

    split: list[str]
    layer: list[str]
    pair: list[Pair]


def read_entries(file: Path) -> tuple[str, Entries]:
    """Read the metric and the entries of a file, and check their form."""
    content = _load(file)
    if not isinstance(content, dict) or not content:
        raise ValueError(f"{file}: expected a JSON object with an entry for each pair and split")
    labels: dict[str, Label] = {}
    matches = {}
    for key in content:
        match = _ENTRY.fullmatch(key)
        if match is None:
            raise ValueError(
                f"{file}: key {key!r:.100} is not of the form '(class, class) split', as in '(0, 1) train'"
            )
        matches[key] = match
        labels |= {text: text for text in match.group("first", "second")}
    integers = all(_INTEGER.fullmatch(text) for text in labels)
    for text in labels:
        labels[text] = int(text) if integers else _unquoted(text)
    for kind, names in (("class", labels.values()), ("split", {match["split"] for match in matches.values()})):
        for why in (bad_name(name, kind) for name in names if isinstance(name, str)):
            if why is not None:
                raise ValueError(f"{file}: {why}")
    entries: Entries = {}
    metrics: set[str] = set()
    for key, values in content.items():
        match = matches[key]
        pair = labels[match["first"]], labels[match["second"]]
        if pair[0] == pair[1]:
            raise ValueError(f"{file}: key {key!r:.100} pairs a class with itself")
        if (pair, match["split"]) in entries or (pair[::-1], match["split"]) in entries:
            raise ValueError(f"{file}: key {key!r:.100} names a pair that is there already for this split")
        entries[pair, match["split"]] = _layers(values, f"{file}: key {key!r:.100}", metrics)
    if len(metrics) > 1:
        raise ValueError(f"{file} holds values of the metrics {sorted(metrics)}; put each into a file of its own")
    [prefix] = metrics
    return METRICS.get(prefix, prefix), entries


def _unquoted(text: str) -> str:
    return str(ast.literal_eval(text)) if text[0] in "'\"" else text


def _load(file: Path) -> Any:
    try:
        return read_json(file, _LARGEST_FILE)
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error}") from error
    except ValueError as error:
        raise ValueError(f"{file} is not a result file of the older tool: {error}") from error


def _layers(values: Any, where: str, metrics: set[str]) -> dict[str, float]:
    """Read the values of one entry by hpfunc's names of layers, and note the metrics that precede them."""
    if not isinstance(values, dict) or not values:
        raise ValueError(f"{where}: expected an object with a value for each layer")
    layers: dict[str, float] = {}
    for name, value in values.items():
        prefix, space, layer = name.partition(" ")
        if not prefix or not space or not layer:
            raise ValueError(f"{where}, layer {name!r:.100}: expected a metric, such as 'Euclid ', and a name")
        metrics.add(prefix)
        if (why := bad_name(layer, "layer")) is not None:
            raise ValueError(f"{where}: {why}")
        layer = "input" if layer == INPUT else layer
        if layer in layers:
            raise ValueError(f"{where}: layer {layer!r} is there twice ({INPUT!r} is the input)")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise ValueError(f"{where}, layer {name!r:.100}: {value!r:.100} is not a number from 0 to 1")
        layers[layer] = float(value)
    return layers


def axes_of(entries: Entries, file: Path) -> Axes:
    """List the splits, layers and pairs of a file as they come, and check that it has all combinations."""
    pairs = list(dict.fromkeys(pair for pair, _ in entries))
    splits = list(dict.fromkeys(split for _, split in entries))
    layers = list(next(iter(entries.values())))
    for pair in pairs:
        for split in splits:
            if (pair, split) not in entries:
                raise ValueError(f"{file}: the entry '{pair} {split}' is missing")
            odd = set(layers) ^ set(entries[pair, split])
            if odd:
                raise ValueError(f"{file}: key '{pair} {split}' and the first key differ in the layers {sorted(odd)}")
    return Axes(splits, layers, pairs)
