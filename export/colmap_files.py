"""Cameras of a scene as a COLMAP model: cameras, images and points3D, in text or binary.

Letters: n images, m points, v observations. Source: COLMAP's documentation of its output format.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from polyfield.cameras.cameras import Cameras
from polyfield.cameras.colmap import COLMAP_MODELS
from polyfield.cameras.poses import quaternion_from_rotation
from polyfield.durable import replace_file

FILES = ("cameras", "images", "points3D")
ENDINGS = (".bin", ".txt")


@dataclass(frozen=True)
class Sparse:
    """Sparse points, in the frame of the cameras.

    Attributes:
        positions, colors: of the m points.
        views: pairs (point, image number) of which image saw which point.
    """

    positions: Float[Tensor, "m 3"]
    colors: UInt8[Tensor, "m 3"]
    views: Int[Tensor, "v 2"]


Row = tuple[int, str, tuple[int, int], list[float]]  # camera: number, model, size, parameters


def write_model(
    folder: Path,
    cameras: Cameras,
    names: Sequence[str],
    sparse: Sparse | None = None,
    ending: str = ".bin",
) -> None:
    """Write a model; cameras that are the same are written once.

    Args:
        folder: that is there.
        cameras: in the frame that is to be written.
        names: of the images, relative to the folder of photos.
        sparse: points; None for none.
        ending: of `ENDINGS`.

    Raises:
        OSError: for a file that cannot be written.
    """
    rows, of_image = _cameras(cameras)
    poses = _poses(cameras)
    seen = _observations(cameras, sparse)
    parts = (
        (_binary_cameras(rows), _binary_images(poses, of_image, names, seen))
        if ending == ".bin"
        else (_text_cameras(rows), _text_images(poses, of_image, names, seen))
    )
    points = _binary_points if ending == ".bin" else _text_points
    for name, data in zip(FILES, (*parts, points(sparse, seen))):
        replace_file(folder / (name + ending), data)


def model_of(model: int, distortion: Sequence[float]) -> str:
    """COLMAP's name of a lens: the one of fewest parameters that has room for its distortion."""
    used = {column for column, value in enumerate(distortion) if value}
    fits = [
        (len(entry.columns), entry.number, name)
        for name, entry in COLMAP_MODELS.items()
        if entry.model == model and used <= set(entry.columns) and entry.focal_lengths != 1
    ]
    return min(fits)[2]


def _cameras(cameras: Cameras) -> tuple[list[Row], list[int]]:
    """The different cameras, numbered from 1, and which each image has."""
    rows: dict[tuple[object, ...], Row] = {}
    of_image = []
    for i in range(len(cameras)):
        intrinsics, distortion = cameras.intrinsics[i].tolist(), cameras.distortion[i].tolist()
        width, height = cameras.size[i].tolist()
        name = model_of(int(cameras.model[i]), distortion)
        entry = COLMAP_MODELS[name]
        lens = intrinsics if entry.focal_lengths else [float(width), float(height)]
        parameters = [*lens, *(distortion[column] for column in entry.columns)]
        key = (name, width, height, *parameters)
        rows.setdefault(key, (len(rows) + 1, name, (width, height), parameters))
        of_image.append(rows[key][0])
    return list(rows.values()), of_image


def _poses(cameras: Cameras) -> Float[np.ndarray, "n 7"]:
    """Quaternions (w, x, y, z) and translations of camera_from_world."""
    turn = cameras.world_from_camera[:, :, :3].transpose(1, 2)
    shift = -(turn @ cameras.positions[:, :, None])[..., 0]
    return torch.cat([quaternion_from_rotation(turn), shift], dim=1).numpy()


