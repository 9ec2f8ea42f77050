"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """The folder or file of that name in the evaluation data, or a skip that names it."""

    def find(name: str) -> Path:
        default = Path(__file__).resolve().parents[2] / "shared" / "data"
        path = Path(os.environ.get("POLYFIELD_DATA", default)) / name
        if not path.exists():
            pytest.skip(f"evaluation data {name!r} not found (set POLYFIELD_DATA to its folder)")
        return path

    return find
