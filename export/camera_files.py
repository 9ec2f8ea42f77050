"""Cameras of a scene for other programs: `transforms.json`, as our own loader reads it.

Letters: n images. Poses in these files have OpenGL's camera axes: +x right, +y up, +z backward.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from polyfield.cameras.cameras import Cameras
from polyfield.cameras.models import Model
from polyfield.datasets.capture import FLIP_YZ
from polyfield.datasets.image_files import read_headers
from polyfield.datasets.lens import FISHEYE_KEYS, RATIONAL, RATIONAL_KEYS
from polyfield.datasets.scene import Scene
from polyfield.durable import replace_file
from polyfield.errors import InputError

LENSES = {
    Model.PINHOLE: ("PINHOLE", ()),
    Model.OPENCV: ("OPENCV", RATIONAL_KEYS),
    Model.FISHEYE: ("OPENCV_FISHEYE", FISHEYE_KEYS),
    Model.EQUIRECTANGULAR: ("EQUIRECTANGULAR", ()),
}
BEYOND = 5  # parameters of a lens with which programs agree on what OPENCV means


def photo_folder(scene: Scene) -> Path | None:
    """The folder that the names of a scene's images are relative to; None where they are not."""
    if scene.path is None:
        return None
    path, name = Path(scene.path), scene.images.names[0]
    places = (path, path / "images", path.parent, path.parent / "images", path.parent.parent)
    return next((place for place in places if (place / name).is_file()), None)


def at_photo_size(scene: Scene, folder: Path | None) -> Cameras:
    """The cameras, at the sizes of the photos where these lie."""
    if folder is None:
        return scene.cameras
    headers = read_headers([folder / name for name in scene.images.names])
    sizes = torch.tensor([[header.width, header.height] for header in headers])
    ratio = sizes.double() / scene.cameras.size
    return replace(
        scene.cameras, size=sizes, intrinsics=scene.cameras.intrinsics * ratio.repeat(1, 2)
    )


def paths_of(scene: Scene, folder: Path | None, beside: Path) -> list[str]:
    """Where the photos are, from a folder; their names alone where they are not known to be."""
    if folder is None:
        return list(scene.images.names)
    root = os.path.relpath(folder.resolve(), beside.resolve())
    return [(Path(root) / name).as_posix() for name in scene.images.names]


def write_transforms(
    path: Path,
    cameras: Cameras,
    names: Sequence[str],
    splits: dict[str, torch.Tensor] | None = None,
    extra: Sequence[dict[str, Any]] | None = None,
) -> None:
    """Write `transforms.json`.

    Args:
        path: of the file.
        cameras: in the frame that is to be written, OpenCV's axes.
        names: of the images, relative to the folder of the file.
        splits: image numbers by split.
        extra: more keys of each frame.

    Raises:
        InputError: for a lens that the format has no words for.
        OSError: for a file that cannot be written.
    """
    lenses = [_lens(cameras, i, names[i]) for i in range(len(cameras))]
    same = all(lens == lenses[0] for lens in lenses)  # readers do not mix those of two places
    frames = []
    for i in range(len(cameras)):
        frame: dict[str, Any] = {"file_path": names[i], **({} if same else lenses[i])}
        pose = np.eye(4)
        pose[:3] = cameras.world_from_camera[i].numpy()
        frame["transform_matrix"] = (pose @ FLIP_YZ).tolist()
        if cameras.times is not None:
            frame["time"] = float(cameras.times[i])
        frames.append(frame | (dict(extra[i]) if extra else {}))
    header: dict[str, Any] = dict(lenses[0]) if same else {}
    for split, numbers in (splits or {}).items():
        header[f"{split}_filenames"] = [names[i] for i in numbers.tolist()]
    replace_file(path, json.dumps({**header, "frames": frames}, indent=1).encode())


def _lens(cameras: Cameras, i: int, name: str) -> dict[str, Any]:
    model = Model(int(cameras.model[i]))
    distortion = cameras.distortion[i].tolist()
    if model not in LENSES or (model == Model.OPENCV and any(distortion[len(RATIONAL_KEYS) :])):
        raise InputError(
            "transforms.json has no words for this lens",
            field=name,
            found=model.name,
            hint="out=FOLDER writes COLMAP's files, which have",
        )
    called, keys = LENSES[model]
    if model == Model.OPENCV and any(distortion[BEYOND:]):
        called = RATIONAL
    width, height = cameras.size[i].tolist()
    lens: dict[str, Any] = {"camera_model": called, "w": width, "h": height}
    if model != Model.EQUIRECTANGULAR:
        lens.update(zip(("fl_x", "fl_y", "cx", "cy"), cameras.intrinsics[i].tolist()))
    lens.update(zip(keys, distortion))
    return lens
