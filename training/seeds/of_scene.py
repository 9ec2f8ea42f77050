"""The first Gaussians of a scene, from the best that is known of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from polyfield.datasets.scene import Scene
from polyfield.errors import InputError
from polyfield.training.seeds.cloud import Seeds, gaussians_from_points
from polyfield.training.seeds.extent import scene_extent
from polyfield.training.seeds.scatter import random_gaussians
from polyfield.training.seeds.surface import gaussians_from_mesh_file
from polyfield.training.seeds.thinning import thinned
from polyfield.training.seeds.views import points_from_depths

SOURCES = ("auto", "points", "depths", "random")
LARGEST = 0.1  # extents: classic densification prunes what is larger


def scene_gaussians(
    scene: Scene,
    source: str | Path = "auto",
    count: int = 100_000,
    *,
    generator: torch.Generator,
    opacity: float = 0.1,
    scale: float = 1.0,
    degree: int = 3,
) -> Seeds:
    """Gaussians to begin with.

    Args:
        source: "points" (the scene's sparse ones), "depths", "random", or the path of a mesh or a
            cloud in the frame of the user's files; "auto" for the first of the three that there is.
        count: how many at most; with "random" and with a mesh exactly so many.
        opacity, scale, degree: as in `gaussians_from_points`; a strategy's `seed_opacity` and
            `seed_scale` say what suits it.

    Raises:
        InputError: where the scene does not have what is asked for.
    """
    if count < 1:
        raise InputError(field="count", found=count, expected="1 or more")
    settings: dict[str, Any] = {"opacity": opacity, "scale": scale, "degree": degree}
    if source == "auto":
        source = first_source(scene)
    if source == "random":
        return random_gaussians(scene, count, generator, **settings)
    if source not in SOURCES:
        world_from_source = torch.linalg.inv(scene.source_from_world.double())
        settings["world_from_source"] = world_from_source
        return gaussians_from_mesh_file(Path(source), count, generator, **settings)
    if source == "depths":
        points, colors = points_from_depths(scene, count, generator)
    elif not _has_points(scene):
        hint = "source=random begins without"
        raise InputError(field="points", found="none", expected="a scene with points", hint=hint)
    else:
        points, colors = _sparse(scene, count)
    extent = scene_extent(scene)
    settings.update(largest=LARGEST * extent, lone=0.1 * LARGEST * extent)
    return gaussians_from_points(points, colors, **settings)


def first_source(scene: Scene) -> str:
    """The first of "points", "depths" and "random" that a scene has."""
    if _has_points(scene):
        return "points"
    return "depths" if scene.depths is not None else "random"


def _has_points(scene: Scene) -> bool:
    return scene.points is not None and len(scene.points) > 0


def _sparse(scene: Scene, count: int) -> tuple[Any, Any]:
    """The scene's points and colours, no more than a count."""
    points, colors = scene.points, scene.point_colors
    assert points is not None, "the caller looks"
    if len(points) <= count:
        return points.numpy(), None if colors is None else colors.numpy()
    finite = points.isfinite().all(dim=1)
    sRGB = torch.full((len(points), 3), 0.5) if colors is None else colors / 255
    return thinned(points[finite].double().numpy(), sRGB[finite].double().numpy(), count)
