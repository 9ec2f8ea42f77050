"""What is in a scene, as plain data."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.cameras.models import Model
from polyfield.datasets.scene import Scene


def describe(scene: Scene) -> dict[str, Any]:
    """What `polyfield info data=PATH` prints: strings, numbers and lists of them.

    Lengths are in the normalised world unless a key says `source`.
    """
    sizes = scene.cameras.size
    models = [Model(number).name.lower() for number in scene.cameras.model.unique().tolist()]
    scale = float(torch.linalg.det(scene.source_from_world[:3, :3]) ** (1 / 3))
    positions = scene.cameras.positions
    return {
        "format": scene.format,
        "path": None if scene.path is None else str(scene.path),
        "images": len(scene),
        "splits": {name: len(part) for name, part in scene.splits.items()},
        "resolution": {
            "smallest": sizes[sizes.prod(dim=1).argmin()].tolist(),
            "largest": sizes[sizes.prod(dim=1).argmax()].tolist(),
        },
        "megabytes": round(float(sizes.prod(dim=1).sum()) * scene.images.channels / 1e6, 1),
        "camera_models": models,
        "focal_pixels": [round(float(f), 2) for f in scene.cameras.intrinsics[:, 0].aminmax()],
        "alpha": scene.images.channels == 4,
        "background": scene.background,
        "times": "none" if scene.times is None else _times(scene.times),
        "masks": scene.masks is not None,
        "depths": scene.depths is not None,
        "normals": scene.normals is not None,
        "points": 0 if scene.points is None else len(scene.points),
        "unbounded": scene.unbounded,
        "bounds": scene.bounds.tolist(),
        "near_far": list(scene.near_far),
        "camera_box": [
            positions.min(dim=0).values.tolist(),
            positions.max(dim=0).values.tolist(),
        ],
        "source_units_per_world_unit": scale,
        "source_from_world": scene.source_from_world.tolist(),
    }


def headline(scene: Scene) -> str:
    """`blender: 100 train, 25 test images, 200x200, in a box, alpha on white`."""
    sizes = scene.cameras.size.unique(dim=0).tolist()
    shape = "x".join(map(str, sizes[0])) if len(sizes) == 1 else f"{len(sizes)} sizes"
    parts = ", ".join(f"{len(images)} {name}" for name, images in scene.splits.items())
    kind = "unbounded" if scene.unbounded else "in a box"
    behind = f", alpha on {scene.background}" if scene.images.channels == 4 else ""
    moves = "" if scene.times is None else f", {_times(scene.times)}"
    return f"{scene.format}: {parts} images, {shape}, {kind}{behind}{moves}"


def _times(times: Float[Tensor, " n"]) -> str:
    """`moving, 60 times from 0 to 1`."""
    first, last = times.aminmax()
    return f"moving, {len(times.unique())} times from {float(first):.4g} to {float(last):.4g}"
