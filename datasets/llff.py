"""Placeholder of the loader that reads this format."""

from __future__ import annotations

from pathlib import Path

from polyfield.datasets.capture import Capture
from polyfield.errors import InputError


def load_llff(path: Path) -> Capture:
    """Not read yet."""
    raise InputError("this format is not read yet", file=path)
