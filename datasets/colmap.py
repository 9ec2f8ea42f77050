"""COLMAP: `sparse/0` or `sparse`, binary or text, with photos in `images` or `images_N`.

Masks lie in `masks/NAME.png`, as COLMAP has them, or under the name of the photo with another
extension; dark pixels are ignored.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np
import torch

from polyfield.cameras.colmap import lens_from_colmap
from polyfield.cameras.poses import rotation_from_quaternion
from polyfield.datasets.capture import Capture, make_cameras
from polyfield.datasets.colmap_binary import read_binary
from polyfield.datasets.colmap_text import read_text
from polyfield.datasets.image_files import is_file
from polyfield.datasets.resolution import in_all_sizes, sibling_folders
from polyfield.errors import InputError

PLACES = ("sparse/0", "sparse", "colmap/sparse/0", "colmap/sparse", ".")


def load_colmap(path: Path) -> Capture:
    """Read a COLMAP reconstruction.

    Args:
        path: the folder that `sparse` and `images` are in, or the one that the model is in.

    Raises:
        InputError: naming the file and field at fault.
    """
    folder, extension = _model_folder(path)
    model = read_binary(folder) if extension == ".bin" else read_text(folder)
    source = folder / f"images{extension}"
    if not model.images:
        raise InputError("no registered images", file=source, expected="at least one")
    images = sorted(model.images, key=lambda image: image.name)
    cameras_file = folder / f"cameras{extension}"
    lenses = []
    for image in images:
        if image.camera_id not in model.cameras:
            raise InputError(
                "unknown camera",
                file=source,
                field=image.name,
                found=image.camera_id,
                expected=f"a camera in {cameras_file.name}",
            )
        camera = model.cameras[image.camera_id]
        lenses.append(lens_from_colmap(camera.model, camera.parameters.tolist(), camera.size))
    rotation = np.stack([_rotation(image.quaternion, source, image.name) for image in images])
    translation = np.stack([image.translation for image in images])
    # The file has camera_from_world; its inverse is the transpose and what follows from it.
    positions = -np.einsum("nji,nj->ni", rotation, translation)
    cameras = make_cameras(
        np.concatenate([rotation.transpose(0, 2, 1), positions[:, :, None]], axis=2),
        np.stack([intrinsics for _, intrinsics, _ in lenses]),
        np.stack([distortion for _, _, distortion in lenses]),
        np.array([kind for kind, _, _ in lenses]),
        np.array([model.cameras[image.camera_id].size for image in images]),
        [source] * len(images),
        [image.name for image in images],
    )
    names = [image.name for image in images]
    image_folder = _image_folder(path, folder)
    points = model.points
    capture = Capture(
        format="colmap",
        path=path,
        source=cameras_file,
        names=names,
        cameras=cameras,
        files=in_all_sizes(image_folder, names),
        mask_files=_mask_files(image_folder.parent / "masks", names),
    )
    if points is not None and len(points.positions):
        capture.points, capture.point_colors = points.positions, points.colors
        capture.point_views = _views(points.tracks, [image.id for image in images])
    return capture


def _model_folder(path: Path) -> tuple[Path, str]:
    """Where the model is, and the extension of its files."""
    numbered = [f"sparse/{i}" for i in range(1, 10)]
    for place in (*PLACES, *numbered):
        for extension in (".bin", ".txt"):
            folder = path / place
            if is_file(folder / f"cameras{extension}") and is_file(folder / f"images{extension}"):
                return folder, extension
    raise InputError(
        "no COLMAP model",
        file=path,
        expected="cameras.bin and images.bin, or .txt, in sparse/0 or sparse",
    )


def _image_folder(path: Path, model_folder: Path) -> Path:
    roots = [path, *model_folder.resolve().parents[:2]]
    for root in roots:
        if (root / "images").is_dir() or sibling_folders(root / "images"):
            return root / "images"
    raise InputError("no photos", file=path, expected="a folder 'images' beside 'sparse'")


def _rotation(quaternion: np.ndarray, source: Path, name: str) -> np.ndarray:
    """camera_from_world [3,3] of a quaternion w, x, y, z, which files may leave unnormalised."""
    norm = float(np.linalg.norm(quaternion))
    if not 1e-3 < norm < 1e3:
        raise InputError(
            "no rotation",
            file=source,
            field=name,
            found=f"quaternion {quaternion.tolist()}",
            expected="a quaternion of length 1",
        )
    return rotation_from_quaternion(torch.from_numpy(quaternion)).numpy()


def _mask_files(folder: Path, names: list[str]) -> list[Path] | None:
    """A mask per photo, or None where there is no mask at all."""
    if not folder.is_dir():
        return None
    files = []
    for name in names:
        choices = [folder / f"{name}.png", folder / PurePosixPath(name).with_suffix(".png")]
        choices.append(folder / name)
        files.append(next((file for file in choices if is_file(file)), choices[0]))
    return files if any(is_file(file) for file in files) else None


def _views(tracks: np.ndarray, image_ids: list[int]) -> np.ndarray:
    """Pairs (point, image number) [v,2] of the tracks' (point, image id), each once."""
    order = np.argsort(image_ids)
    sorted_ids = np.asarray(image_ids)[order]
    at = np.searchsorted(sorted_ids, tracks[:, 1]).clip(max=len(image_ids) - 1)
    known = sorted_ids[at] == tracks[:, 1]
    return np.unique(np.stack([tracks[known, 0], order[at[known]]], axis=1), axis=0)
