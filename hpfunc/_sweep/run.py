"""Run the tasks of a sweep, here or by an executor, and gather their results."""

from __future__ import annotations

import contextlib
import functools
import logging
import time
import traceback
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from pathlib import Path
from typing import Any, TypeVar

import xarray as xr

from hpfunc._labels.provenance import collected_attrs
from hpfunc._labels.schema import Label
from hpfunc._store import Store, StoreKey, assemble, join, layout_difference, locked, read_part
from hpfunc._support.progress import ProgressBar
from hpfunc._sweep.plan import Plan
from hpfunc._sweep.task import Measured, Task, measure, named, samples_of
from hpfunc._sweep.warnings import SweepWarnings

__all__ = ["run_sweep"]

_log = logging.getLogger("hpfunc")
# The log is silent unless the program switches it on.
_log.addHandler(logging.NullHandler())

_DIED = (
    "A worker died: for lack of memory, or because it could not import the program that started it. A program that "
    'starts processes does its work under `if __name__ == "__main__":`, and functions that a notebook sends to '
    "processes stand in a module that the notebook imports. Call again with a new executor."
)

# Errors list this many failures.
_LISTED = 20

Job = TypeVar("Job")
Result = TypeVar("Result")


def run_sweep(
    plan: Plan, executor: Executor | None, store: Path | None, *, overwrite: bool, progress: bool
) -> xr.Dataset:
    """Do what is not done yet, and give the results of all."""
    if store is None:
        return _run(plan, executor, _Finished(plan, None), list(plan.checkpoints), progress)
    with locked(store) as folder:
        folder.check_kind(list(plan.checkpoints))
        samples = _samples(plan, executor)
        finished = _Finished(plan, folder, samples)
        kept = folder.find_finished(list(plan.checkpoints), finished.expected_key, overwrite=overwrite)
        folder.register(list(plan.checkpoints))
        finished.take_up(kept)
        _log.info("store %s holds %d of %d checkpoints", store, len(kept), len(plan.checkpoints))
        try:
            return _run(plan, executor, finished, [x for x in plan.checkpoints if x not in kept], progress)
        except KeyboardInterrupt as stop:
            stop.add_note(f"hpfunc.sweep was stopped; {finished.saved()}")
            raise


def _run(plan: Plan, executor: Executor | None, finished: _Finished, todo: list[Label], progress: bool) -> xr.Dataset:
    tasks = plan.tasks(todo, executor)
    total = len(plan.checkpoints) * len(plan.data)
    # Without a store there is nowhere to keep other results, so the first failure ends the sweep.
    patient = executor is not None or finished.store is not None
    failures, warned = [], SweepWarnings()
    refused: list[Warning] = []
    spent, start = Counter[str](), time.perf_counter()
    with (
        ProgressBar(progress, "checkpoints x data", total, total - len(todo) * len(plan.data)) as bar,
        contextlib.closing(_outcomes(measure, tasks, executor, attempts=2 if patient else 1)) as outcomes,
    ):
        for task, outcome in outcomes:
            if isinstance(outcome, Exception):
                if not patient:
                    raise outcome
                # The frames of the traceback hold the model and the data, so they are cleared.
                traceback.clear_frames(outcome.__traceback__)
                failures.append((task, outcome))
            else:
                for measured in outcome:
                    finished.add(measured)
                    spent.update(measured.seconds)
                for measured in outcome:
                    try:
                        warned.add(named(measured.label, measured.split), measured.warnings)
                    except Warning as warning:
                        # The caller's filter makes it an error. With a store, all other tasks are done and kept first.
                        if finished.store is None:
                            raise
                        refused.append(warning)
            bar.update(len(task.data))
    _report_seconds(spent, time.perf_counter() - start, len(tasks))
    if failures:
        raise _failed(failures, len(tasks), finished)
    if refused:
        refused[0].add_note(f"raised at the end of the sweep; {finished.saved()}")
        raise refused[0]
    warned.report_others()
    return finished.whole()


def _report_seconds(spent: Mapping[str, float], taken: float, n_tasks: int) -> None:
    """Say in the log where the time went; its record holds the seconds of each stage as ``seconds``."""
    stages = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in spent.items())
    if stages:
        _log.info(
            "the sweep did %d tasks in %.1f s; all of them together: %s", n_tasks, taken, stages,
            extra={"seconds": dict(spent)},
        )  # fmt: skip


def _outcomes(
    function: Callable[[Job], Result], jobs: Iterable[Job], executor: Executor | None, *, attempts: int
) -> Generator[tuple[Job, Result | Exception]]:
    """Yield each job with its result, or with the error of its last attempt, as jobs finish."""
    if executor is None:
        for job in jobs:
            yield job, _attempt(functools.partial(function, job), attempts)
        return
    waiting = {executor.submit(function, job): (job, 1) for job in jobs}
    try:
        while waiting:
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                job, attempt = waiting.pop(future)
                outcome = _attempt(future.result)
                if isinstance(outcome, Exception) and attempt < attempts:
                    again = _attempt(functools.partial(executor.submit, function, job))
                    if isinstance(again, Future):
                        waiting[again] = job, attempt + 1
                        continue
                yield job, outcome
    finally:
        # Tasks that wait are cancelled, and tasks that run are not waited for.
        for future in waiting:
            future.cancel()


def _attempt(function: Callable[[], Result], attempts: int = 1) -> Result | Exception:
    for _ in range(attempts):
        try:
            return function()
        except Exception as error:
            outcome = error
            if attempts > 1:
                _log.warning("failed: %r", error)
                traceback.clear_frames(error.__traceback__)
    return outcome


