"""The definition of right for marching and compositing, in plain torch: any device, differentiable.

Letters: r rays, s lattice intervals, n samples.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from polyfield.kernels import domain
from polyfield.kernels.march import CLIP, CONE, FAR, NEAR, STEP, STEP_MAX
from polyfield.kernels.packed import Samples
from polyfield.kernels.render import CLEAREST
from polyfield.kernels.volume import Geometry

LATTICE = 1 << 20  # intervals that are looked at together


def to_unit_reference(kind: int, box: Tensor, x: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
    """World points in the unit cube, see `kernels.domain`; box is [lower (3), 1 / size (3)]."""
    u = (x - box[:3]) * box[3:6]
    if kind == domain.BOX:
        return u
    u = 2 * u - 1
    order = 2.0 if kind == domain.CONTRACT_L2 else float("inf")
    norm = torch.linalg.vector_norm(u, ord=order, dim=-1, keepdim=True)
    safe = norm.clamp(min=1.0)
    return 0.25 * torch.where(norm > 1, (2 - 1 / safe) / safe, torch.ones_like(norm)) * u + 0.5


def march_reference(
    origins: Float[Tensor, "r 3"],
    directions: Float[Tensor, "r 3"],
    jitter: Float[Tensor, " r"],
    geometry: Geometry,
) -> Samples:
    """The samples of `kernels.packed.march_packed`, by looking at every interval of the lattice.

    As many rays at once as have about `LATTICE` intervals.

    Args:
        origins, directions: world, unit directions.
        jitter: in [0, 1), the fraction of a step by which a ray's lattice is shifted.
        geometry: of the same floating type.
    """
    step, cone, far = (float(geometry.march[i]) for i in (STEP, CONE, FAR))
    steps = (far - float(geometry.march[NEAR])) / step
    if cone > 0:  # even as far as step / cone, then by a factor of 1 + cone
        steps = min(steps, (1 + math.log(max(far * cone / step, 1))) / math.log1p(cone))
    rays = max(int(LATTICE / max(steps, 1)), 1)
    if len(origins) <= rays:
        return _march(origins, directions, jitter, geometry)
    groups = range(0, len(origins), rays)
    parts = [
        _march(origins[i : i + rays], directions[i : i + rays], jitter[i : i + rays], geometry)
        for i in groups
    ]
    ray, _, *values = (torch.cat(column) for column in zip(*parts))
    counts = torch.cat([part.offsets.diff() for part in parts])
    ray += torch.repeat_interleave(
        torch.tensor(groups, device=ray.device),
        torch.tensor([len(part.t) for part in parts], device=ray.device),
    )
    return Samples(ray, torch.cat([counts.new_zeros(1), counts.cumsum(0)]), *values)


def _march(
    origins: Float[Tensor, "r 3"],
    directions: Float[Tensor, "r 3"],
    jitter: Float[Tensor, " r"],
    geometry: Geometry,
) -> Samples:
    """The samples of few rays."""
    kind, resolution = geometry.grid.tolist()
    march = torch.as_tensor(geometry.march, device=origins.device)
    occupied = torch.as_tensor(geometry.distances, device=origins.device) == 0
    dt0, cone = march[STEP], march[CONE]
    start, end = march[NEAR].expand(len(origins)), march[FAR].expand(len(origins))
    if kind == domain.BOX:
        low = (march[CLIP : CLIP + 3] - origins) / directions
        high = (march[CLIP + 3 : CLIP + 6] - origins) / directions
        start = torch.maximum(start, torch.minimum(low, high).amax(dim=-1))
        end = torch.minimum(end, torch.maximum(low, high).amin(dim=-1))
    hit = start < end  # a miss may start at infinity
    start, end = (torch.where(hit, span, march[NEAR]) for span in (start, end))
    start = start + jitter * torch.maximum(dt0, cone * start)
    lefts, lengths = [], []
    if cone == 0:
        longest = (end - start).amax() if len(origins) else dt0
        steps = int((longest / dt0).ceil().clamp(min=0)) + 1
        k = torch.arange(steps, dtype=origins.dtype, device=origins.device)
        left = start[:, None] + k * dt0
        length = dt0.expand_as(left)
    else:
        t = start
        while bool((t < end).any()):
            dt = (cone * t).clamp(min=float(dt0), max=float(march[STEP_MAX]))
            lefts.append(t)
            lengths.append(dt)
            t = t + dt
        left = torch.stack(lefts, dim=1) if lefts else start.new_zeros(len(origins), 0)
        length = torch.stack(lengths, dim=1) if lefts else left
    middle = left + 0.5 * length
    x = origins[:, None, :] + middle[..., None] * directions[:, None, :]
    u = to_unit_reference(kind, march[:6], x.reshape(-1, 3)).view(x.shape)
    inside = ((u >= 0) & (u < 1)).all(dim=-1) & (middle < end[:, None])
    cell = (u.clamp(0, 1) * resolution).long().clamp(max=resolution - 1)
    index = (cell[..., 0] * resolution + cell[..., 1]) * resolution + cell[..., 2]
    keep = inside & occupied[index]
    offsets = torch.cat([keep.new_zeros(1, dtype=torch.int64), keep.sum(dim=1).cumsum(0)])
    ray = keep.nonzero()[:, 0]
    return Samples(ray, offsets, middle[keep], length[keep], u[keep])


@torch.no_grad()
def median_distance(density: Float[Tensor, " n"], samples: Samples) -> Float[Tensor, " r"]:
    """Where along rays transmittance falls to one half, in plain torch; see `kernels.render`."""
    counts = samples.offsets.diff()
    thickness, found = density * samples.dt, density.new_zeros(len(counts))
    places = torch.arange(len(density), device=density.device) - samples.offsets[samples.ray]
    # Ray by ray, as a sum over the batch would lose thin samples behind dense ones of other rays.
    padded = thickness.new_zeros(len(counts), int(counts.max()) + 1 if len(counts) else 1)
    sums = padded.index_put((samples.ray, places + 1), thickness).cumsum(dim=1)
    before, after = sums[samples.ray, places], sums[samples.ray, places + 1]
    crosses = (before < math.log(2)) & (after >= math.log(2))
    part = (math.log(2) - before[crosses]) / thickness[crosses].clamp(max=-math.log(CLEAREST))
    found[samples.ray[crosses]] = samples.t[crosses] + samples.dt[crosses] * (part - 0.5)
    return found


def composite_reference(
    density: Float[Tensor, " n"], rgb: Float[Tensor, "n 3"], samples: Samples, stop: float = 0.0
) -> Float[Tensor, "r 6"]:
    """The outputs of `kernels.packed.composite`, on samples padded to a dense [r, s]."""
    counts = samples.offsets.diff()
    r, s = len(counts), int(counts.max()) if len(counts) else 0
    place = torch.arange(len(density), device=density.device) - samples.offsets[samples.ray]

    def dense(values: Tensor) -> Tensor:
        padded = values.new_zeros((r, s, *values.shape[1:]))
        return padded.index_put((samples.ray, place), values)

    thickness = dense(density * samples.dt)
    light = torch.exp(-torch.cumsum(thickness, dim=1))
    before = torch.cat([light.new_ones(r, 1), light[:, :-1]], dim=1)
    weight = (before - light) * (before >= stop)
    t, colors = dense(samples.t), dense(rgb)
    ends = [samples.t + side * samples.dt for side in (-0.5, 0.5)]
    s0, s1 = (end / (1 + end) for end in ends)
    middle, length = dense(0.5 * (s0 + s1)), dense(s1 - s0)
    # The sum over pairs of w_i w_j |m_i - m_j|: samples are sorted, so each is behind all before.
    lighter, nearer = (x.cumsum(dim=1) - x for x in (weight, weight * middle))
    apart = 2 * (weight * (middle * lighter - nearer)).sum(dim=1)
    distortion = apart + (weight**2 * length).sum(dim=1) / 3
    columns = [
        (weight[..., None] * colors).sum(dim=1),
        weight.sum(dim=1, keepdim=True),
        (weight * t).sum(dim=1, keepdim=True),
        distortion[:, None],
    ]
    return torch.cat(columns, dim=1)
