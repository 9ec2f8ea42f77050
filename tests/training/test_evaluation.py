"""Scores of views, and pictures that stay where they belong."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from polyfield.training.evaluation import file_name, score
from polyfield.training.radiance import RadianceTask


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("0004", "0004"),
        ("test/r_0.png", "test_r_0"),
        ("/x/00.png", "x_00"),
        ("../../a.b.jpg", "a.b"),
        ("C:\\photos\\é 1.jpg", "C_photos_é_1"),
        ("frame.0001", "frame.0001"),
        ("..", "image"),
        ("/", "image"),
        (".hidden.png", "hidden"),
    ],
)
def test_pictures_have_plain_names(name: str, expected: str) -> None:
    assert file_name(name) == expected


def test_a_long_name_is_one_that_a_disk_takes(tmp_path: Path) -> None:
    (tmp_path / file_name("a/" * 300 + "b.png")).write_text("")


def test_every_view_has_a_picture_inside_its_folder(tmp_path: Path, ball: Any) -> None:
    scene = ball.ball_scene()
    scene.images.names[:12] = [
        *("/elsewhere/00.png", "p.png", "p", "p", "a/b.png", "p", "p", "p", "a_B.jpg"),
        *("p", "p", "p"),
    ]
    scene.images.names[0] = str(tmp_path / "elsewhere" / "00.png")
    RadianceTask(ball.Ball(), scene).evaluate("test", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert len(names) == 3
    assert {"a_b.png", "a_B_2.png"} < names


def test_a_render_equal_to_its_photo_is_left_out_of_the_mean(ball: Any) -> None:
    scene = ball.ball_scene("none")
    task = RadianceTask(ball.Ball(), scene)
    views = list(task.views("test"))
    perfect = dataclasses.replace(views[0].render, rgb=torch.from_numpy(views[0].truth))
    views[0] = dataclasses.replace(views[0], render=perfect)
    result = score(views, None)
    assert result["images"][0]["psnr"] is None
    assert result["psnr"] == np.mean([image["psnr"] for image in result["images"][1:]])
    assert result["notes"] == ["psnr: equal to the photo, left out of the mean (0000)"]
    assert score(views[:1], None)["psnr"] is None
