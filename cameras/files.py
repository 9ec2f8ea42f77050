"""`cameras.json`: a list of cameras as plain data.

Each entry holds `world_from_camera` ([3,4] or [4,4], camera axes +x right, +y down, +z forward),
`intrinsics` (fx, fy, cx, cy in pixels), `size` (width, height), and where they matter `model` (a
name, by default PINHOLE) and `distortion`. Where the scene moves, every entry has its `time` in
[0, 1], or none has.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from polyfield.cameras.cameras import Cameras
from polyfield.cameras.models import PARAMETERS, Model
from polyfield.errors import InputError

ORTHONORMAL = 1e-3
LARGEST_SIDE = 2**20


def save_cameras(path: str | Path, cameras: Cameras) -> None:
    """Write cameras as json."""
    entries = ",\n".join(json.dumps(entry) for entry in cameras.to_dict())
    Path(path).write_text(f"[\n{entries}\n]\n", encoding="utf-8")


def load_cameras(path: str | Path) -> Cameras:
    """Read cameras from json.

    Raises:
        InputError: naming the file, the camera and the value at fault.
    """
    path = Path(path)
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(str(error.strerror), file=path) from error
    except ValueError as error:
        raise InputError(f"not json: {error}", file=path) from error
    except RecursionError as error:
        raise InputError("lists within lists without end", file=path) from error
    return cameras_from_dict(entries, path)


def cameras_from_dict(entries: Any, file: Path | None = None) -> Cameras:
    """Cameras from what `Cameras.to_dict` gives.

    Args:
        entries: a list of plain objects.
        file: where they come from, for messages.

    Raises:
        InputError: naming the camera and the value at fault.
    """
    if not isinstance(entries, list) or not entries:
        found = "an empty list" if entries == [] else type(entries).__name__
        raise InputError(file=file, field="cameras", found=found, expected="a list of cameras")
    rows = [_row(entry, file, f"camera {i}") for i, entry in enumerate(entries)]
    cameras = Cameras(*(torch.from_numpy(np.stack(column)) for column in zip(*rows)))
    return replace(cameras, times=_times(entries, file))


def _times(entries: list[dict[str, Any]], file: Path | None) -> torch.Tensor | None:
    """[n] when each camera looks; None where none says."""
    times = [entry.get("time") for entry in entries]
    if all(time is None for time in times):
        return None
    for i, time in enumerate(times):
        if isinstance(time, bool) or not isinstance(time, (int, float)) or not 0 <= time <= 1:
            found = "nothing" if time is None else str(time)[:80]
            expected = "a number between 0 and 1, as other cameras have"
            raise InputError(file=file, field=f"camera {i}: time", found=found, expected=expected)
    return torch.tensor(times, dtype=torch.float64)


def _row(entry: Any, file: Path | None, where: str) -> tuple[np.ndarray, ...]:
    """world_from_camera, intrinsics, distortion, model and size of one entry."""

    def error(key: str, found: object, expected: str) -> InputError:
        shown = "nothing" if found is None else str(found)[:80]
        return InputError(file=file, field=f"{where}: {key}", found=shown, expected=expected)

    def numbers(key: str, expected: str, *shapes: tuple[int, ...]) -> np.ndarray:
        try:
            array = np.array(entry.get(key), dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            raise error(key, entry.get(key), expected) from None
        if array.shape not in shapes or not np.isfinite(array).all():
            raise error(key, entry.get(key), expected)
        return array

    if not isinstance(entry, dict):
        raise InputError(file=file, field=where, found=type(entry).__name__, expected="an object")
    name = entry.get("model", Model.PINHOLE.name)
    if not isinstance(name, str) or name not in Model.__members__:
        raise error("model", name, f"one of {', '.join(Model.__members__)}")
    pose = numbers("world_from_camera", "3 or 4 rows of 4 finite numbers", (3, 4), (4, 4))[:3]
    rotation = pose[:, :3]
    apart = float(np.abs(rotation.T @ rotation - np.eye(3)).max())
    if apart > ORTHONORMAL or np.linalg.det(rotation) < 0:
        found = f"{apart:.2g} from orthonormal, determinant {np.linalg.det(rotation):.3g}"
        raise error("world_from_camera", found, "an orthonormal rotation of determinant 1")
    intrinsics = numbers("intrinsics", "fx, fy, cx, cy in pixels", (4,))
    if not (intrinsics[:2] > 0).all():
        raise error("intrinsics", intrinsics.tolist(), "fx and fy above 0")
    size = numbers("size", "width and height in pixels", (2,))
    if not ((size >= 1) & (size == np.floor(size)) & (size < LARGEST_SIDE)).all():
        raise error("size", size.tolist(), "width and height in whole pixels")
    distortion = np.zeros(PARAMETERS)
    if "distortion" in entry:
        shapes = [(k,) for k in range(PARAMETERS + 1)]
        values = numbers("distortion", f"at most {PARAMETERS} finite numbers", *shapes)
        distortion[: len(values)] = values
    return pose, intrinsics, distortion, np.array(Model[name].value), size.astype(np.int64)
