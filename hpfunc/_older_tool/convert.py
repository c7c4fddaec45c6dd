"""Read and write the older tool's JSON files as results."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from hpfunc._files import as_path
from hpfunc._labels.pairs import label_pairs
from hpfunc._labels.schema import SWEEP_DIMS, check_labels, check_results
from hpfunc._older_tool.format import INPUT, METRICS, Axes, axes_of, read_entries
from hpfunc._older_tool.layers import new_names

__all__ = ["read_seed_results", "write_seed_results"]

_DEVICE = re.compile("con|prn|aux|nul|(com|lpt)[0-9¹²³]", re.IGNORECASE)


def read_seed_results(stages: Mapping[Any, str | PathLike[str]], /, *, layers: Any = None) -> xr.Dataset:
    """Read the older tool's JSON files, one for each stage of the training.

    Parameters
    ----------
    stages : mapping
        Label of the stage (integer or string) to the path of its file.
    layers : mapping or list of str, optional
        New names of layers, by a mapping from old to new names; or the names that hooks give the layers
        (``layers=runs.layer``), of which each layer takes its own: ``relu1`` becomes ``relu`` and ``relu2`` becomes
        ``relu_1`` where there are no such names themselves. By default names stay as they are.

    Returns
    -------
    xarray.Dataset
        The variable ``hp`` with the dims ``(checkpoint, split, layer, pair)``, labelled by stage along
        ``checkpoint``; the files hold nothing else. It is the estimate ``1 - 2 min(N/2, R)/N`` (``"u"`` in
        `hp_estimate`; N samples, R cross edges), which is `hp_statistic`'s ``hp`` where both classes have
        equally many samples, and only there. The layer ``initial`` becomes ``input``; class labels become
        integers where all of them are; the word before each layer becomes the attr ``metric`` (``euclidean`` for
        ``Euclid``, ``cosine`` for ``Cosine``, others as they stand).

    Raises
    ------
    TypeError
        If ``stages`` is not a mapping from integers or from strings to paths, or ``layers`` gives no names.
    ValueError
        If a file is missing or malformed (which file, which key), or the files differ in their metric, splits, layers
        or pairs; if a layer has no new name.

    Examples
    --------
    >>> import json, pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "before.json")
    ...     _ = path.write_text(json.dumps({"(3, 8) test": {"Euclid initial": 0.5, "Euclid conv1": 0.75}}))
    ...     runs = read_seed_results({"before": path})
    >>> runs.hp.sel(checkpoint="before", split="test", layer="conv1", class_a=8, class_b=3).item()
    0.75
    """
    if not isinstance(stages, Mapping):
        raise TypeError(f"stages is a {type(stages).__name__}; expected a mapping from label to path")
    check_labels(stages, "stages")
    files = {label: as_path(path, f"stages[{label!r}]") for label, path in stages.items()}
    read = {label: read_entries(file) for label, file in files.items()}
    entries = {label: found for label, (_, found) in read.items()}
    metrics = {label: metric for label, (metric, _) in read.items()}
    axes = {label: axes_of(entries[label], file) for label, file in files.items()}
    first = next(iter(files))
    for label in files:
        if metrics[label] != metrics[first]:
            raise ValueError(
                f"{files[first]} and {files[label]} differ in their metric, {metrics[first]!r} and {metrics[label]!r}; "
                "read them apart"
            )
        for name in Axes._fields:
            odd = sorted(set(getattr(axes[first], name)) ^ set(getattr(axes[label], name)), key=str)
            if odd:
                raise ValueError(
                    f"{files[first]} and {files[label]} differ: only one of them has the {name} "
                    f"{', '.join(map(repr, odd[:10]))}; read them apart"
                )
    splits, names, pairs = axes[first]
    values = [
        [[[table[pair, split][layer] for pair in pairs] for layer in names] for split in splits]
        for table in entries.values()
    ]
    attrs = {"long_name": "Henze-Penrose statistic (u estimate)", "units": "1"}
    results = xr.Dataset(
        {"hp": (SWEEP_DIMS, np.array(values, dtype=np.float64), attrs)},
        coords={
            "checkpoint": list(files),
            "split": splits,
            "layer": names if layers is None else new_names(names, layers),
            "class_a": ("pair", [a for a, _ in pairs]),
            "class_b": ("pair", [b for _, b in pairs]),
        },
        attrs={"metric": metrics[first]},
    )
    return label_pairs(results)


def write_seed_results(results: xr.Dataset, folder: str | PathLike[str], /) -> list[Path]:
    """Write results as the older tool does: one ``<checkpoint>.json`` for each checkpoint.

    Parameters
    ----------
    results : xarray.Dataset
        With the variable ``hp`` on the dims ``(checkpoint, split, layer, pair)``, from one minimum spanning tree, the
        only graph the older tool has. What is written is ``hp`` as it stands; the
        older tool's own estimate (``"u"`` in `hp_estimate`) equals it only where both classes have equally
        many samples. Other variables are left out. The layer ``input`` becomes ``initial``.
    folder : str or path-like
        Where the files go; made if it is not there.

    Returns
    -------
    list of pathlib.Path
        The files, in the order of the checkpoints.

    Raises
    ------
    TypeError
        If ``results`` is not a Dataset.
    ValueError
        If it lacks ``hp`` or one of the dims, holds NaN or a value outside 0 to 1, or was made with another
        metric or graph; if a checkpoint's label is no plain file name; if a file is already there (nothing is
        overwritten); if the folder cannot be written to.

    Examples
    --------
    >>> import json, pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "before.json")
    ...     _ = path.write_text(json.dumps({"(3, 8) test": {"Euclid initial": 0.5}}))
    ...     [copy] = write_seed_results(read_seed_results({7: path}), pathlib.Path(folder, "copies"))
    ...     print(copy.name, copy.read_text())
    7.json {"(3, 8) test": {"Euclid initial": 0.5}}
    """
    check_results(results, "results")
    texts = _texts(results)
    folder = as_path(folder, "folder")
    files = [folder / f"{_file_name(label)}.json" for label in results.checkpoint.values.tolist()]
    there = [file for file in files if file.exists() or file.is_symlink()]
    if there:
        raise ValueError(f"{there[0]} exists; remove it or choose another folder (nothing was written)")
    if len({file.name.casefold() for file in files}) < len(files):
        raise ValueError("results has checkpoints whose file names differ at most in upper and lower case")
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in zip(files, texts, strict=True):
            # "x" refuses what another program has put there in between.
            with file.open("x", encoding="ascii") as stream:
                written.append(file)
                stream.write(text)
    except OSError as error:
        for file in written:
            file.unlink(missing_ok=True)
        raise ValueError(f"cannot write to the folder {folder}: {error} (nothing was written)") from error
    return files


def _texts(results: xr.Dataset) -> list[str]:
    """Make the JSON of each checkpoint."""
    if "hp" not in results or set(results.hp.dims) != set(SWEEP_DIMS):
        found = results.hp.dims if "hp" in results else "no such variable"
        raise ValueError(f"results must hold hp with the dims {SWEEP_DIMS}; found {found} (see Dataset.expand_dims)")
    names = {metric: prefix for prefix, metric in METRICS.items()}
    metric = results.attrs.get("metric")
    if not isinstance(metric, str) or not metric or " " in metric:
        raise ValueError(f"results has the attr metric={metric!r}; such files hold the metric as one word")
    prefix = names.get(metric, metric)
    if results.attrs.get("graph", "mst") != "mst" or results.attrs.get("k", 1) != 1:
        raise ValueError("results come from another graph than one minimum spanning tree, which is all such files hold")
    hp = results.hp.transpose("checkpoint", "pair", "split", "layer")
    wrong = ~((hp.values >= 0) & (hp.values <= 1))
    if wrong.any():
        at = [int(i) for i in np.argwhere(wrong)[0]]
        entry = hp[dict(zip(hp.dims, at, strict=True))]
        where = {str(name): coord.item() for name, coord in entry.coords.items() if coord.ndim == 0}
        raise ValueError(f"hp is {entry.item()} at {where}; such files hold numbers from 0 to 1")
    layers = hp.layer.values.tolist()
    if INPUT in layers:
        raise ValueError(f"results has a layer {INPUT!r}, which is the name of the input in such files; rename it")
    keys = [f"{prefix} {INPUT if layer == 'input' else layer}" for layer in layers]
    pairs = list(zip(hp.class_a.values.tolist(), hp.class_b.values.tolist(), strict=True))
    splits = hp.split.values.tolist()
    return [
        json.dumps(
            {
                f"{pair} {split}": dict(zip(keys, values, strict=True))
                for pair, by_split in zip(pairs, by_pair, strict=True)
                for split, values in zip(splits, by_split, strict=True)
            }
        )
        for by_pair in hp.values.tolist()
    ]


def _file_name(label: int | str) -> str:
    """Turn a checkpoint's label into a file name that every system takes and that stays in its folder."""
    name = str(label)
    odd = not name or name.startswith(".") or re.search(r'[<>:"/\\|?*\x00-\x1f]', name) or len(name.encode()) > 200
    # Windows has devices of these names, whatever follows the first dot.
    if odd or _DEVICE.fullmatch(name.partition(".")[0].rstrip(" ")):
        raise ValueError(
            f"checkpoint {name[:50]!r} cannot name a file; rename it (no leading dot, no control character, "
            'none of <>:"/\\|?*, no device such as NUL or COM1, at most 200 bytes)'
        )
    return name
