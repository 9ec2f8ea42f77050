"""From a path to a Scene: detect the format, read it, and do what all formats have in common.

A loader per format reads files into a `Capture`; here the image files are chosen and checked
against the cameras, alpha gets its meaning, images are split, and the frame is normalised.
Nothing is ever written, and nothing asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from polyfield.datasets.blender import load_blender
from polyfield.datasets.capture import Capture
from polyfield.datasets.colmap import load_colmap
from polyfield.datasets.detect import FORMATS, PROCEDURAL, check_readable, detect_format
from polyfield.datasets.folder import load_folder
from polyfield.datasets.frame import normalise, turned
from polyfield.datasets.llff import load_llff
from polyfield.datasets.resolution import parse_downscale
from polyfield.datasets.scene import BACKGROUNDS, Scene
from polyfield.datasets.splits import split_images
from polyfield.datasets.stacks import Stacks, open_stacks
from polyfield.datasets.times import MEANINGS
from polyfield.datasets.transforms import load_transforms
from polyfield.datasets.undistort import undistorted
from polyfield.errors import InputError


def load_procedural(path: Path, moving: bool = False) -> Capture:
    """The built-in scene, so that what the user asks of any data can be asked of it."""
    from polyfield.datasets.procedural import procedural_scene

    scene = procedural_scene(moving=moving)
    return Capture(
        format=PROCEDURAL,
        path=path,
        source=path,
        names=scene.images.names,
        cameras=scene.cameras,
        images=scene.images,
        depths=scene.depths,
        normals=scene.normals,
        times=lambda: None if scene.times is None else scene.times.numpy(),
        splits={name: part.tolist() for name, part in scene.splits.items()},
        keep_frame=True,
        bounds=scene.bounds.double().numpy(),
        unbounded=scene.unbounded,
        depth_range=np.tile(scene.near_far, (len(scene), 1)),
    )


LOADERS: dict[str, Callable[[Path], Capture]] = {
    "blender": load_blender,
    "transforms": load_transforms,
    "colmap": load_colmap,
    "llff": load_llff,
    "folder": load_folder,
    PROCEDURAL: load_procedural,
}
ALPHA_MEANINGS = ("auto", *BACKGROUNDS, "ignore")


def load_scene(
    path: str | Path,
    format: str = "auto",
    downscale: str | int = "auto",
    split: str = "auto",
    background: str = "auto",
    min_images: int = 2,
    rotate: int | None = None,
    times: str = "auto",
    moving: bool = False,
    undistort: bool = False,
) -> Scene:
    """Read a data set.

    Args:
        path: a folder or file, or `procedural` for the built-in scene.
        format: `auto`, or the name of a loader: blender, transforms, colmap, llff, folder.
        downscale: images shrink by this factor from the size that the data records; `auto` takes
            the largest that has no side above 1600 pixels.
        split: `auto` (official, else every 8th image tests), `every:K`, `fraction:F`, `file:PATH`.
        background: what alpha means. `white`, `black`, `random`, `learned`: images are composited
            on it (`auto` is white where there is alpha, else none). `ignore`: transparent pixels
            say nothing and are masked out. `none`: alpha is dropped.
        min_images: how many images there must be.
        rotate: turns the scene about the middle of its box, by a rotation drawn with this seed, to
            see what depends on the axes.
        times: `auto`: of a scene that moves, as its frames say. `ignore`: all frames are taken to
            show the same moment.
        moving: the built-in scene, with solids that move.
        undistort: whether photos of lenses that bend straight lines become those of pinholes.

    Raises:
        InputError: naming file, field, what was found and what was expected.
    """
    path = Path(path).expanduser()
    if format not in ("auto", *FORMATS):
        raise InputError(field="format", found=format, expected=" or ".join(("auto", *FORMATS)))
    if background not in ALPHA_MEANINGS:
        raise InputError(field="background", found=background, expected=" or ".join(ALPHA_MEANINGS))
    if times not in MEANINGS:
        raise InputError(field="times", found=times, expected=" or ".join(MEANINGS))
    factor = parse_downscale(downscale)
    chosen = detect_format(path) if format == "auto" else format
    if chosen != PROCEDURAL:
        check_readable(path)
    if moving and chosen != PROCEDURAL:
        raise InputError(field="dataset.moving", found=True, expected="false, or data=procedural")
    read = partial(load_procedural, moving=True) if moving else LOADERS[chosen]
    capture = read(path)
    _check_frames(capture, min_images)
    stacks = open_stacks(capture, factor, background)
    splits = split_images(capture.names, split, capture.splits, capture.source)
    taken = capture.times() if capture.times is not None and times == "auto" else None
    stacks = replace(stacks, cameras=replace(stacks.cameras, times=_tensor(taken)))
    scene = _scene(capture, stacks, splits, background, rotate)
    return undistorted(scene) if undistort else scene


def _scene(
    capture: Capture,
    stacks: Stacks,
    splits: dict[str, torch.Tensor],
    background: str,
    rotate: int | None,
) -> Scene:
    placed = normalise(capture, stacks.cut_out)
    if rotate is not None:
        placed = turned(placed, rotate)
    auto = "white" if stacks.cut_out else "none"
    meaning = {"auto": auto, "ignore": "none"}.get(background, background)
    return Scene(
        cameras=stacks.cameras.transformed(placed.world_from_source),
        images=stacks.images,
        splits=splits,
        source_from_world=torch.linalg.inv(placed.world_from_source),
        background=meaning,
        bounds=placed.bounds,
        unbounded=placed.unbounded,
        near_far=placed.near_far,
        points=placed.points,
        point_colors=_tensor(capture.point_colors),
        point_views=_tensor(capture.point_views),
        depths=stacks.depths(placed.scale),
        normals=stacks.normals(placed.world_from_source[:3, :3].numpy() / placed.scale),
        masks=stacks.masks,
        format=capture.format,
        path=capture.path,
    )


def _tensor(array: np.ndarray | None) -> torch.Tensor | None:
    return None if array is None else torch.from_numpy(np.array(array))


def _check_frames(capture: Capture, min_images: int) -> None:
    """Refuse duplicates and too few images."""
    seen: dict[str, int] = {}
    for i, name in enumerate(capture.names):
        if name in seen:
            raise InputError(
                "duplicate frame",
                file=capture.source,
                field=name,
                found=f"at {seen[name]} and {i}",
                expected="each image once",
            )
        seen[name] = i
    if len(capture.names) < min_images:
        raise InputError(
            "too few images",
            file=capture.source,
            field="frames",
            found=len(capture.names),
            expected=f"at least {min_images}",
        )
