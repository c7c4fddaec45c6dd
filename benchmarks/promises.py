"""Measure what the documentation promises: ``python -m benchmarks.promises [--part NAME ...] [--json FILE]``.

Each part is a module of its own whose function `pieces` yields the name of each kind of trial and the function that
makes its row. The JSON file is written after each row; after an interruption, ``--resume`` keeps the rows of the same
commit that it holds. The table of all rows stands in ``benchmarks/README.md``, where ``python -m benchmarks.report``
writes it from the JSON file.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine, when
from benchmarks.store import open_store, save_store

__all__ = ["PARTS", "promises_table"]

PARTS = {
    "kills": "benchmarks.promises_kills",
    "files": "benchmarks.promises_files",
    "checkpoints": "benchmarks.promises_checkpoints",
    "models": "benchmarks.promises_models",
    "memory": "benchmarks.promises_memory",
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, nargs="+", default=list(PARTS), help="by default all")
    parser.add_argument("--json", type=Path, help="add the rows to those of this file")
    parser.add_argument("--resume", action="store_true", help="keep the rows of this commit that the file holds")
    options = parser.parse_args(arguments)
    store = open_store(options.json, "promises", "full", describe_machine())
    for name in options.part:
        if find_spec(PARTS[name]) is None:
            print(f"{name}: there is no {PARTS[name]}", file=sys.stderr)
            continue
        for part in _measured(import_module(PARTS[name]), store["rows"].get(name) if options.resume else None):
            store["rows"][name] = part
            save_store(options.json, store)
            print(name, part["rows"][-1], file=sys.stderr, flush=True)
    print(promises_table(store["rows"]))
    return 0


def _measured(module: Any, earlier: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """Yield the rows of a part so far after each new row; rows that the same commit made earlier are kept."""
    part: dict[str, Any] = {"rows": [], "names": [], **when()}
    kept = earlier if earlier is not None and earlier.get("commit") == part.get("commit") else part
    done = dict(zip(kept["names"], kept["rows"], strict=True))
    for name, make in module.pieces(part["rows"]):
        part["rows"].append(done[name] if name in done else make())
        part["names"].append(name)
        yield part


def promises_table(parts: dict[str, Any]) -> str:
    """Lay the rows of each part out as a table of its own, whose columns are the names that its rows hold."""
    return "\n\n".join(f"`{name}`, {part['measured']}:\n\n{_table(part['rows'])}" for name, part in parts.items())


def _table(rows: list[dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [columns, ["---"] * len(columns), *([_cell(row.get(name)) for name in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
