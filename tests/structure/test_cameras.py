"""Focal lengths of EXIF, and which photos share a camera."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from polyfield.cameras.colmap import lens_from_colmap
from polyfield.errors import InputError
from polyfield.structure.focal import (
    EXIF,
    FOCAL,
    FOCAL_35,
    MAKE,
    MODEL,
    PLANE_RESOLUTION,
    PLANE_UNIT,
    WIDTH,
    Lens,
    read_lens,
)
from polyfield.structure.shared_cameras import Photo, group, read_photos, request

LENS = Lens("", None)


def lens(tmp_path: Path, size: tuple[int, int], **tags: object) -> Lens:
    image = Image.new("RGB", size)
    exif = Image.Exif()
    exif[MAKE], exif[MODEL] = "Maker", "Model"
    numbers = {
        "focal": FOCAL,
        "film": FOCAL_35,
        "width": WIDTH,
        "resolution": PLANE_RESOLUTION,
        "unit": PLANE_UNIT,
    }
    exif.get_ifd(EXIF).update({numbers[name]: value for name, value in tags.items()})
    image.save(tmp_path / "a.jpg", exif=exif)
    with Image.open(tmp_path / "a.jpg") as image:
        return read_lens(image)


def test_focal_length_in_35_mm_film_refers_to_the_diagonal(tmp_path: Path) -> None:
    found = lens(tmp_path, (400, 300), film=26, focal=IFDRational(57, 10))
    assert found.name == "Maker Model 5.70 mm"
    assert found.focal == pytest.approx(26 / math.hypot(36, 24) * 500 / 400, rel=1e-4)


def test_focal_length_by_the_resolution_of_the_sensor(tmp_path: Path) -> None:
    # 36 mm wide, 6000 pixels; the photo was shrunk to 600.
    found = lens(
        tmp_path, (600, 400), focal=50, resolution=IFDRational(60000, 36), unit=3, width=6000
    )
    assert found.focal == pytest.approx(50 / 36, rel=1e-4)


@pytest.mark.parametrize("tags", [{}, {"film": 0}, {"focal": 50}, {"film": 60000}])
def test_no_focal_length(tmp_path: Path, tags: dict[str, object]) -> None:
    assert lens(tmp_path, (40, 30), **tags).focal is None


def test_photos_share_a_camera_by_size_and_lens() -> None:
    wide, tele = Lens("a 5 mm", 0.8), Lens("a 9 mm", 1.6)
    photos = [
        Photo("1", (40, 30), wide),
        Photo("2", (40, 30), tele),
        Photo("3", (30, 40), wide),
        Photo("4", (40, 30), wide),
    ]
    found = [[photo.name for photo in part] for part in group(photos, "auto")]
    assert found == [["1", "4"], ["2"], ["3"]]
    assert len(group(photos, False)) == 4
    with pytest.raises(InputError, match=r"single_camera: found . of 40x30 and 3 of 30x40"):
        group(photos, True)
    assert group(photos[:2], True) == [photos[:2]]


@pytest.mark.parametrize("model", ["SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "OPENCV"])
def test_a_known_focal_length_is_what_colmap_begins_with(model: str) -> None:
    photos = [Photo("1", (400, 300), Lens("a", 0.75)), Photo("2", (400, 300), LENS)]
    made = request(photos, model)
    assert made["names"] == ["1", "2"]
    numbers = [float(word) for word in made["parameters"].split(",")]
    _, intrinsics, distortion = lens_from_colmap(model, numbers, (400, 300))
    assert intrinsics.tolist() == [300, 300, 200, 150]
    assert not distortion.any()
    assert request(photos[1:], model)["parameters"] == ""


def test_sizes_are_those_of_written_photos_and_lenses_those_of_sources(tmp_path: Path) -> None:
    lens(tmp_path, (60, 40), film=26)
    Image.new("RGB", (30, 45)).save(tmp_path / "b.png")
    photos = read_photos(tmp_path, {"b.png": tmp_path / "a.jpg"})
    assert photos[0].size == (30, 45)
    assert photos[0].lens.focal == pytest.approx(26 / 43.2666 * math.hypot(60, 40) / 60, rel=1e-3)
    assert read_photos(tmp_path, {"b.png": None})[0].lens == LENS
