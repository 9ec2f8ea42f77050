"""A radiance field: domain -> backbone -> decoder, each replaceable.

A backbone of four coordinates makes a field of space and time: the domain maps the first three, and
time, which is in [0, 1], is the fourth as it is.

Letters: n points, d coordinates of the backbone, c features, q numbers a ray, r rays.
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
from polyfield.fields.resampling import Box
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
        backbone: points of the unit cube, in a moving scene with their time, to features.
        decoder: features to density and colour; its `in_dim` is the backbone's `out_dim`.
    """

    def __init__(self, domain: Domain, backbone: Backbone, decoder: RadianceDecoder) -> None:
        super().__init__()
        if backbone.in_dim not in (3, 4):
            expected = "3, or 4 for space and time"
            raise InputError(field="field.in_dim", found=backbone.in_dim, expected=expected)
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
        if self.decoder.trunk.device.type != "cpu":  # asking the backbone may be work: F-INR
            return None
        parts_of = (self.backbone.kernels, self.decoder.kernels)
        made = self._kernels
        if made is None or made.encoder is not parts_of[0] or made.decoder is not parts_of[1]:
            encoder, summed = self.backbone.kernels, self.decoder.summed
            parts = self.backbone.density_parts if summed else None
            if parts is not None:  # as many as hold the features that are summed
                parts = max(parts, encoder.parts(summed))
            self._kernels = VolumeKernels(self.backbone.kernels, self.decoder.kernels, parts)
        return self._kernels

    @property
    def params(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What the kernels read: the backbone's parameters and frames, trunk, colour."""
        backbone, decoder = self.backbone, self.decoder
        return backbone.params, backbone.frames, decoder.trunk, decoder.color

    @property
    def moves(self) -> bool:
        """Whether this is a field of space and time."""
        return self.backbone.in_dim == 4

    def times(self, times: Float[Tensor, " n"] | None) -> Float[Tensor, " n"] | None:
        """The times that the backbone is to see: none of a scene that stands still.

        Raises:
            InputError: where it needs them and there are none.
        """
        if not self.moves:
            return None
        if times is None:
            expected = "a time of each, as the field is one of space and time"
            raise InputError(field="times", found="none", expected=expected)
        return times

    def at(
        self, u: Float[Tensor, "n 3"], times: Float[Tensor, " n"] | None
    ) -> Float[Tensor, "n d"]:
        """What the backbone sees of points of the unit cube."""
        times = self.times(times)
        return u if times is None else torch.cat([u, times[:, None].to(u.dtype)], dim=-1)

    def encode(
        self, x: Float[Tensor, "n 3"], times: Float[Tensor, " n"] | None = None
    ) -> Float[Tensor, "n c"]:
        """Features at world points; `times` as in `density`."""
        return self.backbone(self.at(self.domain.to_unit(x), times))

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

    def density(
        self, x: Float[Tensor, "n 3"], times: Float[Tensor, " n"] | None = None
    ) -> Float[Tensor, " n"]:
        """Density at world points, 1 / world unit; zero outside a box.

        Args:
            times: in [0, 1]; needed where the scene moves, of no meaning where it does not.
        """
        u = self.domain.to_unit(x)
        return _within(u, self.density_at(self.at(u, times)))

    def density_at(self, u: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Density at points of the unit cube, as the backbone sees them (see `at`)."""
        kernels = self.kernels
        if kernels is not None and not torch.is_grad_enabled():
            return density_sweep(kernels, u, *self.params[:3])
        return self.decoder.density(self.backbone(u))[0]

    def radiance(
        self,
        x: Float[Tensor, "n 3"],
        directions: Float[Tensor, "n 3"],
        codes: Float[Tensor, "n a"] | None = None,
        times: Float[Tensor, " n"] | None = None,
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, "n 3"]]:
        """Density and colour at world points seen along unit directions; times as in `density`."""
        u = self.domain.to_unit(x)
        density, rgb = self.decode(self.backbone(self.at(u, times)), directions, codes)
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

    @property
    def croppable(self) -> bool:
        """Whether `crop` works: lattices along the axes in a box, of what stands still."""
        return self.domain.kind == "box" and self.backbone.croppable and not self.moves

    def crop(self, box: Box) -> list[Replacement]:
        """Spend all of the backbone on a part of the domain.

        Args:
            box: the part of the unit cube that becomes the whole of it.
        """
        replaced = self.backbone.crop(box)
        self.domain.crop(box)
        return replaced
