"""Refuse work that would take more memory than it may."""

from __future__ import annotations

__all__ = ["check_bytes", "check_ties"]

# Bytes for each edge, where trees are counted over edges that tie.
_TIED_EDGE = 400


def check_bytes(need: float, max_bytes: float, what: str) -> None:
    """Raise ValueError if more bytes are needed than allowed.

    Parameters
    ----------
    need, max_bytes : float
        Bytes to work in.
    what : str
        What needs them; begins the error message.
    """
    if need > max_bytes:
        raise ValueError(
            f"{what} needs about {int(need):,} bytes to work in, more than max_memory allows ({int(max_bytes):,}); "
            "raise max_memory or take fewer samples of each class"
        )


def check_ties(n_edges: int, max_bytes: float) -> None:
    """Raise ValueError if the edges of one cloud of points that tie, or that rounding leaves open, take too many bytes.

    How many edges tie is known only when their distances are.
    """
    check_bytes(_TIED_EDGE * n_edges, max_bytes, f"finding trees among {n_edges:,} edges that tie or nearly do")
