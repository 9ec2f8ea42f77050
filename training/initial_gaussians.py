"""The Gaussians that a training begins with: of the scene, of a file or of another run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from polyfield.datasets.scene import Scene
from polyfield.errors import InputError
from polyfield.fields.gaussians import Gaussians, tensors_of
from polyfield.training.seeds import (
    SOURCES,
    gaussians_from_points,
    points_from_renders,
    scene_gaussians,
)


class Seeding(NamedTuple):
    """How Gaussians begin.

    Attributes:
        source: one of `seeds.SOURCES`.
        file: a file of Gaussians, a mesh, points, or a run, in the frame of the user's data; taken
            instead.
        most: how many; of random ones and of a mesh exactly so many.
    """

    source: str = "auto"
    file: Path | None = None
    most: int = 100_000


def checked(seeding: Seeding) -> Seeding:
    """The same; InputError for a source that there is not, or no Gaussians."""
    if seeding.source not in SOURCES:
        expected = f"{', '.join(SOURCES)}; a file is given as task.init_from"
        raise InputError(field="task.init", found=seeding.source, expected=expected)
    if seeding.most < 1:
        raise InputError(field="task.init_count", found=seeding.most, expected="1 or more")
    return seeding


def first_gaussians(
    scene: Scene,
    seeding: Seeding,
    generator: torch.Generator,
    *,
    opacity: float,
    scale: float,
    degree: int,
) -> dict[str, Tensor]:
    """Gaussians to begin with, by name, in the world.

    Args:
        opacity, scale, degree: as in `seeds.gaussians_from_points`; what are Gaussians already stay
            as they are.

    Raises:
        InputError: where the scene, or the file, does not have what is asked for.
    """
    settings: dict[str, Any] = {"opacity": opacity, "scale": scale, "degree": degree}
    file = seeding.file
    if file is None:
        return scene_gaussians(scene, seeding.source, seeding.most, generator=generator, **settings)
    if not file.exists():
        expected = "a file or a run"
        raise InputError(file=file, field="task.init_from", found="nothing", expected=expected)
    if file.is_dir():
        return _of_run(scene, file, seeding.most, settings)
    from polyfield.splats.formats import is_splats

    if is_splats(file):
        return _of_splats(scene, file)
    return scene_gaussians(scene, file, seeding.most, generator=generator, **settings)


def _of_splats(scene: Scene, file: Path) -> dict[str, Tensor]:
    from polyfield.splats.cleaning import clean
    from polyfield.splats.formats import read_splats
    from polyfield.splats.frames import transformed

    splats = clean(read_splats(file)).splats
    if not len(splats):
        raise InputError("no Gaussian is left", file=file, expected="finite ones")
    return tensors_of(transformed(splats, torch.linalg.inv(scene.source_from_world).numpy()))


def _of_run(scene: Scene, run: Path, count: int, settings: dict[str, Any]) -> dict[str, Tensor]:
    """Its own Gaussians, or points where what it learned shows surfaces to its cameras."""
    from polyfield.splats.frames import transformed
    from polyfield.training.photo_task import PhotoTask
    from polyfield.training.runs import open_run

    task = open_run(run)[2]
    if not isinstance(task, PhotoTask):
        found = type(task).__name__
        expected = "a run of task=radiance"
        raise InputError(file=run, field="task.init_from", found=found, expected=expected)
    known = task.scene
    here_from_there = torch.linalg.inv(scene.source_from_world) @ known.source_from_world
    field = getattr(task.renderer, "field", None)
    if isinstance(field, Gaussians):
        return tensors_of(transformed(field.splats(), here_from_there.numpy()))
    cameras = replace(known.cameras[known.splits["train"]], times=None)
    points, colors = points_from_renders(task.renderer, cameras, count, appearance=task.code)
    placed = torch.from_numpy(points) @ here_from_there[:3, :3].T + here_from_there[:3, 3]
    return gaussians_from_points(placed.numpy(), colors, **settings)
