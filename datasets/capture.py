"""What a loader reads from its format, before anything common to all formats is done with it.

Letters: n images, m points. Everything is in the source frame, that of the user's files, with
OpenCV's camera axes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from polyfield.cameras.cameras import Cameras
from polyfield.datasets.images import Images
from polyfield.datasets.json_fields import LARGEST
from polyfield.errors import InputError

RIGID_TOLERANCE = 1e-2
FLIP_YZ = np.diag([1.0, -1.0, -1.0, 1.0])  # OpenGL's camera axes <-> OpenCV's


@dataclass
class Capture:
    """A data set as its files describe it.

    Attributes:
        format: the loader's name.
        path: the folder or file that the user gave.
        source: the file that the poses stand in.
        names: of the n images, unique.
        cameras: at the sizes that the format records, which the image files may be below.
        files: for each resolution that may be there, the n image files; the first is the format's
            own. Empty when `images` holds them.
        images, masks, depths, normals: in memory, at the cameras' size, depths in source units,
            normals in the source frame; where the format holds them so.
        mask_files, depth_files: n files, where the format has them.
        depth_scale: per image, from what a depth file stores to source units.
        times: reads when each image was taken, [n] in [0, 1], None where the files do not say;
            asked only where it matters, as it raises where they say what cannot be.
        splits: official splits, as lists of image numbers.
        keep_frame: the source frame has a meaning of its own and stays.
        bounds: [2,3] box of the contents, where the format gives one.
        unbounded: None where the format does not say.
        depth_range: [n,2] nearest and farthest content of each image, where the format says.
        points, point_colors, point_views: as in Scene, numpy.
    """

    format: str
    path: Path
    source: Path
    names: list[str]
    cameras: Cameras
    files: list[list[Path]] = field(default_factory=list)
    images: Images | None = None
    masks: Images | None = None
    depths: Images | None = None
    normals: Images | None = None
    mask_files: list[Path] | None = None
    depth_files: list[Path] | None = None
    depth_scale: list[float] | None = None
    times: Callable[[], np.ndarray | None] | None = None
    splits: dict[str, list[int]] | None = None
    keep_frame: bool = False
    bounds: np.ndarray | None = None
    unbounded: bool | None = None
    depth_range: np.ndarray | None = None
    points: np.ndarray | None = None
    point_colors: np.ndarray | None = None
    point_views: np.ndarray | None = None


def make_cameras(
    world_from_camera: np.ndarray,
    intrinsics: np.ndarray,
    distortion: np.ndarray,
    model: np.ndarray,
    size: np.ndarray,
    sources: Sequence[Path],
    fields: Sequence[str],
) -> Cameras:
    """Cameras from what a file says, checked; rotations are made exactly orthonormal.

    Args:
        world_from_camera: [n,3,4] or [n,4,4], OpenCV axes.
        intrinsics: [n,4] fx fy cx cy in pixels.
        distortion: [n,p] parameters of the model, p at most what Cameras holds.
        model: [n] Model values.
        size: [n,2] width and height.
        sources: n files, at fault when something is wrong.
        fields: n names of where in them.
    """
    for i, (source, where) in enumerate(zip(sources, fields)):
        check_pose(world_from_camera[i], source, where)
        _check_lens(intrinsics[i], distortion[i], size[i], source, where)
    rotation, _, right = np.linalg.svd(world_from_camera[:, :3, :3])
    poses = np.concatenate([rotation @ right, world_from_camera[:, :3, 3:]], axis=2)
    return Cameras(
        world_from_camera=torch.from_numpy(poses),
        intrinsics=torch.from_numpy(np.array(intrinsics, dtype=np.float64)),
        distortion=torch.from_numpy(np.array(distortion, dtype=np.float64)),
        model=torch.from_numpy(np.array(model, dtype=np.int64)),
        size=torch.from_numpy(np.array(size, dtype=np.int64)),
    )


def check_pose(pose: np.ndarray, source: Path, where: str) -> None:
    """Raise InputError unless a pose [3,4] or [4,4] is a finite rigid motion."""
    rotation = pose[:3, :3]
    absurd = ~(np.abs(pose) <= LARGEST)  # NaN is among them
    if absurd.any():
        raise InputError("pose not finite", file=source, field=where, found=pose[absurd][0])
    if pose.shape[0] == 4 and np.abs(pose[3] - [0, 0, 0, 1]).max() > 1e-6:
        raise InputError(
            "pose not rigid",
            file=source,
            field=where,
            found=f"last row {pose[3].tolist()}",
            expected="[0, 0, 0, 1]",
        )
    scale = float(np.abs(rotation).max())
    error = np.abs(rotation.T @ rotation - np.eye(3)).max() if scale < 10 else np.inf
    determinant = np.linalg.det(rotation) if scale < 10 else np.inf
    if error > RIGID_TOLERANCE or determinant < 0:
        what = "mirrored" if error <= RIGID_TOLERANCE else "not rigid"
        raise InputError(
            f"pose {what}",
            file=source,
            field=where,
            found=f"a rotation of determinant {determinant:.4g}, {error:.2g} from orthonormal",
            expected="an orthonormal rotation of determinant 1",
        )


def _check_lens(
    intrinsics: np.ndarray, distortion: np.ndarray, size: np.ndarray, source: Path, where: str
) -> None:
    width, height = size
    if min(width, height) < 1:
        raise InputError(
            "image without pixels", file=source, field=where, found=f"{width}x{height}"
        )
    largest = float(max(width, height))
    f, c = np.asarray(intrinsics[:2]), np.asarray(intrinsics[2:])
    if not ((f > 1e-3 * largest) & (f < 1e5 * largest)).all():
        raise InputError(
            "impossible focal length",
            file=source,
            field=where,
            found=f"{f.tolist()} px",
            expected=f"above 0, in proportion to {width}x{height} px",
        )
    if not (np.abs(c) < 10 * largest).all():
        raise InputError(
            "impossible principal point",
            file=source,
            field=where,
            found=f"{c.tolist()} px",
            expected=f"in proportion to {width}x{height} px",
        )
    if not (np.abs(distortion) < 1e4).all():
        raise InputError(
            "impossible distortion", file=source, field=where, found=np.asarray(distortion).tolist()
        )
