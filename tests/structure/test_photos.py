"""Photos come out upright, readable and with what EXIF says of the lens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from polyfield.errors import InputError
from polyfield.structure.photos import ORIENTATION, find_photos, names_of, upright, write_photos

MAKE = 271


def picture(width: int = 32, height: int = 20) -> Image.Image:
    """Smooth, so that JPEG keeps it, and different in every corner."""
    y, x = np.mgrid[:height, :width]
    raster = np.stack([x * 255 / width, y * 255 / height, (x + y) * 2], axis=-1)
    return Image.fromarray(raster.astype(np.uint8))


def save(path: Path, image: Image.Image, orientation: int | None = None) -> Path:
    exif = Image.Exif()
    exif[MAKE] = "Maker"
    if orientation is not None:
        exif[ORIENTATION] = orientation
    image.save(path, exif=exif, **({"quality": 95} if path.suffix == ".jpg" else {}))
    return path


def written(folder: Path, data: bytes) -> Image.Image:
    (folder / "out").write_bytes(data)
    return Image.open(folder / "out")


@pytest.mark.parametrize("orientation", range(2, 9))
def test_photos_are_turned_as_they_are_to_be_seen(tmp_path: Path, orientation: int) -> None:
    path = save(tmp_path / "a.jpg", picture(), orientation)
    out = written(tmp_path, upright(path))
    assert out.getexif().get(ORIENTATION, 1) == 1
    assert out.getexif()[MAKE] == "Maker"
    with Image.open(path) as image:
        seen = np.asarray(ImageOps.exif_transpose(image)).astype(int)
    assert np.abs(np.asarray(out).astype(int) - seen).mean() < 2
    assert out.size == ((32, 20) if orientation < 5 else (20, 32))


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
@pytest.mark.parametrize("orientation", [None, 1])
def test_a_photo_that_is_upright_is_copied(
    tmp_path: Path, name: str, orientation: int | None
) -> None:
    path = save(tmp_path / name, picture(), orientation)
    assert upright(path) == path.read_bytes()
    assert upright(path, 32) == path.read_bytes()


def test_large_photos_are_shrunk(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", picture(64, 40), 6)
    assert written(tmp_path, upright(path, 32)).size == (20, 32)


@pytest.mark.parametrize(
    ("name", "mode", "kept"),
    [
        ("a.tif", "RGB", "RGB"),
        ("a.webp", "RGBA", "RGBA"),
        ("a.png", "P", "RGB"),
        ("a.bmp", "L", "L"),
    ],
)
def test_other_formats_become_png(tmp_path: Path, name: str, mode: str, kept: str) -> None:
    image = picture().convert(mode)
    if mode == "RGBA":
        image.putalpha(100)
    image.save(tmp_path / name, **({"lossless": True} if name == "a.webp" else {}))
    out = written(tmp_path, upright(tmp_path / name))
    assert (out.format, out.mode) == ("PNG", kept)
    np.testing.assert_array_equal(np.asarray(out), np.asarray(image.convert(kept)))


def test_deep_grey_is_brought_to_eight_bits(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 9), 257 * 100, np.uint16)).save(tmp_path / "a.png")
    out = written(tmp_path, upright(tmp_path / "a.png"))
    assert (out.mode, out.getpixel((3, 3))) == ("L", 100)


def test_names_can_be_read_by_colmap_and_stay_apart(tmp_path: Path) -> None:
    paths = [Path(name) for name in ("a b.jpg", "a_b.jpg", "#c.PNG", "d.tif", "é.jpeg", "A_B.jpg")]
    names = list(names_of(paths))
    assert names == ["a_b.jpg", "a_b_2.jpg", "_c.PNG", "d.png", "é.jpeg", "A_B_3.jpg"]
    assert list(names_of(paths).values()) == paths


def test_what_cannot_be_read_is_skipped_by_name_and_what_is_there_stays(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{i}.jpg", picture()) for i in range(3)]
    paths[1].write_bytes(paths[1].read_bytes()[:200])
    out = tmp_path / "images"
    out.mkdir()
    (out / "2.jpg").write_bytes(b"there")
    skipped: list[str] = []
    seen: list[int] = []
    names = write_photos(
        names_of(paths),
        out,
        None,
        lambda done, total: seen.append(done),
        lambda path, why: skipped.append(f"{path.name}: {why}"),
    )
    assert names == ["0.jpg", "2.jpg"]
    assert len(skipped) == 1
    assert skipped[0].startswith("1.jpg: ")
    assert (out / "2.jpg").read_bytes() == b"there"
    assert sorted(path.name for path in out.iterdir()) == ["0.jpg", "2.jpg"]
    assert seen == [0, 1, 2, 3]


def test_photos_are_found_in_natural_order(tmp_path: Path) -> None:
    for name in ("10.jpg", "9.JPG", "1.jpg", ".hidden.jpg", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in find_photos(tmp_path)] == ["1.jpg", "9.JPG", "10.jpg"]


def test_too_few_photos(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found no photos, expected at least 3"):
        find_photos(tmp_path)
    (tmp_path / "a.HEIC").touch()
    with pytest.raises(InputError, match=r"\(\.HEIC cannot be read: export JPEG\)"):
        find_photos(tmp_path)
    (tmp_path / "a.HEIC").unlink()
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "1.jpg").touch()
    with pytest.raises(InputError, match=r"found no photos.*\(input=.*images holds some\)"):
        find_photos(tmp_path)
    (tmp_path / "1.jpg").touch()
    with pytest.raises(InputError, match="found 1 photo,"):
        find_photos(tmp_path)