def _observations(cameras: Cameras, sparse: Sparse | None) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each image the points that it saw, numbered from 0, and where."""
    if sparse is None:
        return [(np.empty(0, np.int64), np.empty((0, 2)))] * len(cameras)
    seen = []
    for i in range(len(cameras)):
        numbers = sparse.views[sparse.views[:, 1] == i, 0]
        pixels, _, _ = cameras.project(i, sparse.positions[numbers].double())
        found = pixels.isfinite().all(dim=1)
        seen.append((numbers[found].numpy(), pixels[found].numpy()))
    return seen


def _tracks(m: int, seen: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[list[int]]:
    """Of each point: image number and number of the observation, one after the other."""
    tracks: list[list[int]] = [[] for _ in range(m)]
    for image, (numbers, _) in enumerate(seen, start=1):
        for observation, number in enumerate(numbers.tolist()):
            tracks[number] += [image, observation]
    return tracks


def _text_cameras(rows: Sequence[Row]) -> bytes:
    lines = ["# CAMERA_ID MODEL WIDTH HEIGHT PARAMS[]"]
    for number, name, size, parameters in rows:
        lines.append(" ".join(map(repr_of, (number, name, *size, *parameters))))
    return ("\n".join(lines) + "\n").encode()


def repr_of(value: object) -> str:
    """As text that reads back as the same number."""
    return repr(value) if isinstance(value, float) else str(value)


def _text_images(
    poses: np.ndarray,
    of_image: Sequence[int],
    names: Sequence[str],
    seen: Sequence[tuple[np.ndarray, np.ndarray]],
) -> bytes:
    lines = ["# IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME, then X Y POINT3D_ID of each point"]
    for i, (pose, (numbers, pixels)) in enumerate(zip(poses.tolist(), seen)):
        lines.append(" ".join(map(repr_of, (i + 1, *pose, of_image[i], names[i]))))
        found = zip(pixels.tolist(), numbers.tolist())
        lines.append(" ".join(f"{x!r} {y!r} {number + 1}" for (x, y), number in found))
    return ("\n".join(lines) + "\n").encode()


def _text_points(sparse: Sparse | None, seen: Sequence[tuple[np.ndarray, np.ndarray]]) -> bytes:
    lines = ["# POINT3D_ID X Y Z R G B ERROR TRACK[] as (IMAGE_ID POINT2D_IDX)"]
    if sparse is not None:
        tracks = _tracks(len(sparse.positions), seen)
        columns = zip(sparse.positions.tolist(), sparse.colors.tolist(), tracks)
        for number, (position, color, track) in enumerate(columns, start=1):
            lines.append(" ".join(map(repr_of, (number, *position, *color, 0.0, *track))))
    return ("\n".join(lines) + "\n").encode()


def _binary_cameras(rows: Sequence[Row]) -> bytes:
    parts = [struct.pack("<Q", len(rows))]
    for number, name, size, parameters in rows:
        parts.append(struct.pack("<iiQQ", number, COLMAP_MODELS[name].number, *size))
        parts.append(struct.pack(f"<{len(parameters)}d", *parameters))
    return b"".join(parts)


def _binary_images(
    poses: np.ndarray,
    of_image: Sequence[int],
    names: Sequence[str],
    seen: Sequence[tuple[np.ndarray, np.ndarray]],
) -> bytes:
    parts = [struct.pack("<Q", len(poses))]
    for i, (pose, (numbers, pixels)) in enumerate(zip(poses.tolist(), seen)):
        parts.append(struct.pack("<i7di", i + 1, *pose, of_image[i]))
        parts.append(names[i].encode() + b"\0" + struct.pack("<Q", len(numbers)))
        rows = np.empty(len(numbers), [("x", "<f8"), ("y", "<f8"), ("point", "<u8")])
        rows["x"], rows["y"], rows["point"] = *pixels.T, numbers + 1
        parts.append(rows.tobytes())
    return b"".join(parts)


def _binary_points(sparse: Sparse | None, seen: Sequence[tuple[np.ndarray, np.ndarray]]) -> bytes:
    if sparse is None:
        return struct.pack("<Q", 0)
    parts = [struct.pack("<Q", len(sparse.positions))]
    tracks = _tracks(len(sparse.positions), seen)
    columns = zip(sparse.positions.tolist(), sparse.colors.tolist(), tracks)
    for number, (position, color, track) in enumerate(columns, start=1):
        parts.append(struct.pack("<Q3d3BdQ", number, *position, *color, 0.0, len(track) // 2))
        parts.append(struct.pack(f"<{len(track)}i", *track))
    return b"".join(parts)
