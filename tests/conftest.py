"""Share fixtures and the folder of further data among all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

# Data that no clone holds: real images and the older tool's own files. Only tests marked ``extra`` read them.
FURTHER = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def further_data() -> Path:
    """Give the folder of further data, or skip the test where it is not there."""
    if not FURTHER.is_dir():
        pytest.skip(f"the further data are not at {FURTHER}")
    return FURTHER
