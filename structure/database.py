"""What COLMAP's database says of photos while and after COLMAP writes it, read by sqlite3.

Source: COLMAP's documentation of its database: tables `images`, `keypoints`, `two_view_geometries`;
pair_id = 2147483647 id1 + id2.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

IDS = 2147483647
INLIERS = 15  # from which COLMAP takes two photos to show the same thing


def count(database: Path, table: str) -> int:
    """The rows of a table; 0 while there is none."""
    found = _query(database, f"select count(*) from {table}")
    return int(found[0][0]) if found else 0


def features(database: Path) -> dict[str, int]:
    """By name, how many features photos have."""
    text = "select name, rows from images join keypoints on keypoints.image_id = images.image_id"
    return dict(_query(database, text))


def partners(database: Path) -> dict[str, int]:
    """By name, with how many others photos were found to share something."""
    names = dict(_query(database, "select image_id, name from images"))
    found: Counter[str] = Counter(dict.fromkeys(names.values(), 0))
    text = f"select pair_id from two_view_geometries where rows >= {INLIERS}"
    for (pair,) in _query(database, text):
        found.update(names[i] for i in divmod(pair, IDS) if i in names)
    return dict(found)


def _query(database: Path, text: str) -> list[Any]:
    """Rows; none where there is no database yet, or it is being made."""
    if not database.exists():
        return []
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as file:
            return file.execute(text).fetchall()
    except sqlite3.Error:
        return []
