"""A scene that is known in closed form, to learn with no field and no kernels.

A ball of radius 1 whose opacity fades smoothly towards its rim, coloured by its surface normal and
by numbers that are learned, in front of whatever is behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from polyfield.cameras import Cameras, Rays
from polyfield.cameras.poses import look_at
from polyfield.datasets import Images, Scene
from polyfield.fields.backbone import Replacement
from polyfield.renderers.render import Render


class Ball(nn.Module):
    """A `Renderable`; its colours are base + tint * normal.

    Args:
        base: what an untrained ball has for a colour.
    """

    def __init__(self, base: Sequence[float] = (0.5, 0.5, 0.5)) -> None:
        super().__init__()
        self.base = nn.Parameter(torch.tensor(base))
        self.tint = nn.Parameter(torch.full((3,), 0.2))
        self.opaque = nn.Parameter(torch.tensor(4.0))
        self.updates: list[int] = []
        self.seen: list[dict[str, Any]] = []

    def forward(
        self,
        rays: Rays,
        background: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
        appearance: Tensor | None = None,
    ) -> Render:
        self.seen.append({"rays": rays, "background": background, "appearance": appearance})
        o, d = rays.origins, rays.directions
        nearest = -(o * d).sum(dim=-1)
        miss = (o + nearest[:, None] * d).square().sum(dim=-1)
        depth = nearest - (1 - miss).clamp(min=1e-4).sqrt()
        normal = torch.nn.functional.normalize(o + depth[:, None] * d, dim=-1)
        opacity = torch.sigmoid(self.opaque * 4 * (0.8 - miss))
        color = self.base + self.tint * normal
        if appearance is not None:
            color = color + appearance
        rgb = opacity[:, None] * color.clamp(0, 1)
        if background is not None:
            rgb = rgb + (1 - opacity)[:, None] * background
        extras = {"n_samples": 10 * len(o), "distortion": opacity * (1 - opacity)}
        return Render(rgb, opacity, depth, extras=extras)

    @torch.no_grad()
    def image(
        self,
        cameras: Cameras,
        i: int,
        background: Tensor | None = None,
        modes: tuple[str, ...] = ("rgb",),
        appearance: Tensor | None = None,
    ) -> Render:
        width, height = cameras.size[i].tolist()
        rays = cameras.image_rays(i)
        codes = None if appearance is None else appearance.expand(len(rays), -1)
        render = self(rays, background, appearance=codes)
        return Render(
            render.rgb.view(height, width, 3),
            render.opacity.view(height, width),
            render.depth.view(height, width),
        )

    def surface_normals(self, rays: Rays, depth: Tensor) -> Tensor:
        """Leaning towards what is learned: exact where the tint is 0.2."""
        normal = torch.nn.functional.normalize(rays.origins + depth[:, None] * rays.directions)
        return torch.nn.functional.normalize(normal + (self.tint - 0.2), dim=-1)

    def update(self, step: int, generator: torch.Generator | None = None) -> None:
        self.updates.append(step)

    def grow(self, step: int, progress: float) -> list[Replacement]:
        return []

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.parameters()), "name": "ball"}]

    def regularization(self) -> Tensor:
        return torch.zeros(())


def ring(n: int, size: int) -> Cameras:
    """n cameras around the origin, of size x size pixels."""
    angle = torch.arange(n, dtype=torch.float64) * 2 * torch.pi / n
    place = torch.stack([3 * angle.cos(), 3 * angle.sin(), 1 + 0.5 * (2 * angle).sin()], dim=-1)
    up = torch.tensor([0.0, 0, 1], dtype=torch.float64)
    return Cameras(
        look_at(place, torch.zeros(1, 3, dtype=torch.float64), up),
        torch.tensor([[1.3 * size, 1.3 * size, size / 2, size / 2]]).expand(n, 4),
        torch.zeros(n, 1),
        torch.zeros(n),
        torch.full((n, 2), size),
    )


def photos(
    ball: Ball, cameras: Cameras, tints: Tensor | None = None, alpha: bool = True
) -> np.ndarray:
    """[n, h, w, 3 or 4] uint8 photos of a ball, with straight alpha or on black."""
    images = []
    for i in range(len(cameras)):
        render = ball.image(cameras, i, appearance=None if tints is None else tints[i])
        opacity = render.opacity[..., None]
        straight = render.rgb / opacity.clamp(min=1e-3)
        pixels = torch.cat([straight, opacity], dim=-1) if alpha else render.rgb
        images.append((pixels.clamp(0, 1) * 255 + 0.5).to(torch.uint8).numpy())
    ball.seen.clear()
    return np.stack(images)


def ball_scene(
    background: str = "white", base: Sequence[float] = (0.8, 0.4, 0.2), **settings: Any
) -> Scene:
    """Twelve photos of a ball, every fourth held out.

    Args:
        background: as in `Scene`; "none" gives photos without alpha.
        base: the ball's colour.
        settings: further fields of the scene, and `tints` [n, 3] added to each photo's ball.
    """
    cameras = ring(12, 24)
    ball = Ball(base)
    arrays = photos(ball, cameras, settings.pop("tints", None), alpha=background != "none")
    every = torch.arange(12)
    defaults: dict[str, Any] = {
        "images": Images.from_arrays(arrays),
        "splits": {"train": every[every % 4 != 0], "test": every[every % 4 == 0]},
        "source_from_world": torch.eye(4, dtype=torch.float64),
        "bounds": torch.tensor([[-1.0] * 3, [1.0] * 3]),
        "unbounded": False,
        "near_far": (1.0, 5.0),
    }
    return Scene(cameras=cameras, background=background, **{**defaults, **settings})
