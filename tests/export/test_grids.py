"""Sizes as they are asked for, and files that hold what was learned."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from scipy.io import wavfile

from polyfield.datasets.grid import Grid, make_grid
from polyfield.datasets.picture import load_picture
from polyfield.errors import InputError
from polyfield.export.grids import (
    FORMATS,
    Format,
    check_out,
    default_name,
    parse_size,
    write_samples,
)


def grid_of(kind: str, dtype: str = "uint8", k: int = 3) -> Grid:
    counts = {"image": (4, 6), "audio": (50,), "volume": (3, 4, 5), "video": (3, 4, 6)}[kind]
    values = np.random.default_rng(0).random((*counts, k)) * (1 if dtype == "float32" else 250)
    return make_grid(kind, values.astype(dtype), rate=10.0 if kind[0] in "av" else 0.0)


def scaled(grid: Grid) -> np.ndarray:
    return (grid.values.astype(np.float64) - grid.low) / (grid.high - grid.low)


@pytest.mark.parametrize(
    ("kind", "size", "counts"),
    [
        ("image", None, (4, 6)),
        ("image", "20x10", (10, 20)),
        ("image", "2x", (8, 12)),
        ("image", "0.5X", (2, 3)),
        ("image", "0.01x", (1, 1)),
        ("audio", "99", (99,)),
        ("audio", 99, (99,)),
        ("audio", "3x", (150,)),
        ("volume", "5x6x7", (5, 6, 7)),
        ("volume", "2x", (6, 8, 10)),
        ("video", "20x10", (3, 10, 20)),
        ("video", "9x10x20", (9, 10, 20)),
        ("video", "2x", (3, 8, 12)),
    ],
)
def test_sizes(kind: str, size: str | int | None, counts: tuple[int, ...]) -> None:
    assert parse_size(size, grid_of(kind)) == counts


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        *(("image", size) for size in ("5", "5x5x5", "0x5", "-1x5", "axb", "99999x99999")),
        *(("volume", "5x5"), ("audio", "5x5"), ("video", "5")),
    ],
)
def test_impossible_sizes_are_refused(kind: str, size: str) -> None:
    with pytest.raises(InputError, match="size: found"):
        parse_size(size, grid_of(kind))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_pictures_keep_their_numbers(tmp_path: Path, dtype: str, k: int) -> None:
    grid = grid_of("image", dtype, k)
    truth = grid.values[..., 0] if k == 1 else grid.values
    write_samples(tmp_path / "a.tif", grid, scaled(grid))
    np.testing.assert_allclose(tifffile.imread(tmp_path / "a.tif"), truth, rtol=1e-5)
    np.testing.assert_allclose(load_picture(tmp_path / "a.tif").values, grid.values, rtol=1e-5)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        extra = [int(what) for what in file.pages.first.extrasamples]
    assert extra == [int(tifffile.EXTRASAMPLE.UNASSALPHA)] * (k in (2, 4))
    write_samples(tmp_path / "b.png", grid, scaled(grid))
    seen = iio.imread(tmp_path / "b.png")
    assert seen.dtype == np.uint8
    top = {"uint8": 1, "uint16": 257, "float32": 1 / 255}[dtype]
    np.testing.assert_allclose(seen, truth / top, atol=0.51)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_sounds_last_as_long_at_any_rate(tmp_path: Path, dtype: str) -> None:
    grid = grid_of("audio", dtype, 2)
    write_samples(tmp_path / "a.wav", grid, np.repeat(scaled(grid), 2, axis=0))
    rate, samples = wavfile.read(tmp_path / "a.wav")
    assert (rate, samples.shape, samples.dtype) == (20, (100, 2), dtype)
    np.testing.assert_allclose(samples[::2], grid.values, rtol=1e-5)


def test_volumes_and_videos(tmp_path: Path) -> None:
    volume, video = grid_of("volume", "uint8", 1), grid_of("video")
    write_samples(tmp_path / default_name(volume), volume, scaled(volume))
    np.testing.assert_array_equal(np.load(tmp_path / "volume.npy"), volume.values[..., 0])
    write_samples(tmp_path / default_name(video), video, scaled(video))
    assert iio.imread(tmp_path / "video.mp4", plugin="FFMPEG").shape == (3, 4, 6, 3)


def test_other_endings_are_refused(tmp_path: Path) -> None:
    grid = grid_of("audio")
    with pytest.raises(InputError, match=r"out: found a\.png, expected a name that ends in \.wav"):
        write_samples(tmp_path / "a.png", grid, scaled(grid))


def test_what_could_not_be_written_is_refused_before(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.wav").mkdir()
    grid = grid_of("audio")
    for name, message in {
        "a.flac": r"out: found a\.flac, expected a name that ends in \.wav",
        "file/a.wav": r"out: cannot be written, found .*file/a\.wav",
        "folder.wav": r"out: found .*folder\.wav, a folder",
    }.items():
        with pytest.raises(InputError, match=message):
            check_out(tmp_path / name, grid, (50,))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.wav"]


def test_what_a_sound_file_does_not_hold_is_refused(tmp_path: Path) -> None:
    grid = grid_of("audio", "float32", 2)
    short = make_grid("audio", grid.values[:1], rate=48000.0)
    check_out(tmp_path / "a.wav", short, (10000,))
    with pytest.raises(InputError, match=r"size: found 100,000 samples at 4,800,000,000 Hz"):
        write_samples(tmp_path / "a.wav", short, np.zeros((100000, 2), np.float32))
    assert not list(tmp_path.iterdir())


def test_an_ending_in_capitals_is_the_same_ending(tmp_path: Path) -> None:
    for kind, ending in {"volume": ".NPY", "image": ".TIF", "audio": ".WAV"}.items():
        grid = grid_of(kind)
        write_samples(tmp_path / f"a{ending}", grid, scaled(grid))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.NPY", "a.TIF", "a.WAV"]
    np.testing.assert_array_equal(np.load(tmp_path / "a.NPY"), grid_of("volume").values)


def test_a_file_stands_until_the_new_one_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(path: Path, grid: Grid, values: np.ndarray) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    grid = grid_of("volume")
    write_samples(tmp_path / "a.npy", grid, scaled(grid))
    monkeypatch.setitem(FORMATS, "volume", Format((".npy",), stop))
    with pytest.raises(OSError, match="No space left"):
        write_samples(tmp_path / "a.npy", grid, scaled(grid))
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), grid.values)
