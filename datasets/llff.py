"""LLFF: `poses_bounds.npy` with photos in `images` or `images_N`.

Source: Mildenhall et al. 2019, "Local Light Field Fusion". A row per photo, in the order of the
photos' names: a 3x5 matrix [R | t | height, width, focal] with the camera's axes down, right and
backwards as columns of R, then the depths of the nearest and farthest content.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from polyfield.cameras.models import Model
from polyfield.datasets.capture import Capture, make_cameras
from polyfield.datasets.image_files import list_images
from polyfield.datasets.json_fields import LARGEST
from polyfield.datasets.npy import read_npy
from polyfield.datasets.resolution import sibling_folders
from polyfield.errors import InputError

COLUMNS = 17


def load_llff(path: Path) -> Capture:
    """Read a folder of LLFF's layout.

    Args:
        path: the folder that `poses_bounds.npy` is in, or that file.

    Raises:
        InputError: naming the file and row at fault.
    """
    source = path / "poses_bounds.npy" if path.is_dir() else path
    rows = read_npy(source)
    if rows.ndim != 2 or rows.shape[1] != COLUMNS or rows.dtype.kind != "f" or not len(rows):
        raise InputError(
            file=source, found=f"{rows.dtype} {list(rows.shape)}", expected="floats [n, 17]"
        )
    rows = rows.astype(np.float64)
    fields = [f"row {i}" for i in range(len(rows))]
    for row, where in zip(rows, fields):
        _check(row, source, where)
    matrices = rows[:, :15].reshape(-1, 3, 5)
    height, width, focal = matrices[:, :, 4].T
    down, right, backwards, position = np.moveaxis(matrices[:, :, :4], 2, 0)
    cameras = make_cameras(
        np.stack([right, down, -backwards, position], axis=2),
        np.stack([focal, focal, width / 2, height / 2], axis=1),
        np.zeros((len(rows), 1)),
        np.full(len(rows), Model.PINHOLE),
        np.stack([width, height], axis=1).round().astype(np.int64),
        [source] * len(rows),
        fields,
    )
    files = _files(source.parent / "images", len(rows), source)
    return Capture(
        format="llff",
        path=path,
        source=source,
        names=[file.name for file in files[0]],
        cameras=cameras,
        files=files,
        depth_range=rows[:, 15:],
    )


def _check(row: np.ndarray, source: Path, where: str) -> None:
    """Refuse sizes and depths that cannot be; make_cameras looks at the rest."""
    height, width, near, far = row[4], row[9], row[15], row[16]
    if not (1 <= height < 1 << 20 and 1 <= width < 1 << 20):
        raise InputError(
            "impossible image size", file=source, field=where, found=f"{width}x{height}"
        )
    if not 0 < near < far <= LARGEST:
        raise InputError(
            "impossible depths",
            file=source,
            field=where,
            found=f"{near} to {far}",
            expected="nearest above 0, farthest beyond it",
        )


def _files(folder: Path, n: int, source: Path) -> list[list[Path]]:
    """The photos of each resolution that has n of them."""
    folders = [folder, *sibling_folders(folder).values()]
    listed = [list_images(place) for place in folders]
    fitting = [files for files in listed if len(files) == n]
    if not fitting:
        counts = [f"{len(files)} in {place.name}" for place, files in zip(folders, listed) if files]
        raise InputError(
            "photos do not match the poses",
            file=source.parent,
            field="images",
            found=", ".join(counts) or "no photos",
            expected=f"{n} in 'images' or 'images_N', one for each row of {source.name}",
        )
    return fitting
