"""How the shapes of the built-in scene look: materials, light, and the pictures they make.

Letters: k shapes, m materials, n images, h x w pixels. Everything is in sRGB, the space in which
images are composited and fields are trained. Diffuse light of a sun with soft shadows, of
sky and ground; ambient occlusion from distances along the normal; Blinn-Phong highlights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numba import prange

from polyfield.cameras import models
from polyfield.cameras.cameras import Cameras
from polyfield.datasets import procedural_shapes
from polyfield.datasets.procedural_shapes import Shapes
from polyfield.kernels.blocks import Block, block, specialise
from polyfield.kernels.launch import launch

PLAIN, CHECKER, BANDS = range(3)

SUN = (0.42, -0.50, 0.757)  # the unit vector towards it
SUN_WIDTH = 0.09  # radians, of the soft edge of shadows
SUNLIGHT, SKYLIGHT, GROUNDLIGHT = 0.50, 0.62, 0.46
SIDE = 4  # samples along a side of a pixel, where its corners differ
ALIKE = 0.05  # what colours of corners may differ by, on average over channels
LIFT = 1e-4  # off the surface, for rays that leave it

direction_from_pixel = models.direction_from_pixel
first_hit, unblocked = procedural_shapes.first_hit, procedural_shapes.unblocked
to_local, union_distance = procedural_shapes.to_local, procedural_shapes.union_distance
world_normal = procedural_shapes.world_normal


@dataclass(frozen=True)
class Material:
    """What a surface is made of.

    Attributes:
        color: sRGB.
        other: the second colour of a pattern.
        pattern: PLAIN, CHECKER (squares across the axis) or BANDS (wavy, along the axis).
        period: of the pattern, world units.
        shine: strength of the highlight.
        sharpness: exponent of the highlight.
    """

    color: tuple[float, float, float]
    other: tuple[float, float, float] = (0.0, 0.0, 0.0)
    pattern: int = PLAIN
    period: float = 1.0
    shine: float = 0.15
    sharpness: float = 30.0


def stack_materials(materials: list[Material]) -> tuple[np.ndarray, np.ndarray]:
    """pattern [m] int64, and look [m,9]: two colours, period, shine, sharpness."""
    look = [(*m.color, *m.other, m.period, m.shine, m.sharpness) for m in materials]
    return np.array([m.pattern for m in materials]), np.array(look)


def render_image(
    shapes: Shapes, materials: tuple[np.ndarray, np.ndarray], cameras: Cameras, i: int
) -> np.ndarray:
    """What camera i sees.

    Returns:
        [h,w,4] uint8, straight sRGB and coverage; transparent pixels are black.
    """
    width, height = cameras.size[i].tolist()
    rgba = np.empty((height, width, 4), dtype=np.uint8)
    with launch():
        _compiled()(
            *shapes,
            *materials,
            int(cameras.model[i]),
            cameras.intrinsics[i].numpy(),
            cameras.distortion[i].numpy(),
            cameras.world_from_camera[i].numpy(),
            rgba,
        )
    return rgba


@cache
def _compiled() -> Block:
    return specialise(
        _render,
        direction_from_pixel=direction_from_pixel,
        first_hit=first_hit,
        to_local=to_local,
        world_normal=world_normal,
        shade=shade,
    )


@block
def pattern_share(pattern, period, x, y, z):  # type: ignore[no-untyped-def]
    """How much of a material's second colour shows at a point of a shape's frame: 0 to 1."""
    if pattern == CHECKER:
        wave = math.sin(math.pi * x / period) * math.sin(math.pi * y / period)
        return 0.5 + 0.5 * math.tanh(8.0 * wave)
    if pattern == BANDS:
        wave = math.sin(2.0 * math.pi * z / period + 1.2 * math.sin(5.0 * x + 3.0 * y))
        return 0.5 + 0.5 * math.tanh(4.0 * wave)
    return 0.0


@block
def shade(kind, frame, size, reach, look, m, share, x, y, z, nx, ny, nz, dx, dy, dz):  # type: ignore[no-untyped-def]
    """The colour of a surface point.

    Args:
        kind, frame, size, reach: the shapes.
        look: the materials; m this one, share of its second colour.
        x, y, z: the point, world; nx, ny, nz its normal; dx, dy, dz along the view.
    """
    x, y, z = x + LIFT * nx, y + LIFT * ny, z + LIFT * nz
    openness = 1.0
    for step, weight in ((0.05, 0.30), (0.12, 0.25), (0.25, 0.15)):
        free, _ = union_distance(kind, frame, size, x + step * nx, y + step * ny, z + step * nz)
        openness -= weight * min(max(1.0 - free / step, 0.0), 1.0)
    sky = 0.5 + 0.5 * nz
    light = openness * (SKYLIGHT * sky + GROUNDLIGHT * (1.0 - sky))
    glint = 0.0
    lx, ly, lz = SUN
    facing = nx * lx + ny * ly + nz * lz
    if facing > 0.0:
        sun = unblocked(kind, frame, size, reach, x, y, z, lx, ly, lz, SUN_WIDTH)
        light += sun * SUNLIGHT * facing
        hx, hy, hz = lx - dx, ly - dy, lz - dz
        along = (nx * hx + ny * hy + nz * hz) / math.sqrt(hx * hx + hy * hy + hz * hz)
        glint = sun * look[m, 7] * max(along, 0.0) ** look[m, 8]
    return (
        min(light * (look[m, 0] + share * (look[m, 3] - look[m, 0])) + glint, 1.0),
        min(light * (look[m, 1] + share * (look[m, 4] - look[m, 1])) + glint, 1.0),
        min(light * (look[m, 2] + share * (look[m, 5] - look[m, 2])) + glint, 1.0),
    )


def _render(  # type: ignore[no-untyped-def]
    kind, frame, size, reach, material, pattern, look, model, intrinsics, distortion, pose, rgba
):
    fx, fy, cx, cy = intrinsics
    ox, oy, oz = pose[0, 3], pose[1, 3], pose[2, 3]
    for row in prange(rgba.shape[0]):
        for column in range(rgba.shape[1]):
            # The corners first; many samples where those differ in colour, or in hit and miss.
            side = 2
            while True:
                hits, red, green, blue = 0, 0.0, 0.0, 0.0
                least, most = math.inf, -math.inf
                for sample in range(side * side):
                    px, py = sample % side, sample // side
                    if side == SIDE:
                        px, py = (px + 0.5) / SIDE, (py + 0.5) / SIDE
                    x, y, z = direction_from_pixel(
                        model, fx, fy, cx, cy, distortion, column + px, row + py
                    )
                    dx = pose[0, 0] * x + pose[0, 1] * y + pose[0, 2] * z
                    dy = pose[1, 0] * x + pose[1, 1] * y + pose[1, 2] * z
                    dz = pose[2, 0] * x + pose[2, 1] * y + pose[2, 2] * z
                    t, i = first_hit(kind, frame, size, reach, ox, oy, oz, dx, dy, dz)
                    if i < 0:
                        continue
                    x, y, z = ox + t * dx, oy + t * dy, oz + t * dz
                    nx, ny, nz = world_normal(kind, frame, size, i, x, y, z)
                    u, v, w = to_local(frame, i, x, y, z)
                    m = material[i]
                    share = pattern_share(pattern[m], look[m, 6], u, v, w)
                    r, g, b = shade(
                        *(kind, frame, size, reach, look, m, share),
                        *(x, y, z, nx, ny, nz, dx, dy, dz),
                    )
                    hits += 1
                    red, green, blue = red + r, green + g, blue + b
                    least, most = min(least, r + g + b), max(most, r + g + b)
                samples = side * side
                is_mixed = 0 < hits < samples or most - least > 3.0 * ALIKE
                if side == SIDE or not is_mixed:
                    break
                side = SIDE
            scale = 255.0 / max(hits, 1)
            rgba[row, column, 0] = int(red * scale + 0.5)
            rgba[row, column, 1] = int(green * scale + 0.5)
            rgba[row, column, 2] = int(blue * scale + 0.5)
            rgba[row, column, 3] = int(255.0 * hits / samples + 0.5)
