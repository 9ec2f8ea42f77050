"""The modular volume renderer: one operation at a time, for any field that is a function of points.

Letters: r rays, n samples, q numbers a ray.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.kernels.choice import plain
from polyfield.kernels.packed import march_packed
from polyfield.kernels.packed_reference import march_reference
from polyfield.kernels.volume import Geometry
from polyfield.renderers.shade import shade

if TYPE_CHECKING:
    from polyfield.renderers.volume import VolumeRenderer


def render_packed(
    renderer: VolumeRenderer,
    origins: Float[Tensor, "r 3"],
    directions: Float[Tensor, "r 3"],
    ray_features: Float[Tensor, "r q"],
    jitter: Float[Tensor, " r"],
    geometry: Geometry,
    times: Float[Tensor, " r"] | None = None,
    median: Float[Tensor, " r"] | None = None,
) -> tuple[Float[Tensor, "r 6"], int]:
    """What `kernels.volume.VolumeKernels` computes, and how many samples were marched.

    Args:
        times: when the rays look, for a field of space and time.
        median: where the distances of half transmittance are written.
    """
    field = renderer.field
    by_torch = plain(origins)
    march = march_reference if by_torch else march_packed
    samples = march(origins.detach(), directions.detach(), jitter, geometry)
    density = None
    if not by_torch and len(samples.t):
        with torch.no_grad():
            u = field.at(samples.u, None if times is None else times[samples.ray])
            density = field.density_at(u)
    out = shade(
        field, origins, directions, ray_features, samples, density, renderer.stop,
        renderer.gradient_near, times, renderer.faint, median,
    )  # fmt: skip
    return out, len(samples.t)