def _samples(plan: Plan, executor: Executor | None) -> dict[str, str]:
    """Digest the samples of each data set."""
    found: dict[str, str] = {}
    function = functools.partial(_digest, options=plan.collecting)
    for (split, _), outcome in _outcomes(function, plan.data_for(executor).items(), executor, attempts=2):
        if isinstance(outcome, Exception):
            outcome.add_note(f"in sweep, at data {split!r}")
            raise outcome
        found[split] = outcome
    return {split: found[split] for split in plan.data}


def _digest(item: tuple[str, Any], options: Any) -> str:
    return samples_of(item[1], options)


class _Finished:
    """Hold what has been measured: checkpoints in the store or in memory, and splits of unfinished checkpoints."""

    def __init__(self, plan: Plan, store: Store | None, samples: dict[str, str] | None = None) -> None:
        self.store = store
        self._plan, self._samples = plan, samples or {}
        # Described before anything runs, because what a function holds may change while the sweep calls it.
        self._options, self._collected = plan.describe_options(), collected_attrs(plan.collecting)
        self._models: dict[Label | None, str] = {}
        self._parts: dict[Label, dict[str, Measured]] = {label: {} for label in plan.checkpoints}
        self._done: dict[Label, xr.Dataset | None] = {}
        self._first: tuple[str, xr.Dataset] | None = None
        self._first_of: dict[str, Measured] = {}

    def expected_key(self, label: Label) -> StoreKey:
        """Return the key of a checkpoint's file, from what the weights are now."""
        from hpfunc._torch.digest import weights_digest
        from hpfunc._torch.model.checkpoint import load_source

        return self._key(label, weights_digest(load_source(self._plan.checkpoints[label], named(label))))

    def _key(self, label: Label, weights: str) -> StoreKey:
        from hpfunc._torch.model.checkpoint import makes_itself

        # The module that build() makes has the same structure for all checkpoints.
        of = label if makes_itself(self._plan.checkpoints[label]) else None
        if of not in self._models:
            self._models[of] = self._plan.model_digest(label)
        return self._plan.key(self._options, weights, self._samples, self._models[of])

    def take_up(self, kept: list[Label]) -> None:
        """Count checkpoints of the store as finished."""
        assert self.store is not None
        self._done |= dict.fromkeys(kept)
        for label in kept[:1]:
            self._first = named(label), read_part(self.store.folder, label).isel(checkpoint=0, split=0)

    def add(self, new: Measured) -> None:
        """Gather the result of a task, and keep its checkpoint if that was the last of it."""
        self._check_alike(new)
        parts = self._parts[new.label]
        parts[new.split] = new
        if len(parts) < len(self._plan.data):
            return
        whole = assemble([parts[split].result for split in self._plan.data], new.label, list(self._plan.data))
        weights = {part.weights for part in parts.values()}
        if len(weights) > 1:
            raise ValueError(f"{named(new.label)} was changed while the sweep ran")
        whole = whole.assign_attrs(self._provenance(new.label, weights, parts))
        parts.clear()
        if self.store is not None:
            self.store.save(new.label, whole, self._key(new.label, *weights))
        self._done[new.label] = None if self.store is not None else whole

    def _provenance(self, label: Label, weights: set[str], parts: dict[str, Measured]) -> dict[str, Any]:
        """Describe from what the results of a checkpoint were made; digests by their first 16 digits."""
        samples = "; ".join(f"{split}: {parts[split].samples[:16]}" for split in self._plan.data)
        [digest] = weights
        return self._collected | {"samples": samples, "weights": f"{label}: {digest[:16]}"}

    def _check_alike(self, new: Measured) -> None:
        """Raise ValueError where the new result has other layers, pairs or samples than those before it."""
        where = named(new.label, new.split)
        self._first = self._first or (where, new.result)
        name, first = self._first
        why = layout_difference(first, new.result)
        if why is not None:
            raise ValueError(f"{name} and {where} differ: {why}; sweep them apart")
        old = self._first_of.setdefault(new.split, new)
        if old.samples != new.samples:
            raise ValueError(
                f"{named(old.label, old.split)} and {where} saw different samples; pass a data set that gives the same "
                "samples each time (a loader that shuffles by its own generator does not)"
            )

    def whole(self) -> xr.Dataset:
        """Return all results, in the order of the checkpoints."""
        labels = list(self._plan.checkpoints)
        held = (self._done[label] for label in labels)
        parts = [read_part(self.store.folder, x) for x in labels] if self.store is not None else list(held)
        return join([part for part in parts if part is not None], labels)

    def saved(self) -> str:
        """Say in words what is safe."""
        if self.store is None:
            return "nothing was kept, since no store= was named"
        done, total = len(self._done), len(self._plan.checkpoints)
        return f"{done} of {total} checkpoints are in {self.store.folder}, and the same call goes on from there"


def _failed(failures: list[tuple[Task, Exception]], total: int, finished: _Finished) -> ValueError:
    lines = [f"- {task}: {type(error).__name__}: {error}" for task, error in failures[:_LISTED]]
    if len(failures) > _LISTED:
        lines.append(f"- and {len(failures) - _LISTED} more")
    broken = any(isinstance(error, BrokenExecutor) for _, error in failures)
    remedy = f"\n{_DIED}" if broken else ""
    error = ValueError(
        f"{len(failures)} of {total} tasks of the sweep failed, each twice; {finished.saved()}:\n"
        + "\n".join(lines)
        + remedy
    )
    error.__cause__ = ExceptionGroup("the failures", [failure for _, failure in failures])
    return error
