"""Pictures of every depth and number of channels, and what is no picture."""

from __future__ import annotations

import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from imageio_ffmpeg import get_ffmpeg_exe
from PIL import Image

from polyfield.datasets.picture import load_picture
from polyfield.datasets.signals import load_signal
from polyfield.errors import InputError


def numbers(shape: tuple[int, ...], dtype: str = "uint8") -> np.ndarray:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape).astype(dtype)


def deep_png(path: Path, values: np.ndarray) -> Path:
    """A PNG of 16 bits a channel, which Pillow does not write."""
    h, w, k = values.shape

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", w, h, 16, {1: 0, 2: 4, 3: 2, 4: 6}[k], 0, 0, 0)
    packed = zlib.compress(rows)
    parts = [packed[i : i + 256] for i in range(0, len(packed), 256)]
    body = chunk(b"IHDR", head) + b"".join(chunk(b"IDAT", part) for part in parts)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b""))
    return path


@pytest.mark.parametrize(("mode", "k"), [("L", 1), ("LA", 2), ("RGB", 3), ("RGBA", 4)])
def test_eight_bits_stay_as_they_are(tmp_path: Path, mode: str, k: int) -> None:
    values = numbers((5, 7, k))
    Image.fromarray(values[..., 0] if k == 1 else values, mode).save(tmp_path / "a.png")
    grid = load_picture(tmp_path / "a.png")
    assert (grid.dtype, grid.counts, grid.channels) == ("uint8", (5, 7), k)
    np.testing.assert_array_equal(grid.values, values)
    assert (grid.low, grid.high) == (0, 255)


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_sixteen_bits_are_not_cut_down(tmp_path: Path, k: int) -> None:
    values = numbers((6, 5, k), "uint16")
    grid = load_picture(deep_png(tmp_path / "a b.png", values))
    assert grid.dtype == "uint16"
    np.testing.assert_array_equal(grid.values, values)


def test_palettes_bits_and_inks_become_colours(tmp_path: Path) -> None:
    values = numbers((8, 8, 3))
    Image.fromarray(values).convert("P").save(tmp_path / "p.png")
    Image.fromarray(values).convert("1").save(tmp_path / "1.png")
    Image.fromarray(values).convert("CMYK").save(tmp_path / "c.jpg")
    channels = {
        name: load_picture(tmp_path / name).channels for name in ("p.png", "1.png", "c.jpg")
    }
    assert channels == {"p.png": 3, "1.png": 1, "c.jpg": 3}


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("k", [1, 3])
def test_tiffs_keep_their_type(tmp_path: Path, dtype: str, k: int) -> None:
    values = numbers((6, 5, k), "uint16").astype(dtype)
    photometric = "minisblack" if k == 1 else "rgb"
    stored = values[..., 0] if k == 1 else values
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric=photometric)
    grid = load_picture(tmp_path / "a.tif")
    assert grid.dtype == dtype
    np.testing.assert_array_equal(grid.values, values)


def test_palettes_and_inks_of_tiffs_become_colours(tmp_path: Path) -> None:
    truth = numbers((8, 8, 3))
    palette = Image.fromarray(truth).convert("P")
    for image in (palette, Image.fromarray(truth).convert("CMYK")):
        image.save(tmp_path / "a.tif")
        grid = load_picture(tmp_path / "a.tif")
        np.testing.assert_array_equal(grid.values, np.asarray(image.convert("RGB")))


def test_tiffs_in_which_nothing_is_white_are_positive(tmp_path: Path) -> None:
    for dtype in ("uint8", "uint16"):
        values = numbers((5, 6), dtype)
        tifffile.imwrite(tmp_path / f"{dtype}.tif", values, photometric="miniswhite")
    grid = load_picture(tmp_path / "uint8.tif")
    np.testing.assert_array_equal(grid.values[..., 0], 255 - numbers((5, 6)))
    with pytest.raises(InputError, match=r"found 16 bits of 1 channels"):
        load_picture(tmp_path / "uint16.tif")


def test_tiffs_with_planes_apart_are_colours(tmp_path: Path) -> None:
    values = numbers((3, 2, 5))
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", planarconfig="separate")
    grid = load_picture(tmp_path / "a.tif")
    np.testing.assert_array_equal(grid.values, np.moveaxis(values, 0, 2))


