"""Write results as Markdown tables, for the terminal and for README.md."""

from __future__ import annotations

from typing import Any

from benchmarks.measure import median


def pairwise_table(rows: dict[str, Any]) -> str:
    """Write one line for each layer."""
    peers = list(dict.fromkeys(name for row in rows.values() for name in row["peers"]))
    header = ["layer", "points", "K", "n", "d", "runs", "pairwise_hp", "X·Yᵀ", "score", *peers]
    header += ["memory beyond the input", "others", "counts equal to SciPy's", "measured"]
    lines = []
    for name, row in rows.items():
        line = [name, row["origin"], *(f"{row[key]:,}" for key in ("n_classes", "n_samples", "n_features"))]
        line.append(str(len(row["seconds"]["ours"])))
        line += [in_seconds(median(row["seconds"][way])) for way in ("ours", "product")]
        line.append(f"{row['score']:.2f}")
        line += [_peer(row["peers"].get(peer), row["n_pairs"]) for peer in peers]
        line += [in_megabytes(row["peak_beyond_input_bytes"]), in_cores(row), _agreement(row), row["measured"][:10]]
        lines.append(line)
    return markdown(header, lines)


def _peer(found: dict[str, Any] | None, n_pairs: int) -> str:
    if found is None:
        return "–"
    if found["pairs"] == n_pairs:
        return in_seconds(found["seconds"])
    return f"{in_seconds(found['seconds'])} (from {found['pairs']:,} of {n_pairs:,} pairs)"


def _agreement(row: dict[str, Any]) -> str:
    found = row["peers"].get("SciPy")
    return "not measured" if found is None else f"{found['equal']:,} of {found['pairs']:,}"


def peer_table(rows: dict[str, Any]) -> str:
    """Write how many times our time each peer takes, and how often its count is that of a minimum spanning tree."""
    peers = list(dict.fromkeys(name for row in rows.values() for name in row["peers"]))
    lines = []
    for name, row in rows.items():
        ours, cells = median(row["seconds"]["ours"]), []
        for found in (row["peers"].get(peer) for peer in peers):
            if found is None:
                cells += ["–", "–"]
            else:
                cells += [f"{found['seconds'] / ours:,.1f}", f"{found['equal']:,} of {found['pairs']:,}"]
        lines.append([name, *cells])
    return markdown(["layer", *(f"{peer}{what}" for peer in peers for what in (" ÷ ours", ": counts equal"))], lines)


def sweep_table(rows: dict[str, Any]) -> str:
    """Write one line for each checkpoint."""
    header = ["checkpoint", "images", "layers", "K", "n", "runs", "sweep", "products X·Yᵀ", "score"]
    header += ["peak of the process", "others", "measured"]
    lines = []
    for name, row in rows.items():
        total = sum(map(median, row["seconds"]["products"].values()))
        line = [name, row["origin"], str(len(row["n_features"])), f"{row['n_classes']:,}", f"{row['n_samples']:,}"]
        line += [str(len(row["seconds"]["sweep"])), in_seconds(median(row["seconds"]["sweep"])), in_seconds(total)]
        line += [f"{row['score']:.2f}", in_megabytes(row["peak_bytes"]), in_cores(row), row["measured"][:10]]
        lines.append(line)
    return markdown(header, lines)


def stage_table(rows: dict[str, Any]) -> str:
    """Write where the time of each checkpoint's sweep goes, one line for each checkpoint, medians of its runs."""
    stages = list(dict.fromkeys(name for row in rows.values() for run in row["seconds"]["stages"] for name in run))
    lines = []
    for name, row in rows.items():
        runs = row["seconds"]["stages"]
        cells = [median([run.get(stage, 0.0) for run in runs]) for stage in stages]
        rest = median(row["seconds"]["sweep"]) - sum(cells)
        lines.append([name, *map(in_seconds, cells), in_seconds(max(0.0, rest))])
    return markdown(["checkpoint", *stages, "rest"], lines)


def sweep_layer_table(row: dict[str, Any]) -> str:
    """Write one line for each layer of a checkpoint."""
    lines = [
        [layer, f"{width:,}", in_seconds(median(row["seconds"]["products"][layer])), f"{row['mean_hp'][layer]:.4f}"]
        for layer, width in row["n_features"].items()
    ]
    return markdown(["layer", "d", "X·Yᵀ", "mean hp"], lines)


def machine_list(machine: dict[str, Any]) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    return "\n".join(
        [
            f"- Processor: {machine['processor']}, {machine['cores']} cores; {machine['memory']} of memory",
            f"- {machine['system']}, Python {machine['python']}, {packages}",
            f"- BLAS of NumPy: {machine['blas']}",
        ]
    )


def markdown(header: list[str], lines: list[list[str]]) -> str:
    # Unicode's combining marks are not used here, so that lengths are widths.
    widths = [max(map(len, column)) for column in zip(header, *lines, strict=True)]
    table = [header, ["-" * width for width in widths], *lines]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in table
    )


def in_seconds(seconds: float) -> str:
    return f"{seconds:,.0f} s" if seconds >= 100 else f"{seconds:.3g} s"


def in_cores(row: dict[str, Any]) -> str:
    """Write how many cores other processes kept busy during the measurement."""
    busy = row["others_busy_cores"]
    return "not measured" if busy is None else f"{busy:.1f} cores"


def in_megabytes(n_bytes: int | None) -> str:
    return "not measured" if n_bytes is None else f"{n_bytes / 1e6:,.0f} MB"
