"""The scene that needs no download: a still life of analytic shapes, pictured by our own rays.

A chequered disc carries a ringed ball, a ladder, a lamp on a bent rod, a wire hoop and solids, with
shadows and highlights. It lies within [-1,1]^3, +z up, around the origin. In its moving version the
large ball hops while its ring turns over, the lamp swings and two small balls move.

Letters: n images, t time in [0, 1].
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

import numpy as np
import torch

from polyfield.cameras.cameras import Cameras, concatenate
from polyfield.cameras.poses import look_at
from polyfield.datasets.images import Images
from polyfield.datasets.procedural_shading import (
    BANDS,
    CHECKER,
    Material,
    render_image,
    stack_materials,
)
from polyfield.datasets.procedural_shapes import (
    BOX,
    CAPSULE,
    CONE,
    CYLINDER,
    TORUS,
    Shape,
    Shapes,
    rod,
    stack_shapes,
)
from polyfield.datasets.procedural_truth import ProceduralTruth, trace, trace_truth
from polyfield.datasets.scene import Scene
from polyfield.errors import InputError

FLOOR = -0.5  # height of the disc's top
TARGET = (0.0, 0.0, -0.12)  # what the cameras look at
DISTANCE = 3.2
CONTENT_RADIUS = 1.2  # of a ball around the origin that holds everything
REACH = 1.12  # radius of a ball around TARGET that holds everything
TRAIN_ELEVATIONS, TEST_ELEVATIONS = (8.0, 72.0), (15.0, 65.0)  # degrees
GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))

MATERIALS = {
    "floor": Material((0.93, 0.89, 0.82), (0.47, 0.58, 0.62), CHECKER, 0.21, 0.06, 20),
    "coral": Material((0.92, 0.45, 0.38), (0.96, 0.62, 0.46), BANDS, 0.30, 0.42, 45),
    "gold": Material((0.87, 0.68, 0.30), shine=0.35, sharpness=30),
    "teal": Material((0.22, 0.56, 0.60), (0.72, 0.86, 0.80), BANDS, 0.16, 0.12, 25),
    "mint": Material((0.55, 0.80, 0.62), (0.40, 0.66, 0.50), BANDS, 0.22, 0.30, 40),
    "wood": Material((0.62, 0.44, 0.30), shine=0.08, sharpness=20),
    "iron": Material((0.36, 0.38, 0.46), shine=0.30, sharpness=25),
    "lamp": Material((0.99, 0.87, 0.52), shine=0.35, sharpness=50),
    "plum": Material((0.60, 0.40, 0.66), shine=0.35, sharpness=40),
    "sky": Material((0.45, 0.65, 0.88), shine=0.35, sharpness=40),
    "rose": Material((0.93, 0.62, 0.70), shine=0.35, sharpness=40),
}


@dataclass(frozen=True)
class Moment:
    """Where what can move is.

    Attributes:
        hop: of the large ball above the disc; ring: the axis of its ring.
        swing: of the lamp, radians; plum, sky: where two balls stand on the disc.
    """

    hop: float
    ring: tuple[float, float, float]
    swing: float
    plum: tuple[float, float]
    sky: tuple[float, float]


def still_life() -> Moment:
    """The scene that stands still."""
    return Moment(0.0, (0.30, -0.22, 1.0), 0.0, (-0.05, -0.42), (0.13, -0.66))


def moment(t: float) -> Moment:
    """The moving scene at time t."""
    turn = math.pi * t
    return Moment(
        hop=0.30 * math.sin(math.pi * t) ** 2,
        ring=(math.sin(turn), -0.4 * math.sin(turn), math.cos(turn)),
        swing=0.5 * math.sin(2 * math.pi * t),
        plum=(0.15 - 0.10 * t, -0.80 + 0.50 * t),
        sky=(-0.80 + 0.20 * t, 0.45 * t),
    )


@cache
def procedural_shapes(t: float | None = None) -> Shapes:
    """The solids of the scene, or of its moving version at time t."""
    number = {name: m for m, name in enumerate(MATERIALS)}

    def ball(material: str, x: float, y: float, radius: float) -> Shape:
        return Shape(CAPSULE, number[material], (x, y, FLOOR + radius), (radius, 0.0))

    moved = still_life() if t is None else moment(t)
    ringed = (-0.08, 0.12, FLOOR + 0.31 + moved.hop)
    shapes = [
        Shape(CYLINDER, number["floor"], (0, 0, FLOOR - 0.05), (0.98, 0.05, 0.03)),
        Shape(CAPSULE, number["coral"], ringed, (0.31, 0.0)),
        Shape(TORUS, number["gold"], ringed, (0.45, 0.018), axis=moved.ring),
        Shape(
            BOX,
            number["teal"],
            (0.42, -0.36, FLOOR + 0.19),
            (0.16, 0.16, 0.19),
            turn=0.45,
            rounding=0.03,
        ),
        Shape(CONE, number["mint"], (0.28, 0.68, FLOOR + 0.17), (0.17, 0.05, 0.42)),
        Shape(TORUS, number["iron"], (-0.16, -0.62, FLOOR + 0.187), (0.17, 0.017), (0.5, 1, 0)),
        *_ladder(number["wood"]),
        *_lamp(number["iron"], number["lamp"], moved.swing),
        ball("plum", *moved.plum, 0.09),
        ball("sky", *moved.sky, 0.07),
        ball("rose", -0.42, 0.66, 0.12),
    ]
    return stack_shapes(shapes)


def _ladder(material: int) -> list[Shape]:
    """Two rails and five rungs, leaning."""
    foot, top = np.array([-0.76, -0.34, FLOOR]), np.array([-0.62, -0.16, 0.42])
    across = np.array([0.22, -0.17, 0.0])
    rails = [rod(material, foot + shift, top + shift, 0.020) for shift in (0 * across, across)]
    rungs = []
    for part in (0.12, 0.31, 0.50, 0.69, 0.88):
        place = foot + part * (top - foot)
        rungs.append(rod(material, place, place + across, 0.015))
    return rails + rungs


def _lamp(iron: int, glass: int, swing: float) -> list[Shape]:
    """A bent rod that carries a ball on a thread, which swings out by an angle (radians)."""
    bends = [(0.70, 0.20, FLOOR), (0.70, 0.20, 0.45), (0.58, 0.08, 0.62), (0.34, -0.16, 0.62)]
    rods = [rod(iron, a, b, 0.020) for a, b in pairwise(bends)]
    out = np.array([0.6 * math.sin(swing), 0.8 * math.sin(swing), -math.cos(swing)])
    hook = np.array(bends[-1])
    thread = rod(iron, bends[-1], (hook + 0.26 * out).tolist(), 0.010)
    glass_at = tuple((hook + 0.35 * out).tolist())
    foot = Shape(CYLINDER, iron, (0.70, 0.20, FLOOR + 0.015), (0.10, 0.02, 0.012))
    return [*rods, thread, foot, Shape(CAPSULE, glass, glass_at, (0.10, 0.0))]


def procedural_cameras(n: int, size: int, turn: float, elevations: tuple[float, float]) -> Cameras:
    """Cameras spread evenly over a zone of a sphere (a spiral by the golden angle), looking in.

    Args:
        n: how many.
        size: width and height of their images, pixels.
        turn: where the spiral starts, radians.
        elevations: lowest and highest, degrees.
    """
    low, high = (math.sin(math.radians(angle)) for angle in elevations)
    i = torch.arange(n, dtype=torch.float64)
    height = low + (high - low) * (i + 0.5) / n
    level, around = (1 - height**2).sqrt(), turn + GOLDEN_ANGLE * i
    arms = torch.stack([level * around.cos(), level * around.sin(), height], dim=1)
    target = torch.tensor([TARGET], dtype=torch.float64)
    focal = 0.5 * size / math.tan(math.asin(REACH / DISTANCE))
    intrinsics = torch.tensor([[focal, focal, size / 2, size / 2]], dtype=torch.float64)
    return Cameras(
        look_at(target + DISTANCE * arms, target, torch.tensor([0.0, 0.0, 1.0])),
        intrinsics.repeat(n, 1),
        torch.zeros(n, 0),
        torch.zeros(n),
        torch.full((n, 2), size),
    )


def procedural_scene(
    n_train: int = 60, n_test: int = 10, size: int = 200, seed: int = 0, moving: bool = False
) -> Scene:
    """The built-in scene, each image rendered when it is first asked for.

    Args:
        n_train: training views, all around and above.
        n_test: test views between them.
        size: width and height of the images, pixels.
        seed: turns the cameras; the contents stay.
        moving: whether solids move, every image at a time of its own: those of a split are spread
            evenly over [0, 1], in an order that has nothing to do with where the cameras stand.

    Returns:
        RGBA images named train_000..., test_000..., with their exact depths and normals;
        `procedural_truth` gives the surface as well.
    """
    for name, value in (("n_train", n_train), ("size", size)):
        if value < 1:
            raise InputError(field=name, found=value, expected="at least 1")
    generator = torch.Generator().manual_seed(seed)
    turns = 2 * math.pi * torch.rand(2, generator=generator, dtype=torch.float64)
    cameras = concatenate(
        [
            procedural_cameras(n_train, size, float(turns[0]), TRAIN_ELEVATIONS),
            procedural_cameras(n_test, size, float(turns[1]), TEST_ELEVATIONS),
        ]
    )
    if moving:
        orders = [torch.randperm(n, generator=generator) for n in (n_train, n_test)]
        times = torch.cat([(order + 0.5) / max(len(order), 1) for order in orders])
        cameras = replace(cameras, times=times.double())
    materials = stack_materials(list(MATERIALS.values()))
    names = [f"train_{i:03d}" for i in range(n_train)] + [f"test_{i:03d}" for i in range(n_test)]
    sizes = cameras.size.numpy()

    def shapes(i: int) -> Shapes:
        return procedural_shapes(None if cameras.times is None else float(cameras.times[i]))

    def depth(i: int) -> np.ndarray:
        rays = cameras.image_rays(i)
        assert rays.axis_cosine is not None
        distance, _ = trace(shapes(i), rays)
        return (distance * rays.axis_cosine).view(size, size, 1).numpy()

    def normals(i: int) -> np.ndarray:
        return trace(shapes(i), cameras.image_rays(i))[1].view(size, size, 3).numpy()

    return Scene(
        cameras=cameras,
        images=Images(names, sizes, 4, lambda i: render_image(shapes(i), materials, cameras, i)),
        depths=Images(names, sizes, 1, depth, np.float32),
        normals=Images(names, sizes, 3, normals, np.float32),
        splits={
            "train": torch.arange(n_train),
            "test": torch.arange(n_train, n_train + n_test),
        },
        source_from_world=torch.eye(4, dtype=torch.float64),
        background="white",
        bounds=torch.tensor([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]]),
        unbounded=False,
        near_far=(DISTANCE - REACH, DISTANCE + REACH),
        format="procedural",
    )


def procedural_truth(scene: Scene) -> ProceduralTruth:
    """Exact depth, normals and surface of what `procedural_scene` shows.

    Raises:
        InputError: for a scene that moves, whose surface is not one.
    """
    if scene.times is not None:
        raise InputError(field="scene", found="one that moves", expected="one that stands still")
    return trace_truth(procedural_shapes(), scene.cameras, CONTENT_RADIUS)