def test_deep_colours_that_cannot_be_unpacked_are_not_cut_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_codec(page: object) -> None:
        raise ValueError("<COMPRESSION.LZW: 5> requires the 'imagecodecs' package")

    colors, grey = numbers((5, 6, 3), "uint16"), numbers((5, 6), "uint16")
    tifffile.imwrite(tmp_path / "colors.tif", colors, photometric="rgb")
    tifffile.imwrite(tmp_path / "grey.tif", grey)
    tifffile.imwrite(tmp_path / "below.tif", grey.astype(np.int32) - 70000)
    tifffile.imwrite(tmp_path / "above.tif", grey.astype(np.uint32) + (1 << 31))
    monkeypatch.setattr(tifffile.TiffPage, "asarray", no_codec)
    np.testing.assert_array_equal(load_picture(tmp_path / "grey.tif").values[..., 0], grey)
    below = load_picture(tmp_path / "below.tif").values[..., 0]
    np.testing.assert_array_equal(below, grey.astype(np.int32) - 70000)
    for name in ("colors", "above"):
        with pytest.raises(InputError, match=r"\(pip install imagecodecs\)"):
            load_picture(tmp_path / f"{name}.tif")


@pytest.mark.parametrize("k", [1, 3, 4])
def test_exr_keeps_light_and_the_order_of_channels(tmp_path: Path, k: int) -> None:
    y, x = np.mgrid[:6, :8].astype(np.float32)
    values = np.stack([x / 4, y * 2, 10 - x - y, 0 * x + 1], axis=-1)[..., :k]
    pixels = {1: "grayf32le", 3: "gbrpf32le", 4: "gbrapf32le"}[k]
    planes = np.moveaxis(values, -1, 0)[[0] if k == 1 else [1, 2, 0, 3][:k]]
    words = ["-f", "rawvideo", "-pix_fmt", pixels, "-s", "8x6", "-i", "-", str(tmp_path / "a.exr")]
    command = [get_ffmpeg_exe(), "-v", "error", *words]
    subprocess.run(command, input=planes.astype("<f4").tobytes(), check=True)
    grid = load_picture(tmp_path / "a.exr")
    assert (grid.dtype, grid.channels) == ("float32", k)
    np.testing.assert_array_equal(grid.values, values)


def test_exr_holds_finite_light(shared_data: Callable[[str], Path]) -> None:
    grid = load_picture(shared_data("images/albert.exr"))
    assert grid.dtype == "float32"
    assert min(grid.counts) > 500
    assert 0 <= grid.low < grid.high
    values = grid.values.astype(np.float64)  # upright and not shuffled: neighbours are alike
    assert np.abs(np.diff(values, axis=0)).mean() < 0.1 * values.std()


def test_alpha_is_kept_dropped_or_laid_on_a_colour(tmp_path: Path) -> None:
    values = numbers((4, 4, 4))
    Image.fromarray(values).save(tmp_path / "a.png")
    colors, cover = values[..., :3].astype(float), values[..., 3:] / 255
    for alpha, truth in {
        "keep": values,
        "drop": colors,
        "white": np.rint(colors * cover + 255 * (1 - cover)),
        "black": np.rint(colors * cover),
    }.items():
        np.testing.assert_array_equal(load_picture(tmp_path / "a.png", alpha).values, truth)
    with pytest.raises(InputError, match=r"dataset\.alpha: found grey"):
        load_picture(tmp_path / "a.png", "grey")


def test_a_picture_of_one_pixel_is_a_picture(tmp_path: Path) -> None:
    Image.fromarray(np.full((1, 1, 3), 7, np.uint8)).save(tmp_path / "a.png")
    assert load_picture(tmp_path / "a.png").counts == (1, 1)


def test_what_is_no_picture_is_one_line(tmp_path: Path) -> None:
    Image.fromarray(numbers((50, 50, 3))).save(tmp_path / "whole.png")
    whole = (tmp_path / "whole.png").read_bytes()
    deep = deep_png(tmp_path / "deep.png", numbers((50, 50, 3), "uint16")).read_bytes()
    contents = {"a.png": b"", "b.jpg": b"hello", "c.png": whole[:200], "d.exr": b"v/1\1junk"}
    contents.update({"e.tif": b"II*\0junk", "f.png": deep[:200], "g.png": deep[:30]})
    contents["h.png"] = deep[: 33 + 10 * (256 + 12)] + deep[-12:]  # some of its chunks
    contents["i.png"] = deep[:5000] + bytes(100) + deep[5100:]
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError) as caught:
            load_picture(tmp_path / name)
        assert str(caught.value).startswith(str(tmp_path / name))
        assert "\n" not in str(caught.value)


def test_the_wrong_kind_of_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.obj").write_text("v 0 0 0\n")
    with pytest.raises(InputError, match=r"found a mesh, expected an image \(task=sdf or task="):
        load_signal(tmp_path / "a.obj", "image")
    with pytest.raises(InputError, match="found a folder, expected an image"):
        load_signal(tmp_path, "image")
    with pytest.raises(InputError, match="cannot be read"):
        load_signal(tmp_path / "nothing.png", "image")
