"""JSON from anyone, read field by field: what is wrong is named by file and field."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from polyfield.errors import InputError

LARGEST = 1e12  # beyond this a coordinate or a parameter is a mistake


@dataclass(frozen=True)
class Record:
    """A JSON object, with the file and the place in it where it stands."""

    data: dict[str, Any]
    file: Path
    place: str = ""

    def __contains__(self, key: str) -> bool:
        return self.data.get(key) is not None

    def error(self, key: str, found: object, expected: str) -> InputError:
        """What to raise when `key` does not hold what is expected."""
        text = repr(found)
        text = text if len(text) <= 80 else text[:77] + "..."
        return InputError(file=self.file, field=self.field(key), found=text, expected=expected)

    def field(self, key: str) -> str:
        """The full name of a key: `frames[3].file_path`."""
        return f"{self.place}.{key}" if self.place else key

    def number(self, key: str, default: float | None = None) -> float:
        """A finite number; an error when absent and there is no default."""
        value = self._get(key, default, "a number")
        if not is_number(value):
            raise self.error(key, value, "a finite number")
        return float(value)

    def positive(self, key: str, default: float | None = None) -> float:
        """A number above zero."""
        value = self.number(key, default)
        if value <= 0:
            raise self.error(key, value, "a number above 0")
        return value

    def angle(self, key: str) -> float:
        """An angle of view in radians."""
        value = self.number(key)
        if not 1e-3 < value < math.pi - 1e-3:
            raise self.error(key, value, "an angle in radians between 0 and pi")
        return value

    def count(self, key: str) -> int:
        """A whole number above zero; 480.0 counts as one."""
        value = self.positive(key)
        if value != int(value) or value > 1 << 20:
            raise self.error(key, value, "a whole number of pixels")
        return int(value)

    def text(self, key: str, default: str | None = None) -> str:
        """Text without control characters, not empty."""
        value = self._get(key, default, "text")
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            raise self.error(key, value, "text")
        return value

    def flag(self, key: str) -> bool:
        """A truth value, False when absent."""
        value = self.data.get(key) or False
        if not isinstance(value, bool):
            raise self.error(key, value, "true or false")
        return value

    def texts(self, key: str) -> list[str]:
        """A list of texts."""
        value = self._get(key, None, "a list of text")
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.error(key, value, "a list of text")
        return value

    def matrix(self, key: str, shapes: Sequence[tuple[int, int]]) -> np.ndarray:
        """A matrix [rows, columns] of finite numbers, of one of the given shapes."""
        expected = " or ".join(f"{rows}x{columns}" for rows, columns in shapes) + " finite numbers"
        value = self._get(key, None, expected)
        rows = value if isinstance(value, list) else []
        if not rows or not all(
            isinstance(row, list) and len(row) == len(rows[0]) and all(map(is_number, row))
            for row in rows
        ):
            raise self.error(key, value, expected)
        matrix = np.array(rows, dtype=np.float64)
        if matrix.shape not in shapes:
            raise self.error(key, f"{matrix.shape[0]}x{matrix.shape[1]} numbers", expected)
        return matrix

    def records(self, key: str) -> list[Record]:
        """A list of JSON objects, at least one."""
        value = self._get(key, None, "a list of objects")
        if not isinstance(value, list) or not value:
            raise self.error(key, value, "a list of objects, at least one")
        places = [self.field(f"{key}[{i}]") for i in range(len(value))]
        for place, item in zip(places, value):
            if not isinstance(item, dict):
                raise InputError(
                    file=self.file, field=place, found=type(item).__name__, expected="an object"
                )
        return [Record(item, self.file, place) for place, item in zip(places, value)]

    def _get(self, key: str, default: Any, expected: str) -> Any:
        value = self.data.get(key)
        value = default if value is None else value
        if value is None:
            raise InputError(
                file=self.file, field=self.field(key), found="nothing", expected=expected
            )
        return value


def is_number(value: object) -> bool:
    """Whether a JSON value is a number that can be worked with."""
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and (isinstance(value, int) or math.isfinite(value))
        and abs(value) <= LARGEST
    )


def read_json(path: Path) -> Record:
    """The JSON object in a file.

    Raises:
        InputError: when it cannot be read, naming line and column of a syntax error.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        data = json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise InputError(f"JSON syntax error: {error.msg}", file=path, field=place) from None
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise InputError("cannot be read as JSON", file=path, found=error) from None
    except OSError as error:
        raise InputError("cannot be read", file=path, found=error.strerror or error) from None
    if not isinstance(data, dict):
        raise InputError(file=path, found=f"a JSON {type(data).__name__}", expected="an object")
    return Record(data, path)
