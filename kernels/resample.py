"""Where proposal sampling takes samples: spacing, inverse-CDF resampling, points along rays.

Letters: r rays, m bins of a histogram along a ray, k bins wanted. s in [0, 1] is the normalised
distance between the two ends [start, stop] of a ray, t the distance in world units, u the unit cube
of the field. With g increasing, s = (g(t) - g(start)) / (g(stop) - g(start)), where g(t) is

    LINEAR     t
    DISPARITY  -1 / t
    POWER      -(1 + 2 t / 2.5)^-1.5, the power ladder of lambda = -1.5 at 2 t, up to a linear map:
               linear near the cameras, then coarser and coarser     (Barron et al. 2023, eq. 17)

Nothing here is differentiable: where samples lie is a constant to the losses.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from numba import prange
from torch import Tensor

from polyfield.errors import InputError
from polyfield.kernels import resample_reference as reference
from polyfield.kernels.blocks import leaf, specialise
from polyfield.kernels.choice import plain
from polyfield.kernels.domain import BOX, to_unit
from polyfield.kernels.launch import launch
from polyfield.kernels.packed import Samples

LINEAR, DISPARITY, POWER = 0, 1, 2
SPACINGS = {"linear": LINEAR, "disparity": DISPARITY, "power": POWER}
TINY = 1e-12  # a histogram of less mass than this says nothing


@leaf
def spaced(kind, t):  # type: ignore[no-untyped-def]
    """g(t)."""
    if kind == LINEAR:
        return t
    if kind == DISPARITY:
        return -type(t)(1) / t
    one = type(t)(1)
    scaled = one + type(t)(0.8) * t
    return -one / (scaled * scaled**0.5)


@leaf
def unspaced(kind, g):  # type: ignore[no-untyped-def]
    """The t of a g."""
    if kind == LINEAR:
        return g
    if kind == DISPARITY:
        return -type(g)(1) / g
    one = type(g)(1)
    return (type(g)(np.cbrt(one / (g * g))) - one) * type(g)(1.25)


def _spans(origins, directions, bounds, near, far, spans):  # type: ignore[no-untyped-def]
    zero, one = spans.dtype.type(0), spans.dtype.type(1)
    for ray in prange(origins.shape[0]):
        start, stop = near, far
        for a in range(3):
            o, d = origins[ray, a], directions[ray, a]
            if d == zero:
                if o < bounds[0, a] or o > bounds[1, a]:
                    stop = start
            else:
                t0, t1 = (bounds[0, a] - o) * (one / d), (bounds[1, a] - o) * (one / d)
                start, stop = max(start, min(t0, t1)), min(stop, max(t0, t1))
        hit = start < stop
        spans[ray, 0] = start if hit else near
        spans[ray, 1] = stop if hit else near


def ray_spans(
    origins: Float[Tensor, "r 3"],
    directions: Float[Tensor, "r 3"],
    bounds: Float[Tensor, "2 3"],
    domain: int,
    near: float,
    far: float,
) -> Float[Tensor, "r 2"]:
    """The ends of rays: near and far, cut to the box where the domain is one; both near for a miss.

    Args:
        bounds: corners of the domain; domain: its number in `kernels.domain`.
        near, far: world units.
    """
    origins, directions = origins.detach(), directions.detach()
    if domain != BOX:
        return origins.new_tensor([near, far]).expand(len(origins), 2)
    if plain(origins):
        return reference.ray_spans_reference(origins, directions, bounds, near, far)
    spans = torch.empty(len(origins), 2, dtype=origins.dtype)
    o, d = origins.contiguous().numpy(), directions.contiguous().numpy()
    run = specialise(_spans)
    with launch():
        run(o, d, bounds.numpy().astype(o.dtype), o.dtype.type(near), o.dtype.type(far),
            spans.numpy())  # fmt: skip
    return spans


def _distances(edges, spans, kind, t):  # type: ignore[no-untyped-def]
    one = edges.dtype.type(1)
    for ray in prange(edges.shape[0]):
        start, stop = spans[ray, 0], spans[ray, 1]
        g0, g1 = spaced(kind, start), spaced(kind, stop)
        last = start
        for i in range(edges.shape[1]):
            s = edges[ray, i]
            value = unspaced(kind, (one - s) * g0 + s * g1)
            last = min(max(value, last), stop)  # rounding must not turn an interval around
            t[ray, i] = last


def distances(
    edges: Float[Tensor, "r m+1"], spans: Float[Tensor, "r 2"], spacing: str
) -> Float[Tensor, "r m+1"]:
    """Normalised distances s in world units.

    Args:
        edges: in [0, 1], ascending.
        spans: the rays' ends; above 0 for the spacing "disparity".
        spacing: "linear", "disparity" or "power".
    """
    if spacing not in SPACINGS:
        raise InputError(field="renderer.spacing", found=spacing, expected=" or ".join(SPACINGS))
    if plain(edges):
        return reference.distances_reference(edges, spans, spacing)
    t = torch.empty_like(edges, memory_format=torch.contiguous_format)
    run = specialise(_distances)
    with launch():
        run(edges.contiguous().numpy(), spans.contiguous().numpy(), SPACINGS[spacing], t.numpy())
    return t


def _place(edges, origins, directions, domain, box, ray_of, t, dt, u):  # type: ignore[no-untyped-def]
    half = edges.dtype.type(0.5)
    bins = edges.shape[1] - 1
    for ray in prange(edges.shape[0]):
        o, d = origins[ray], directions[ray]
        for i in range(bins):
            row = ray * bins + i
            middle = half * (edges[ray, i] + edges[ray, i + 1])
            ray_of[row], t[row], dt[row] = ray, middle, edges[ray, i + 1] - edges[ray, i]
            u[row, 0], u[row, 1], u[row, 2] = to_unit(
                domain, box, o[0] + middle * d[0], o[1] + middle * d[1], o[2] + middle * d[2]
            )


def place(
    edges: Float[Tensor, "r m+1"],
    origins: Float[Tensor, "r 3"],
    directions: Float[Tensor, "r 3"],
    bounds: Float[Tensor, "2 3"],
    domain: int,
) -> Samples:
    """A sample in the middle of every interval, n = r m of them.

    Args:
        edges: distances, world units, ascending.
        bounds, domain: as in `ray_spans`.
    """
    origins, directions = origins.detach(), directions.detach()
    if plain(edges):
        return reference.place_reference(edges, origins, directions, bounds, domain)
    r, m = edges.shape[0], edges.shape[1] - 1
    ray = torch.empty(r * m, dtype=torch.int64)
    t, dt = torch.empty(2, r * m, dtype=edges.dtype).unbind()
    u = torch.empty(r * m, 3, dtype=edges.dtype)
    run = specialise(_place)
    with launch():
        run(
            edges.contiguous().numpy(), origins.contiguous().numpy(),
            directions.contiguous().numpy(), domain, box_of(bounds, u.numpy().dtype),
            ray.numpy(), t.numpy(), dt.numpy(), u.numpy(),
        )  # fmt: skip
    return Samples(ray, torch.arange(r + 1) * m, t, dt, u)


def box_of(bounds: Float[Tensor, "2 3"], dtype: np.dtype) -> np.ndarray:
    """A domain's bounds as `kernels.domain` reads them."""
    lower, upper = bounds.double().numpy()
    return np.concatenate([lower, 1 / (upper - lower)]).astype(dtype)


