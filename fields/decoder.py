"""From features to density and colour: a trunk, then a colour head.

Letters: n points, c features, k geometry features, q numbers a ray, e spherical harmonics, b
features of a basis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from polyfield.errors import InputError
from polyfield.fields.network import initial_parameters, network
from polyfield.kernels import color, samples
from polyfield.kernels.spherical_harmonics import MAX_DEGREE, spherical_harmonics
from polyfield.kernels.volume import DecoderKernels

ACTIVATIONS = {"exp": samples.EXP, "softplus": samples.SOFTPLUS}


class RadianceDecoder(nn.Module):
    """Features -> density and view-dependent colour.

    Args:
        in_dim: features, c.
        trunk: widths of the hidden layers between features and density; None for no trunk at all:
            the first `summed` features are added up to the raw density, the others are geometry.
        geometry: k, what the trunk hands to the colour network; set by the harmonics otherwise.
        color: "sh" (spherical-harmonics coefficients), "mlp" (a network over geometry and view) or
            "linear" (in the geometry, by weights that a network makes of the view: K-Planes).
        hidden: widths of the colour network's hidden layers.
        sh_degree: degree of the direction's harmonics.
        skip: the trunk's layer (1 is the first) that sees the features again; -1 for none.
        activation: "exp" (truncated) or "softplus".
        shift: added to the raw density; scale: of the activated density (TensoRF's 25 is the factor
            by which it lengthens distances).
        basis: b, features that a matrix makes of the geometry for the colour network (TensoRF); 0
            for none: it sees the geometry itself.
        octaves: of sines and cosines of these b features that the network sees too.
        summed: see `trunk`.
        code_dim: numbers of a per-image appearance code, colour networks only.
        lr_scale: learning rate relative to the optimiser's.
        generator: source of the initial weights.

    The parameters are two flat vectors, the layout of `kernels.mlp`.
    """

    def __init__(
        self,
        in_dim: int,
        trunk: Sequence[int] | None = (32,),
        geometry: int = 15,
        color: Literal["sh", "mlp", "linear"] = "sh",
        hidden: Sequence[int] = (32,),
        sh_degree: int = 2,
        skip: int = -1,
        activation: Literal["exp", "softplus"] = "exp",
        shift: float = 0.0,
        scale: float = 1.0,
        basis: int = 0,
        octaves: int = 0,
        summed: int = 1,
        code_dim: int = 0,
        lr_scale: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if color not in ("sh", "mlp", "linear"):
            raise InputError(field="decoder.color", found=color, expected="sh, mlp or linear")
        if activation not in ACTIVATIONS:
            raise InputError(
                field="decoder.activation", found=activation, expected=" or ".join(ACTIVATIONS)
            )
        if code_dim and color == "sh":
            raise InputError(
                field="decoder.color",
                found="sh with an appearance code",
                expected="mlp or linear",
                hint="spherical harmonics cannot take a code",
            )
        if not 0 <= sh_degree <= MAX_DEGREE:
            raise InputError(
                field="decoder.sh_degree", found=sh_degree, expected=f"0 to {MAX_DEGREE}"
            )
        if not 0 < scale < math.inf:
            raise InputError(field="decoder.scale", found=scale, expected="above 0")
        if not 0 <= lr_scale < math.inf:
            raise InputError(field="decoder.lr_scale", found=lr_scale, expected="0 or more")
        _check_basis(color, basis, octaves)
        widths = {"trunk": trunk or (), "hidden": hidden, "geometry": (geometry,)}
        for name, numbers in widths.items():
            if any(width < (0 if name == "geometry" else 1) for width in numbers):
                raise InputError(
                    field=f"decoder.{name}", found=list(numbers), expected="positive widths"
                )
        if skip != -1 and not 1 <= skip <= len(trunk or ()) + 1:
            raise InputError(
                field="decoder.skip", found=skip, expected=f"-1 or 1 to {len(trunk or ()) + 1}"
            )
        if trunk is None and not 1 <= summed <= in_dim:
            raise InputError(
                field="decoder.summed",
                found=summed,
                expected=f"1 to {in_dim}, features that are the density's own",
                hint="decoder=radiance takes all features through a network",
            )
        self.in_dim, self.color_kind, self.sh_degree = in_dim, color, sh_degree
        self.activation, self._shift, self.code_dim = activation, float(shift), code_dim
        self.harmonics, self.lr_scale = (sh_degree + 1) ** 2, lr_scale
        self.scale, self.basis, self.octaves = float(scale), basis, octaves
        self.summed = 0 if trunk is not None else summed
        if color == "sh":
            geometry = 3 * self.harmonics
        if trunk is None:
            geometry = in_dim - summed
            if color == "sh" and geometry != 3 * self.harmonics:
                raise InputError(
                    field="decoder.sh_degree",
                    found=f"{geometry} colour features",
                    expected=f"{3 * self.harmonics} for degree {sh_degree}",
                )
            trunk_widths = [in_dim]
        else:
            trunk_widths = [in_dim, *trunk, 1 + geometry]
        if color == "linear" and geometry < 1:
            raise InputError(
                field="decoder.geometry", found=geometry, expected="1 or more, of color=linear"
            )
        self.trunk_widths, self.skip, self.geometry = trunk_widths, skip, geometry
        seen = basis * (1 + 2 * octaves) if basis else geometry
        view = self.harmonics + code_dim
        self.color_widths = {
            "sh": [geometry],
            "mlp": [seen + view, *hidden, 3],
            "linear": [view, *hidden, 3 * geometry],
        }[color]
        self.trunk = nn.Parameter(initial_parameters(trunk_widths, skip, generator))
        bound = max(geometry, 1) ** -0.5
        matrix = torch.empty(geometry * basis).uniform_(-bound, bound, generator=generator)
        self.color = nn.Parameter(
            torch.cat([matrix, initial_parameters(self.color_widths, -1, generator)])
        )
        self.kernels = self._kernels()

    @property
    def shift(self) -> float:
        """What is added to the raw density; compiled kernels have it too, so it never changes."""
        return self._shift

    @property
    def ray_width(self) -> int:
        """q, what the colour head needs of a ray."""
        is_linear = self.color_kind == "linear"
        return 3 * self.geometry if is_linear else self.harmonics + self.code_dim

    def _kernels(self) -> DecoderKernels:
        layers = [len(self.color_widths) - 1, -1, *self.color_widths]
        is_network = self.color_kind == "mlp"
        heads = {"mlp": color.network_head, "linear": color.linear_head}
        head = heads.get(self.color_kind, partial(color.harmonics_head, self.harmonics))()
        if self.basis:
            head = color.basis_head(self.basis, self.octaves)
        return DecoderKernels(
            summed=self.summed,
            trunk_shape=np.array([len(self.trunk_widths) - 1, self.skip, *self.trunk_widths]),
            color_shape=np.array([self.harmonics, self.geometry, *layers]),
            color=head,
            color_width=sum(self.color_widths) if is_network else 0,
            ray_width=self.ray_width,
            activation=ACTIVATIONS[self.activation],
            shift=self.shift,
            scale=self.scale,
        )

    def ray_features(
        self, directions: Float[Tensor, "r 3"], codes: Float[Tensor, "r a"] | None = None
    ) -> Float[Tensor, "r q"]:
        """What the colour head needs of a ray: its direction's harmonics and appearance code, or
        the weights that a network makes of them."""
        values = spherical_harmonics(directions, self.sh_degree)
        if codes is not None and codes.shape != (len(values), self.code_dim):
            raise InputError(
                field="appearance",
                found=tuple(codes.shape),
                expected=f"({len(values)}, {self.code_dim}), the decoder's code_dim",
            )
        if self.code_dim:
            if codes is None:
                codes = values.new_zeros(len(values), self.code_dim)
            values = torch.cat([values, codes], dim=-1)
        if self.color_kind == "linear":
            return network(values, self.color, self.color_widths)
        return values

    def density(self, features: Float[Tensor, "n c"]) -> tuple[Tensor, Tensor]:
        """Density [n] in 1 / world unit, and geometry features [n, k]."""
        if self.summed:
            summed, geometry = features.split(
                [self.summed, features.shape[1] - self.summed], dim=-1
            )
            raw = summed.sum(dim=-1)
        else:
            out = network(features, self.trunk, self.trunk_widths, self.skip)
            raw, geometry = out.split(
                [1, out.shape[1] - 1], dim=-1
            )  # one gradient, not two padded ones
            raw = raw.squeeze(-1)
        raw = raw + self.shift
        if self.activation == "exp":
            # The slope of the truncated exponential is its value, beyond the cut as well.
            return self.scale * _TruncatedExp.apply(raw), geometry
        return self.scale * F.softplus(raw, threshold=samples.EXPONENT_MAX), geometry

    def color_of(
        self, geometry: Float[Tensor, "n k"], ray_features: Float[Tensor, "n q"]
    ) -> Float[Tensor, "n 3"]:
        """sRGB in [0, 1]."""
        if self.color_kind == "sh":
            coefficients = geometry.view(-1, 3, self.harmonics)
            return torch.sigmoid((coefficients * ray_features[:, None, :]).sum(dim=-1))
        if self.color_kind == "linear":
            weights = ray_features.view(-1, 3, self.geometry)
            return torch.sigmoid(torch.einsum("nck,nk->nc", weights, geometry))
        split = self.geometry * self.basis
        inputs = torch.cat([*self._seen(geometry, self.color[:split]), ray_features], dim=-1)
        return torch.sigmoid(network(inputs, self.color[split:], self.color_widths, -1))

    def _seen(self, geometry: Float[Tensor, "n k"], matrix: Float[Tensor, " kb"]) -> list[Tensor]:
        """What the colour network sees of the geometry, [n, *] each."""
        if not self.basis:
            return [geometry]
        projected = geometry @ matrix.view(self.geometry, self.basis)
        angles = [projected * 2**i for i in range(self.octaves)]
        waves = (wave for angle in angles for wave in (angle.sin(), angle.cos()))
        return [projected, *waves]

    def parameter_groups(self) -> list[dict]:
        """Groups for the optimiser."""
        params = [p for p in (self.trunk, self.color) if p.numel()]
        if not params:
            return []
        group = {"params": params, "name": "decoder", "sparse": False}
        return [{**group, "lr_scale": self.lr_scale}]


def _check_basis(color: str, basis: int, octaves: int) -> None:
    if basis < 0 or (basis and color != "mlp"):
        found = f"{basis}, and color={color}"
        raise InputError(
            field="decoder.basis", found=found, expected="0, or color=mlp and a number"
        )
    if octaves and not (basis and 0 < octaves <= 16):
        found = f"{octaves}, and basis {basis}"
        raise InputError(field="decoder.octaves", found=found, expected="0, or up to 16 of a basis")


class _TruncatedExp(torch.autograd.Function):
    """exp(min(x, 15)) whose gradient is its value."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:  # type: ignore[no-untyped-def, override]
        value = torch.exp(x.clamp(max=samples.EXPONENT_MAX))
        ctx.save_for_backward(value)
        return value

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:  # type: ignore[no-untyped-def, override]
        (value,) = ctx.saved_tensors
        return gradient * value
