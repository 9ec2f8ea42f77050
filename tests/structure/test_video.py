"""The sharpest frames of a video."""

from __future__ import annotations

import subprocess
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from polyfield.datasets.ffmpeg import probe, require_ffmpeg, stream_frames
from polyfield.errors import InputError
from polyfield.structure.sharpness import sharpest, sharpness
from polyfield.structure.video import choose_frames, frame_name, write_frames

SHARP = (3, 11, 14, 22)
SIZE = (96, 64)


def frames() -> np.ndarray:
    """24 frames [f,h,w,3] of spots that move, all but those of `SHARP` blurred."""
    draw = np.random.default_rng(0).uniform(0, 255, (SIZE[1], SIZE[0], 3))
    spots = gaussian_filter(draw, (1.5, 1.5, 0)) * 2 - 128
    made = [np.roll(spots, i, axis=1) for i in range(24)]
    made = [f if i in SHARP else gaussian_filter(f, (2, 2, 0)) for i, f in enumerate(made)]
    return np.clip(made, 0, 255).astype(np.uint8)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "v.mp4"
    iio.imwrite(path, frames(), plugin="FFMPEG", fps=24, macro_block_size=16)
    return path


def nothing(done: int, total: int) -> None:
    pass


def test_blur_takes_sharpness_away() -> None:
    grey = frames()[3, :, :, 0]
    assert sharpness(grey) > 4 * sharpness(gaussian_filter(grey, 2))
    assert sharpness(np.zeros((8, 8), np.uint8)) == 0
    assert sharpness(grey[:2]) == 0


@pytest.mark.parametrize(("n", "count"), [(24, 4), (25, 4), (7, 7), (100, 99), (3, 9)])
def test_one_frame_of_each_window(n: int, count: int) -> None:
    scores = np.random.default_rng(1).uniform(size=n)
    chosen = sharpest(scores, count)
    assert len(chosen) == min(n, count)
    assert chosen == sorted(set(chosen))
    assert scores.argmax() in chosen
    gaps = np.diff([0, *chosen, n - 1])
    assert gaps.max() <= 2 * np.ceil(n / count)


def test_the_sharpest_frames_are_chosen_and_written(video: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    chosen = choose_frames(video, 4, lambda done, total: seen.append((done, total)))
    assert tuple(chosen) == SHARP
    assert seen[-1] == (24, 24)
    assert seen[0] == (1, 24)
    out = tmp_path / "images"
    out.mkdir()
    names = write_frames(video, chosen, out, None, nothing)
    assert names == [frame_name(n) for n in SHARP]
    for n, name in zip(SHARP, names):
        found = np.asarray(Image.open(out / name)).astype(int)
        apart = [np.abs(found - frame.astype(int)).mean() for frame in frames()]
        assert int(np.argmin(apart)) == n


def test_frames_that_are_there_are_not_written_again(video: Path, tmp_path: Path) -> None:
    (tmp_path / frame_name(3)).write_bytes(b"there")
    write_frames(video, [3, 11], tmp_path, 48, nothing)
    assert (tmp_path / frame_name(3)).read_bytes() == b"there"
    assert Image.open(tmp_path / frame_name(11)).size == (48, 32)
    with pytest.raises(InputError, match=r"v\.mp4: .*found 2 of 3 frames"):
        write_frames(video, [3, 11, 99], tmp_path, None, nothing)


def test_a_turned_video_is_seen_upright(video: Path, tmp_path: Path) -> None:
    turned = tmp_path / "turned.mp4"
    words = ["-v", "error", "-display_rotation", "90", "-i", str(video), "-c", "copy", str(turned)]
    if subprocess.run([require_ffmpeg(video), *words], check=False).returncode:
        pytest.skip("this ffmpeg cannot write the rotation of a video")
    frame = next(iter(stream_frames(turned, "")))
    assert frame.shape == (SIZE[0], SIZE[1], 3)
    straight = next(iter(stream_frames(video, "")))
    np.testing.assert_array_equal(frame, np.rot90(straight))


def test_every_frame_comes_once(video: Path) -> None:
    assert len(list(stream_frames(video, "", grey=True))) == 24
    assert probe(video).seconds == pytest.approx(1.0, abs=0.05)


def test_videos_that_cannot_be_used(video: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    with pytest.raises(InputError, match=r"text\.mp4: cannot be read"):
        choose_frames(text, 5, nothing)
    short = tmp_path / "short.mp4"
    iio.imwrite(short, frames()[:2], plugin="FFMPEG", fps=24, macro_block_size=16)
    with pytest.raises(InputError, match=r"short\.mp4: found a video of 2 frames, expected at lea"):
        choose_frames(short, 5, nothing)
