"""Videos are what their names say, whole or absent."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from polyfield.errors import InputError
from polyfield.export.video import write_video


@pytest.mark.parametrize("name", ["orbit.mp4", "a:b, (1) é.mp4", "-odd.mp4"])
def test_video_has_every_frame_and_an_even_size(tmp_path: Path, name: str) -> None:
    grey = [np.full((33, 47, 3), 20 * i, np.uint8) for i in range(7)]
    assert write_video(tmp_path / name, grey, fps=10) == 7
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes()[4:8] == b"ftyp"
    frames = iio.imread(tmp_path / name, plugin="FFMPEG")
    assert frames.shape == (7, 34, 48, 3)
    assert np.abs(frames.mean(axis=(1, 2, 3)) - 20 * np.arange(7)).max() < 4


def test_video_of_nothing_or_of_another_kind_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no frames"):
        write_video(tmp_path / "a.mp4", [])
    with pytest.raises(InputError, match=r"found a\.avi, expected a name that ends in \.mp4"):
        write_video(tmp_path / "a.avi", [np.zeros((4, 4, 3), np.uint8)])
    assert not list(tmp_path.iterdir())


def test_a_failed_rendering_keeps_the_video_before(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", [np.zeros((16, 16, 3), np.uint8)])
    before = (tmp_path / "a.mp4").read_bytes()

    def fails():  # type: ignore[no-untyped-def]
        yield np.zeros((16, 16, 3), np.uint8)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(tmp_path / "a.mp4", fails())
    assert (tmp_path / "a.mp4").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
