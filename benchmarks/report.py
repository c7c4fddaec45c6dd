"""Write the committed results into README.md: ``python -m benchmarks.report``."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from benchmarks.growth import growth_table
from benchmarks.store import RESULTS
from benchmarks.tables import machine_list, pairwise_table, peer_table, sweep_layer_table, sweep_table

README = Path(__file__).parent / "README.md"


def main() -> int:
    README.write_text(updated(README.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


def updated(text: str) -> str:
    """The text with each part between ``<!-- NAME -->`` and ``<!-- end -->`` made anew from the results."""

    def part(found: re.Match[str]) -> str:
        return f"<!-- {found[1]} -->\n{PARTS[found[1]]()}\n<!-- end -->"

    return re.sub(r"<!-- ([\w-]+) -->\n.*?<!-- end -->", part, text, flags=re.DOTALL)


def results(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def _growth() -> str:
    return growth_table(results("pairwise")["growth"])


def _layers() -> str:
    rows = results("sweep")["rows"]
    return "\n\n".join(f"`{name}`:\n\n{sweep_layer_table(row)}" for name, row in rows.items())


PARTS = {
    "machine": lambda: machine_list(results("pairwise")["machine"]),
    "pairwise": lambda: pairwise_table(results("pairwise")["rows"]),
    "peers": lambda: peer_table(results("pairwise")["rows"]),
    "growth": _growth,
    "sweep": lambda: sweep_table(results("sweep")["rows"]),
    "layers": _layers,
}


if __name__ == "__main__":
    sys.exit(main())
