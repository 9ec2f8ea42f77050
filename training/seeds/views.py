"""Points of posed pictures whose depths are known, measured or rendered.

Letters: m points.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.cameras.cameras import Cameras
from polyfield.cameras.rays import Rays
from polyfield.datasets.scene import Scene
from polyfield.errors import InputError
from polyfield.training.photo_task import Renderable
from polyfield.training.seeds.thinning import thinned

PIXELS = 4  # looked at for each point that is wanted: surfaces are seen more than once
LEAST_PIXELS = 1024  # of a picture: fewer pictures are rendered rather than smaller ones
OPAQUE = 0.5  # opacity above which a pixel shows a surface

Points = tuple[Float[np.ndarray, "m 3"], Float[np.ndarray, "m 3"]]


def points_from_depths(scene: Scene, count: int, generator: torch.Generator) -> Points:
    """Points where the depth maps of the training photos say that surfaces are.

    Args:
        scene: with `depths`.
        count: m at most.

    Returns:
        world positions and sRGB colours in [0, 1], for `gaussians_from_points`.

    Raises:
        InputError: where no pixel has a depth.
    """
    if scene.depths is None:
        raise InputError(field="depths", found="none", expected="a scene with depth maps")
    train = [int(i) for i in scene.splits["train"]]
    each = math.ceil(PIXELS * count / max(len(train), 1))
    parts = [_of_photo(scene, i, each, generator) for i in train]
    points, colors = (np.concatenate(column) for column in zip(*parts))
    if len(points) == 0:
        expected = "training photos with depths above 0"
        raise InputError(field="depths", found="none", expected=expected)
    return thinned(points, colors, count)


def points_from_renders(
    renderer: Renderable,
    cameras: Cameras,
    count: int,
    *,
    appearance: Tensor | None = None,
) -> Points:
    """Points where a trained scene, however it is stored, shows surfaces to its cameras.

    Args:
        renderer: of the scene.
        cameras: those that it was learned from; pictures are rendered small.
        count: m at most.
        appearance: a code, where the scene has them.

    Returns:
        world positions and sRGB colours in [0, 1], for `gaussians_from_points`.

    Raises:
        InputError: where nothing opaque is seen.
    """
    total = PIXELS * count
    each = max(math.ceil(total / max(len(cameras), 1)), LEAST_PIXELS)
    shown = min(len(cameras), math.ceil(total / each))
    parts = []
    for i in np.linspace(0, len(cameras) - 1, shown).round().astype(int).tolist():
        width, height = cameras.size[i].tolist()
        camera = cameras[i].scaled(min(1.0, math.sqrt(each / (width * height))))
        parts.append(_of_render(renderer, camera, appearance))
    points, colors = (np.concatenate(column) for column in zip(*parts))
    if len(points) == 0:
        hint = "has it been trained?"
        expected = "pixels of an opacity above one half"
        raise InputError(field="opacity", found="none", expected=expected, hint=hint)
    return thinned(points, colors, count)


def _of_photo(scene: Scene, i: int, n_pixels: int, generator: torch.Generator) -> Points:
    """What some pixels of a photo show, drawn anywhere in it."""
    assert scene.depths is not None, "the caller looks"
    width, height = scene.cameras.size[i].tolist()
    at = torch.arange(width * height)
    if n_pixels < len(at):
        at = torch.randint(len(at), (n_pixels,), generator=generator)
    x, y = (at % width).numpy(), (at // width).numpy()
    z_depth = scene.depths.fresh(i)[y, x, 0].astype(np.float64)
    color = scene.images.fresh(i)[y, x].astype(np.float64) / 255
    good = np.isfinite(z_depth) & (z_depth > 0)
    if color.shape[1] == 4:
        good &= color[:, 3] > OPAQUE
    if scene.masks is not None:
        good &= scene.masks.fresh(i)[y, x, 0] != 0
    pixels = torch.stack([at % width, at // width], dim=1)[torch.from_numpy(good)] + 0.5
    rays = scene.cameras.rays(torch.full((len(pixels),), i), pixels.double())
    assert rays.axis_cosine is not None, "rays of cameras know it"
    depth = torch.from_numpy(z_depth[good]) / rays.axis_cosine
    return _along(rays, depth), color[good, :3]


@torch.no_grad()
def _of_render(renderer: Renderable, camera: Cameras, appearance: Any) -> Points:
    """What all pixels of a rendered picture show."""
    render = renderer.image(camera, 0, appearance=appearance)
    opacity, depth = (part.cpu().double().flatten() for part in (render.opacity, render.depth))
    good = (opacity > OPAQUE) & (depth > 0) & depth.isfinite()
    # Without a background colours are premultiplied.
    rgb = render.rgb.cpu().double().reshape(-1, 3)[good] / opacity[good, None]
    return _along(camera.image_rays(0)[good], depth[good]), rgb.clamp(0, 1).numpy()


def _along(rays: Rays, depth: Tensor) -> Float[np.ndarray, "m 3"]:
    return (rays.origins.double() + depth[:, None] * rays.directions.double()).numpy()
