"""A radiance field: domain -> backbone -> decoder, each replaceable.

Letters: n points, c features, q numbers a ray, r rays.
"""

from __future__ import annotations

import os

import torch
from jaxtyping import Float
from torch import Tensor, nn

from polyfield.errors import InputError
from polyfield.fields.backbone import Backbone, Replacement
from polyfield.fields.decoder import RadianceDecoder
from polyfield.fields.domain import Domain
from polyfield.kernels.sweep import density_sweep
from polyfield.kernels.volume import VolumeKernels


def _within(u: Float[Tensor, "n 3"], density: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """The density inside the unit cube, zero outside."""
    inside = ((u >= 0) & (u < 1)).all(dim=-1)
    return torch.where(inside, density, torch.zeros_like(density))


class RadianceField(nn.Module):
    """Density and view-dependent colour in a region of space.

    Args:
        domain: world points to the unit cube.
        backbone: points of the unit cube to features.
        decoder: features to density and colour; its `in_dim` is the backbone's `out_dim`.
    """

    def __init__(self, domain: Domain, backbone: Backbone, decoder: RadianceDecoder) -> None:
        super().__init__()
        if backbone.in_dim != 3:
            raise InputError(field="field.in_dim", found=backbone.in_dim, expected=3)
        if decoder.in_dim != backbone.out_dim:
            raise InputError(
                field="decoder.in_dim", found=decoder.in_dim, expected=backbone.out_dim
            )
        self.domain, self.backbone, self.decoder = domain, backbone, decoder
        self._kernels: VolumeKernels | None = None

    @property
    def kernels(self) -> VolumeKernels | None:
        """The fused kernels, or None where this backbone, device or setting has none."""
        if os.environ.get("POLYFIELD_KERNELS") == "reference" or self.backbone.kernels is None:
            return None
        if self.backbone.params.device.type != "cpu":
            return None
        parts_of = (self.backbone.kernels, self.decoder.kernels)
        made = self._kernels
        if made is None or made.encoder is not parts_of[0] or made.decoder is not parts_of[1]:
            encoder, summed = self.backbone.kernels, self.decoder.summed
            parts = self.backbone.density_parts if summed else None
            if parts is not None:  # as many as hold the features that are summed
                parts = max(parts, -(-summed * encoder.n_parts // encoder.width))
            self._kernels = VolumeKernels(self.backbone.kernels, self.decoder.kernels, parts)
        return self._kernels

    @property
    def params(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What the kernels read: the backbone's parameters and frames, trunk, colour."""
        backbone, decoder = self.backbone, self.decoder
        return backbone.params, backbone.frames, decoder.trunk, decoder.color

    def encode(self, x: Float[Tensor, "n 3"]) -> Float[Tensor, "n c"]:
        """Features at world points."""
        return self.backbone(self.domain.to_unit(x))

    def decode(
        self,
        features: Float[Tensor, "n c"],
        directions: Float[Tensor, "n 3"],
        codes: Float[Tensor, "n a"] | None = None,
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, "n 3"]]:
        """Density and sRGB colour seen along unit directions."""
        density, geometry = self.decoder.density(features)
        return density, self.decoder.color_of(
            geometry, self.decoder.ray_features(directions, codes)
        )

    def density(self, x: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """Density at world points, 1 / world unit; zero outside a box."""
        u = self.domain.to_unit(x)
        return _within(u, self.density_at(u))

    def density_at(self, u: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """Density at points of the unit cube."""
        kernels = self.kernels
        if kernels is not None and not torch.is_grad_enabled():
            return density_sweep(kernels, u, *self.params[:3])
        return self.decoder.density(self.backbone(u))[0]

    def radiance(
        self,
        x: Float[Tensor, "n 3"],
        directions: Float[Tensor, "n 3"],
        codes: Float[Tensor, "n a"] | None = None,
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, "n 3"]]:
        """Density and colour at world points seen along unit directions."""
        u = self.domain.to_unit(x)
        density, rgb = self.decode(self.backbone(u), directions, codes)
        return _within(u, density), rgb

    def parameter_groups(self) -> list[dict]:
        """Groups for the optimiser."""
        return self.backbone.parameter_groups() + self.decoder.parameter_groups()

    def regularization(self) -> Tensor:
        """The backbone's penalty."""
        return self.backbone.regularization()

    def grow(self, step: int, progress: float) -> list[Replacement]:
        """Let the backbone change resolution; what was replaced."""
        return self.backbone.grow(step, progress)
