"""COLMAP's `cameras.bin`, `images.bin` and `points3D.bin`: little-endian, packed.

No count is believed before the file is known to be long enough for it.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from polyfield.cameras.colmap import NAMES, parameter_count
from polyfield.datasets.colmap_model import (
    ColmapCamera,
    ColmapImage,
    ColmapModel,
    ColmapPoints,
    check_points,
    check_size,
    unknown_model,
)
from polyfield.errors import InputError

CAMERA = struct.Struct("<iiQQ")
IMAGE = struct.Struct("<i7di")
COUNT = struct.Struct("<Q")
POINT_2D_BYTES = 24  # x, y, id of the point
TRACK = np.dtype([("image", "<i4"), ("point_2d", "<i4")])
POINT = np.dtype([("id", "<u8"), ("xyz", "<f8", 3), ("rgb", "u1", 3), ("error", "<f8")])


class _Reader:
    """The bytes of a file, read from front to back."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.at = 0
        try:
            self.data = file.read_bytes()
        except OSError as error:
            raise InputError("cannot be read", file=file, found=error.strerror) from None

    def need(self, size: int, field: str) -> None:
        """Raise InputError unless `size` more bytes are there."""
        if size > len(self.data) - self.at:
            raise InputError(
                "the file ends too early",
                file=self.file,
                field=field,
                found=f"{len(self.data) - self.at} bytes at {self.at}",
                expected=f"{size}",
            )

    def count(self, least: int, field: str) -> int:
        """A count of things that take at least so many bytes each."""
        self.need(COUNT.size, field)
        (count,) = COUNT.unpack_from(self.data, self.at)
        self.at += COUNT.size
        self.need(count * least, f"{count} {field}")
        return count

    def take(self, layout: struct.Struct, field: str) -> tuple:
        """The values of a layout."""
        self.need(layout.size, field)
        values = layout.unpack_from(self.data, self.at)
        self.at += layout.size
        return values

    def doubles(self, count: int, field: str) -> np.ndarray:
        """Float64 numbers."""
        self.need(8 * count, field)
        values = np.frombuffer(self.data, "<f8", count, self.at)
        self.at += 8 * count
        return values

    def name(self, field: str) -> str:
        """Text that ends with a zero byte."""
        end = self.data.find(b"\0", self.at)
        if end < 0:
            raise InputError("a name without end", file=self.file, field=field)
        raw = self.data[self.at : end]
        self.at = end + 1
        try:
            name = raw.decode()
        except UnicodeDecodeError:
            name = ""
        if not name.isprintable() or not name:
            raise InputError(
                file=self.file, field=f"{field} name", found=raw[:40], expected="the name of a file"
            )
        return name


def read_binary(folder: Path) -> ColmapModel:
    """The model in a folder.

    Raises:
        InputError: for a file that is cut off, or holds what no model can.
    """
    points = folder / "points3D.bin"
    return ColmapModel(
        _cameras(_Reader(folder / "cameras.bin")),
        _images(_Reader(folder / "images.bin")),
        _points(_Reader(points)) if points.exists() else None,
    )


def _cameras(reader: _Reader) -> dict[int, ColmapCamera]:
    cameras = {}
    for i in range(reader.count(CAMERA.size, "cameras")):
        camera_id, number, width, height = reader.take(CAMERA, f"camera number {i}")
        if number not in NAMES:
            raise unknown_model(reader.file, camera_id, number)
        name = NAMES[number]
        size = check_size(reader.file, camera_id, width, height)
        parameters = reader.doubles(parameter_count(name), f"camera {camera_id}")
        cameras[camera_id] = ColmapCamera(name, size, parameters)
    return cameras


def _images(reader: _Reader) -> list[ColmapImage]:
    images = []
    for i in range(reader.count(IMAGE.size, "images")):
        image_id, *pose, camera_id = reader.take(IMAGE, f"image number {i}")
        name = reader.name(f"image {image_id}")
        observations = reader.count(POINT_2D_BYTES, f"observations of {name}")
        reader.at += POINT_2D_BYTES * observations
        images.append(
            ColmapImage(image_id, name, camera_id, np.array(pose[:4]), np.array(pose[4:]))
        )
    return images


def _points(reader: _Reader) -> ColmapPoints:
    m = reader.count(POINT.itemsize + COUNT.size, "points")
    starts, lengths = np.empty(m, dtype=np.int64), np.empty(m, dtype=np.int64)
    for i in range(m):
        starts[i] = reader.at
        reader.need(POINT.itemsize, f"point number {i}")
        reader.at += POINT.itemsize
        lengths[i] = reader.count(TRACK.itemsize, "images of a point")
        reader.at += TRACK.itemsize * int(lengths[i])
    raw = np.frombuffer(reader.data, dtype=np.uint8)
    rows = raw[starts[:, None] + np.arange(POINT.itemsize)].view(POINT)[:, 0]
    check_points(reader.file, rows["xyz"])
    # Where the tracks lie: for each of the v observations the start of its 8 bytes.
    point = np.repeat(np.arange(m), lengths)
    step = np.arange(len(point)) - np.repeat(lengths.cumsum() - lengths, lengths)
    place = starts[point] + POINT.itemsize + COUNT.size + TRACK.itemsize * step
    tracks = raw[place[:, None] + np.arange(TRACK.itemsize)].view(TRACK)[:, 0]
    return ColmapPoints(
        rows["xyz"].copy(),
        rows["rgb"].copy(),
        np.stack([point, tracks["image"].astype(np.int64)], axis=1),
    )
