"""Where the evaluation data lies; tests that need it skip with a reason when it is absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def shared_data(name: str) -> Path:
    """The folder or file `name` of the evaluation data, or a skip that says where it was sought."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    path = Path(os.environ.get("POLYFIELD_DATA", default)) / name
    if not path.exists():
        pytest.skip(f"evaluation data {name!r} not found (set POLYFIELD_DATA to its folder)")
    return path
