"""The modular volume renderer: one operation at a time, for any field that is a function of points.

Letters: r rays, n samples, q numbers a ray.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.kernels.packed import composite, march_packed, visible
from polyfield.kernels.packed_reference import composite_reference, march_reference

if TYPE_CHECKING:
    from polyfield.renderers.volume import VolumeRenderer


def render_packed(
    renderer: VolumeRenderer,
    origins: Float[Tensor, "r 3"],
    directions: Float[Tensor, "r 3"],
    ray_features: Float[Tensor, "r q"],
    jitter: Float[Tensor, " r"],
) -> tuple[Float[Tensor, "r 6"], int]:
    """What `kernels.volume.VolumeKernels` computes, and how many samples were marched."""
    field = renderer.field
    plain = os.environ.get("POLYFIELD_KERNELS") == "reference" or origins.device.type != "cpu"
    march = march_reference if plain else march_packed
    dtype = np.dtype(str(origins.dtype).removeprefix("torch."))
    samples = march(origins.detach(), directions.detach(), jitter, renderer.geometry(dtype))
    n_samples = len(samples.t)
    if not plain and n_samples:
        with torch.no_grad():
            u = samples.u
            density = field.density_at(u)
        samples = samples.select(visible(density, samples, renderer.stop))
    u = samples.u
    if origins.requires_grad or directions.requires_grad:
        u = field.domain.to_unit(
            origins[samples.ray] + samples.t[:, None] * directions[samples.ray]
        )
    density, geometry = field.decoder.density(field.backbone(u))
    rgb = field.decoder.color_of(geometry, ray_features[samples.ray])
    if renderer.gradient_near > 0:
        scale = (samples.t / renderer.gradient_near).clamp(max=1.0).square()
        density = _scale_gradient(density, scale)
        rgb = _scale_gradient(rgb, scale[:, None])
    operation = composite_reference if plain else composite
    return operation(density, rgb, samples, renderer.stop), n_samples


def _scale_gradient(values: Tensor, scale: Tensor) -> Tensor:
    """The same values, with their gradient multiplied by `scale`."""
    return values * scale + (values * (1 - scale)).detach()
