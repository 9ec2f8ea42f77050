"""The scores of a run: its `eval.json`, and the table that a person reads."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyfield.commands.text import table
from polyfield.training.durable import replace_json

if TYPE_CHECKING:
    from polyfield.datasets.scene import Scene

# Scores of an evaluation and how they are shown.
SHOWN = {"psnr": "PSNR dB", "ssim": "SSIM", "lpips": "LPIPS"}


def write_scores(run: Path, scores: dict[str, Any]) -> Path:
    """Write `eval.json` for held-out views, `eval_<split>.json` for others."""
    split = scores.get("split", "test")
    file = run / ("eval.json" if split == "test" else f"eval_{split}.json")
    replace_json(file, scores)
    return file


def pictures_folder(run: Path, split: str) -> Path:
    """Where the pictures of an evaluation go: as `eval.json`, apart for each split."""
    return run / "renders" / ("eval" if split == "test" else f"eval_{split}")


def held_out(scene: Scene) -> str:
    """The split that a training is scored on: test, else val, else train, the first with images."""
    return next(name for name in ("test", "val", "train") if len(scene.splits.get(name, ())))


def read_scores(run: Path) -> dict[str, Any] | None:
    """What `eval.json` holds; None where there is none, or none that can be read."""
    try:
        scores = json.loads((run / "eval.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return scores if isinstance(scores, dict) else None


def score_table(scores: dict[str, Any]) -> str:
    """A row an image and their mean."""
    keys = [key for key in SHOWN if key in scores]
    rows = [[row["name"], *(_digits(key, row[key]) for key in keys)] for row in scores["images"]]
    rows.append(["mean", *(_digits(key, scores[key]) for key in keys)])
    return table(["image", *(SHOWN[key] for key in keys)], rows)


def summary(scores: dict[str, Any]) -> str:
    """`31.25 dB PSNR, 0.9612 SSIM on 25 test images`."""
    parts = [f"{_digits(k, scores[k])} {SHOWN[k]}" for k in SHOWN if k in scores]
    text = ", ".join(parts).replace("PSNR dB", "dB PSNR")
    return f"{text} on {len(scores['images'])} {scores.get('split', 'test')} images"


def psnr_of(scores: dict[str, Any]) -> float:
    """The mean PSNR in dB, for Hydra's sweepers; NaN where there is none."""
    return math.nan if scores["psnr"] is None else float(scores["psnr"])


def print_notes(scores: dict[str, Any]) -> None:
    """What was left out of the scores, a line each."""
    for note in scores.get("notes", ()):
        print(f"note      {note}")


def _digits(key: str, value: float | None) -> str:
    if value is None:
        return "none"
    return f"{value:.2f}" if key == "psnr" else f"{value:.4f}"
