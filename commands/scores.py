"""The scores of a run: its `eval.json`, and the table that a person reads."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from polyfield.commands.text import table
from polyfield.durable import replace_json

# Scores of an evaluation and how they are shown.
SHOWN = {
    "psnr": "PSNR dB",
    "psnr_held_out": "held-out PSNR dB",
    "snr": "SNR dB",
    "ssim": "SSIM",
    "lpips": "LPIPS",
    "iou": "IoU",
    "mape": "MAPE",
    "accuracy": "accuracy",
}
# What rows of scores are of; an evaluation has one of these, or none.
ROWS = ("images", "frames", "slices", "points")


def write_scores(run: Path, scores: dict[str, Any]) -> Path:
    """Write `eval.json` for held-out views, `eval_<split>.json` for others."""
    split = scores.get("split", "test")
    file = run / ("eval.json" if split == "test" else f"eval_{split}.json")
    replace_json(file, scores)
    return file


def pictures_folder(run: Path, split: str) -> Path:
    """Where the pictures of an evaluation go: as `eval.json`, apart for each split."""
    return run / "renders" / ("eval" if split == "test" else f"eval_{split}")


def read_scores(run: Path) -> dict[str, Any] | None:
    """What `eval.json` holds; None where there is none, or none that can be read."""
    try:
        scores = json.loads((run / "eval.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return scores if isinstance(scores, dict) else None


def rows_of(scores: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """What the rows of an evaluation are of, and the rows."""
    name = next((name for name in ROWS if name in scores), "")
    return name, scores.get(name, [])


def score_table(scores: dict[str, Any]) -> str:
    """A row an image, frame ... and what stands for all."""
    name, rows = rows_of(scores)
    keys = [key for key in SHOWN if key in scores]
    cells = [
        [row["name"], *(_digits(key, row[key]) if key in row else "" for key in keys)]
        for row in rows
    ]
    total = "mean" if name == "images" else "all"
    cells.append([total, *(_digits(key, scores[key]) for key in keys)])
    return table([name.removesuffix("s"), *(SHOWN[key] for key in keys)], cells)


def summary(scores: dict[str, Any]) -> str:
    """`31.25 dB PSNR, 0.9612 SSIM on 25 test images`."""
    parts = []
    for key in (key for key in SHOWN if key in scores):
        label = SHOWN[key].removesuffix(" dB")
        parts.append(f"{_digits(key, scores[key])}{' dB' * (label != SHOWN[key])} {label}")
    text = ", ".join(parts)
    name, rows = rows_of(scores)
    on = f" on {len(rows)} {scores.get('split', 'test')} images" if name == "images" else ""
    return text + on


def number_of(scores: dict[str, Any], name: str) -> float:
    """The score of that name, for Hydra's sweepers; NaN where there is none."""
    value = scores.get(name)
    return math.nan if value is None else float(value)


def print_notes(scores: dict[str, Any]) -> None:
    """What was left out of the scores, a line each."""
    for note in scores.get("notes", ()):
        print(f"note      {note}")


def _digits(key: str, value: float | None) -> str:
    if value is None:
        return "none"
    return f"{value:.2f}" if SHOWN[key].endswith("dB") else f"{value:.4f}"
