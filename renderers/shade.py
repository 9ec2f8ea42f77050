"""From samples to what rays see, one operation at a time, for any field of points.

Letters: r rays, n samples, q numbers a ray.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from polyfield.fields.field import RadianceField
from polyfield.kernels.choice import plain
from polyfield.kernels.packed import Samples, composite, visible, weights
from polyfield.kernels.packed_reference import composite_reference, median_distance


def shade(
    field: RadianceField,
    origins: Float[Tensor, "r 3"],
    directions: Float[Tensor, "r 3"],
    ray_features: Float[Tensor, "r q"],
    samples: Samples,
    density: Float[Tensor, " n"] | None = None,
    stop: float = 0.0,
    gradient_near: float = 0.0,
    times: Float[Tensor, " r"] | None = None,
    faint: float = 0.0,
    median: Float[Tensor, " r"] | None = None,
) -> Float[Tensor, "r 6"]:
    """Rays' rgb, opacity, sum of weight times distance and distortion; see `kernels.render`.

    Args:
        ray_features: see `RadianceDecoder.ray_features`.
        density: at the samples, where it is known: those behind an opaque surface are left out.
        stop: transmittance below which a ray ends.
        gradient_near: distance below which gradients are scaled by (t / distance)^2; 0 for off.
        times: when the rays look, for a field of space and time.
        faint: weight below which a sample is black.
        median: where the distances of half transmittance are written.
    """
    by_torch = plain(samples.t)
    if density is not None and not by_torch and stop > 0:
        samples = samples.select(visible(density, samples, stop))
    u = samples.u
    if origins.requires_grad or directions.requires_grad:
        u = field.domain.to_unit(
            origins[samples.ray] + samples.t[:, None] * directions[samples.ray]
        )
    u = field.at(u, None if times is None else times[samples.ray])
    density, geometry = field.decoder.density(field.backbone(u))
    rgb = field.decoder.color_of(geometry, ray_features[samples.ray])
    if faint > 0:
        rgb = rgb * (weights(density.detach(), samples) >= faint)[:, None]
    if median is not None:
        median.copy_(median_distance(density, samples))
    if gradient_near > 0:
        scale = (samples.t / gradient_near).clamp(max=1.0).square()
        density = scale_gradient(density, scale)
        rgb = scale_gradient(rgb, scale[:, None])
    return (composite_reference if by_torch else composite)(density, rgb, samples, stop)


def scale_gradient(values: Tensor, scale: Tensor) -> Tensor:
    """The same values, with their gradient multiplied by `scale`."""
    return values * scale + (values * (1 - scale)).detach()
