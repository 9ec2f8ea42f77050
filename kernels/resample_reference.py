"""The definition of right for `kernels.resample` and `kernels.interlevel`, in plain torch.

Letters as there.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.kernels.packed import Samples
from polyfield.kernels.packed_reference import to_unit_reference

TINY = 1e-12


def ray_spans_reference(
    origins: Float[Tensor, "r 3"],
    directions: Float[Tensor, "r 3"],
    bounds: Float[Tensor, "2 3"],
    near: float,
    far: float,
) -> Float[Tensor, "r 2"]:
    """The twin of `resample.ray_spans` for a box."""
    low, high = (bounds.to(origins.dtype)[:, None] - origins) / directions
    inside = (origins >= bounds[0]) & (origins <= bounds[1])
    along = directions == 0  # parallel to a pair of faces: all of the ray lies between, or none
    unlimited = torch.full_like(low, torch.inf)
    enter = torch.where(along, torch.where(inside, -unlimited, unlimited), torch.minimum(low, high))
    leave = torch.where(along, unlimited, torch.maximum(low, high))
    start, stop = enter.amax(dim=-1).clamp(min=near), leave.amin(dim=-1).clamp(max=far)
    spans = torch.stack([start, stop], dim=-1)
    return torch.where((start < stop)[:, None], spans, torch.full_like(spans, near))


def distances_reference(
    edges: Float[Tensor, "r m+1"], spans: Float[Tensor, "r 2"], spacing: str
) -> Float[Tensor, "r m+1"]:
    """The twin of `resample.distances`."""
    start, stop = spans[:, :1], spans[:, 1:]
    if spacing == "linear":
        t = (1 - edges) * start + edges * stop
    elif spacing == "disparity":
        t = 1 / ((1 - edges) / start + edges / stop)
    else:
        g0, g1 = (-(1 + 0.8 * t).pow(-1.5) for t in (start, stop))
        t = 1.25 * (((1 - edges) * g0 + edges * g1).abs().pow(-2 / 3) - 1)
    return torch.minimum(torch.maximum(t, start), stop).cummax(dim=-1).values


def place_reference(
    edges: Float[Tensor, "r m+1"],
    origins: Float[Tensor, "r 3"],
    directions: Float[Tensor, "r 3"],
    bounds: Float[Tensor, "2 3"],
    domain: int,
) -> Samples:
    """The twin of `resample.place`."""
    r, m = edges.shape[0], edges.shape[1] - 1
    t = 0.5 * (edges[:, :-1] + edges[:, 1:])
    points = origins[:, None] + t[..., None] * directions[:, None]
    box = torch.cat([bounds[0], 1 / (bounds[1] - bounds[0])]).to(points.dtype)
    u = to_unit_reference(domain, box, points.reshape(-1, 3))
    numbers = torch.arange(r, device=edges.device)
    offsets = torch.arange(r + 1, device=edges.device) * m
    return Samples(
        numbers.repeat_interleave(m), offsets, t.flatten(), edges.diff(dim=-1).flatten(), u
    )


def resample_reference(
    edges: Float[Tensor, "r m+1"],
    weights: Float[Tensor, "r m"],
    jitter: Float[Tensor, " r"],
    k: int,
    power: float = 1.0,
    padding: float = 0.0,
) -> Float[Tensor, "r k+1"]:
    """The twin of `resample.resample`."""
    mass = weights.clamp(min=0).pow(power)
    total = mass.sum(dim=-1, keepdim=True)
    length = edges.diff(dim=-1)
    flat = length / (edges[:, -1:] - edges[:, :1]).clamp(min=TINY)
    mass = (1 - padding) * mass / total.clamp(min=TINY) + padding * flat
    mass = torch.where(total > TINY, mass, flat)
    cdf = torch.cat([torch.zeros_like(total), mass.cumsum(dim=-1)], dim=-1)
    steps = torch.arange(1, k, dtype=edges.dtype, device=edges.device)
    wanted = (steps + jitter[:, None] - 0.5) / k
    above = torch.searchsorted(cdf.contiguous(), wanted.contiguous(), right=True)
    i = (above - 1).clamp(0, weights.shape[1] - 1)
    inside = (wanted - cdf.gather(1, i)) / mass.gather(1, i).clamp(min=1e-30)
    between = edges.gather(1, i) + length.gather(1, i) * inside.clamp(0, 1)
    has_mass = (mass > 0).byte()
    first = edges.gather(1, has_mass.argmax(dim=-1, keepdim=True))
    from_behind = has_mass.flip(1).argmax(dim=-1, keepdim=True)
    last = edges.gather(1, weights.shape[1] - from_behind)
    return torch.cat([first, between, last], dim=-1)


def ray_weights_reference(
    density: Float[Tensor, "r m"], dt: Float[Tensor, "r m"]
) -> Float[Tensor, "r m"]:
    """The twin of `interlevel.ray_weights`."""
    light = torch.exp(-torch.cumsum(density * dt, dim=-1))
    before = torch.cat([torch.ones_like(light[:, :1]), light[:, :-1]], dim=-1)
    return before - light


def outer_bound_reference(
    edges: Float[Tensor, "r m+1"], weights: Float[Tensor, "r m"], inner: Float[Tensor, "r k+1"]
) -> Float[Tensor, "r k"]:
    """For every bin of `inner`, the sum of the weights of the bins that overlap it."""
    cdf = torch.cat([torch.zeros_like(weights[:, :1]), weights.cumsum(dim=-1)], dim=-1)
    edges, last = edges.contiguous(), edges.shape[1] - 1
    low = torch.searchsorted(edges, inner[:, :-1].contiguous(), right=True) - 1
    high = torch.searchsorted(edges, inner[:, 1:].contiguous(), right=False)
    return cdf.gather(1, high.clamp(0, last)) - cdf.gather(1, low.clamp(0, last))


def interlevel_reference(
    edges: Float[Tensor, "r m+1"],
    weights: Float[Tensor, "r m"],
    final_edges: Float[Tensor, "r k+1"],
    final_weights: Float[Tensor, "r k"],
    eps: float,
) -> Float[Tensor, " r"]:
    """The twin of `interlevel.interlevel`."""
    final_weights = final_weights.detach()
    bound = outer_bound_reference(edges, weights, final_edges)
    excess = (final_weights - bound).clamp(min=0)
    return (excess.square() / (final_weights + eps)).sum(dim=-1)