@leaf
def believed(weight, power):  # type: ignore[no-untyped-def]
    """weight ** power, not below 0; a power of 1 is what most steps have."""
    positive = max(weight, type(weight)(0))
    return positive if power == type(power)(1) else positive**power


def _resample(edges, weights, jitter, power, padding, k, out):  # type: ignore[no-untyped-def]
    m = weights.shape[1]
    zero, half, one = edges.dtype.type(0), edges.dtype.type(0.5), edges.dtype.type(1)
    for ray in prange(edges.shape[0]):
        first, length = edges[ray, 0], edges[ray, m] - edges[ray, 0]
        total = zero
        for i in range(m):
            total += believed(weights[ray, i], power)
        share, scale = padding, (one - padding) / max(total, edges.dtype.type(TINY))
        if not total > edges.dtype.type(TINY):
            share, scale = one, zero
        share /= length if length > zero else one
        i, below = -1, zero
        mass, left, width = zero, first, zero
        for j in range(k):
            wanted = zero
            if j > 0:
                wanted = (edges.dtype.type(j) + jitter[ray] - half) / edges.dtype.type(k)
            while below + mass <= wanted and i < m - 1:
                below += mass
                i += 1
                left, width = edges[ray, i], edges[ray, i + 1] - edges[ray, i]
                mass = scale * believed(weights[ray, i], power) + share * width
            inside = (wanted - below) / mass if mass > zero else zero
            out[ray, j] = left + width * min(max(inside, zero), one)
        i = m - 1
        while i > 0 and share == zero and scale * believed(weights[ray, i], power) <= zero:
            i -= 1
        out[ray, k] = edges[ray, i + 1]


def resample(
    edges: Float[Tensor, "r m+1"],
    weights: Float[Tensor, "r m"],
    jitter: Float[Tensor, " r"],
    k: int,
    power: float = 1.0,
    padding: float = 0.0,
) -> Float[Tensor, "r k+1"]:
    """Edges of k bins that hold the same share of the mass of a histogram, and together all of it.

    Edge j lies where the cumulated mass, linear within a bin, is (j + jitter - 1/2) / k; but the
    first and the last, 0 and k, are the ends of where there is mass. So every jitter covers the
    whole ray; mip-NeRF 360's code reaches for its ends by half a bin instead.

    Args:
        edges: normalised distances, ascending.
        weights: of the bins, not necessarily summing to 1. A histogram without mass counts as a
            flat one.
        jitter: in [0, 1), 0.5 for deterministic edges; one number a ray keeps edges evenly apart.
        power: of the weights, below 1 to flatten them (annealing; Barron et al. 2022, eq. 18).
        padding: share of the mass that is spread evenly over the whole length.

    Returns:
        ascending, within the edges given; a constant.
    """
    if k < 1 or not 0 <= padding <= 1:
        raise InputError(
            field="renderer", found=f"{k} bins, padding {padding}", expected="k >= 1, 0 to 1"
        )
    weights = weights.detach()
    if plain(edges):
        return reference.resample_reference(edges, weights, jitter, k, power, padding)
    out = torch.empty(len(edges), k + 1, dtype=edges.dtype)
    number = out.numpy().dtype.type
    run = specialise(_resample)
    with launch():
        run(
            edges.contiguous().numpy(), weights.contiguous().numpy(), jitter.contiguous().numpy(),
            number(power), number(padding), k, out.numpy(),
        )  # fmt: skip
    return out
