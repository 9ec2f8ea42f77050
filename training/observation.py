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

    noun = "appearance code"

    def __init__(self, n_images: int, dim: int) -> None:
        super().__init__()
        self.codes = nn.Parameter(torch.zeros(n_images, dim))

    def forward(self, image_index: Int[Tensor, " r"]) -> Float[Tensor, "r a"]:
        """The codes of the images that rays come from."""
        return self.codes[image_index]

    def mean(self, images: Int[Tensor, " k"]) -> Float[Tensor, " a"]:
        """The mean code of images, for views that have none."""
        return self.codes[images].mean(dim=0)


class Exposures(nn.Module):
    """An affine map of colours per image, for exposure and white balance: colour -> A colour + b.

    Args:
        n_images: of the scene; those that are not trained on keep the map that changes nothing.
    """

    noun = "exposure"

    def __init__(self, n_images: int) -> None:
        super().__init__()
        self.maps = nn.Parameter(identity_exposure().repeat(n_images, 1, 1))

    def forward(self, i: int) -> Float[Tensor, "3 4"]:
        """[A | b] of an image."""
        return self.maps[i]

    def mean(self, images: Int[Tensor, " k"]) -> Float[Tensor, " 12"]:
        """The mean map of images, flat, for views that have none."""
        return self.maps[images].mean(dim=0).flatten()

    def distance(self, i: int) -> Float[Tensor, ""]:
        """Mean square of what a map is apart from the one that changes nothing."""
        return (self.maps[i] - identity_exposure().to(self.maps)).square().mean()


def identity_exposure() -> Float[Tensor, "3 4"]:
    """The map that leaves colours as they are."""
    return torch.eye(3, 4)


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

    def pose(self, world_from_camera: Float[Tensor, "3 4"], i: int) -> Float[Tensor, "3 4"]:
        """The pose of camera i after its motion, differentiable in it."""
        turn = rotation_from_axis_angle(self.rotations[i])
        given = world_from_camera.to(turn)
        moved = given[:, 3] + self.translations[i]
        return torch.cat([turn @ given[:, :3], moved[:, None]], dim=1)


class LearnedBackground(nn.Module):
    """One colour behind everything."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(3))

    def forward(self) -> Float[Tensor, "3"]:
        """sRGB in [0, 1]; grey at first."""
        return torch.sigmoid(self.logits)
