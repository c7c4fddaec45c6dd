"""The data of the store that tests copy, and what a store holds."""

from pathlib import Path

from tests.sweep_parts import make_data

DATA = {"train": make_data(), "test": make_data(n=45, seed=1)}


def contents(folder):
    """Read all files but the lock."""
    return {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.name != ".lock"}
