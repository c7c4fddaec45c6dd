"""Keep results as JSON in one file for each machine, to which later runs add rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def new_store(benchmark: str, size: str, machine: dict[str, Any]) -> dict[str, Any]:
    return {"benchmark": benchmark, "size": size, "machine": machine, "rows": {}}


def open_store(path: Path | None, benchmark: str, size: str, machine: dict[str, Any]) -> dict[str, Any]:
    """Read the file; raise an error if it holds another benchmark or results of another machine."""
    fresh = new_store(benchmark, size, machine)
    if path is None or not path.exists():
        return fresh
    store: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    for field in ("benchmark", "size", "machine"):
        if store.get(field) != fresh[field]:
            raise SystemExit(
                f"{path} holds results of another {field}, {store.get(field)!r}; this run has {fresh[field]!r}. "
                "Name another file: rows of one table must be comparable."
            )
    return store


def save_store(path: Path | None, store: dict[str, Any]) -> None:
    if path is not None:
        path.write_text(json.dumps(store, indent=1) + "\n", encoding="utf-8")
