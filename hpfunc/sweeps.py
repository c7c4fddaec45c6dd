"""Every checkpoint of a training, on every data set: the statistic of all layers and pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from os import PathLike
from typing import Any

import xarray as xr

from hpfunc._files import as_path
from hpfunc._support.keywords import known_arguments
from hpfunc._support.optional import need
from hpfunc._sweep import Plan, fold_options, plain_labels, run_sweep

__all__ = ["sweep"]


@known_arguments
def sweep(
    checkpoints: Mapping[Any, Any],
    data: Mapping[str, Any],
    /,
    *,
    build: Callable[[], Any] | None = None,
    part: str | None = None,
    executor: Executor | None = None,
    store: str | PathLike[str] | None = None,
    overwrite: bool = False,
    progress: bool = False,
    layers: Sequence[str] | None = None,
    classes: Sequence[int | str] | None = None,
    samples_per_class: int | None = 1000,
    key: int | tuple[int, ...] | None = None,
    batch_size: int = 256,
    device: Any = None,
    method: str | Callable[[Any], Mapping[str, Any]] = "hooks",
    reduce: Any = None,
    dtype: Any = None,
    forward: Callable[[Any, Any], Any] | None = None,
    label: int | str | Callable[[Any], tuple[Any, Any]] | None = None,
    pairs: Iterable[tuple[Any, Any]] | None = None,
    metric: str = "euclidean",
    graph: str = "mst",
    k: int = 1,
    exact: bool = True,
    max_memory: int | None = None,
    folds: int | None = None,
    repeats: int = 1,
    groups: Any = None,
) -> xr.Dataset:
    """Measure every checkpoint on every data set: `collect_activations`, then `pairwise_hp`.

    One checkpoint is in memory at a time, and the activations of one data set. All checkpoints see the same samples.

    Parameters
    ----------
    checkpoints : mapping
        Label (integers, such as epochs, or strings) to a path, a state dict, a ``torch.nn.Module``, or a function
        without arguments that returns a path or a state dict. ``~`` in a path is the home folder. Files are those
        of ``torch.save`` and of safetensors. The weights may lie inside other mappings (``state_dict``, ``model``),
        beside other objects, and under a prefix (``module.``); the log ``hpfunc`` says what was taken. Modules are left
        as they were.
    data : mapping
        Name of the split (a string) to the data set, as in `collect_activations`, or to a function without arguments
        that makes it. Such a function is called anew for each checkpoint.
    build : callable
        Makes a new module that the weights fit, once for each checkpoint; often the class itself. Not needed where all
        checkpoints are modules.
    part : str, optional
        The key or prefix of the weights (such as ``"state_dict_ema"``), where checkpoints hold several that fit.
    executor : concurrent.futures.Executor, optional
        Runs one task for each checkpoint and split: a thread or process pool (start it by ``spawn``), a Dask client's
        ``get_executor()``, mpi4py's or loky's. Unless it is a pool of threads, each task is sent its checkpoint and its
        data set: paths, and functions that make data sets, cost next to nothing; state dicts, modules, arrays and data
        sets are copied for each task. By default all tasks run in this process, one after the other. The result is the
        same.
    store : path-like, optional
        A folder, created if it does not exist, in which each finished checkpoint is kept as one file. A sweep that was
        stopped continues where it stopped; `open_results` opens what is finished. Only one sweep at a time may use the
        folder.
    overwrite : bool
        Measure again those checkpoints of the store that were made from other weights, samples or options. By default
        they raise an error that names what differs. Checkpoints that match are kept in either case.
    progress : bool
        Show a bar that counts checkpoints times splits.
    layers : list of str, optional
        Names or globs of the layers to measure; by default those that `collect_activations` takes.
    classes : list of int or str, optional
        The labels to take, in this order; by default all, sorted.
    samples_per_class : int or None
        How many samples of each class at most; None for all.
    key : int or tuple of int, optional
        Draw the samples of each class at random, and divide them into folds. By default the first samples of each class
        in data order are taken; folds need a key.
    batch_size : int
        Samples in one forward pass. A DataLoader keeps its own.
    device : str or torch.device, optional
        Where to run, by default where the model is.
    method : {"hooks", "fx", "snapshot"} or callable
        How layers are observed, as in `collect_activations`.
    reduce : {"mean", "first-token", "last-token", "token-mean"}, callable or mapping, optional
        Make activations smaller as they are taken, as in `collect_activations`.
    dtype : {"float16", "float32", "float64"}, optional
        Keep floating activations in this dtype, by default in their own.
    forward : callable, optional
        ``forward(model, x)`` runs the model on a batch; by default ``model(x)``, ``model(*x)`` or ``model(**x)``.
    label : int, str or callable, optional
        Where the label of an item or batch is, as in `collect_activations`.
    pairs : iterable of (class, class), optional
        Only these pairs, in this order; by default all, in the order of the classes.
    metric : {"euclidean", "cosine"}
        Distance between points.
    graph : {"mst", "knn"}
        The graph whose edges are counted: minimum spanning trees or nearest neighbours.
    k : int
        Number of trees or neighbours.
    exact : bool
        True: the counts are those of float64 distances by direct differences, ties included, for certain. False: the
        tree that the working precision finds.
    max_memory : int, optional
        The limit in bytes, for the activations of one data set and again for the statistic of one layer; by default a
        part of the free memory. Layers that do not fit together are collected in groups, at the price of a forward pass
        for each group. Pass it where several workers share a machine.
    folds : int, optional
        Divide the samples of each class at random into this many disjoint folds, and measure each fold separately, as
        in `pairwise_hp`.
    repeats : int
        How many times to divide the samples anew.
    groups : array-like or mapping, optional
        Which samples belong together and fall in one fold: integers or strings, one for each sample of the data set in
        its order; or a mapping from each split to such an array.

    Returns
    -------
    xarray.Dataset
        The variables of `pairwise_hp` with the dims ``(checkpoint, split, layer, pair)``; with folds
        ``(checkpoint, split, repeat, fold, layer, pair)``.

    Raises
    ------
    TypeError
        If ``checkpoints`` or ``data`` is not a mapping from such labels, if a checkpoint has another type, if ``build``
        is needed and does not make a module, or if something cannot be sent to the executor.
    ValueError
        If a checkpoint is missing, damaged, holds more than plain tensors or does not fit the module (keys and shapes
        are named); if checkpoints or splits differ in their layers, classes or samples (nothing is filled with NaN);
        and as in `collect_activations` and `pairwise_hp`. With a store or an executor, a task that fails does not stop
        the others: it is tried once more, and all failures are reported together at the end. Also if the store is in
        use, is not a store, or holds checkpoints that were made from other weights, samples or options.
    OSError
        If the store cannot be written to: the disk is full, the folder read-only. What it holds stays valid.
    ImportError
        Without torch.

    Warns
    -----
    UserWarning
        As in `collect_activations` and `pairwise_hp`, wherever the task ran, with the checkpoint and the split named. A
        warning that several tasks raise appears twice: at once for the first task, and at the end for all others. Where
        warnings are errors (``warnings.simplefilter("error")``), the first one ends the sweep at once, or with a store
        after all checkpoints are kept: the same call then gives the results.

    Notes
    -----
    A checkpoint of the store counts as the same if these are: the bytes of its file (or the tensors of a state dict or
    module), the structure of the model and the code of its ``forward``, the samples (labels, positions and values; each
    data set is read once to find out), and all options but ``max_memory``, ``device`` and ``progress``. Code that a
    ``forward``, ``reduce`` or data set calls is not compared.

    Checkpoint files may come from anywhere. Their pickle is read as a list of at most 400,000 opcodes in 16 MiB:
    nothing that it names is imported, created or called, and objects other than tensors are skipped. A file may not
    declare more than it holds, has at most 50,000 entries, and the checksums of what is read must be right. Tensors
    must be dense; their shapes are compared with the module's before they are copied.

    At the end the log ``hpfunc`` says, at level INFO, how many seconds went into loading, forward passes with their
    data, reduction to few coordinates, exact distances, and trees with all the rest. The attribute ``seconds`` of its
    record holds them. For graphs other than a single tree, and on GPUs, the whole statistic counts as trees.

    Where several threads work in parallel, the last bits of a layer's values may depend on their number, and so, in
    rare near-ties, a count: give all workers the same number of threads (Dask sets one).

    Examples
    --------
    >>> import numpy as np, torch
    >>> import hpfunc as hp
    >>> def build():
    ...     return torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU())
    >>> labels = np.repeat([0, 1, 2], 20)
    >>> points = np.random.default_rng(0).normal(size=(60, 4)).astype("float32") + labels[:, None]
    >>> runs = hp.sweep({0: build().state_dict(), 9: build()}, {"test": (points, labels)}, build=build)
    >>> dict(runs.sizes)
    {'checkpoint': 2, 'split': 1, 'layer': 3, 'pair': 3}
    """
    need("torch", "sweep")
    plan = Plan(
        _paths(plain_labels(checkpoints)),
        plain_labels(data),
        build,
        part=part,
        collecting={
            "layers": _listed(layers), "classes": _listed(classes), "samples_per_class": samples_per_class, "key": key,
            "batch_size": batch_size, "device": device, "method": method, "reduce": reduce,
            "dtype": dtype, "forward": forward, "max_memory": max_memory,
            # Leave the label out where it is not given, so that stores made before this option existed still match.
            **({} if label is None else {"label": label}),
        },
        pairing={
            "pairs": None if pairs is None else list(pairs), "metric": metric, "graph": graph, "k": k,
            "exact": exact, "max_memory": max_memory,
            **fold_options(folds, repeats, key, groups, list(data) if isinstance(data, Mapping) else []),
        },
    )  # fmt: skip
    plan.check()
    if executor is not None:
        plan.check_travels(executor)
    if overwrite and store is None:
        raise ValueError("overwrite=True goes with store=, the folder in which to redo what does not match")
    folder = None if store is None else as_path(store, "store")
    return run_sweep(plan, executor, folder, overwrite=overwrite, progress=progress)


def _paths(checkpoints: Any) -> Any:
    """Convert checkpoints that are strings or paths to paths with ``~`` expanded; leave others unchanged."""
    if not isinstance(checkpoints, Mapping):
        return checkpoints
    sources = checkpoints.items()
    return {x: as_path(y, f"checkpoint {x!r}") if isinstance(y, (str, PathLike)) else y for x, y in sources}


def _listed(names: Any) -> Any:
    """Return iterators as lists, since they can be read only once; leave strings and other values unchanged."""
    return names if isinstance(names, str) or not isinstance(names, Iterable) else list(names)
