"""What is learned about how a scene was photographed, rather than about the scene.

Letters: n images, r rays, a numbers of an appearance code.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from polyfield.cameras.poses import rotation_from_axis_angle
from polyfield.cameras.rays import Rays


class AppearanceCodes(nn.Module):
    """A code per image for exposure, white balance and weather (NeRF in the Wild).

    Args:
        n_images: of the scene; only those that are trained on have a code of meaning.
        dim: a.
    """

    def __init__(self, n_images: int, dim: int) -> None:
        super().__init__()
        self.codes = nn.Parameter(torch.zeros(n_images, dim))

    def forward(self, image_index: Int[Tensor, " r"]) -> Float[Tensor, "r a"]:
        """The codes of the images that rays come from."""
        return self.codes[image_index]

    def mean(self, images: Int[Tensor, " k"]) -> Float[Tensor, " a"]:
        """The mean code of images, for views that have none."""
        return self.codes[images].mean(dim=0)


class PoseRefinement(nn.Module):
    """A small motion per camera in the tangent of SO(3) x R^3: rotated about its own centre.

    The motion of camera i takes its pose (R, t) to (exp(w_i) R, t + v_i).

    Args:
        n_images: of the scene; cameras that are not trained on stay where they are.
    """

    def __init__(self, n_images: int) -> None:
        super().__init__()
        self.rotations = nn.Parameter(torch.zeros(n_images, 3))
        self.translations = nn.Parameter(torch.zeros(n_images, 3))

    def forward(self, rays: Rays) -> Rays:
        """The rays of the moved cameras, differentiable in their motions."""
        assert rays.camera_index is not None, "rays must know their camera"
        rotation = rotation_from_axis_angle(self.rotations[rays.camera_index])
        return replace(
            rays,
            origins=rays.origins + self.translations[rays.camera_index],
            directions=(rotation @ rays.directions[:, :, None])[:, :, 0],
        )


class LearnedBackground(nn.Module):
    """One colour behind everything."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(3))

    def forward(self) -> Float[Tensor, "3"]:
        """sRGB in [0, 1]; grey at first."""
        return torch.sigmoid(self.logits)
