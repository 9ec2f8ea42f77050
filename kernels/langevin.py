"""Noise that moves nearly transparent Gaussians along their own covariance.

    mean += Sigma (eps g(o) size),    g(o) = 1 / (1 + exp(100 (o - 0.005))),    eps ~ N(0, 1)

(Kheradmand et al. 2024, equation 9.) It is added after every step, to those alone that it moves: at
an opacity of 0.1 g is 7e-5 and falling. Letters: n Gaussians, m of them move.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from numba import prange
from torch import Tensor
from torch.autograd.graph import increment_version

from polyfield.kernels.blocks import specialise
from polyfield.kernels.choice import plain
from polyfield.kernels.launch import launch

STEEPNESS, MIDDLE = 100.0, 0.005  # of g
MOST_OPACITY = 0.1  # of what moves
SHORTEST = 1e-24  # squared length of a quaternion, below which it turns nothing
SERIAL = 1024  # m up to which threads are not worth waking


@torch.no_grad()
def langevin_noise(
    means: Float[Tensor, "n 3"],
    quats: Float[Tensor, "n 4"],
    log_scales: Float[Tensor, "n 3"],
    opacity_logits: Float[Tensor, " n"],
    size: float,
    generator: torch.Generator,
) -> None:
    """Move means, in place.

    Args:
        means: world units; contiguous where they lie on the CPU.
        quats: w, x, y, z of any length but zero.
        size: of the noise.
        generator: on the CPU; what it draws depends on how many move.
    """
    most = math.log(MOST_OPACITY / (1 - MOST_OPACITY))
    index = (opacity_logits < most).nonzero()[:, 0]
    if len(index) == 0:
        return
    noise = torch.randn(len(index), 3, generator=generator).to(means)
    if plain(means):
        langevin_reference(means, quats, log_scales, opacity_logits, index, noise, size)
        return
    if not means.is_contiguous():
        raise ValueError("means are moved in place: they must be contiguous")
    arrays = (means, quats, log_scales, opacity_logits, index, noise)
    number = means.detach().numpy().dtype.type
    run = specialise(_langevin, len(index) > SERIAL)
    with launch():
        run(*(array.detach().contiguous().numpy() for array in arrays), number(size))
    increment_version(means)


def langevin_reference(
    means: Float[Tensor, "n 3"],
    quats: Float[Tensor, "n 4"],
    log_scales: Float[Tensor, "n 3"],
    opacity_logits: Float[Tensor, " n"],
    index: Int[Tensor, " m"],
    noise: Float[Tensor, "m 3"],
    size: float,
) -> None:
    """The same in plain torch, any device, for those of an index."""
    with torch.no_grad():
        g = torch.sigmoid(-STEEPNESS * (torch.sigmoid(opacity_logits[index]) - MIDDLE))
        R = _rotations(quats[index])
        along = (noise[:, None, :] @ R)[:, 0] * (2 * log_scales[index]).exp()
        means[index] += (R @ along[:, :, None])[:, :, 0] * (size * g)[:, None]


def _rotations(q: Float[Tensor, "m 4"]) -> Float[Tensor, "m 3 3"]:
    w, x, y, z = q.unbind(dim=1)
    s = 2 / q.square().sum(dim=1).clamp(min=SHORTEST)
    rows = (
        *(1 - s * (y * y + z * z), s * (x * y - w * z), s * (x * z + w * y)),
        *(s * (x * y + w * z), 1 - s * (x * x + z * z), s * (y * z - w * x)),
        *(s * (x * z - w * y), s * (y * z + w * x), 1 - s * (x * x + y * y)),
    )
    return torch.stack(rows, dim=1).unflatten(1, (3, 3))


def _langevin(means, quats, log_scales, opacity_logits, index, noise, size):  # type: ignore[no-untyped-def]
    one, two = means.dtype.type(1), means.dtype.type(2)
    steepness, middle = means.dtype.type(STEEPNESS), means.dtype.type(MIDDLE)
    shortest = means.dtype.type(SHORTEST)
    for j in prange(index.shape[0]):
        i = index[j]
        opacity = one / (one + math.exp(-opacity_logits[i]))
        gate = size / (one + math.exp(steepness * (opacity - middle)))
        w, x, y, z = quats[i]
        s = two / max(w * w + x * x + y * y + z * z, shortest)
        u, v, t = noise[j]
        a0, a1, a2 = one - s * (y * y + z * z), s * (x * y - w * z), s * (x * z + w * y)
        b0, b1, b2 = s * (x * y + w * z), one - s * (x * x + z * z), s * (y * z - w * x)
        c0, c1, c2 = s * (x * z - w * y), s * (y * z + w * x), one - s * (x * x + y * y)
        p = gate * math.exp(two * log_scales[i, 0]) * (a0 * u + b0 * v + c0 * t)
        q = gate * math.exp(two * log_scales[i, 1]) * (a1 * u + b1 * v + c1 * t)
        r = gate * math.exp(two * log_scales[i, 2]) * (a2 * u + b2 * v + c2 * t)
        means[i, 0] += a0 * p + a1 * q + a2 * r
        means[i, 1] += b0 * p + b1 * q + b2 * r
        means[i, 2] += c0 * p + c1 * q + c2 * r
