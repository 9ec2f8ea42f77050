"""`transforms.json` of instant-ngp and nerfstudio.

One object: lens values (see `lens`), and `frames`, each with `file_path`, `transform_matrix`
(camera to world, OpenGL camera axes), perhaps lens values of its own, `mask_path` (dark pixels are
ignored) and `depth_file_path` (z-depth, times `depth_unit_scale_factor`, by default 0.001: files
hold millimetres) and, where the scene moves, `time` in [0, 1]. `train_filenames`,
`test_filenames`, `val_filenames` are official splits; without the first, all that are in none of
the others train.

The source frame is the one before `applied_transform` and `applied_scale`, that of the
reconstruction which the file was made from.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from polyfield.datasets.capture import FLIP_YZ, Capture, check_pose, make_cameras
from polyfield.datasets.image_files import find_image, read_headers, relative_name
from polyfield.datasets.json_fields import Record, read_json
from polyfield.datasets.lens import read_lens
from polyfield.datasets.resolution import in_all_sizes
from polyfield.datasets.splits import with_train
from polyfield.datasets.times import times_of_frames

SPLITS = ("train", "test", "val")
MILLIMETRE = 0.001


def load_transforms(path: Path) -> Capture:
    """Read a `transforms.json`.

    Args:
        path: the file, or the folder that it is in.

    Raises:
        InputError: naming the file and field at fault.
    """
    file = path / "transforms.json" if path.is_dir() else path
    header = read_json(file)
    frames = header.records("frames")
    applied, applied_scale = _applied(header)
    capture = read_frames(
        [(header, frame) for frame in frames], file.parent, applied, applied_scale
    )
    capture.path = path
    capture.splits = _official_splits(header, frames)
    return capture


def read_frames(
    frames: Sequence[tuple[Record, Record]],
    folder: Path,
    applied: np.ndarray | None = None,
    applied_scale: float = 1.0,
) -> Capture:
    """What n frames say, each given with the header of its file.

    Args:
        frames: pairs (header, frame).
        folder: what paths are relative to.
        applied: rigid [4,4], what the poses were multiplied by from the left.
        applied_scale: what positions were multiplied by after that.
    """
    records = [frame for _, frame in frames]
    files = [find_image(folder, frame.text("file_path")) for frame in records]
    poses = np.stack([_pose(frame) for frame in records]) @ FLIP_YZ
    poses[:, :3, 3] /= applied_scale
    if applied is not None:
        poses = np.linalg.inv(applied) @ poses
    sized = all("w" in frame or "w" in header for header, frame in frames)
    sizes: list[tuple[int, int] | None] = [None] * len(files)
    if not sized:
        sizes = [(header.width, header.height) for header in read_headers(files)]
    lenses = [read_lens(header, frame, size) for (header, frame), size in zip(frames, sizes)]
    source = records[0].file
    cameras = make_cameras(
        poses,
        np.stack([lens.intrinsics for lens in lenses]),
        np.stack([lens.distortion for lens in lenses]),
        np.array([lens.model for lens in lenses]),
        np.array([lens.size for lens in lenses]),
        [frame.file for frame in records],
        [frame.field("transform_matrix") for frame in records],
    )
    depth_files = _paths(records, "depth_file_path", folder)
    return Capture(
        format="transforms",
        path=folder,
        source=source,
        names=[relative_name(file, folder) for file in files],
        cameras=cameras,
        files=_resolutions(files, folder),
        mask_files=_paths(records, "mask_path", folder),
        depth_files=depth_files,
        depth_scale=None if depth_files is None else _depth_scales(frames, applied_scale),
        times=lambda: times_of_frames(records),
    )


def _pose(frame: Record) -> np.ndarray:
    matrix = frame.matrix("transform_matrix", [(4, 4), (3, 4)])
    pose = np.concatenate([matrix, [[0.0, 0.0, 0.0, 1.0]]]) if len(matrix) == 3 else matrix
    check_pose(pose, frame.file, frame.field("transform_matrix"))
    return pose


def _applied(header: Record) -> tuple[np.ndarray | None, float]:
    """The transform that was applied to the reconstruction, and the scale."""
    scale = header.positive("applied_scale", 1.0)
    if "applied_transform" not in header:
        return None, scale
    matrix = header.matrix("applied_transform", [(3, 4), (4, 4)])
    matrix = np.concatenate([matrix[:3], [[0.0, 0.0, 0.0, 1.0]]])
    check_pose(matrix, header.file, header.field("applied_transform"))
    return matrix, scale


def _resolutions(files: list[Path], folder: Path) -> list[list[Path]]:
    """The files, then their smaller versions where all lie in one folder `NAME` beside `NAME_2`."""
    tops = {Path(relative_name(file, folder)).parts[:-1][:1] for file in files}
    if len(tops) > 1 or tops & {(), ("..",)}:
        return [files]
    top = folder.joinpath(*tops.pop())
    return in_all_sizes(top, [relative_name(file, top) for file in files])


def _paths(frames: Sequence[Record], key: str, folder: Path) -> list[Path] | None:
    """A file of each frame: all have one, or none has."""
    having = [frame for frame in frames if key in frame]
    if not having:
        return None
    if len(having) < len(frames):
        lacking = next(frame for frame in frames if key not in frame)
        raise lacking.error(key, None, f"a path, as {len(having)} of {len(frames)} frames have")
    return [find_image(folder, frame.text(key)) for frame in frames]


def _depth_scales(frames: Sequence[tuple[Record, Record]], applied_scale: float) -> list[float]:
    key = "depth_unit_scale_factor"
    return [
        (frame if key in frame else header).positive(key, MILLIMETRE) / applied_scale
        for header, frame in frames
    ]


def _official_splits(header: Record, frames: Sequence[Record]) -> dict[str, list[int]] | None:
    """Splits that the file lists: `val` without `test` tests, and what is in neither trains."""
    numbers = {_plain(frame.text("file_path")): i for i, frame in enumerate(frames)}
    splits: dict[str, list[int]] = {}
    for split in SPLITS:
        key = f"{split}_filenames"
        if key not in header:
            continue
        splits[split] = []
        for name in header.texts(key):
            if _plain(name) not in numbers:
                raise header.error(key, name, "names of frames (their file_path)")
            splits[split].append(numbers[_plain(name)])
    if not splits:
        return None
    if "test" not in splits and "val" in splits:
        splits["test"] = splits.pop("val")
    return with_train(splits, len(frames))


def _plain(path: str) -> str:
    return path.replace("\\", "/").removeprefix("./")
