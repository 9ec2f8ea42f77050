"""The modular volume renderer: one operation at a time, for any field that is a function of points.

Letters: r rays, n samples, q numbers a ray.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.kernels.choice import plain
from polyfield.kernels.packed import Samples, march_packed, visible
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
    box: Float[Tensor, "2 3"] | None = None,
) -> tuple[Float[Tensor, "r 6"], int]:
    """What `kernels.volume.VolumeKernels` computes, and how many samples were marched.

    Args:
        times: when the rays look, for a field of space and time.
        median: where the distances of half transmittance are written.
        box: corners in the world; samples outside are left out.
    """
    field = renderer.field
    by_torch = plain(origins)
    samples = _march(origins, directions, jitter, geometry)
    if box is not None:
        x = origins[samples.ray] + samples.t[:, None] * directions[samples.ray]
        samples = samples.select(((x >= box[0]) & (x <= box[1])).all(dim=-1))
    density = None
    if not by_torch and len(samples.t):
        density = _density(renderer, samples, times)
    out = shade(
        field, origins, directions, ray_features, samples, density, renderer.stop,
        renderer.gradient_near, times, renderer.faint, median,
    )  # fmt: skip
    return out, len(samples.t)


def count_samples(
    renderer: VolumeRenderer,
    origins: Float[Tensor, "r 3"],
    directions: Float[Tensor, "r 3"],
    jitter: Float[Tensor, " r"],
    geometry: Geometry,
    times: Float[Tensor, " r"] | None = None,
) -> Float[Tensor, " r"]:
    """How many samples each ray takes until nothing behind them is seen."""
    samples = _march(origins, directions, jitter, geometry)
    ray = samples.ray
    if len(ray):
        ray = ray[visible(_density(renderer, samples, times), samples, renderer.stop)]
    return torch.bincount(ray, minlength=len(origins)).to(origins.dtype)


def _march(origins: Tensor, directions: Tensor, jitter: Tensor, geometry: Geometry) -> Samples:
    march = march_reference if plain(origins) else march_packed
    return march(origins.detach(), directions.detach(), jitter, geometry)


def _density(renderer: VolumeRenderer, samples: Samples, times: Tensor | None) -> Tensor:
    with torch.no_grad():
        u = renderer.field.at(samples.u, None if times is None else times[samples.ray])
        return renderer.field.density_at(u)
