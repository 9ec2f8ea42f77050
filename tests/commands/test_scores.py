"""The scores of a run are json, whatever there is to score."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polyfield.commands.scores import write_scores
from polyfield.training import metrics


def _strict(file: Path) -> dict[str, Any]:
    """Json without the NaN and Infinity that Python alone reads."""

    def refuse(name: str) -> None:
        raise ValueError(name)

    return dict(json.loads(file.read_text(encoding="utf-8"), parse_constant=refuse))


@pytest.fixture
def changed(photos: Path, tmp_path: Path) -> Callable[..., Path]:
    """The photos in a file of their own, with other arrays; None takes one away."""

    def write(**arrays: Any) -> Path:
        with np.load(photos) as file:
            kept = {key: file[key] for key in file.files}
        kept.update(arrays)
        np.savez(tmp_path / "own.npz", **{k: v for k, v in kept.items() if v is not None})
        return tmp_path / "own.npz"

    return write


def test_a_test_image_without_valid_pixels_is_left_out(
    line: Callable, changed: Callable[..., Path], small: list[str]
) -> None:
    masks = np.ones((15, 32, 32), dtype=bool)
    masks[13] = False
    data = changed(masks=masks)
    status, out, err = line("train", f"data={data}", "run=r", "trainer.max_steps=2", *small)
    assert status == 0, err
    for words in ([], ["eval", "run=r", "pictures=false"]):
        if words:
            status, out, err = line(*words)
            assert status == 0, err
        scores = _strict(Path("r/eval.json"))
        assert [row["psnr"] is None for row in scores["images"]] == [False, True, False]
        shown = [row["psnr"] for row in scores["images"] if row["psnr"] is not None]
        assert scores["psnr"] == pytest.approx(np.mean(shown))
        assert "note      psnr: no valid pixels, left out of the mean (test_001)" in out


def test_what_is_not_finite_is_null(tmp_path: Path) -> None:
    file = write_scores(tmp_path, {"psnr": float("inf"), "images": [{"psnr": float("nan")}]})
    assert _strict(file) == {"psnr": None, "images": [{"psnr": None}]}


def test_photos_that_are_too_small_for_ssim_are_scored_by_psnr(
    line: Callable, changed: Callable[..., Path], small: list[str]
) -> None:
    with np.load(changed()) as file:
        images, intrinsics = file["images"][:, 11:21, 11:21], file["intrinsics"].copy()
    intrinsics[:, 2:] -= 11
    data = changed(images=images, intrinsics=intrinsics)
    status, out, err = line("train", f"data={data}", "run=r", "trainer.max_steps=2", *small)
    assert status == 0, err
    scores = _strict(Path("r/eval.json"))
    assert scores["psnr"] > 0
    assert scores["ssim"] is None
    assert "note      ssim: below 11 pixels, left out of the mean (test_000, test_001" in out


def test_without_a_test_split_val_is_scored(
    line: Callable, changed: Callable[..., Path], small: list[str]
) -> None:
    data = changed(test=None, val=np.array([12, 13, 14]))
    status, out, err = line("train", f"data={data}", "run=r", "trainer.max_steps=2", *small)
    assert status == 0, err
    assert "on 3 val images" in out
    assert "pictures in r/renders/eval_val" in out
    before = _strict(Path("r/eval_val.json"))
    assert not Path("r/eval.json").exists()
    assert [path.name for path in Path("r/renders").iterdir()] == ["eval_val"]
    assert line("eval", "run=r", "split=val")[0] == 0
    assert _strict(Path("r/eval_val.json"))["images"] == before["images"]
    assert [path.name for path in Path("r/renders").iterdir()] == ["eval_val"]


def test_lpips_that_cannot_be_had_costs_nothing_else(
    line: Callable, photos: Path, small: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(image: Any, truth: Any) -> float:
        raise OSError("no route to the weights")

    monkeypatch.setattr(metrics, "has_lpips", lambda: True)
    monkeypatch.setattr(metrics, "lpips", offline)
    words = ["train", f"data={photos}", "run=r", "trainer.max_steps=2", "task.lpips=true", *small]
    status, out, err = line(*words)
    assert status == 0, err
    said = "note      lpips: not computed (no route to the weights)"
    assert said in out
    assert "lpips" not in _strict(Path("r/eval.json"))["images"][0]
    assert said in line("eval", "run=r")[1]
