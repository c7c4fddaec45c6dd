"""Check what a sweep is to do, and say what of it its results depend on."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hpfunc._labels.schema import Label, bad_name, check_labels
from hpfunc._store import StoreKey
from hpfunc._support.fingerprint import describe
from hpfunc._sweep.parcel import Parcel
from hpfunc._sweep.task import Task, named

__all__ = ["Plan", "plain_labels"]


class Plan(NamedTuple):
    """Hold the arguments of a sweep."""

    checkpoints: Mapping[Any, Any]
    data: Mapping[str, Any]
    build: Callable[[], Any] | None
    collecting: Mapping[str, Any]
    pairing: Mapping[str, Any]
    part: str | None = None

    def check(self) -> None:
        """Raise TypeError or ValueError for what can be seen without measuring anything."""
        from hpfunc._torch.model.checkpoint import check_source
        from hpfunc._torch.options import check_options

        _check_mapping(self.checkpoints, "checkpoints", "checkpoint", int, str)
        _check_mapping(self.data, "data", "split", str)
        for label, source in self.checkpoints.items():
            check_source(source, self.build, named(label))
        check_options(self.collecting)

    def check_travels(self, executor: Any) -> None:
        """Raise TypeError unless the tasks can be sent to where the executor runs them."""
        if callable(getattr(executor, "get_executor", None)):
            raise TypeError("executor is a Dask client; pass executor=client.get_executor()")
        if not callable(getattr(executor, "submit", None)):
            raise TypeError(f"executor is a {type(executor).__name__}; expected a concurrent.futures.Executor")
        if isinstance(executor, ThreadPoolExecutor):
            return
        # Other executors, such as Dask's, can send values that pickle cannot.
        if isinstance(executor, ProcessPoolExecutor):
            _check_pickled("build", self.build, "define functions at the top of a module")
            for name, value in {**self.collecting, **self.pairing}.items():
                _check_pickled(name, value, "define functions at the top of a module")
            for label, source in self.checkpoints.items():
                _check_pickled(named(label), source, "save its weights, and pass the path of the file")
            for split, data in self.data.items():
                remedy = "pass a function without arguments, defined at the top of a module, that makes the data set"
                _check_pickled(f"data {split!r}", data, remedy)

    def tasks(self, labels: list[Label], executor: Executor | None) -> list[Task]:
        """Make one task for each checkpoint here, or for each checkpoint and data set elsewhere."""
        data = self.data_for(executor)
        whole = [
            Task(
                label,
                _packed(_absolute(self.checkpoints[label]), executor),
                self.build,
                data,
                self.collecting,
                self.pairing,
                self.part,
            )
            for label in labels
        ]
        if executor is None:
            return whole
        return [task._replace(data={split: values}) for task in whole for split, values in data.items()]

    def data_for(self, executor: Executor | None) -> dict[str, Any]:
        """Return the data sets as they are sent to an executor."""
        return {split: _packed(data, executor) for split, data in self.data.items()}

    def describe_options(self) -> dict[str, str]:
        """Describe the options on which results depend."""
        options = {name: describe(value) for name, value in {**self.collecting, **self.pairing}.items()}
        # Neither option changes the result: work that exceeds the memory is done in groups or refused.
        del options["max_memory"], options["device"]
        if "groups" in options:
            options["groups"] = hashlib.sha256(options["groups"].encode()).hexdigest()
        return options

    def key(self, options: Mapping[str, str], weights: str, samples: Mapping[str, str], model: str) -> StoreKey:
        """Say by name all that the result of a checkpoint depends on; the options are described already."""
        data = {f"data {split!r}": digest for split, digest in samples.items()}
        return {
            "format": "1",
            "weights": weights,
            "model": model,
            "splits": describe(list(self.data)),
            **data,
            **options,
            # An option that is not given is left out, so that stores from before this option existed still match.
            **({} if self.part is None else {"part": repr(self.part)}),
        }

    def model_digest(self, label: Label) -> str:
        """Compute a digest of the structure of a checkpoint's module."""
        from hpfunc._torch.digest import structure_digest
        from hpfunc._torch.model.checkpoint import load_structure

        return structure_digest(load_structure(self.checkpoints[label], self.build), describe)


def _check_pickled(name: str, value: Any, remedy: str) -> None:
    """Raise TypeError if a value cannot be sent to another process."""
    try:
        pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        raise TypeError(f"{name} cannot be sent to another process ({error}); {remedy}") from error


def _packed(value: Any, executor: Executor | None) -> Any:
    """Return a value as a pool of processes is sent it."""
    return Parcel(value) if isinstance(executor, ProcessPoolExecutor) else value


def _absolute(source: Any) -> Any:
    # Workers may have another working directory.
    return Path(source).absolute() if isinstance(source, (str, PathLike)) else source


def plain_labels(mapping: Any) -> Any:
    """Replace NumPy's integers and strings among the labels by Python's; leave what is no mapping as it is."""
    if not isinstance(mapping, Mapping):
        return mapping
    return {label.item() if isinstance(label, (np.integer, np.str_)) else label: x for label, x in mapping.items()}


def _check_mapping(value: object, name: str, kind: str, *types: type) -> None:
    """Raise unless ``value`` is a mapping from labels that a coord and a file can hold."""
    if not isinstance(value, Mapping):
        example = '{0: "epoch0.ckpt"}' if name == "checkpoints" else '{"test": dataset}'
        raise TypeError(f"{name} is a {type(value).__name__}; expected a mapping from labels, such as {example}")
    check_labels(value, name, kinds=types)
    for label in value:
        why = bad_name(label, kind) if isinstance(label, str) else None
        if isinstance(label, int) and not -(2**63) <= label < 2**63:
            why = f"the {kind} {label} has more than 64 bits"
        if why is not None:
            raise ValueError(f"{name}: {why}")
