"""What follows from scene and budget where the configuration leaves it open.

What a photo shows of an object is as fine as a pixel's footprint there, so neither steps nor cells
are much finer: finer cells learn the noise of single views (with photos of 200 x 200 pixels, 0.4 dB
of held-out PSNR lie between a finest level of 512 and one of 256).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from polyfield.datasets.scene import Scene

STEPS_ACROSS = 256  # most marching steps along an edge of the domain's box
MOMENTS = (4, 256)  # vertices along time, at least and at most
CELLS = (128, 2048)  # cells along an edge of the box, at least and at most
FOOTPRINTS_A_STEP = 1.25
CELLS_A_FOOTPRINT = 1.25
DISTORTION = 0.002  # as nerfacto has it; with 0.01 the cup piled up before its cameras
GAUSSIANS = (10_000, 1_000_000)  # that training may make, at least and at most
LONG = {"max_seconds": 150.0, "max_steps": 12000}  # beyond both bounds, larger tables pay


def footprint(scene: Scene) -> float:
    """Width of a pixel at the middle of the scene's box, world units: the median over photos."""
    cameras = scene.cameras[scene.splits["train"]]
    middle = scene.bounds.double().mean(dim=0)
    distance = torch.linalg.vector_norm(cameras.world_from_camera[:, :, 3] - middle, dim=-1)
    return float((distance / cameras.intrinsics[:, :2].mean(dim=-1)).median())


def edge(scene: Scene) -> float:
    """The longest edge of the scene's box, world units."""
    return float((scene.bounds[1] - scene.bounds[0]).max())


def sampling(scene: Scene) -> dict[str, float]:
    """Where to sample rays in a scene, in world units: step, cone, near and far."""
    near, far = scene.near_far
    step = edge(scene) / STEPS_ACROSS
    if scene.unbounded:
        return {"step": step, "cone": 1 / STEPS_ACROSS, "near": 0.5 * near, "far": 1e3}
    # At most an eighth of what an empty box would take, for photos of few pixels.
    step = min(max(step, FOOTPRINTS_A_STEP * footprint(scene)), 8 * step)
    return {"step": step, "cone": 0.0, "near": 0.0, "far": 2 * far}


def finest(scene: Scene) -> dict[str, int]:
    """Cells along an edge of the box worth having: what a backbone's `max_resolution` may be."""
    if scene.unbounded:  # the box is where cameras are, and what they see is nearer and farther
        return {"max_resolution": 512}
    least, most = CELLS
    cells = CELLS_A_FOOTPRINT * edge(scene) / max(footprint(scene), 1e-9 * edge(scene))
    return {"max_resolution": int(min(max(cells, least), most))}


def losses(scene: Scene) -> dict[str, float]:
    """Weights of losses.

    What photos of a place leave open fills with haze, which this gathers where matter is: depth is
    better, and views of fox and fern are, by 0.1 to 0.5 dB; those of the cup are worse by 0.3.
    """
    return {"distortion": DISTORTION if scene.unbounded else 0.0}


def time(scene: Scene) -> dict[str, int]:
    """Coordinates of a scene, and vertices along time where there is one.

    Half as many as there are moments in the training photos (K-Planes' rule), so that what one of
    them shows is seen in others too.
    """
    if scene.times is None:
        return {"in_dim": 3}
    least, most = MOMENTS
    moments = len(scene.times[scene.splits["train"]].unique())
    return {"in_dim": 4, "time_resolution": min(max(moments // 2, least), most)}


def tables(budget: Mapping[str, Any]) -> dict[str, int]:
    """How large a backbone's hashed tables may be, binary logarithm: what a training can fill.

    On lego_200, 2^16, 2^17 and 2^18 entries reach 32.8, 33.0 and 32.8 dB in 60 s; after 8,000 steps
    the last are 0.5 dB ahead of the first.

    Args:
        budget: `max_steps` and `max_seconds`, None for no bound.
    """
    bounds = [budget.get(name) is None or budget[name] > least for name, least in LONG.items()]
    return {"log2_entries": 18 if all(bounds) else 17}


def gaussians(budget: Mapping[str, Any]) -> int:
    """How many Gaussians a training can place and shape: 8 a step, or 600 a second.

    More make steps dearer than they are worth.

    Args:
        budget: `max_steps` and `max_seconds`, None for no bound.
    """
    rates = {"max_steps": 8, "max_seconds": 600}
    bounds = [rate * budget[name] for name, rate in rates.items() if budget.get(name) is not None]
    least, most = GAUSSIANS
    return int(min(max(min(bounds, default=most), least), most))


def with_tables(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with `tables` written down: a run may get another budget later."""
    field = dict(config["field"])
    for key, value in tables(config.get("trainer") or {}).items():
        if key in field and field[key] is None:
            field[key] = value
    return {**config, "field": field}
