"""`transforms.json` of instant-ngp and nerfstudio.

One object: lens values (see `lens`), and `frames`, each with `file_path`, `transform_matrix`
(camera to world, OpenGL camera axes), perhaps lens values of its own, `mask_path` (dark pixels are
ignored) and `depth_file_path` (z-depth; times `depth_unit_scale_factor`, by default 0.001 for
integers in millimetres).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from polyfield.datasets.capture import FLIP_YZ, Capture, make_cameras
from polyfield.datasets.image_files import find_image, read_headers, relative_name
from polyfield.datasets.json_fields import Record, read_json
from polyfield.datasets.lens import read_lens
from polyfield.errors import InputError


def read_frames(frames: Sequence[tuple[Record, Record]], folder: Path) -> Capture:
    """What n frames say, each given with the header of its file.

    Args:
        frames: pairs (header, frame).
        folder: what paths are relative to.
    """
    files = [find_image(folder, frame.text("file_path")) for _, frame in frames]
    poses = np.stack([_pose(frame) for _, frame in frames]) @ FLIP_YZ
    sized = all("w" in frame or "w" in header for header, frame in frames)
    headers = None if sized else read_headers(files)
    sizes = [None] * len(files) if headers is None else [(h.width, h.height) for h in headers]
    lenses = [read_lens(header, frame, size) for (header, frame), size in zip(frames, sizes)]
    source = frames[0][0].file
    cameras = make_cameras(
        poses,
        np.stack([lens.intrinsics for lens in lenses]),
        np.stack([lens.distortion for lens in lenses]),
        np.array([lens.model for lens in lenses]),
        np.array([lens.size for lens in lenses]),
        source,
        [frame.place if frame.file == source else f"{frame.file.name} {frame.place}" for _, frame in frames],
    )
    return Capture(
        format="transforms",
        path=folder,
        source=source,
        names=[relative_name(file, folder) for file in files],
        cameras=cameras,
        files=[files],
    )


def load_transforms(path: Path) -> Capture:
    file = path / "transforms.json" if path.is_dir() else path
    header = read_json(file)
    return read_frames([(header, frame) for frame in header.records("frames")], file.parent)


def _pose(frame: Record) -> np.ndarray:
    matrix = frame.matrix("transform_matrix", [(4, 4), (3, 4)])
    return np.concatenate([matrix, [[0.0, 0.0, 0.0, 1.0]]]) if len(matrix) == 3 else matrix
