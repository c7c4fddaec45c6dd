"""Write the committed results into README.md: ``python -m benchmarks.report``."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import folds, on_disk, scaling
from benchmarks.growth import growth_table
from benchmarks.promises import promises_table
from benchmarks.store import RESULTS
from benchmarks.tables import machine_list, pairwise_table, peer_table, stage_table, sweep_layer_table, sweep_table

README = Path(__file__).parent / "README.md"


def main() -> int:
    README.write_text(updated(README.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


def updated(text: str) -> str:
    """Return the text with each part between ``<!-- NAME -->`` and ``<!-- end -->`` written again from the results."""

    def part(found: re.Match[str]) -> str:
        return f"<!-- {found[1]} -->\n{PARTS[found[1]]()}\n<!-- end -->"

    return re.sub(r"<!-- ([\w-]+) -->\n.*?<!-- end -->", part, text, flags=re.DOTALL)


def results(name: str) -> Any:
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"rows": {}}


def _table(name: str, table: Callable[[dict[str, Any]], str]) -> str:
    rows = results(name)["rows"]
    return table(rows) if rows else "Not measured yet."


def _growth() -> str:
    growth = results("pairwise").get("growth")
    if growth is None:
        return "Not measured yet."
    picture = "![Seconds of pairwise_hp and of the product on logarithmic axes, as n, K and d grow](results/growth.png)"
    return f"{picture}\n\nThe powers of n, K and d that fit best:\n\n{growth_table(growth)}"


def _layers(rows: dict[str, Any]) -> str:
    return "\n\n".join(f"`{name}`:\n\n{sweep_layer_table(row)}" for name, row in rows.items())


PARTS = {
    "machine": lambda: machine_list(results("pairwise")["machine"]),
    "pairwise": lambda: _table("pairwise", pairwise_table),
    "peers": lambda: _table("pairwise", peer_table),
    "on-disk": lambda: _table("on_disk", on_disk.on_disk_table),
    "sweep": lambda: _table("sweep", sweep_table),
    "stages": lambda: _table("sweep", stage_table),
    "layers": lambda: _table("sweep", _layers),
    "scaling": lambda: _table("scaling", scaling.scaling_table),
    "overhead": lambda: _table("scaling", scaling.overhead_table),
    "curve": lambda: _table("scaling", scaling.curve_table),
    "growth": _growth,
    "promises": lambda: _table("promises", promises_table),
    "folds": lambda: _table("folds", folds.table_of),
}


if __name__ == "__main__":
    sys.exit(main())
